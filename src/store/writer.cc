#include "store/writer.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace drover::store {

namespace {

using Steady = std::chrono::steady_clock;

constexpr std::string_view kSavepoint = "SAVEPOINT job";
constexpr std::string_view kKeep = "RELEASE job";
constexpr std::string_view kUndo = "ROLLBACK TO job";

}  // namespace

struct Writer::Impl {
  // What one commit makes durable.
  struct Batch {
    std::vector<std::unique_ptr<Job>> jobs;
    std::vector<Transaction::Hook> hooks;
    std::size_t published = 0;    // of the hooks, before the commit
    std::optional<Error> broken;  // the whole transaction is gone, with everything in it
    bool full = false;            // for want of room
  };

  Impl(Database opened, boost::asio::any_io_executor executor, WriterOptions wanted)
      : database(std::move(opened)), loop(std::move(executor)), options(std::move(wanted)) {}

  Database database;
  boost::asio::any_io_executor loop;
  WriterOptions options;

  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::unique_ptr<Job>> queue;  // guarded by mutex, for the condition variable
  bool stopping = false;                   // guarded by mutex

  std::atomic<std::size_t> queued{0};
  std::atomic<std::uint64_t> jobs_done{0};
  std::atomic<std::uint64_t> commits{0};
  std::atomic<std::uint64_t> failed_commits{0};
  std::atomic<std::uint64_t> checkpoints{0};
  std::atomic<std::int64_t> last_commit_us{0};
  std::atomic<int> wal_pages{0};
  std::atomic<bool> refusing{false};

  std::thread thread;
  std::optional<Batch> open;  // by_owner: what advance() has still to end

  void work();
  bool wait_for_jobs();
  bool offer(std::unique_ptr<Job>& job);
  std::unique_ptr<Job> take();
  [[nodiscard]] Batch begin_batch();
  void run_waiting_jobs(Batch& batch, Steady::time_point until);
  bool publish_early(Batch& batch);
  bool await_follow_up();
  void write_batch();
  void run_job(Batch& batch, Job& job);
  void end_batch(Batch batch);
  Status commit(Batch& batch);
  void deliver(Batch batch);
  Status checkpoint();
  [[nodiscard]] Error refusal() const;
};

Error Writer::Impl::refusal() const {
  return Error{ErrorCode::unavailable,
               fmt::format("the store {} takes no more writes, because a sync of its file failed "
                           "and what the disk holds is unknown",
                           database.path()),
               "check the disk, then restart drover"};
}

void Writer::Impl::work() {
  while (wait_for_jobs()) {
    write_batch();
    if (database.wal_pages() >= options.checkpoint_pages && !refusing)
      static_cast<void>(checkpoint());
  }
}

// Returns false once stopped and drained. Checkpoints when nothing has come for a while.
bool Writer::Impl::wait_for_jobs() {
  std::unique_lock lock{mutex};
  auto const ready = [this] { return !queue.empty() || stopping; };
  while (database.wal_pages() > 0 && !refusing) {
    if (wake.wait_for(lock, options.checkpoint_idle, ready)) return !queue.empty();
    lock.unlock();
    int const before = database.wal_pages();
    static_cast<void>(checkpoint());
    lock.lock();
    // A reader may hold the rest back: the idle time after the next job tries again.
    if (database.wal_pages() >= before) break;
  }
  // Nothing to checkpoint: sleep until woken.
  wake.wait(lock, ready);
  return !queue.empty();
}

std::unique_ptr<Writer::Job> Writer::Impl::take() {
  std::scoped_lock const lock{mutex};
  if (queue.empty()) return nullptr;
  auto job = std::move(queue.front());
  queue.pop_front();
  queued = queue.size();
  return job;
}

