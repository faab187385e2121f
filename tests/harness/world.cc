#include "harness/world.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

#include <boost/json.hpp>

#include "base/text.h"
#include "harness/leftovers.h"
#include "harness/processes.h"
#include "os/files.h"

namespace drover::harness {

namespace fs = std::filesystem;

namespace {

constexpr Millis kStartDeadline{10'000};
constexpr Millis kStopDeadline{15'000};
constexpr Millis kLeftoverGrace{1'000};

std::string make_root() {
  char const* const base = std::getenv("TMPDIR");
  std::string pattern = fmt::format("{}/drover-world-XXXXXX", base == nullptr ? "/tmp" : base);
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make " + pattern);
  auto const real = os::real_path(pattern);
  return real ? *real : pattern;
}

void write_text(std::string const& path, std::string_view text) {
  std::ofstream out{path, std::ios::binary};
  out << text;
  if (!out.flush()) throw std::runtime_error("cannot write " + path);
}

}  // namespace

World::World() : root_(make_root()) {
  fs::create_directories(root_ + "/home");
  write_text(
      root_ + "/home/.gitconfig",
      "[user]\n\tname = Uma User\n\temail = uma@example.com\n[init]\n\tdefaultBranch = main\n");
}

World::~World() {
  try {
    if (server_) stop_server();
    (void)eventually([&] { return processes_below(::getpid()).empty(); }, kLeftoverGrace);
    for (std::string const& what : leftovers())
      ADD_FAILURE() << "left behind: " << what;
  } catch (std::exception const& error) {
    ADD_FAILURE() << error.what();
  }
  server_.reset();
  kill_everything_below_this();
  if (::testing::Test::HasFailure()) fmt::print(stderr, "server log:\n{}\n", server_log());
  if (auto const removed = os::remove_tree(root_); !removed)
    ADD_FAILURE() << removed.error().text();
}

std::vector<std::string> World::environment() const {
  char const* const path = std::getenv("PATH");
  std::vector<std::string> all = {fmt::format("PATH={}", path == nullptr ? "/usr/bin:/bin" : path),
                                  "HOME=" + root_ + "/home", "DROVER_STATE_DIR=" + state_folder(),
                                  "LANG=C.UTF-8", "GIT_CONFIG_NOSYSTEM=1"};
  for (std::string const& variable : variables_) {
    std::string const name = variable.substr(0, variable.find('=') + 1);
    std::erase_if(all, [&](std::string const& other) { return other.starts_with(name); });
    all.push_back(variable);
  }
  return all;
}

void World::set_variable(std::string const& name, std::string const& value) {
  variables_.push_back(name + "=" + value);
}

std::string World::drover_program() {
  return HARNESS_DROVER;
}

Repository World::folder(std::string const& name) {
  std::string path = root_ + "/" + name;
  fs::create_directories(path);
  return {std::move(path), environment()};
}

Repository World::repository(std::string const& name) {
  Repository made = folder(name);
  made.git({"init", "--quiet"});
  made.write("README.md", "a project\n");
  made.commit_all("first");
  return made;
}

std::string World::model(std::string_view turns, std::string_view more) {
  std::string const path = fmt::format("{}/model-{}.json", root_, ++models_);
  write_text(path, fmt::format(R"({{"turns": {}{}}})", turns, more));
  return "scripted:" + path;
}

Outcome World::drover(std::vector<std::string> arguments, std::string input,
                      Millis deadline) const {
  arguments.insert(arguments.begin(), drover_program());
  return run_program({std::move(arguments), environment(), root_, std::move(input)}, deadline);
}

std::unique_ptr<Program> World::start_drover(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), drover_program());
  return std::make_unique<Program>(
      ProgramOptions{std::move(arguments), environment(), root_, std::string{}});
}

void World::serve(std::vector<std::string> const& more) {
  if (server_) throw std::runtime_error("the server runs already");
  fs::create_directories(state_folder());
  ProgramOptions options;
  // Its log in a file, so that nobody has to read a pipe for it.
  options.arguments = {"/bin/sh", "-c",
                       R"(program=$0; log=$1; shift; exec "$program" serve "$@" 2>> "$log")",
                       drover_program(), root_ + "/server.log"};
  options.arguments.insert(options.arguments.end(), more.begin(), more.end());
  options.environment = environment();
  options.folder = "/";
  server_ = std::make_unique<Program>(options);
  pid_t const pid = server_->pid();
  stop_with_this_process(pid);
  auto const serving = [&] {
    // One that a killed server left names another process.
    auto const text = os::read_file(state_folder() + "/server.json");
    return text && text->contains(fmt::format(R"("pid":{}}})", pid));
  };
  bool up = false;
  bool gone = false;
  (void)eventually(
      [&] {
        up = serving();
        gone = !up && server_->ended();
        return up || gone;
      },
      kStartDeadline);
  if (!up) {
    kill_server();
    throw std::runtime_error("the server does not serve: " + server_log());
  }
}

void World::require_server() const {
  if (!server_) throw std::runtime_error("no server runs: it did not start, or was ended before");
}

void World::stop_server() {
  require_server();
  server_->signal(SIGTERM);
  Outcome const outcome = server_->finish(kStopDeadline);
  forget_process(server_->pid());
  server_.reset();
  if (outcome.exit_code != 0)
    throw std::runtime_error(fmt::format("the server ended with {}", outcome.text()));
}

void World::kill_server() {
  require_server();
  server_->signal(SIGKILL);
  (void)server_->finish(kStopDeadline);
  forget_process(server_->pid());
  server_.reset();
}

std::string World::server_log() const {
  std::string all;
  for (std::string const& path : {root_ + "/server.log", state_folder() + "/server.log"}) {
    auto const text = os::read_file(path);
    if (text) all += *text;
  }
  return all;
}

Api World::api() const {
  auto const text = os::read_file(state_folder() + "/server.json");
  if (!text) throw std::runtime_error(text.error().text());
  auto const value = parse_json(*text);
  if (!value) throw std::runtime_error(value.error().text());
  auto const& object = value->as_object();
  return {text_of(object, "url"), text_of(object, "token")};
}

std::vector<pid_t> World::units() const {
  std::vector<pid_t> pids;
  for (ProcessLine const& line : processes_below(server_ ? server_->pid() : ::getpid()))
    if (line.command.starts_with("/run/drover/unit")) pids.push_back(line.pid);
  return pids;
}

json::object World::invocation(std::string const& workspace, std::string const& model,
                               std::string const& prompt, std::string_view checkout) {
  json::object grant{{"id", json::string{workspace}}, {"mode", "rw"}};
  if (checkout != "in_place") grant["checkout"] = checkout;
  return {{"identity", json::object{{"subject", "dev"}, {"launcher", "user:dev"}}},
          {"runner", "native"},
          {"workspaces", json::array{std::move(grant)}},
          {"trigger", "message"},
          {"model", json::string{model}},
          {"start", json::object{{"entrypoint", json::object{{"inline", json::string{prompt}}}}}}};
}

std::vector<std::string> World::cgroups() const {
  return cgroups_of(state_folder());
}

std::vector<std::string> World::leftovers() const {
  return leftovers_of(root_, state_folder());
}

}  // namespace drover::harness
