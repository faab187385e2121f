#pragma once
// One test's world: a temporary folder with a home, a state folder, repositories and model files,
// and the server that serves them. Its end stops the server and looks for what is left over: a
// process, a mount, a socket, a cgroup.
// Throws std::runtime_error where a step of the set-up fails. Not thread-safe.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/api.h"
#include "harness/program.h"
#include "harness/repository.h"

namespace drover::harness {

class World {
 public:
  World();
  ~World();
  World(World const&) = delete;
  World& operator=(World const&) = delete;

  [[nodiscard]] std::string const& root() const { return root_; }
  [[nodiscard]] std::string state_folder() const { return root_ + "/state"; }
  [[nodiscard]] std::vector<std::string> environment() const;
  // For every program that is started from now on.
  void set_variable(std::string const& name, std::string const& value);
  [[nodiscard]] static std::string drover_program();

  // A folder of the user without git.
  [[nodiscard]] Repository folder(std::string const& name);
  // A repository with one commit, which holds `README.md`.
  [[nodiscard]] Repository repository(std::string const& name);
  // A model file; `turns` is the JSON array of its turns, `more` further members with their comma.
  // Returns what --model takes.
  [[nodiscard]] std::string model(std::string_view turns, std::string_view more = "");

  // The command `drover`, from the folder root().
  [[nodiscard]] Outcome drover(std::vector<std::string> arguments, std::string input = "",
                               Millis deadline = Millis{20'000}) const;
  [[nodiscard]] std::unique_ptr<Program> start_drover(std::vector<std::string> arguments) const;

  // Starts `drover serve`, with these options, and waits until it serves.
  void serve(std::vector<std::string> const& more = {});
  void stop_server();  // SIGTERM; throws when it does not end with 0
  void kill_server();  // SIGKILL
  [[nodiscard]] pid_t server_pid() const {
    require_server();
    return server_->pid();
  }
  // The log of all servers so far.
  [[nodiscard]] std::string server_log() const;
  [[nodiscard]] Api api() const;
  // The units below the server, or what is left of them below this process.
  [[nodiscard]] std::vector<pid_t> units() const;

  // An invocation of the runs API for one workspace.
  [[nodiscard]] static json::object invocation(std::string const& workspace,
                                               std::string const& model, std::string const& prompt,
                                               std::string_view checkout = "in_place");

  // What is left although nothing should be: one line each. Call it with no server running.
  [[nodiscard]] std::vector<std::string> leftovers() const;
  // Of the cgroups that sessions of this world had.
  [[nodiscard]] std::vector<std::string> cgroups() const;

 private:
  // Throws where there is none, such as after a serve() that threw.
  void require_server() const;
  std::string root_;
  int models_ = 0;
  std::vector<std::string> variables_;
  std::unique_ptr<Program> server_;
};

}  // namespace drover::harness