// Lets the event loop know early what it may. True when there was something.
bool Writer::Impl::publish_early(Batch& batch) {
  if (batch.broken) return false;
  auto const from = batch.hooks.begin() + static_cast<std::ptrdiff_t>(batch.published);
  auto const to = std::find_if(from, batch.hooks.end(),
                               [](Transaction::Hook const& hook) { return !hook.undo; });
  if (from == to) return false;
  std::vector<std::function<void()>> early;
  for (auto hook = from; hook != to; ++hook)
    early.push_back(std::move(hook->run));
  batch.published += early.size();
  boost::asio::post(loop, [early = std::move(early)] {
    for (auto const& hook : early)
      hook();
  });
  return true;
}

// For what the event loop makes of that. True when there is another job.
bool Writer::Impl::await_follow_up() {
  std::unique_lock lock{mutex};
  return wake.wait_for(lock, options.follow_up_wait, [this] {
    return !queue.empty() || stopping;
  }) && !queue.empty();
}

Writer::Impl::Batch Writer::Impl::begin_batch() {
  Batch batch;
  if (refusing) {
    batch.broken = refusal();
  } else if (auto begun = database.run("BEGIN IMMEDIATE"); !begun) {
    batch.broken = begun.error();
  }
  return batch;
}

// Jobs that come while others run still share the sync.
void Writer::Impl::run_waiting_jobs(Batch& batch, Steady::time_point until) {
  while (batch.jobs.size() < options.batch_jobs_max && Steady::now() < until) {
    auto job = take();
    if (!job) return;
    if (!batch.broken) run_job(batch, *job);
    batch.jobs.push_back(std::move(job));
  }
}

void Writer::Impl::write_batch() {
  Batch batch = begin_batch();
  auto const until = Steady::now() + options.batch_time_max;
  do {
    run_waiting_jobs(batch, until);
  } while (batch.jobs.size() < options.batch_jobs_max && Steady::now() < until &&
           publish_early(batch) && await_follow_up());
  end_batch(std::move(batch));
}

WriterStep Writer::advance() {
  DROVER_CHECK(impl_->options.drive == WriterDrive::by_owner);
  std::optional<Impl::Batch>& open = impl_->open;
  if (!open) {
    if (impl_->queued == 0) return WriterStep::nothing;
    open = impl_->begin_batch();
  }
  impl_->run_waiting_jobs(*open, Steady::time_point::max());
  if (impl_->publish_early(*open)) return WriterStep::wrote;
  impl_->end_batch(*std::exchange(open, std::nullopt));
  return WriterStep::ended;
}

void Writer::Impl::end_batch(Batch batch) {
  if (auto const done = commit(batch); !done) batch.broken = done.error();
  if (batch.broken && batch.broken->code == ErrorCode::no_space) batch.full = true;
  if (batch.full && options.on_no_space) options.on_no_space();
  deliver(std::move(batch));
}

void Writer::Impl::run_job(Batch& batch, Job& job) {
  if (auto begun = database.run(kSavepoint); !begun) {
    batch.broken = begun.error();
    return;
  }
  Transaction transaction{database};
  Error const* const failed = job.execute(transaction);
  if (failed != nullptr && failed->code == ErrorCode::no_space) batch.full = true;
  // SQLite itself undoes the whole transaction on some errors, of which a full disk is one.
  if (!database.in_transaction()) {
    batch.broken = failed != nullptr
                       ? *failed
                       : Error{ErrorCode::internal, "a store job ended its transaction", {}};
    return;
  }
  if (failed != nullptr) {
    if (auto undone = database.run(kUndo); !undone) batch.broken = undone.error();
  }
  if (auto released = database.run(kKeep); !released && !batch.broken)
    batch.broken = released.error();
  if (failed != nullptr || batch.broken) return;
  std::move(transaction.hooks_.begin(), transaction.hooks_.end(), std::back_inserter(batch.hooks));
}

