#include "runtime/process_backend.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
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
#include "os/files.h"
#include "runtime/record.h"
#include "runtime/workload_book.h"

namespace drover::runtime {

namespace asio = boost::asio;

namespace {

constexpr Millis kReapWait{2000};  // for the exit status of a program whose pidfd says it ended
// A SIGKILL that the kernel does not carry out within this time is an error of the caller's.
constexpr Millis kKilledWait{10'000};

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

enum class Hold : std::uint8_t { freeze, thaw };

struct SandboxWorkload : Workload {
  SandboxWorkload(asio::any_io_executor const& executor, WorkloadSpec wanted)
      : Workload(executor, std::move(wanted)),
        exit_watch(executor),
        output(executor),
        said(executor) {}

  // Pool jobs and the loop both use it, one at a time.
  Guarded<std::optional<sandbox::Sandbox>> sandbox;
  asio::posix::stream_descriptor exit_watch;
  asio::posix::stream_descriptor output;
  std::uint64_t output_bytes = 0;  // all that it ever wrote
  os::AsyncEvent said;             // something, or nothing more
};
using WorkloadPtr = std::shared_ptr<SandboxWorkload>;

// Reaps and removes everything of the sandbox. On the pool.
Ending reap(SandboxWorkload& workload) {
  Ending ending;
  auto sandbox = workload.sandbox.lock();
  if (!*sandbox) return ending;
  auto const usage = (*sandbox)->usage();
  ending.memory_peak_bytes = usage.memory_peak_bytes;
  ending.cpu_us = usage.cpu_us;
  auto const exit = (*sandbox)->wait(kReapWait);
  if (!exit)
    log::error("workload-reap-failed",
               {{"workload", workload.spec.id.str()}, {"error", exit.error().message}});
  else if (*exit) {
    auto const& status = (*exit)->status;
    ending.exit_code = status.signal != 0 ? 128 + status.signal : status.code;
    ending.out_of_memory = (*exit)->out_of_memory;
    ending.over_disk = (*exit)->over_disk;
  }
  sandbox->reset();
  return ending;
}

}  // namespace

class ProcessBackend::Core : public std::enable_shared_from_this<ProcessBackend::Core> {
 public:
  Core(asio::any_io_executor executor, os::BlockingPool& pool, Clock const& clock,
       std::shared_ptr<sandbox::Launcher> launcher, ProcessBackendSettings settings)
      : executor_(std::move(executor)),
        pool_(pool),
        launcher_(std::move(launcher)),
        records_(settings.record_folder),
        settings_(std::move(settings)),
        book_("process", clock) {}

  // For the destructor of the backend: kills without grace and waits.
  void close() {
    for (auto const& workload : book_.all()) {
      boost::system::error_code ignored;
      workload->exit_watch.close(ignored);
      workload->output.close(ignored);
      if (!workload->live()) continue;
      kill_and_reap(*workload);
      clean_host(workload->spec);
    }
    book_.clear();
  }

  Result<std::vector<WorkloadId>> reap_orphans();
  Task<Result<WorkloadStatus>> start(WorkloadSpec spec);
  Task<Result<WorkloadStatus>> stop(WorkloadId id, StopReason reason, Millis grace);
  Task<Status> destroy(WorkloadId id);
  Task<Status> hold(WorkloadId id, Hold hold);
  WorkloadBook<SandboxWorkload>& book() { return book_; }

 private:
  Result<uid_t> take_uid();
  Result<os::Fd> open_output(SandboxWorkload& workload);
  Status launch(SandboxWorkload& workload);
  void watch(WorkloadPtr const& workload, os::Fd output);
  void fail_start(SandboxWorkload& workload, Error const& error);
  void clean_host(WorkloadSpec const& spec);
  static void kill_and_reap(SandboxWorkload& workload);
  static Task<void> watch_exit(std::shared_ptr<Core> core, WorkloadPtr workload);
  static Task<void> watch_output(WorkloadPtr workload);
  static Task<void> watch_lifetime(std::shared_ptr<Core> core, WorkloadPtr workload);

