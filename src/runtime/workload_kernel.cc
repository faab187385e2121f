#include "runtime/workload_kernel.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "os/files.h"

namespace drover::runtime {

namespace {

using contract::BackendKind;
using std::chrono::steady_clock;

constexpr std::size_t kProfileBytesMax = std::size_t{1} << 20U;
constexpr Millis kStopWait{5'000};  // for starts that are under way: the next server finds them
constexpr Millis kCallbackFirst{1'000};
constexpr Millis kCallbackMost{3'600'000};
constexpr Millis kCallbackAnswer{30'000};
constexpr int kHeardBelow = 400;

bool live(WorkloadRow const& row) {
  return is_live(row.status.state);
}

}  // namespace

Millis callback_delay(int attempts) {
  constexpr int kDoublings = 12;
  return std::min(kCallbackFirst * (1 << std::clamp(attempts - 1, 0, kDoublings)), kCallbackMost);
}

WorkloadKernel::WorkloadKernel(KernelParts parts)
    : parts_(std::move(parts)),
      http_(std::in_place, parts_.io),
      tasks_(parts_.io.get_executor(), "workloads"),
      changed_(parts_.io.get_executor()),
      callback_(parts_.io.get_executor()) {}

// ---- start and end ------------------------------------------------------------------------------

Status WorkloadKernel::load(store::Database& database, std::string const& state_folder) {
  for (std::string_view const name : {"profiles.toml", "profiles.json"}) {
    std::string const path = fmt::format("{}/{}", state_folder, name);
    if (!os::exists(path)) continue;
    if (!profiles_.empty())
      return fail_next(
          ErrorCode::conflict,
          fmt::format("profiles.toml and profiles.json of {} both say the profiles", state_folder),
          "remove one of them");
    auto const text = os::read_file(path, kProfileBytesMax);
    if (!text) return std::unexpected(text.error());
    auto profiles = parse_profiles(name, *text);
    if (!profiles)
      return fail(ErrorCode::invalid_argument, "{}: {}", printable(path, 300),
                  profiles.error().message);
    profiles_ = *std::move(profiles);
  }
  auto rows = load_workloads(database);
  if (!rows) return std::unexpected(rows.error());
  for (auto& row : *rows) {
    std::string const id = row.spec.workload_id;
    if (live(row)) DROVER_TRY(adopt(row));
    workloads_[id] = {.row = std::move(row),
                      .touched = steady_clock::now(),
                      .ended = ++ends_,
                      .start_failure = {}};
  }
  parts_.runtime.on_event([this](RuntimeEvent const& event) { on_event(event); });
  return {};
}

// Its idle time begins anew; its longest life does not.
Status WorkloadKernel::adopt(WorkloadRow& row) {
  auto spec = workload_spec(row.name, row.spec, row.profile, parts_.find_folder);
  if (spec && parts_.runtime.adopt(*spec, row.status.started_at.value_or(parts_.clock.now()))) {
    row.status.state = WorkloadState::running;
    return {};
  }
  row.status.state = WorkloadState::stopped;
  row.status.stopped_at = parts_.clock.now();
  row.status.stop_reason = StopReason::failed;
  row.detail = "it ended with its server";
  return parts_.writer.run_blocking(
      [row, now = parts_.clock.now()](store::Transaction& transaction) -> Status {
        return put_workload(transaction.db(), row, now);
      });
}

void WorkloadKernel::start() {
  tasks_.spawn(watch_idle(), "idle");
  tasks_.spawn(send_callbacks(), "callbacks");
}

// What the backend keeps goes on; what ends with the server is stopped in order.
Task<void> WorkloadKernel::stop() {
  stopping_ = true;
  std::vector<WorkloadId> ours;
  for (auto const& [id, entry] : workloads_)
    if (live(entry.row) && entry.row.status.backend == BackendKind::process)
      ours.push_back(entry.row.name);
  for (auto const& name : ours) {
    auto const stopped = co_await parts_.runtime.stop(name, StopReason::stopped, Millis{2'000});
    if (!stopped)
      log::error("workload-not-stopped", {{"workload", name}, {"reason", stopped.error().text()}});
  }
  http_.reset();  // what is not heard yet is sent again by the next server
  changed_.notify();
  callback_.notify();
  co_await tasks_.join(steady_clock::now() + kStopWait);
}

// ---- calls --------------------------------------------------------------------------------------

Result<WorkloadKernel::Entry*> WorkloadKernel::get(std::string const& id) {
  auto const found = workloads_.find(id);
  if (found == workloads_.end())
    return fail(ErrorCode::not_found, "there is no workload {}", printable(id));
  return &found->second;
}

WorkloadKernel::Entry* WorkloadKernel::named(WorkloadId const& name) {
  for (auto& [id, entry] : workloads_)
    if (entry.row.name == name) return &entry;
  return nullptr;
}

Result<WorkloadRow> WorkloadKernel::find(std::string const& id) const {
  auto const found = workloads_.find(id);
  if (found == workloads_.end())
    return fail(ErrorCode::not_found, "there is no workload {}", printable(id));
  return found->second.row;
}

std::vector<WorkloadRow> WorkloadKernel::list() const {
  std::vector<WorkloadRow> rows;
  for (auto const& [id, entry] : workloads_)
    rows.push_back(entry.row);
  return rows;
}

Result<contract::WorkloadStatus> WorkloadKernel::touch(std::string const& id) {
  auto const entry = get(id);
  if (!entry) return std::unexpected(entry.error());
  (*entry)->touched = steady_clock::now();
  changed_.notify();
  return (*entry)->row.status;
}

Task<Result<contract::WorkloadStatus>> WorkloadKernel::create(std::string owner,
                                                              contract::WorkloadSpec spec) {
  auto const known = workloads_.find(spec.workload_id);
  if (known != workloads_.end() && live(known->second.row)) {
    auto const fields = contract::differing_members(known->second.row.spec, spec);
    if (known->second.row.owner != owner || !fields.empty())
      co_return fail(ErrorCode::conflict, "workload {} runs already with another {}",
                     printable(spec.workload_id),
                     fields.empty() ? "owner" : fmt::format("{}", fmt::join(fields, ", ")));
    co_return touch(spec.workload_id);
  }
  auto const profile = profiles_.find(spec.profile);
  if (profile == profiles_.end())
    co_return fail_next(ErrorCode::invalid_argument,
                        fmt::format("/profile: there is no profile {}", printable(spec.profile)),
                        "the profiles are those of profiles.toml in the state folder");
  auto const of_owner = std::ranges::count_if(workloads_, [&](auto const& one) {
    return live(one.second.row) && one.second.row.owner == owner;
  });
  if (static_cast<std::size_t>(of_owner) >= parts_.workloads_of_owner)
    co_return fail_next(
        ErrorCode::rate_limited,
        fmt::format("{} has {} live workloads, as many as an owner may have", owner, of_owner),
        "stop one, or wait for one to end");
  WorkloadRow row;
  row.name = WorkloadId::create(parts_.clock, parts_.random);
  row.profile = profile->second;
  row.owner = std::move(owner);
  row.status.workload_id = spec.workload_id;
  row.status.profile = spec.profile;
  row.status.state = WorkloadState::starting;
  row.spec = std::move(spec);
  auto wanted = workload_spec(row.name, row.spec, row.profile, parts_.find_folder);
  if (!wanted) co_return std::unexpected(wanted.error());
  row.status.backend = backend_kind(wanted->backend.empty() ? parts_.runtime.backend()
                                                            : std::string_view{wanted->backend});
  std::string const id = row.spec.workload_id;
  // Its place is taken before anybody waits: a second call finds it.
  workloads_[id] = {.row = row, .touched = steady_clock::now(), .ended = 0, .start_failure = {}};
  auto const stored = co_await store(row);
  if (!stored) {
    workloads_.erase(id);
    co_return std::unexpected(stored.error());
  }
  // A task of its own: a caller that goes away, or a server that stops, leaves nothing
  // half-started.
  tasks_.spawn(launch(id, *std::move(wanted)), "launch");
  for (;;) {
    auto const seen = changed_.version();
    auto const entry = get(id);
    if (!entry) co_return std::unexpected(entry.error());
    if ((*entry)->row.name != row.name)
      co_return fail(ErrorCode::conflict, "workload {} was made anew meanwhile", printable(id));
    if ((*entry)->start_failure) co_return std::unexpected(*(*entry)->start_failure);
    if ((*entry)->row.status.state != WorkloadState::starting) co_return (*entry)->row.status;
    co_await changed_.wait(seen);
  }
}

// The backend's events say what becomes of it.
Task<void> WorkloadKernel::launch(std::string id, WorkloadSpec spec) {
  WorkloadId const name = spec.id;
  auto const started = co_await parts_.runtime.start(std::move(spec));
  if (started) co_return;
  Entry* const entry = named(name);
  if (entry == nullptr) co_return;
  entry->start_failure =
      Error{ErrorCode::upstream,
            fmt::format("workload {} could not start: {}", printable(id), started.error().message),
            started.error().next};
  entry->row.detail = started.error().text();
  if (live(entry->row)) {
    // Refused before the backend took it on.
    RuntimeEvent event;
    event.id = name;
    event.state = WorkloadState::stopped;
    event.stop_reason = StopReason::start_failed;
    on_event(event);
  }
  changed_.notify();
}

Task<Result<contract::WorkloadStatus>> WorkloadKernel::stop_one(std::string id, StopReason reason) {
  auto const entry = get(id);
  if (!entry) co_return std::unexpected(entry.error());
  if (live((*entry)->row)) {
    WorkloadId const name = (*entry)->row.name;
    auto const stopped = co_await parts_.runtime.stop(name, reason, kStopGrace);
    if (!stopped) co_return std::unexpected(stopped.error());
  }
  auto const row = find(id);
  if (!row) co_return std::unexpected(row.error());
  co_return row->status;
}

Task<Status> WorkloadKernel::destroy(std::string id) {
  auto const entry = get(id);
  if (!entry) co_return std::unexpected(entry.error());
  WorkloadId const name = (*entry)->row.name;
  auto const destroyed = co_await parts_.runtime.destroy(name);
  if (!destroyed) co_return destroyed;
  auto const again = workloads_.find(id);
  if (again == workloads_.end() || again->second.row.name != name) co_return Status{};
  WorkloadRow row = again->second.row;
  row.status.state = WorkloadState::destroyed;
  workloads_.erase(again);
  auto const removed = co_await parts_.writer.run(
      [row, now = parts_.clock.now()](store::Transaction& transaction) -> Status {
        return remove_workload(transaction.db(), row, now);
      });
  callback_.notify();
  co_return removed;
}

Task<Result<std::string>> WorkloadKernel::output(std::string id) {
  auto const entry = get(id);
  if (!entry) co_return std::unexpected(entry.error());
  WorkloadId const name = (*entry)->row.name;
  co_return co_await parts_.runtime.output(name);
}

// ---- what becomes of them -----------------------------------------------------------------------

void WorkloadKernel::on_event(RuntimeEvent const& event) {
  Entry* const entry = named(event.id);
  // Of a unit; or a step that create() and destroy() write themselves.
  if (entry == nullptr || event.state == WorkloadState::starting ||
      event.state == WorkloadState::destroyed)
    return;
  auto& row = entry->row;
  row.status.state = event.state;
  row.status.exit_code = event.exit_code;
  row.status.stop_reason = event.stop_reason;
  if (event.state == WorkloadState::running) row.status.started_at = parts_.clock.now();
  if (event.state == WorkloadState::stopped) {
    row.status.stopped_at = parts_.clock.now();
    entry->ended = ++ends_;
    auto const known = parts_.runtime.status(row.name);
    if (known && !known->detail.empty()) row.detail = known->detail;
  }
  changed_.notify();
  tasks_.spawn(store_step(row), "step");
  forget_oldest();
}

void WorkloadKernel::forget_oldest() {
  auto const ended =
      std::ranges::count_if(workloads_, [](auto const& one) { return !live(one.second.row); });
  if (static_cast<std::size_t>(ended) <= kEndedWorkloadsKept) return;
  auto oldest = workloads_.end();
  for (auto one = workloads_.begin(); one != workloads_.end(); ++one)
    if (!live(one->second.row) &&
        (oldest == workloads_.end() || one->second.ended < oldest->second.ended))
      oldest = one;
  std::string const id = oldest->first;
  workloads_.erase(oldest);
  tasks_.spawn(forget(id), "forget");
}

Task<void> WorkloadKernel::forget(std::string id) {
  auto const removed = co_await parts_.writer.run([id](store::Transaction& transaction) -> Status {
    return forget_workload(transaction.db(), id);
  });
  if (!removed)
    log::error("workload-not-forgotten", {{"workload", id}, {"reason", removed.error().text()}});
}

Task<Status> WorkloadKernel::store(WorkloadRow row) {
  auto const stored = co_await parts_.writer.run(
      [row, now = parts_.clock.now()](store::Transaction& transaction) -> Status {
        return put_workload(transaction.db(), row, now);
      });
  callback_.notify();
  co_return stored;
}

Task<void> WorkloadKernel::store_step(WorkloadRow row) {
  std::string const id = row.spec.workload_id;
  auto const stored = co_await store(std::move(row));
  if (!stored)
    log::error("workload-step-not-stored", {{"workload", id}, {"reason", stored.error().text()}});
}

Task<void> WorkloadKernel::watch_idle() {
  while (!stopping_) {
    auto const seen = changed_.version();
    auto const now = steady_clock::now();
    auto earliest = os::AsyncEvent::kForever;
    std::vector<std::string> over;
    for (auto const& [id, entry] : workloads_) {
      Millis const limit = idle_limit(entry.row.spec, entry.row.profile);
      if (entry.row.status.state != WorkloadState::running || limit <= Millis{0}) continue;
      auto const end = entry.touched + limit;
      if (end <= now)
        over.push_back(id);
      else
        earliest = std::min(earliest, end);
    }
    // Stopping is an event, so none is asked to stop twice.
    for (auto const& id : over)
      tasks_.spawn(stop_idle(id), "idle-stop");
    if (!over.empty()) earliest = now + Millis{1'000};
    co_await changed_.wait(seen, earliest);
  }
}

Task<void> WorkloadKernel::stop_idle(std::string id) {
  auto const stopped = co_await stop_one(id, StopReason::idle_timeout);
  if (!stopped)
    log::error("workload-not-stopped", {{"workload", id}, {"reason", stopped.error().text()}});
}

// ---- callbacks ----------------------------------------------------------------------------------

Task<void> WorkloadKernel::send_callbacks() {
  while (!stopping_) {
    auto const seen = callback_.version();
    auto const rows = co_await parts_.readers.run(
        [](store::Database& database) { return next_callbacks(database); });
    if (!rows) log::error("callbacks-not-read", {{"reason", rows.error().text()}});
    auto next = rows ? os::AsyncEvent::kForever : steady_clock::now() + kCallbackFirst;
    auto const now = parts_.clock.now();
    for (auto const& row : rows.value_or(std::vector<CallbackRow>{})) {
      if (sending_.contains(row.workload)) continue;
      if (row.due > now) {
        next = std::min(next, steady_clock::now() + (row.due - now));
        continue;
      }
      sending_[row.workload] = true;
      tasks_.spawn(send(row), "callback");
    }
    if (!stopping_) co_await callback_.wait(seen, next);
  }
}

Task<void> WorkloadKernel::send(CallbackRow row) {
  net::ClientRequest request;
  request.method = "POST";
  request.url = row.url;
  request.headers.add("Content-Type", "application/json");
  request.body = row.body;
  request.timeouts.head = kCallbackAnswer;
  request.reach = parts_.reach;
  if (!http_) co_return;
  auto const answer = co_await http_->open(std::move(request));
  if (stopping_) co_return;
  bool const heard = answer && (*answer)->head().status < kHeardBelow;
  int const attempts = row.attempts + 1;
  bool const given_up = !heard && static_cast<std::size_t>(attempts) >= kCallbackAttempts;
  if (!heard) {
    std::string const reason =
        answer ? fmt::format("HTTP status {}", (*answer)->head().status) : answer.error().text();
    log::warn(given_up ? "callback-given-up" : "callback-not-heard",
              {{"workload", row.workload}, {"attempt", attempts}, {"reason", reason}});
  }
  auto const due = parts_.clock.now() + callback_delay(attempts);
  auto const stored =
      co_await parts_.writer.run([number = row.number, done = heard || given_up, attempts,
                                  due](store::Transaction& transaction) -> Status {
        if (done) return remove_callback(transaction.db(), number);
        return delay_callback(transaction.db(), number, attempts, due);
      });
  if (!stored) log::error("callback-not-stored", {{"reason", stored.error().text()}});
  sending_.erase(row.workload);
  callback_.notify();
}

}  // namespace drover::runtime
