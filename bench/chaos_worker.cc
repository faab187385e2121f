#include "chaos_worker.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>

#include <filesystem>
#include <utility>

#include "os/files.h"
#include "runtime/record.h"

namespace drover::bench {

namespace {

constexpr Millis kStopWait{60'000};
// Soon enough for a case with many dead workers; a unit that nobody answers lasts longer, but the
// worker that is started again ends it.
constexpr std::string_view kLease = "2s";

Result<os::Process> spawn_logged(os::ProcessSpec spec, std::string const& log) {
  os::Fd const file{::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
  if (!file.valid()) return fail_errno("open the worker's log", log);
  spec.err = file.get();
  return os::Process::spawn(spec);
}

void add_units_of(std::string const& folder, std::map<std::string, UnitTrace>& units) {
  auto const loaded = runtime::RecordFolder{folder + "/workloads"}.load();
  if (!loaded) return;  // there is none yet
  for (runtime::Record const& record : loaded->records)
    units[record.id.str()] = {record.trace.pid, record.trace.start_ticks,
                              record.trace.cgroup_folders};
}

}  // namespace

ChaosWorker::ChaosWorker(os::ProcessSpec spec, std::string log, std::string folder,
                         os::Process process)
    : spec_(std::move(spec)),
      log_(std::move(log)),
      folder_(std::move(folder)),
      process_(std::move(process)) {}

Result<ChaosWorker> ChaosWorker::start(Scratch const& scratch, std::string const& name,
                                       std::string const& state_folder,
                                       std::vector<std::string> const& more) {
  auto const folder = os::executable_folder();
  if (!folder) return std::unexpected(folder.error());
  os::ProcessSpec spec;
  spec.argv = {*folder + "/drover", "worker", "--name", name, "--lease", std::string{kLease}};
  spec.argv.insert(spec.argv.end(), more.begin(), more.end());
  spec.env = plain_environment(scratch.path("home"));
  spec.env.push_back("DROVER_STATE_DIR=" + state_folder);
  std::string const log = scratch.path(name + ".log");
  auto process = spawn_logged(spec, log);
  if (!process) return std::unexpected(process.error());
  return ChaosWorker{std::move(spec), log, fmt::format("{}/workers/{}", state_folder, name),
                     *std::move(process)};
}

Status ChaosWorker::kill() {
  DROVER_TRY(process_.signal(SIGKILL));
  auto const ended = process_.wait(kStopWait);
  if (!ended) return std::unexpected(ended.error());
  if (!*ended) return fail(ErrorCode::timeout, "drover worker outlived SIGKILL");
  return {};
}

Status ChaosWorker::launch() {
  auto process = spawn_logged(spec_, log_);
  if (!process) return std::unexpected(process.error());
  process_ = *std::move(process);
  return {};
}

Status ChaosWorker::keep_up() {
  auto const ended = process_.wait(Millis{0});
  if (!ended) return std::unexpected(ended.error());
  return *ended ? launch() : Status{};
}

Status ChaosWorker::stop() {
  DROVER_TRY(process_.signal(SIGTERM));
  auto const ended = process_.wait(kStopWait);
  if (!ended) return std::unexpected(ended.error());
  if (!*ended) return fail(ErrorCode::timeout, "drover worker did not stop");
  if ((*ended)->ok()) return {};
  return fail(ErrorCode::internal, "drover worker ended with status {} (signal {}); its log is {}",
              (*ended)->code, (*ended)->signal, log_);
}

std::map<std::string, UnitTrace> ChaosWorker::units() const {
  std::map<std::string, UnitTrace> units;
  add_units_of(folder_, units);
  std::error_code error;
  for (auto const& entry : std::filesystem::directory_iterator{folder_ + "/workers", error})
    add_units_of(entry.path(), units);
  return units;
}

}  // namespace drover::bench
