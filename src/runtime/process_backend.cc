#include "runtime/process_backend.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <map>
#include <set>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/check.h"
#include "base/guarded.h"
#include "base/log.h"
#include "base/text.h"
#include "os/async_event.h"
#include "os/files.h"
#include "runtime/record.h"

namespace drover::runtime {

namespace asio = boost::asio;

namespace {

constexpr Millis kReapWait{2000};  // for the exit status of a program whose pidfd says it ended
// A SIGKILL that the kernel does not carry out within this time is an error of the caller's.
constexpr Millis kKilledWait{10'000};

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

enum class Hold : std::uint8_t { freeze, thaw };

bool is_live(WorkloadState state) {
  return state == WorkloadState::starting || state == WorkloadState::running ||
         state == WorkloadState::stopping;
}

struct Workload {
  Workload(asio::any_io_executor const& executor, WorkloadSpec wanted)
      : spec(std::move(wanted)), changed(executor), exit_watch(executor), output(executor) {}

  WorkloadSpec spec;
  WorkloadStatus status;
  std::optional<StopReason> asked;  // why it is being stopped
  // Pool jobs and the loop both use it, one at a time.
  Guarded<std::optional<sandbox::Sandbox>> sandbox;
  os::AsyncEvent changed;  // of state
  asio::posix::stream_descriptor exit_watch;
  asio::posix::stream_descriptor output;
};
// Shared by the map and the coroutines that act on it; an ended one may leave the map meanwhile.
using WorkloadPtr = std::shared_ptr<Workload>;

struct Ended {
  std::optional<sandbox::SandboxExit> exit;
  os::CgroupUsage usage;
};

// Reaps and removes everything of the sandbox. On the pool.
Ended reap(Workload& workload) {
  Ended ended;
  auto sandbox = workload.sandbox.lock();
  if (!*sandbox) return ended;
  ended.usage = (*sandbox)->usage();
  auto const exit = (*sandbox)->wait(kReapWait);
  if (exit)
    ended.exit = *exit;
  else
    log::error("workload-reap-failed",
               {{"workload", workload.spec.id.str()}, {"error", exit.error().message}});
  sandbox->reset();
  return ended;
}

}  // namespace

class ProcessBackend::Core : public std::enable_shared_from_this<ProcessBackend::Core> {
 public:
  Core(asio::any_io_executor executor, os::BlockingPool& pool, Clock const& clock,
       std::shared_ptr<sandbox::Launcher> launcher, ProcessBackendSettings settings)
      : executor_(std::move(executor)),
        pool_(pool),
        clock_(clock),
        launcher_(std::move(launcher)),
        records_(settings.record_folder),
        settings_(std::move(settings)) {}

  // For the destructor of the backend: kills without grace and waits.
  void close() {
    listener_ = {};
    for (auto const& [id, workload] : workloads_) {
      boost::system::error_code ignored;
      workload->exit_watch.close(ignored);
      workload->output.close(ignored);
      if (!is_live(workload->status.state)) continue;
      (void)reap_killed(*workload);
      clean_host(workload->spec);
    }
    workloads_.clear();
  }

  Result<std::vector<WorkloadId>> reap_orphans();
  Task<Result<WorkloadStatus>> start(WorkloadSpec spec);
  Task<Result<WorkloadStatus>> stop(WorkloadId id, StopReason reason, Millis grace);
  Task<Status> destroy(WorkloadId id);
  Task<Status> hold(WorkloadId id, Hold hold);
  Result<WorkloadPtr> find(WorkloadId const& id) const;
  Result<WorkloadStatus> touch(WorkloadId const& id);
  std::vector<WorkloadStatus> list() const;
  void listen(std::function<void(RuntimeEvent const&)> listener) {
    listener_ = std::move(listener);
  }

