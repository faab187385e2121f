#include "api_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>
#include <utility>

#include <boost/json.hpp>

#include "base/text.h"
#include "net/sse.h"
#include "os/files.h"
#include "runtime/record.h"

namespace drover::bench {

namespace {

constexpr Millis kStartWait{15'000};
constexpr Millis kStopWait{60'000};
constexpr Millis kLook{2};
constexpr std::size_t kLogEnd = 2000;
constexpr Millis kRunSilence{120'000};

std::size_t entries(std::string const& folder) {
  std::error_code error;
  std::size_t count = 0;
  for (auto const& entry : std::filesystem::directory_iterator{folder, error}) {
    static_cast<void>(entry);
    ++count;
  }
  return count;
}

Result<std::size_t> mounts_of(std::string const& folder) {
  auto const table = os::read_file("/proc/self/mountinfo");
  if (!table) return std::unexpected(table.error());
  std::size_t count = 0;
  for (std::string_view const line : split(*table, '\n'))
    if (line.contains(folder)) ++count;
  return count;
}

Status check_outcome(json::object const& event, std::string_view path) {
  if (string_or(event, "state", "") == "succeeded") return {};
  return fail(ErrorCode::upstream, "the run of {} ended as {} ({}): {}", path,
              string_or(event, "state", "?"), string_or(event, "reason", "?"),
              string_or(event, "detail", ""));
}

Result<os::Process> spawn_logged(os::ProcessSpec spec, std::string const& log) {
  os::Fd const log_fd{::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
  if (!log_fd.valid()) return fail_errno("open the server's log", log);
  spec.err = log_fd.get();
  return os::Process::spawn(spec);
}

}  // namespace

ApiServer::ApiServer(std::string state_folder, std::string log, os::ProcessSpec spec,
                     os::Process process)
    : state_folder_(std::move(state_folder)),
      log_(std::move(log)),
      spec_(std::move(spec)),
      process_(std::move(process)),
      http_(&interrupted()) {}

ApiServer::~ApiServer() {
  if (stopped_) return;
  // Killing it would leave its units to a next server, which there will not be.
  static_cast<void>(process_.signal(SIGTERM));
  static_cast<void>(process_.wait(kStopWait));
}

Result<std::unique_ptr<ApiServer>> ApiServer::start(Scratch const& scratch,
                                                    std::vector<std::string> const& variables,
                                                    std::vector<std::string> const& arguments) {
  auto const folder = os::executable_folder();
  if (!folder) return std::unexpected(folder.error());
  std::string const state = scratch.path("state");
  DROVER_TRY(os::make_folders(state, 0700));
  DROVER_TRY(os::make_folders(scratch.path("home")));
  os::ProcessSpec spec;
  spec.argv = {*folder + "/drover", "serve"};
  spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
  spec.env = plain_environment(scratch.path("home"));
  spec.env.push_back("DROVER_STATE_DIR=" + state);
  spec.env.insert(spec.env.end(), variables.begin(), variables.end());
  std::string const log = scratch.path("server.log");
  auto process = spawn_logged(spec, log);
  if (!process) return std::unexpected(process.error());
  std::unique_ptr<ApiServer> server{
      new ApiServer{state, log, std::move(spec), *std::move(process)}};
  DROVER_TRY(server->wait_until_ready());
  return server;
}

Status ApiServer::kill() {
  DROVER_TRY(process_.signal(SIGKILL));
  auto const ended = process_.wait(kStopWait);
  if (!ended) return std::unexpected(ended.error());
  if (!*ended) return fail(ErrorCode::timeout, "drover serve outlived SIGKILL");
  stopped_ = true;
  return {};
}

Status ApiServer::launch() {
  auto process = spawn_logged(spec_, log_);
  if (!process) return std::unexpected(process.error());
  process_ = *std::move(process);
  stopped_ = false;
  return {};
}

// The server writes the file once it listens; one that was killed has left its own there.
Status ApiServer::wait_until_ready() {
  auto const deadline = std::chrono::steady_clock::now() + kStartWait;
  for (;;) {
    DROVER_TRY(check_interrupt());
    auto address = address_in(state_folder_);
    if (address && address->pid == process_.pid()) {
      address_ = *std::move(address);
      return {};
    }
    auto const ended = process_.wait(Millis{0});
    if (!ended) return std::unexpected(ended.error());
    bool const late = std::chrono::steady_clock::now() > deadline;
    if (*ended || late) return not_ready(*ended ? "ended at once" : "is not ready in time");
    std::this_thread::sleep_for(kLook);
  }
}

Status ApiServer::wait_until_it_takes_work(Millis wait) {
  auto const deadline = std::chrono::steady_clock::now() + wait;
  net::ClientRequest request;
  request.url = address_.url + "/readyz";
  for (;;) {
    DROVER_TRY(check_interrupt());
    auto const response = http_.request(request);
    if (response && response->status == 200) return {};
    if (std::chrono::steady_clock::now() > deadline)
      return fail(ErrorCode::timeout, "drover serve takes no work after {} s: {}",
                  wait.count() / 1000, response ? response->body : response.error().text());
    std::this_thread::sleep_for(kLook);
  }
}

Status ApiServer::not_ready(std::string_view how) {
  stopped_ = process_.wait(Millis{0}).value_or(std::nullopt).has_value();
  auto const said = os::read_file(log_);
  std::string const end = said ? said->substr(said->size() - std::min(said->size(), kLogEnd)) : "";
  return fail(ErrorCode::unavailable, "drover serve {}: {}", how, printable(trim(end), kLogEnd));
}

Result<json::object> ApiServer::post(std::string const& path, json::object const& body) {
  return post_json(http_, address_, path, body);
}

Result<std::string> ApiServer::add_workspace(std::string const& path) {
  DROVER_TRY(os::make_folders(path));
  auto const made = post("/api/v1/workspaces", {{"path", json::string{path}}, {"init", true}});
  if (!made) return std::unexpected(made.error());
  return std::string{string_or(*made, "id", "")};
}

Result<Dispatched> ApiServer::post_run(std::string const& path, json::object const& body) {
  Dispatched run;
  run.at_ns = monotonic_ns();
  auto const reply = post(path, body);
  if (!reply) return std::unexpected(reply.error());
  run.session = string_or(*reply, "session", "");
  run.events = string_or(*reply, "events", "");
  return run;
}

Result<Dispatched> ApiServer::dispatch(RunSpec const& spec) {
  json::object grant{{"id", json::string{spec.workspace}}, {"mode", json::string{spec.mode}}};
  json::object const body{{"identity", {{"subject", "bench"}, {"launcher", "user:bench"}}},
                          {"runner", "native"},
                          {"workspaces", json::array{std::move(grant)}},
                          {"trigger", "message"},
                          {"start", {{"entrypoint", {{"inline", "Begin."}}}}},
                          {"model", json::string{spec.model}},
                          {"agent", spec.agent},
                          {"limits", {{"max_turns", spec.turns_max}, {"idle_s", spec.idle_s}}}};
  return post_run("/api/v1/runs", body);
}

Result<Dispatched> ApiServer::send(std::string const& session, RunSpec const& spec) {
  json::object const body{{"prompt", "Go on."},
                          {"limits", {{"max_turns", spec.turns_max}, {"idle_s", spec.idle_s}}}};
  return post_run(fmt::format("/api/v1/sessions/{}/messages", session), body);
}

Result<RunTimes> ApiServer::follow(Dispatched const& run) {
  RunTimes times;
  times.session = run.session;
  times.dispatched = run.at_ns;
  net::ClientRequest request;
  request.url = address_.url + run.events;
  request.headers = {{"Authorization", address_.authorization}};
  request.timeouts.idle = kRunSilence;
  net::SseParser parser;
  Status outcome = fail(ErrorCode::upstream, "the events of {} ended early", run.events);
  auto const on_bytes = [&](std::string_view bytes) {
    std::int64_t const now = monotonic_ns();
    auto const events = parser.feed(bytes);
    if (!events) return net::StreamStep::stop;
    for (net::SseEvent const& event : *events) {
      if (event.event == "turn-accepted" && times.first_event == 0) times.first_event = now;
      if (event.event == "done") times.done = now;
      if (event.event != "turn-complete") continue;
      times.ended = now;
      auto const data = parse_json(event.data);
      if (data) outcome = check_outcome(data->as_object(), run.events);
    }
    return net::StreamStep::more;
  };
  auto const response = http_.stream(request, on_bytes);
  if (!response) return std::unexpected(response.error());
  if (response->status != 200)
    return fail(ErrorCode::upstream, "GET {}: {}", run.events, response->status);
  if (!outcome) return std::unexpected(outcome.error());
  return times;
}

Result<std::map<std::string, UnitTrace>> ApiServer::units() const {
  auto const loaded = runtime::RecordFolder{state_folder_ + "/workloads"}.load();
  if (!loaded) return std::unexpected(loaded.error());
  std::map<std::string, UnitTrace> units;
  for (runtime::Record const& record : loaded->records)
    units[record.id.str()] = {record.trace.pid, record.trace.start_ticks,
                              record.trace.cgroup_folders};
  return units;
}

Result<UnitTrace> ApiServer::unit_of(std::string const& session) const {
  auto const all = units();
  if (!all) return std::unexpected(all.error());
  for (auto const& [name, unit] : *all)
    if (name.ends_with(session)) return unit;
  return fail(ErrorCode::not_found, "session {} has no live unit", session);
}

Status ApiServer::stop() {
  stopped_ = true;
  DROVER_TRY(process_.signal(SIGTERM));
  auto const ended = process_.wait(kStopWait);
  if (!ended) return std::unexpected(ended.error());
  if (!*ended) {
    stopped_ = false;
    return fail(ErrorCode::timeout, "drover serve did not stop");
  }
  if (!(*ended)->ok())
    return fail(ErrorCode::internal, "drover serve ended with status {} (signal {})",
                (*ended)->code, (*ended)->signal);
  return {};
}

Result<std::size_t> ApiServer::leftovers(std::map<std::string, UnitTrace> const& units) const {
  std::size_t count = entries(state_folder_ + "/workloads") + entries(state_folder_ + "/units");
  for (auto const& [name, unit] : units) {
    auto const ticks = os::start_ticks(unit.pid);
    if (ticks && *ticks == unit.start_ticks) ++count;
    for (std::string const& folder : unit.cgroups)
      if (os::exists(folder)) ++count;
  }
  auto const mounts = mounts_of(state_folder_);
  if (!mounts) return mounts;
  return count + *mounts;
}

}  // namespace drover::bench
