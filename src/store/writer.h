#pragma once
// The one thread that writes to the store, with group commit.
//
// A job is a function of a Transaction. Jobs that wait are run one after another, each in a
// savepoint of its own, and made durable by one COMMIT with one fsync; only then do they complete.
//   - A job that returns an error (or throws) is undone alone.
//   - When the COMMIT fails, every job of the batch fails with the real error, and the writer goes
//     on: after "disk full" nothing needs a restart.
//   - When a sync of the file fails, nobody knows what the disk holds: that batch and everything
//     after it fail with `unavailable` until the store is opened anew.
//
// Thread-safety: run(), run_blocking() and stats() may be called from any thread. A job runs on the
// writer's thread and must not block on anything but the database. Hooks of on_commit run on the
// event loop. With WriterDrive::by_owner there is no thread: everything happens on the owner's, in
// the calls of advance() that it makes, which is how the simulator decides when a disk is slow.
// Life: the destructor runs and commits what waits, and joins the thread; without a thread it drops
// what waits, as a process that is killed does. Completions and hooks are posted to the event loop,
// so they happen only while that is run.
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/error.h"
#include "base/time.h"
#include "os/blocking_pool.h"
#include "store/database.h"

namespace drover::store {

// What one job does. Valid only while the job runs.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(&database) {}
  Transaction(Transaction const&) = delete;
  Transaction& operator=(Transaction const&) = delete;

  [[nodiscard]] Database& db() { return *database_; }
  // Runs `hook` on the event loop once this job is durable, in the order of commit and before the
  // job completes: the place to publish in memory what is now true on disk. Dropped with the job
  // when it fails. The hook must not throw, and must not refer to what may be gone by then.
  void on_commit(std::function<void()> hook) { hooks_.push_back({std::move(hook), {}}); }
  // The same for what somebody waits for: `hook` may run once the job has been carried out, before
  // the commit, which then waits a moment for the job that this brings about, so that both share
  // one sync. What that job answers is durable as ever. `undo` takes back what `hook` did, on the
  // event loop, where the commit then fails. Hooks keep their order: one behind an on_commit() of
  // the same batch runs after the commit.
  void on_written(std::function<void()> hook, std::function<void()> undo) {
    hooks_.push_back({std::move(hook), std::move(undo)});
  }

 private:
  friend class Writer;
  struct Hook {
    std::function<void()> run;
    std::function<void()> undo;  // empty: only after the commit
  };
  Database* database_;
  std::vector<Hook> hooks_;
};

enum class WriterDrive : std::uint8_t { by_thread, by_owner };

struct WriterOptions {
  std::size_t queued_jobs_max = 16384;  // further ones are refused with `unavailable`
  std::size_t batch_jobs_max = 128;     // jobs that share one commit
  // A batch commits early once its jobs have run this long: bounds what one commit has to sync, and
  // how long the first job waits for the last.
  Millis batch_time_max{20};
  // How long a commit waits for a job that an on_written() hook brings about.
  Micros follow_up_wait{200};
  // The log is moved into the file after this long without a job ...
  Millis checkpoint_idle{500};
  // ... or between two batches once it has this many pages (4 KiB each).
  int checkpoint_pages = 16384;
  // On the writer's thread, when a write failed for want of room and before its jobs are told: may
  // make some, so that the next try succeeds. Must not throw.
  std::function<void()> on_no_space;
  WriterDrive drive = WriterDrive::by_thread;
};

// What advance() has done.
enum class WriterStep : std::uint8_t {
  nothing,  // no job waited
  wrote,    // carried out what waited; a commit is to follow, for which further jobs may come
  ended,    // committed or undid a batch, whose completions are on their way to the loop
};

struct WriterStats {
  std::size_t queued = 0;  // jobs that wait, at this moment
  std::uint64_t jobs = 0;
  std::uint64_t commits = 0;
  std::uint64_t failed_commits = 0;
  std::uint64_t checkpoints = 0;
  Micros last_commit{0};  // how long the last COMMIT took
  int wal_pages = 0;
  bool refusing = false;  // a sync has failed
};

