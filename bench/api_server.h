#pragma once
// A `drover serve` of the benchmark's own, used as its clients use it: over HTTP. One thread.
// Errors name the request. Whatever happens, the destructor stops the server in order, so that no
// unit of it is left behind.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api_calls.h"
#include "base/error.h"
#include "base/json.h"
#include "machine.h"
#include "net/blocking_http.h"
#include "os/process.h"

namespace drover::bench {

// When things were seen by the client, in monotonic ns.
struct RunTimes {
  std::string session;
  std::int64_t dispatched = 0;   // just before the request was sent
  std::int64_t first_event = 0;  // of the unit: turn-accepted
  std::int64_t done = 0;         // the unit's last
  std::int64_t ended = 0;        // turn-complete: committed and recorded
};

struct Dispatched {
  std::string session;
  std::string events;  // path
  std::int64_t at_ns = 0;
};

// A live unit, as the server recorded it.
struct UnitTrace {
  pid_t pid = -1;
  std::uint64_t start_ticks = 0;
  std::vector<std::string> cgroups;
};

class ApiServer {
 public:
  // State and home are made in `scratch`, which must outlive the server. `variables` are added to
  // its environment, `arguments` to its command line.
  [[nodiscard]] static Result<std::unique_ptr<ApiServer>> start(
      Scratch const& scratch, std::vector<std::string> const& variables = {},
      std::vector<std::string> const& arguments = {});
  ~ApiServer();
  ApiServer(ApiServer const&) = delete;
  ApiServer& operator=(ApiServer const&) = delete;

  [[nodiscard]] pid_t pid() const { return process_.pid(); }
  [[nodiscard]] std::string const& state_folder() const { return state_folder_; }
  [[nodiscard]] std::string const& log() const { return log_; }
  [[nodiscard]] Address const& address() const { return address_; }

  // A workspace at `path`; the folder is made where it is missing, and a git repository of it.
  [[nodiscard]] Result<std::string> add_workspace(std::string const& path);

  struct RunSpec {
    std::string workspace;
    std::string_view mode = "rw";
    std::string model;
    std::int64_t turns_max = 1000;
    std::int64_t idle_s = 60;
    std::string agent = "default";
  };
  // A run in a new session; returns once it is accepted.
  [[nodiscard]] Result<Dispatched> dispatch(RunSpec const& spec);
  // A further run of the session.
  [[nodiscard]] Result<Dispatched> send(std::string const& session, RunSpec const& spec);
  // Follows a run's events to its end. An error when it does not succeed.
  [[nodiscard]] Result<RunTimes> follow(Dispatched const& run);

  // The units that live now, by the name of their workload, which ends with the session's id.
  [[nodiscard]] Result<std::map<std::string, UnitTrace>> units() const;
  [[nodiscard]] Result<UnitTrace> unit_of(std::string const& session) const;

  // SIGTERM, and waits for its end.
  [[nodiscard]] Status stop();
  // SIGKILL; its units are left to the next server.
  [[nodiscard]] Status kill();
  // The program again, over the same state. It may be killed before it is ready.
  [[nodiscard]] Status launch();
  [[nodiscard]] Status wait_until_ready();
  // Until /readyz says so, which a server without room on its disk does not.
  [[nodiscard]] Status wait_until_it_takes_work(Millis wait);
  // What is left of these units and of the server: processes, control groups, mounts, records and
  // sockets. Call after stop().
  [[nodiscard]] Result<std::size_t> leftovers(std::map<std::string, UnitTrace> const& units) const;

 private:
  ApiServer(std::string state_folder, std::string log, os::ProcessSpec spec, os::Process process);
  [[nodiscard]] Status not_ready(std::string_view how);
  [[nodiscard]] Result<json::object> post(std::string const& path, json::object const& body);
  [[nodiscard]] Result<Dispatched> post_run(std::string const& path, json::object const& body);

  std::string state_folder_;
  std::string log_;
  os::ProcessSpec spec_;
  os::Process process_;
  bool stopped_ = false;
  net::BlockingHttp http_;
  Address address_;
};

}  // namespace drover::bench