 private:
  Status admit(WorkloadSpec const& spec) const;
  Result<uid_t> take_uid();
  Result<os::Fd> open_output(Workload& workload);
  Status launch(Workload& workload);
  void watch(WorkloadPtr const& workload, os::Fd output);
  void enter(Workload& workload, WorkloadState state);
  void fail_start(Workload& workload, Error const& error);
  void clean_host(WorkloadSpec const& spec);
  void forget_oldest();
  static Ended reap_killed(Workload& workload);
  static Task<void> await_change(WorkloadPtr workload, os::AsyncEvent::TimePoint deadline);
  static Task<void> watch_exit(std::shared_ptr<Core> core, WorkloadPtr workload);
  static Task<void> watch_output(WorkloadPtr workload);
  static Task<void> watch_lifetime(std::shared_ptr<Core> core, WorkloadPtr workload);

  asio::any_io_executor executor_;
  os::BlockingPool& pool_;
  Clock const& clock_;
  std::shared_ptr<sandbox::Launcher> launcher_;  // shared with whoever probes
  RecordFolder records_;
  ProcessBackendSettings settings_;
  std::function<void(RuntimeEvent const&)> listener_;
  std::map<WorkloadId, WorkloadPtr> workloads_;
  std::deque<WorkloadId> stopped_;  // oldest first
  std::set<uid_t> uids_;            // offsets in use
};

void ProcessBackend::Core::enter(Workload& workload, WorkloadState state) {
  workload.status.state = state;
  workload.changed.notify();
  if (!listener_) return;
  RuntimeEvent const event{.id = workload.spec.id,
                           .state = state,
                           .at = clock_.now(),
                           .exit_code = workload.status.exit_code,
                           .stop_reason = workload.status.stop_reason,
                           .detail = workload.status.detail};
  listener_(event);
}

Status ProcessBackend::Core::admit(WorkloadSpec const& spec) const {
  auto const live = std::ranges::count_if(
      workloads_, [](auto const& entry) { return is_live(entry.second->status.state); });
  if (static_cast<std::size_t>(live) >= kLiveWorkloadsMax)
    return fail_next(
        ErrorCode::rate_limited,
        fmt::format("cannot start workload {}: {} workloads run already", spec.id, live),
        "wait for one to end");
  return {};
}

Result<uid_t> ProcessBackend::Core::take_uid() {
  for (uid_t offset = 0; offset < settings_.session_uid_count; ++offset)
    if (uids_.insert(offset).second) return settings_.session_uid_first + offset;
  return fail(ErrorCode::rate_limited, "all {} session uids are in use",
              settings_.session_uid_count);
}

// A pipe for the streams that the spec leaves open; its reader goes to the loop.
Result<os::Fd> ProcessBackend::Core::open_output(Workload& workload) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return fail_errno("create", "a pipe for the workload's output");
  os::Fd read{ends[0]};
  os::Fd write{ends[1]};
  if (::fcntl(read.get(), F_SETFL, O_NONBLOCK) != 0) return fail_errno("prepare", "a pipe");
  boost::system::error_code error;
  workload.output.assign(read.get(), error);
  if (error) return fail(ErrorCode::internal, "cannot watch the workload's output");
  (void)read.release();
  return write;
}

// On the pool.
Status ProcessBackend::Core::launch(Workload& workload) {
  auto boot = os::boot_id();
  if (!boot) return std::unexpected(boot.error());
  auto launched =
      launcher_->launch(workload.spec.sandbox, [&](sandbox::SandboxTrace const& trace) -> Status {
        return records_.save({.id = workload.spec.id,
                              .boot = *boot,
                              .trace = trace,
                              .owned_folders = workload.spec.owned_folders});
      });
  if (!launched) return std::unexpected(launched.error());
  auto sandbox = workload.sandbox.lock();
  sandbox->emplace(std::move(*launched));
  return {};
}

void ProcessBackend::Core::clean_host(WorkloadSpec const& spec) {
  for (auto const& folder : spec.owned_folders)
    if (auto const removed = os::remove_tree(folder); !removed)
      log::error("workload-cleanup-failed",
                 {{"workload", spec.id.str()}, {"error", removed.error().message}});
  if (auto const removed = records_.remove(spec.id); !removed)
    log::error("workload-cleanup-failed",
               {{"workload", spec.id.str()}, {"error", removed.error().message}});
  if (spec.sandbox.session_uid >= settings_.session_uid_first)
    uids_.erase(spec.sandbox.session_uid - settings_.session_uid_first);
}

void ProcessBackend::Core::fail_start(Workload& workload, Error const& error) {
  workload.status.detail = error.text();
  workload.status.stop_reason = StopReason::start_failed;
  workload.status.stopped_at = clock_.now();
  clean_host(workload.spec);
  boost::system::error_code ignored;
  workload.output.close(ignored);
  enter(workload, WorkloadState::stopped);
  stopped_.push_back(workload.spec.id);
  forget_oldest();
}

void ProcessBackend::Core::forget_oldest() {
  while (stopped_.size() > kStoppedWorkloadsKept) {
    auto const found = workloads_.find(stopped_.front());
    if (found != workloads_.end() && !is_live(found->second->status.state)) workloads_.erase(found);
    stopped_.pop_front();
  }
}

Task<Result<WorkloadStatus>> ProcessBackend::Core::start(WorkloadSpec spec) {
  auto const self = shared_from_this();  // the backend may go while this is under way
  auto const found = workloads_.find(spec.id);
  if (found != workloads_.end() && is_live(found->second->status.state)) {
    auto const fields = differing_fields(found->second->spec, spec);
    if (fields.empty()) co_return touch(spec.id);
    co_return fail(ErrorCode::conflict, "workload {} runs already with another {}", spec.id,
                   fmt::join(fields, ", "));
  }
  if (auto const admitted = admit(spec); !admitted) co_return std::unexpected(admitted.error());
  auto const uid = take_uid();
  if (!uid) co_return std::unexpected(uid.error());
  spec.sandbox.id = spec.id.str();
  spec.sandbox.session_uid = *uid;
  auto workload = std::make_shared<Workload>(executor_, std::move(spec));
  workload->status.id = workload->spec.id;
  workload->status.profile = workload->spec.profile;
  workload->status.backend = "process";
  workload->status.touched_at = clock_.now();
  std::erase(stopped_, workload->spec.id);
  workloads_.insert_or_assign(workload->spec.id, workload);
  enter(*workload, WorkloadState::starting);

  auto output = open_output(*workload);
  if (!output) {
    fail_start(*workload, output.error());
    co_return std::unexpected(output.error());
  }
  if (workload->spec.sandbox.out < 0) workload->spec.sandbox.out = output->get();
  if (workload->spec.sandbox.err < 0) workload->spec.sandbox.err = output->get();
  auto job = [this, self, workload] { return launch(*workload); };
  auto const launched = co_await pool_.run(std::move(job));
  if (!launched) {
    fail_start(*workload, launched.error());
    co_return std::unexpected(launched.error());
  }
  watch(workload, std::move(*output));
  workload->status.started_at = clock_.now();
  enter(*workload, WorkloadState::running);
  co_return workload->status;
}

// From here on the end of the program, its output and its lifetime are events of the loop.
void ProcessBackend::Core::watch(WorkloadPtr const& workload, os::Fd output) {
  output.reset();  // the program has its own; so the reader sees the end
  int pidfd = -1;
  {
    auto sandbox = workload->sandbox.lock();
    workload->status.unenforced = (*sandbox)->unenforced();
    pidfd = ::fcntl((*sandbox)->pidfd(), F_DUPFD_CLOEXEC, 3);
  }
  DROVER_CHECK(pidfd >= 0);
  workload->exit_watch.assign(pidfd);
  asio::co_spawn(executor_, watch_exit(shared_from_this(), workload), asio::detached);
  asio::co_spawn(executor_, watch_output(workload), asio::detached);
  if (workload->spec.max_lifetime > Millis{0})
    asio::co_spawn(executor_, watch_lifetime(shared_from_this(), workload), asio::detached);
}

Task<void> ProcessBackend::Core::watch_exit(std::shared_ptr<Core> core, WorkloadPtr workload) {
  auto const [error] =
      co_await workload->exit_watch.async_wait(asio::posix::stream_descriptor::wait_read, kTuple);
  if (error) co_return;  // the backend closes
  auto job = [workload] { return reap(*workload); };
  auto const ended = co_await core->pool_.run(std::move(job));
  boost::system::error_code ignored;
  workload->exit_watch.close(ignored);
  if (!core->workloads_.contains(workload->spec.id)) co_return;  // the backend closed
  auto& status = workload->status;
  status.stopped_at = core->clock_.now();
  status.memory_peak_bytes = ended.usage.memory_peak_bytes;
  status.cpu_us = ended.usage.cpu_us;
  bool clean = false;
  bool starved = false;
  if (ended.exit) {
    auto const& exit = ended.exit->status;
    status.exit_code = exit.signal != 0 ? 128 + exit.signal : exit.code;
    clean = exit.ok();
    starved = ended.exit->out_of_memory;
    if (!ended.exit->over_disk.empty()) status.detail = ended.exit->over_disk;
  }
  bool const over_disk = ended.exit && !ended.exit->over_disk.empty();
  status.stop_reason = starved           ? StopReason::oom
                       : over_disk       ? StopReason::over_disk
                       : workload->asked ? *workload->asked
                       : clean           ? StopReason::completed
                                         : StopReason::failed;
  core->clean_host(workload->spec);
  core->stopped_.push_back(workload->spec.id);
  core->enter(*workload, WorkloadState::stopped);
  core->forget_oldest();
}

Task<void> ProcessBackend::Core::watch_output(WorkloadPtr workload) {
  std::array<char, 4096> buffer{};
  for (;;) {
    auto const [error, size] =
        co_await workload->output.async_read_some(asio::buffer(buffer), kTuple);
    if (error) co_return;
    auto& tail = workload->status.output_tail;
    tail.append(buffer.data(), size);
    if (tail.size() > kOutputTailBytes) tail.erase(0, tail.size() - kOutputTailBytes);
  }
}

Task<void> ProcessBackend::Core::watch_lifetime(std::shared_ptr<Core> core, WorkloadPtr workload) {
  auto const deadline = std::chrono::steady_clock::now() + workload->spec.max_lifetime;
  while (is_live(workload->status.state) && std::chrono::steady_clock::now() < deadline) {
    auto const seen = workload->changed.version();
    co_await workload->changed.wait(seen, deadline);
  }
  // Only the incarnation that it was armed for.
  auto const found = core->workloads_.find(workload->spec.id);
  if (found == core->workloads_.end() || found->second != workload) co_return;
  if (!is_live(workload->status.state)) co_return;
  co_await core->stop(workload->spec.id, StopReason::max_lifetime, kStopGrace);
}

Task<void> ProcessBackend::Core::await_change(WorkloadPtr workload,
                                              os::AsyncEvent::TimePoint deadline) {
  auto const seen = workload->changed.version();
  co_await workload->changed.wait(seen, deadline);
}

Ended ProcessBackend::Core::reap_killed(Workload& workload) {
  auto sandbox = workload.sandbox.lock();
  if (*sandbox)
    if (auto const killed = (*sandbox)->kill(); !killed)
      log::error("workload-kill-failed",
                 {{"workload", workload.spec.id.str()}, {"error", killed.error().message}});
  sandbox->reset();
  return {};
}

Task<Result<WorkloadStatus>> ProcessBackend::Core::stop(WorkloadId id, StopReason reason,
                                                        Millis grace) {
  auto const self = shared_from_this();
  auto const found = find(id);
  if (!found) co_return std::unexpected(found.error());
  WorkloadPtr const workload = *found;
  auto const start_deadline =
      std::chrono::steady_clock::now() + sandbox::Launcher::kSetUpWait + kReapWait;
  while (workload->status.state == WorkloadState::starting &&
         std::chrono::steady_clock::now() < start_deadline)
    co_await await_change(workload, start_deadline);
  if (workload->status.state == WorkloadState::stopped) co_return workload->status;
  if (workload->status.state == WorkloadState::starting)
    co_return fail(ErrorCode::timeout, "workload {} neither started nor failed in time", id);
  if (!workload->asked) workload->asked = reason;
  if (workload->status.state == WorkloadState::running) enter(*workload, WorkloadState::stopping);

  // A frozen program could not hear the signal. Is there any use in asking?
  auto ask = [workload, grace]() -> bool {
    auto sandbox = workload->sandbox.lock();
    if (!*sandbox || grace <= Millis{0} || !(*sandbox)->handles(SIGTERM)) return false;
    return (*sandbox)->thaw().has_value() && (*sandbox)->signal(SIGTERM).has_value();
  };
  bool const asked = co_await pool_.run(std::move(ask));
  auto const grace_end = std::chrono::steady_clock::now() + grace;
  while (asked && is_live(workload->status.state) && std::chrono::steady_clock::now() < grace_end)
    co_await await_change(workload, grace_end);
  if (is_live(workload->status.state)) {
    auto kill = [workload]() -> Status {
      auto sandbox = workload->sandbox.lock();
      if (!*sandbox) return {};
      return (*sandbox)->kill();
    };
    auto const killed = co_await pool_.run(std::move(kill));
    if (!killed) co_return std::unexpected(killed.error());
  }
  // The watcher of the exit does the rest.
  auto const deadline = std::chrono::steady_clock::now() + kKilledWait;
  while (is_live(workload->status.state) && std::chrono::steady_clock::now() < deadline)
    co_await await_change(workload, deadline);
  if (is_live(workload->status.state))
    co_return fail(ErrorCode::timeout, "workload {} was killed and is not reaped after {} ms", id,
                   kKilledWait.count());
  co_return workload->status;
}

Task<Status> ProcessBackend::Core::destroy(WorkloadId id) {
  auto const self = shared_from_this();
  if (!workloads_.contains(id)) co_return Status{};
  auto const stopped = co_await stop(id, StopReason::stopped, Millis{0});
  if (!stopped) co_return std::unexpected(stopped.error());
  auto const found = workloads_.find(id);
  if (found == workloads_.end()) co_return Status{};
  WorkloadPtr const workload = found->second;
  if (is_live(workload->status.state))
    co_return fail(ErrorCode::conflict, "workload {} was started again meanwhile", id);
  workloads_.erase(found);
  std::erase(stopped_, id);
  enter(*workload, WorkloadState::destroyed);
  co_return Status{};
}

Task<Status> ProcessBackend::Core::hold(WorkloadId id, Hold hold) {
  auto const self = shared_from_this();
  auto const found = find(id);
  if (!found) co_return std::unexpected(found.error());
  WorkloadPtr const workload = *found;
  if (workload->status.state != WorkloadState::running)
    co_return fail(ErrorCode::conflict, "workload {} is {}, so it cannot be {}", id,
                   to_string(workload->status.state), hold == Hold::freeze ? "frozen" : "thawed");
  auto job = [workload, hold]() -> Status {
    auto sandbox = workload->sandbox.lock();
    if (!*sandbox) return {};  // ended meanwhile: nothing of it runs
    return hold == Hold::freeze ? (*sandbox)->freeze() : (*sandbox)->thaw();
  };
  co_return co_await pool_.run(std::move(job));
}

Result<WorkloadPtr> ProcessBackend::Core::find(WorkloadId const& id) const {
  auto const found = workloads_.find(id);
  if (found == workloads_.end()) return fail(ErrorCode::not_found, "there is no workload {}", id);
  return found->second;
}

Result<WorkloadStatus> ProcessBackend::Core::touch(WorkloadId const& id) {
  auto const found = find(id);
  if (!found) return std::unexpected(found.error());
  (*found)->status.touched_at = clock_.now();
  return (*found)->status;
}

std::vector<WorkloadStatus> ProcessBackend::Core::list() const {
  std::vector<WorkloadStatus> statuses;
  statuses.reserve(workloads_.size());
  for (auto const& [id, workload] : workloads_)
    statuses.push_back(workload->status);
  return statuses;
}

Result<std::vector<WorkloadId>> ProcessBackend::Core::reap_orphans() {
  if (auto const removed = records_.remove_unfinished(); !removed)
    return std::unexpected(removed.error());
  auto loaded = records_.load();
  if (!loaded) return std::unexpected(loaded.error());
  auto const boot = os::boot_id();
  if (!boot) return std::unexpected(boot.error());
  std::vector<WorkloadId> reaped;
  std::optional<Error> first_error;
  for (auto const& record : loaded->records) {
    // After a reboot the process is gone, and its pid may be somebody's else.
    auto trace = record.trace;
    if (record.boot != *boot) trace.pid = -1;
    auto status = sandbox::Launcher::reap_orphan(trace);
    for (auto const& folder : record.owned_folders)
      if (status) status = os::remove_tree(folder);
    if (status) status = records_.remove(record.id);
    if (status)
      reaped.push_back(record.id);
    else if (!first_error)
      first_error = status.error();
  }
  for (auto const& name : loaded->unreadable) {
    log::warn("workload-record-unreadable", {{"file", printable(name)}});
    (void)::unlink((settings_.record_folder + "/" + name).c_str());
  }
  if (first_error) return std::unexpected(*first_error);
  return reaped;
}

ProcessBackend::ProcessBackend(asio::any_io_executor executor, os::BlockingPool& pool,
                               Clock const& clock, std::shared_ptr<sandbox::Launcher> launcher,
                               ProcessBackendSettings settings)
    : core_(std::make_shared<Core>(std::move(executor), pool, clock, std::move(launcher),
                                   std::move(settings))) {}

ProcessBackend::~ProcessBackend() {
  core_->close();
}

Result<std::vector<WorkloadId>> ProcessBackend::reap_orphans() {
  return core_->reap_orphans();
}

Task<Result<WorkloadStatus>> ProcessBackend::start(WorkloadSpec spec) {
  return core_->start(std::move(spec));
}
Task<Result<WorkloadStatus>> ProcessBackend::stop(WorkloadId id, StopReason reason, Millis grace) {
  return core_->stop(std::move(id), reason, grace);
}
Task<Status> ProcessBackend::destroy(WorkloadId id) {
  return core_->destroy(std::move(id));
}
Task<Status> ProcessBackend::freeze(WorkloadId id) {
  return core_->hold(std::move(id), Hold::freeze);
}
Task<Status> ProcessBackend::thaw(WorkloadId id) {
  return core_->hold(std::move(id), Hold::thaw);
}
Result<WorkloadStatus> ProcessBackend::touch(WorkloadId const& id) {
  return core_->touch(id);
}
std::vector<WorkloadStatus> ProcessBackend::list() const {
  return core_->list();
}
void ProcessBackend::on_event(std::function<void(RuntimeEvent const&)> listener) {
  core_->listen(std::move(listener));
}

Result<WorkloadStatus> ProcessBackend::status(WorkloadId const& id) const {
  auto const found = core_->find(id);
  if (!found) return std::unexpected(found.error());
  return (*found)->status;
}

Result<os::CgroupUsage> ProcessBackend::usage(WorkloadId const& id) const {
  auto const found = core_->find(id);
  if (!found) return std::unexpected(found.error());
  auto sandbox = (*found)->sandbox.lock();
  if (!*sandbox) return os::CgroupUsage{};
  return (*sandbox)->usage();
}

}  // namespace drover::runtime