class Writer {
 public:
  // `loop` is the event loop's executor, which one thread runs.
  Writer(Database database, boost::asio::any_io_executor loop, WriterOptions options = {});
  ~Writer();
  Writer(Writer const&) = delete;
  Writer& operator=(Writer const&) = delete;

  // Runs `work` (Transaction& -> Result<T> or Status) and resumes on the caller's executor once it
  // is durable or undone.
  template <class Work>
  Task<std::invoke_result_t<Work&, Transaction&>> run(Work work) {
    using Value = std::invoke_result_t<Work&, Transaction&>;
    auto initiate = [this](auto handler, Work job) {
      submit(
          std::make_unique<AsyncJob<Work, decltype(handler)>>(std::move(job), std::move(handler)));
    };
    // By pointer, because an Asio completion value must be default-constructible.
    auto value = co_await boost::asio::async_initiate<boost::asio::use_awaitable_t<> const,
                                                      void(std::unique_ptr<Value>)>(
        initiate, boost::asio::use_awaitable, std::move(work));
    co_return std::move(*value);
  }

  // The same for a caller without an event loop: start-up, command line, tests. Does not wait for
  // hooks, which the loop runs when it is run.
  template <class Work>
  [[nodiscard]] std::invoke_result_t<Work&, Transaction&> run_blocking(Work work) {
    using Value = std::invoke_result_t<Work&, Transaction&>;
    std::promise<Value> promise;
    auto future = promise.get_future();
    submit(std::make_unique<BlockingJob<Work>>(std::move(work), std::move(promise)));
    return future.get();
  }

  // WriterDrive::by_owner: the next step, all of it before this returns. run_blocking() is not for
  // such a writer.
  WriterStep advance();
  [[nodiscard]] Status checkpoint();

  [[nodiscard]] WriterStats stats() const;

 private:
  class Job {
   public:
    virtual ~Job() = default;
    // On the writer's thread. Returns the job's own error, which undoes it, or null.
    [[nodiscard]] virtual Error const* execute(Transaction& transaction) = 0;
    virtual void fail(Error const& error) = 0;
    // On the writer's thread, once it is durable or undone and before the hooks are posted.
    virtual void committed() {}
    // On the event loop, after the hooks.
    virtual void complete() = 0;
  };

  template <class Work>
  class TypedJob : public Job {
   public:
    using Value = std::invoke_result_t<Work&, Transaction&>;
    explicit TypedJob(Work work) : work_(std::move(work)) {}
    Error const* execute(Transaction& transaction) override {
      try {
        value_.emplace(work_(transaction));
      } catch (std::exception const& thrown) {
        value_.emplace(drover::fail(ErrorCode::internal, "a store job threw: {}", thrown.what()));
      }
      return value_->has_value() ? nullptr : &value_->error();
    }
    void fail(Error const& error) override { value_.emplace(std::unexpected(error)); }

   protected:
    std::optional<Value> value_;

   private:
    Work work_;
  };

  template <class Work, class Handler>
  class AsyncJob final : public TypedJob<Work> {
   public:
    AsyncJob(Work work, Handler handler)
        : TypedJob<Work>(std::move(work)), handler_(std::move(handler)) {}
    void complete() override {
      auto executor = boost::asio::get_associated_executor(handler_);
      auto value = std::make_unique<typename TypedJob<Work>::Value>(std::move(*this->value_));
      boost::asio::post(executor,
                        [handler = std::move(handler_), value = std::move(value)]() mutable {
                          std::move(handler)(std::move(value));
                        });
    }

   private:
    Handler handler_;
  };

  template <class Work>
  class BlockingJob final : public TypedJob<Work> {
   public:
    BlockingJob(Work work, std::promise<typename TypedJob<Work>::Value> promise)
        : TypedJob<Work>(std::move(work)), promise_(std::move(promise)) {}
    void committed() override { promise_.set_value(std::move(*this->value_)); }
    void complete() override {}

   private:
    std::promise<typename TypedJob<Work>::Value> promise_;
  };

  struct Impl;
  void submit(std::unique_ptr<Job> job);
  std::unique_ptr<Impl> impl_;
};

}  // namespace drover::store
