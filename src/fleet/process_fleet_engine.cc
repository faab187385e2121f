#include "fleet/process_fleet_engine.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include <boost/asio/this_coro.hpp>

#include "base/digest.h"
#include "base/log.h"
#include "fleet/process_log_stream.h"
#include "os/files.h"
#include "os/task_group.h"

namespace drover::fleet {

namespace {

constexpr std::size_t kServerShown = 8;
constexpr Millis kEndGrace{5'000};  // of the server, for all at once

// Belongs to the instance's user from the start. Blocks.
Status make_state_folder(std::string const& path, uid_t uid) {
  DROVER_TRY(os::make_folders(path, 0700));
  if (::geteuid() != 0) return {};
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return fail_errno("look at", path);
  if (info.st_uid == uid) return {};
  if (::lchown(path.c_str(), uid, uid) != 0) return fail_errno("give away", path);
  return {};
}

}  // namespace

std::string last_lines(std::string text, int lines) {
  std::size_t at = text.size();
  if (text.ends_with('\n')) --at;
  for (; lines > 0 && at != std::string::npos && at > 0; --lines)
    at = text.rfind('\n', at - 1);
  if (lines > 0 || at == std::string::npos || at == 0) return text;
  return text.substr(at + 1);
}

ProcessFleetEngine::ProcessFleetEngine(runtime::ProcessBackend& backend, os::BlockingPool& pool,
                                       FleetPlaces places)
    : backend_(backend),
      pool_(pool),
      places_(std::move(places)),
      server_(sha256_hex(places_.state_folder).substr(0, kServerShown)),
      self_(std::make_shared<ProcessFleetEngine*>(this)) {
  backend_.on_event([weak = std::weak_ptr{self_}](runtime::RuntimeEvent const& event) {
    if (auto const self = weak.lock()) (*self)->hear(event);
  });
}

void ProcessFleetEngine::hear(runtime::RuntimeEvent const& event) {
  auto const found = entries_.find(event.id.str());
  if (found == entries_.end()) return;
  if (event.state == runtime::WorkloadState::running) {
    found->second.seen.phase = Phase::running;
    ++found->second.starts;
    tell(EngineNews::Kind::came, found->first);
  }
  if (event.state == runtime::WorkloadState::stopped) {
    found->second.seen.phase = Phase::ended;
    LastEnd end;
    end.exit_code = event.exit_code;
    end.out_of_memory = event.stop_reason == runtime::StopReason::oom;
    tell(EngineNews::Kind::ended, found->first, end);
  }
}

void ProcessFleetEngine::watch(std::function<void(EngineNews const&)> told, std::function<bool()>) {
  told_ = std::move(told);
}

Result<ProcessFleetEngine::Entries::iterator> ProcessFleetEngine::find(
    std::string const& container) {
  auto const found = entries_.find(container);
  if (found == entries_.end())
    return fail(ErrorCode::not_found, "there is no sandbox {}", container);
  return found;
}

Task<Result<std::vector<Actual>>> ProcessFleetEngine::list() {
  std::vector<Actual> all;
  for (auto const& [id, entry] : entries_)
    all.push_back(entry.seen);
  co_return all;
}

Task<Result<std::string>> ProcessFleetEngine::create(Instance instance, std::string name) {
  for (auto const& [id, entry] : entries_)
    if (entry.seen.name == name)
      co_return fail(ErrorCode::conflict, "the name {} is that of the sandbox {}", name, id);
  Entry entry;
  // Its control groups have this name. So each has one of its own, for the one before may still
  // run, and so may that of another server of this machine.
  std::string const id = fmt::format("{}-{}-{}", workload_id(instance.name), server_, ++made_);
  entry.seen.id = id;
  entry.seen.name = std::move(name);
  entry.seen.instance = instance.name;
  entry.seen.agent = instance.of.agent;
  entry.seen.hash = instance.hash;
  entry.instance = std::move(instance);
  entry.instance.workload.id = WorkloadId::trusted(id);
  entries_.emplace(id, std::move(entry));
  co_return id;
}

Task<Status> ProcessFleetEngine::start(std::string container) {
  auto const entry = find(container);
  if (!entry) co_return std::unexpected(entry.error());
  auto spec = (*entry)->second.instance.workload;
  auto const started = co_await backend_.start(std::move(spec));
  if (!started) co_return std::unexpected(started.error());
  co_return Status{};
}

Task<Status> ProcessFleetEngine::freeze(std::string container) {
  auto const frozen = co_await backend_.freeze(WorkloadId::trusted(container));
  auto const entry = find(container);
  if (frozen && entry && (*entry)->second.seen.phase == Phase::running)
    (*entry)->second.seen.phase = Phase::paused;
  co_return frozen;
}

Task<Status> ProcessFleetEngine::unpause(std::string container) {
  auto const thawed = co_await backend_.thaw(WorkloadId::trusted(container));
  auto const entry = find(container);
  if (thawed && entry && (*entry)->second.seen.phase == Phase::paused)
    (*entry)->second.seen.phase = Phase::running;
  co_return thawed;
}

Task<Status> ProcessFleetEngine::rename(std::string container, std::string name) {
  auto const entry = find(container);
  if (!entry) co_return std::unexpected(entry.error());
  (*entry)->second.seen.name = std::move(name);
  co_return Status{};
}

Task<Status> ProcessFleetEngine::remove(std::string container, Millis grace) {
  if (!entries_.contains(container)) co_return Status{};
  auto const id = WorkloadId::trusted(container);
  auto const stopped = co_await backend_.stop(id, runtime::StopReason::stopped, grace);
  // One that never started is unknown to the backend.
  if (!stopped && stopped.error().code != ErrorCode::not_found)
    co_return std::unexpected(stopped.error());
  auto const destroyed = co_await backend_.destroy(id);
  if (!destroyed) co_return destroyed;
  entries_.erase(container);
  tell(EngineNews::Kind::gone, container);
  co_return Status{};
}

Task<Result<VolumeState>> ProcessFleetEngine::volume(Instance instance) {
  auto look = [path = state_folder(places_, instance.name)]() -> Result<VolumeState> {
    return os::exists(path) ? VolumeState::ours : VolumeState::missing;
  };
  co_return co_await pool_.run(std::move(look));
}

Task<Status> ProcessFleetEngine::make_volume(Instance instance) {
  auto make = [path = state_folder(places_, instance.name), uid = instance.uid] {
    return make_state_folder(path, uid);
  };
  co_return co_await pool_.run(std::move(make));
}

Task<Status> ProcessFleetEngine::wipe_volume(Instance instance) {
  auto wipe = [path = state_folder(places_, instance.name)] { return os::remove_tree(path); };
  co_return co_await pool_.run(std::move(wipe));
}

Task<Result<Vitals>> ProcessFleetEngine::describe(std::string container) {
  auto const entry = find(container);
  if (!entry) co_return std::unexpected(entry.error());
  Vitals vitals;
  vitals.phase = (*entry)->second.seen.phase;
  vitals.restarts = std::max<std::int64_t>(0, (*entry)->second.starts - 1);
  auto const id = WorkloadId::trusted(container);
  if (auto const status = backend_.status(id)) {
    vitals.started = status->started_at;
    vitals.exit_code = status->exit_code;
    vitals.error = status->detail;
  }
  if (auto const program = backend_.program(id)) vitals.pid = program->pid;
  co_return vitals;
}

Task<Result<Usage>> ProcessFleetEngine::usage(std::string container) {
  auto const used = backend_.usage(WorkloadId::trusted(std::move(container)));
  if (!used) co_return std::unexpected(used.error());
  Usage usage;
  usage.memory_bytes = used->memory_bytes;
  usage.cpu_us = used->cpu_us;
  co_return usage;
}

Task<Result<std::string>> ProcessFleetEngine::logs(std::string container, int lines) {
  auto output = co_await backend_.output(WorkloadId::trusted(std::move(container)));
  if (!output) co_return output;
  co_return last_lines(*std::move(output), lines);
}

Task<Result<std::unique_ptr<LogStream>>> ProcessFleetEngine::follow(std::string container,
                                                                    LogStart start) {
  auto const entry = find(container);
  if (!entry) co_return std::unexpected(entry.error());
  std::string const which = fmt::format("{}/{}", container, (*entry)->second.starts);
  co_return std::make_unique<ProcessLogStream>(backend_, container, which, start);
}

Task<void> ProcessFleetEngine::stop() {
  told_ = nullptr;
  std::vector<std::string> all;
  for (auto const& [id, entry] : entries_)
    all.push_back(id);
  auto const executor = co_await boost::asio::this_coro::executor;
  os::TaskGroup ends{executor, "fleet"};
  for (auto const& id : all)
    ends.spawn(end(id), "end");
  co_await ends.join();
}

// What does not end so is the backend's to kill.
Task<void> ProcessFleetEngine::end(std::string container) {
  auto const removed = co_await remove(container, kEndGrace);
  if (!removed)
    log::warn("fleet-instance-left", {{"sandbox", container}, {"reason", removed.error().text()}});
}

}  // namespace drover::fleet