  asio::any_io_executor executor_;
  os::BlockingPool& pool_;
  std::shared_ptr<sandbox::Launcher> launcher_;  // shared with whoever probes
  RecordFolder records_;
  ProcessBackendSettings settings_;
  WorkloadBook<SandboxWorkload> book_;
  std::set<uid_t> uids_;  // offsets in use
};

Result<uid_t> ProcessBackend::Core::take_uid() {
  for (uid_t offset = 0; offset < settings_.session_uid_count; ++offset)
    if (uids_.insert(offset).second) return settings_.session_uid_first + offset;
  return fail(ErrorCode::rate_limited, "all {} session uids are in use",
              settings_.session_uid_count);
}

// A pipe for the streams that the spec leaves open; its reader goes to the loop.
Result<os::Fd> ProcessBackend::Core::open_output(SandboxWorkload& workload) {
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
Status ProcessBackend::Core::launch(SandboxWorkload& workload) {
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

void ProcessBackend::Core::fail_start(SandboxWorkload& workload, Error const& error) {
  clean_host(workload.spec);
  boost::system::error_code ignored;
  workload.output.close(ignored);
  book_.fail_start(workload, error);
}

Task<Result<WorkloadStatus>> ProcessBackend::Core::start(WorkloadSpec spec) {
  auto const self = shared_from_this();  // the backend may go while this is under way
  auto const admitted = book_.admit(spec);
  if (!admitted) co_return std::unexpected(admitted.error());
  if (*admitted) co_return **admitted;
  auto const uid = take_uid();
  if (!uid) co_return std::unexpected(uid.error());
  auto workload = std::make_shared<SandboxWorkload>(executor_, std::move(spec));
  workload->spec.sandbox.id = workload->spec.id.str();
  workload->spec.sandbox.session_uid = *uid;
  book_.add(workload);

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
  book_.run(*workload);
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
  auto const ending = co_await core->pool_.run(std::move(job));
  boost::system::error_code ignored;
  workload->exit_watch.close(ignored);
  if (!core->book_.holds(*workload)) co_return;  // the backend closed
  core->clean_host(workload->spec);
  core->book_.end(*workload, ending);
}

Task<void> ProcessBackend::Core::watch_output(WorkloadPtr workload) {
  std::array<char, 4096> buffer{};
  for (;;) {
    auto const [error, size] =
        co_await workload->output.async_read_some(asio::buffer(buffer), kTuple);
    if (error) break;
    auto& tail = workload->status.output_tail;
    tail.append(buffer.data(), size);
    if (tail.size() > kOutputTailBytes) tail.erase(0, tail.size() - kOutputTailBytes);
    workload->output_bytes += size;
    workload->said.notify();
  }
  boost::system::error_code ignored;
  workload->output.close(ignored);
  workload->said.notify();
}

Task<void> ProcessBackend::Core::watch_lifetime(std::shared_ptr<Core> core, WorkloadPtr workload) {
  auto const deadline = std::chrono::steady_clock::now() + workload->spec.max_lifetime;
  while (workload->live() && std::chrono::steady_clock::now() < deadline)
    co_await Workload::await_change(workload, deadline);
  // Only the incarnation that it was armed for.
  if (!core->book_.holds(*workload) || !workload->live()) co_return;
  co_await core->stop(workload->spec.id, StopReason::max_lifetime, kStopGrace);
}

void ProcessBackend::Core::kill_and_reap(SandboxWorkload& workload) {
  auto sandbox = workload.sandbox.lock();
  if (*sandbox)
    if (auto const killed = (*sandbox)->kill(); !killed)
      log::error("workload-kill-failed",
                 {{"workload", workload.spec.id.str()}, {"error", killed.error().message}});
  sandbox->reset();
}

Task<Result<WorkloadStatus>> ProcessBackend::Core::stop(WorkloadId id, StopReason reason,
                                                        Millis grace) {
  auto const self = shared_from_this();
  auto const found = book_.get(id);
  if (!found) co_return std::unexpected(found.error());
  WorkloadPtr const workload = *found;
  auto const start_deadline =
      std::chrono::steady_clock::now() + sandbox::Launcher::kSetUpWait + kReapWait;
  while (workload->status.state == WorkloadState::starting &&
         std::chrono::steady_clock::now() < start_deadline)
    co_await Workload::await_change(workload, start_deadline);
  if (workload->status.state == WorkloadState::stopped) co_return workload->status;
  if (workload->status.state == WorkloadState::starting)
    co_return fail(ErrorCode::timeout, "workload {} neither started nor failed in time", id);
  book_.ask_to_stop(*workload, reason);

  // A frozen program could not hear the signal. Is there any use in asking?
  auto ask = [workload, grace]() -> bool {
    auto sandbox = workload->sandbox.lock();
    if (!*sandbox || grace <= Millis{0} || !(*sandbox)->handles(SIGTERM)) return false;
    return (*sandbox)->thaw().has_value() && (*sandbox)->signal(SIGTERM).has_value();
  };
  bool const asked = co_await pool_.run(std::move(ask));
  auto const grace_end = std::chrono::steady_clock::now() + grace;
  while (asked && workload->live() && std::chrono::steady_clock::now() < grace_end)
    co_await Workload::await_change(workload, grace_end);
  if (workload->live()) {
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
  while (workload->live() && std::chrono::steady_clock::now() < deadline)
    co_await Workload::await_change(workload, deadline);
  if (workload->live())
    co_return fail(ErrorCode::timeout, "workload {} was killed and is not reaped after {} ms", id,
                   kKilledWait.count());
  co_return workload->status;
}

Task<Status> ProcessBackend::Core::destroy(WorkloadId id) {
  auto const self = shared_from_this();
  if (book_.find(id) == nullptr) co_return Status{};
  auto const stopped = co_await stop(id, StopReason::stopped, Millis{0});
  if (!stopped) co_return std::unexpected(stopped.error());
  WorkloadPtr const workload = book_.find(id);
  if (workload == nullptr) co_return Status{};
  if (workload->live())
    co_return fail(ErrorCode::conflict, "workload {} was started again meanwhile", id);
  book_.forget(workload);
  co_return Status{};
}

Task<Status> ProcessBackend::Core::hold(WorkloadId id, Hold hold) {
  auto const self = shared_from_this();
  auto const found = book_.get_running(id, hold == Hold::freeze ? "frozen" : "thawed");
  if (!found) co_return std::unexpected(found.error());
  WorkloadPtr const workload = *found;
  auto job = [workload, hold]() -> Status {
    auto sandbox = workload->sandbox.lock();
    if (!*sandbox) return {};  // ended meanwhile: nothing of it runs
    return hold == Hold::freeze ? (*sandbox)->freeze() : (*sandbox)->thaw();
  };
  co_return co_await pool_.run(std::move(job));
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

Status ProcessBackend::recover() {
  auto const reaped = core_->reap_orphans();
  if (!reaped) return std::unexpected(reaped.error());
  if (!reaped->empty()) log::info("orphans-reaped", {{"workloads", reaped->size()}});
  return {};
}

// The launcher is there, or the backend would not be.
Task<Status> ProcessBackend::check() {
  co_return Status{};
}

Result<ProcessBackend::Program> ProcessBackend::program(WorkloadId const& id) const {
  auto const found = core_->book().get_running(id, "looked at");
  if (!found) return std::unexpected(found.error());
  auto sandbox = (*found)->sandbox.lock();
  if (!*sandbox) return fail(ErrorCode::not_found, "workload {} has ended", id);
  return Program{(*sandbox)->pid(), (*found)->spec.sandbox.session_uid};
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
  return core_->book().touch(id);
}
std::vector<WorkloadStatus> ProcessBackend::list() const {
  return core_->book().list();
}
void ProcessBackend::on_event(std::function<void(RuntimeEvent const&)> listener) {
  core_->book().listen(std::move(listener));
}

Result<WorkloadStatus> ProcessBackend::status(WorkloadId const& id) const {
  auto const found = core_->book().get(id);
  if (!found) return std::unexpected(found.error());
  return (*found)->status;
}

Task<Status> ProcessBackend::keep_warm(std::vector<WarmWish> wishes) {
  if (wishes.empty()) co_return Status{};
  co_return fail_next(ErrorCode::unsupported,
                      "the backend process keeps no sandboxes ahead of need: one is made in "
                      "milliseconds",
                      "leave warm out of the agent, or give it backend = \"docker\"");
}

Task<Result<std::string>> ProcessBackend::output(WorkloadId id) {
  auto const found = core_->book().get(id);
  if (!found) co_return std::unexpected(found.error());
  co_return (*found)->status.output_tail;
}

Task<Result<ProcessBackend::OutputPiece>> ProcessBackend::output_behind(
    WorkloadId id, std::uint64_t bytes, os::AsyncEvent::TimePoint until) {
  auto const found = core_->book().get(id);
  if (!found) co_return std::unexpected(found.error());
  WorkloadPtr const workload = *found;
  auto const may_say = [&] { return workload->live() || workload->output.is_open(); };
  if (workload->output_bytes <= bytes && may_say()) {
    auto const seen = workload->said.version();
    co_await workload->said.wait(seen, until);
  }
  OutputPiece piece;
  auto const& tail = workload->status.output_tail;
  piece.over = !may_say();
  piece.from =
      std::min(std::max(bytes, workload->output_bytes - tail.size()), workload->output_bytes);
  piece.text = tail.substr(tail.size() - (workload->output_bytes - piece.from));
  co_return piece;
}

void ProcessBackend::wake_readers(WorkloadId const& id) {
  if (auto const workload = core_->book().find(id)) workload->said.notify();
}

Result<os::CgroupUsage> ProcessBackend::usage(WorkloadId const& id) const {
  auto const found = core_->book().get(id);
  if (!found) return std::unexpected(found.error());
  auto sandbox = (*found)->sandbox.lock();
  if (!*sandbox) return os::CgroupUsage{};
  return (*sandbox)->usage();
}

}  // namespace drover::runtime