Status Writer::Impl::commit(Batch& batch) {
  auto const started = Steady::now();
  Status done;
  if (batch.broken) {
    done = std::unexpected(*batch.broken);
  } else {
    done = database.run("COMMIT");
  }
  if (!done) {
    ++failed_commits;
    log::error("store-commit-failed",
               {{"jobs", batch.jobs.size()}, {"error", done.error().message}});
    if (database.in_transaction()) {
      if (auto const undone = database.run("ROLLBACK"); !undone)
        log::error("store-rollback-failed", {{"error", undone.error().message}});
    }
  } else {
    ++commits;
    last_commit_us = std::chrono::duration_cast<Micros>(Steady::now() - started).count();
  }
  wal_pages = database.wal_pages();
  if (!database.sync_failed()) return done;
  refusing = true;
  return std::unexpected(refusal());
}

void Writer::Impl::deliver(Batch batch) {
  jobs_done += batch.jobs.size();
  std::vector<std::function<void()>> hooks;
  for (std::size_t i = 0; i < batch.hooks.size(); ++i) {
    Transaction::Hook& hook = batch.hooks[i];
    bool const published = i < batch.published;
    // The last one published is the first to be taken back.
    if (batch.broken && published) hooks.insert(hooks.begin(), std::move(hook.undo));
    if (!batch.broken && !published) hooks.push_back(std::move(hook.run));
  }
  if (batch.broken)
    for (auto& job : batch.jobs)
      job->fail(*batch.broken);
  for (auto& job : batch.jobs)
    job->committed();
  boost::asio::post(loop, [hooks = std::move(hooks), jobs = std::move(batch.jobs)] {
    for (auto const& hook : hooks)
      hook();
    for (auto const& job : jobs)
      job->complete();
  });
}

Status Writer::Impl::checkpoint() {
  ++checkpoints;
  auto const done = database.checkpoint();
  if (!done) log::error("store-checkpoint-failed", {{"error", done.error().text()}});
  wal_pages = database.wal_pages();
  if (database.sync_failed()) refusing = true;
  return done;
}

Status Writer::checkpoint() {
  DROVER_CHECK(impl_->options.drive == WriterDrive::by_owner && !impl_->open);
  return impl_->checkpoint();
}

Writer::Writer(Database database, boost::asio::any_io_executor loop, WriterOptions options)
    : impl_(std::make_unique<Impl>(std::move(database), std::move(loop), std::move(options))) {
  if (impl_->options.drive == WriterDrive::by_owner) return;
  impl_->thread = std::thread{[impl = impl_.get()] { impl->work(); }};
  pthread_setname_np(impl_->thread.native_handle(), "drover-store");
}

Writer::~Writer() {
  {
    std::scoped_lock const lock{impl_->mutex};
    impl_->stopping = true;
  }
  impl_->wake.notify_one();
  if (impl_->thread.joinable()) impl_->thread.join();
}

// Takes the job, or leaves it when the queue is full.
bool Writer::Impl::offer(std::unique_ptr<Job>& job) {
  std::scoped_lock const lock{mutex};
  if (queue.size() >= options.queued_jobs_max) return false;
  queue.push_back(std::move(job));
  queued = queue.size();
  return true;
}

void Writer::submit(std::unique_ptr<Job> job) {
  if (impl_->offer(job)) return impl_->wake.notify_one();
  job->fail(Error{
      ErrorCode::unavailable,
      fmt::format("the store's queue is full ({} writes wait)", impl_->options.queued_jobs_max),
      "try again in a moment; the disk is slower than the load"});
  job->committed();
  job->complete();
}

WriterStats Writer::stats() const {
  return {.queued = impl_->queued,
          .jobs = impl_->jobs_done,
          .commits = impl_->commits,
          .failed_commits = impl_->failed_commits,
          .checkpoints = impl_->checkpoints,
          .last_commit = Micros{impl_->last_commit_us},
          .wal_pages = impl_->wal_pages,
          .refusing = impl_->refusing};
}

}  // namespace drover::store
