#include "store/writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <future>
#include <latch>
#include <stdexcept>
#include <thread>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "store/scratch.h"

namespace drover::store {
namespace {

// SQLite's own file system with switchable faults in the write-ahead log.
struct Faults {
  std::atomic<bool> sync_fails{false};
  std::atomic<bool> disk_full{false};
};
Faults faults;
sqlite3_vfs fault_vfs;
sqlite3_io_methods fault_methods;
sqlite3_vfs* real_vfs = nullptr;
sqlite3_io_methods const* real_methods = nullptr;

int fault_sync(sqlite3_file* file, int flags) {
  return faults.sync_fails ? SQLITE_IOERR_FSYNC : real_methods->xSync(file, flags);
}

int fault_write(sqlite3_file* file, void const* data, int size, sqlite3_int64 offset) {
  return faults.disk_full ? SQLITE_FULL : real_methods->xWrite(file, data, size, offset);
}

int fault_open(sqlite3_vfs*, char const* name, sqlite3_file* file, int flags, int* out_flags) {
  int const code = real_vfs->xOpen(real_vfs, name, file, flags, out_flags);
  if (code != SQLITE_OK || (flags & SQLITE_OPEN_WAL) == 0) return code;
  real_methods = file->pMethods;
  fault_methods = *real_methods;
  fault_methods.xSync = fault_sync;
  fault_methods.xWrite = fault_write;
  file->pMethods = &fault_methods;
  return code;
}

OpenOptions with_faults() {
  if (real_vfs == nullptr) {
    real_vfs = sqlite3_vfs_find(nullptr);
    fault_vfs = *real_vfs;
    fault_vfs.zName = "drover-faults";
    fault_vfs.xOpen = fault_open;
    sqlite3_vfs_register(&fault_vfs, 0);
  }
  faults.sync_fails = false;
  faults.disk_full = false;
  OpenOptions options;
  options.vfs = "drover-faults";
  return options;
}

Status insert(Transaction& transaction, int number) {
  return transaction.db().run("INSERT INTO t VALUES(?)", number);
}

Database with_table(Scratch const& scratch, OpenOptions const& options = {}) {
  auto database = scratch.open(OpenMode::writer, options);
  if (!database.execute("CREATE TABLE IF NOT EXISTS t(n INTEGER PRIMARY KEY)"))
    throw std::runtime_error("no table");
  return database;
}

std::int64_t count_rows(Scratch const& scratch) {
  auto reader = scratch.open(OpenMode::reader);
  return read_integer(reader, "SELECT count(*) FROM t");
}

// Holds the writer's thread, so that what is submitted meanwhile becomes one batch.
class Hold {
 public:
  explicit Hold(Writer& writer) {
    std::latch entered{1};
    held_ = std::async(std::launch::async, [this, &writer, &entered] {
      return writer.run_blocking([this, &entered](Transaction&) -> Status {
        entered.count_down();
        let_go_.wait();
        return {};
      });
    });
    entered.wait();
  }
  Status release() {
    let_go_.count_down();
    return held_.get();
  }

 private:
  std::latch let_go_{1};
  std::future<Status> held_;
};

struct Outcome {
  std::vector<Status> done;
  std::vector<int> hooks;
};

enum class Behaviour : std::uint8_t { insert, fail, throw_it };

Task<void> submit(Writer* writer, int number, Behaviour behaviour, Outcome* outcome) {
  auto done = co_await writer->run([number, behaviour, outcome](Transaction& tx) -> Status {
    tx.on_commit([number, outcome] { outcome->hooks.push_back(number); });
    if (auto inserted = insert(tx, number); !inserted) return inserted;
    if (behaviour == Behaviour::throw_it) throw std::runtime_error("boom");
    if (behaviour == Behaviour::fail) return fail(ErrorCode::invalid_argument, "changed my mind");
    return {};
  });
  outcome->done.push_back(std::move(done));
}

void spawn(boost::asio::io_context& loop, Writer& writer, int number, Outcome& outcome,
           Behaviour behaviour = Behaviour::insert) {
  boost::asio::co_spawn(loop, submit(&writer, number, behaviour, &outcome), boost::asio::detached);
}

TEST(Writer, JobsThatWaitShareACommit) {
  Scratch scratch;
  boost::asio::io_context loop;
  Writer writer{with_table(scratch), loop.get_executor()};
  Outcome outcome;
  Hold hold{writer};
  for (int number = 0; number < 100; ++number)
    spawn(loop, writer, number, outcome);
  loop.poll();
  EXPECT_EQ(writer.stats().queued, 100U);
  ASSERT_TRUE(hold.release());
  loop.restart();
  loop.run_for(kTestDeadline);
  ASSERT_EQ(outcome.done.size(), 100U);
  for (auto const& done : outcome.done)
    EXPECT_TRUE(done);
  EXPECT_EQ(count_rows(scratch), 100);
  EXPECT_EQ(writer.stats().jobs, 101U);
  EXPECT_LE(writer.stats().commits, 2U);
}

TEST(Writer, AFailedJobIsUndoneAlone) {
  Scratch scratch;
  boost::asio::io_context loop;
  Writer writer{with_table(scratch), loop.get_executor()};
  Outcome outcome;
  Hold hold{writer};
  spawn(loop, writer, 1, outcome);
  spawn(loop, writer, 2, outcome, Behaviour::fail);
  spawn(loop, writer, 3, outcome, Behaviour::throw_it);
  spawn(loop, writer, 1, outcome);  // a constraint
  spawn(loop, writer, 4, outcome);
  loop.poll();
  ASSERT_TRUE(hold.release());
  loop.restart();
  loop.run_for(kTestDeadline);
  ASSERT_EQ(outcome.done.size(), 5U);
  EXPECT_TRUE(outcome.done[0]);
  EXPECT_EQ(outcome.done[1].error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(outcome.done[2].error().code, ErrorCode::internal);
  EXPECT_EQ(outcome.done[3].error().code, ErrorCode::conflict);
  EXPECT_TRUE(outcome.done[4]);
  EXPECT_EQ(count_rows(scratch), 2);
  EXPECT_EQ(outcome.hooks, (std::vector{1, 4}));
}

Task<void> submit_watching(Writer* writer, int number, std::vector<std::string>* order,
                           std::thread::id loop_thread) {
  auto const done = co_await writer->run([=](Transaction& tx) -> Status {
    EXPECT_NE(std::this_thread::get_id(), loop_thread);
    tx.on_commit([number, order, loop_thread] {
      EXPECT_EQ(std::this_thread::get_id(), loop_thread);
      order->push_back("hook " + std::to_string(number));
    });
    return insert(tx, number);
  });
  EXPECT_TRUE(done);
  EXPECT_EQ(std::this_thread::get_id(), loop_thread);
  order->push_back("done " + std::to_string(number));
}

TEST(Writer, HooksRunOnTheLoopInOrderBeforeAnyJobOfTheBatchCompletes) {
  Scratch scratch;
  boost::asio::io_context loop;
  Writer writer{with_table(scratch), loop.get_executor()};
  std::vector<std::string> order;
  Hold hold{writer};
  for (int number = 1; number <= 3; ++number)
    boost::asio::co_spawn(loop,
                          submit_watching(&writer, number, &order, std::this_thread::get_id()),
                          boost::asio::detached);
  loop.poll();
  ASSERT_TRUE(hold.release());
  loop.restart();
  loop.run_for(kTestDeadline);
  EXPECT_EQ(order,
            (std::vector<std::string>{"hook 1", "hook 2", "hook 3", "done 1", "done 2", "done 3"}));
}

TEST(Writer, AJobThatAWrittenHookBringsAboutSharesTheCommit) {
  Scratch scratch;
  boost::asio::io_context loop;
  WriterOptions patient;
  patient.follow_up_wait = Micros{2'000'000};
  Writer writer{with_table(scratch), loop.get_executor(), patient};
  Outcome outcome;
  std::vector<std::string> order;
  auto first = [&](Transaction& tx) -> Status {
    tx.on_written(
        [&] {
          order.emplace_back("hook");
          spawn(loop, writer, 2, outcome);
        },
        [&] { order.emplace_back("undo"); });
    return insert(tx, 1);
  };
  auto const before = writer.stats().commits;
  bool finished = false;
  boost::asio::co_spawn(loop, writer.run(first),
                        [&](std::exception_ptr const&, Status const& done) {
                          EXPECT_TRUE(done);
                          finished = true;
                        });
  loop.run_for(kTestDeadline);
  EXPECT_TRUE(finished);
  ASSERT_EQ(outcome.done.size(), 1U);
  EXPECT_TRUE(outcome.done[0]);
  EXPECT_EQ(order, (std::vector<std::string>{"hook"}));
  EXPECT_EQ(writer.stats().commits, before + 1);
  EXPECT_EQ(count_rows(scratch), 2);
}

WriterOptions by_owner() {
  WriterOptions options;
  options.drive = WriterDrive::by_owner;
  return options;
}

TEST(Writer, WithoutAThreadItWritesWhenItIsTold) {
  Scratch scratch;
  boost::asio::io_context loop;
  Writer writer{with_table(scratch), loop.get_executor(), by_owner()};
  Outcome outcome;
  EXPECT_EQ(writer.advance(), WriterStep::nothing);
  spawn(loop, writer, 1, outcome);
  spawn(loop, writer, 2, outcome);
  loop.poll();
  EXPECT_EQ(count_rows(scratch), 0);
  EXPECT_EQ(writer.advance(), WriterStep::ended);
  EXPECT_EQ(count_rows(scratch), 2);
  EXPECT_TRUE(outcome.done.empty()) << "before the loop has run";
  loop.restart();
  loop.poll();
  EXPECT_EQ(outcome.done.size(), 2U);
  EXPECT_EQ(writer.stats().commits, 1U);
}

TEST(Writer, WithoutAThreadTheOwnerBringsTheFollowUp) {
  Scratch scratch;
  boost::asio::io_context loop;
  Writer writer{with_table(scratch), loop.get_executor(), by_owner()};
  Outcome outcome;
  auto first = [&](Transaction& tx) -> Status {
    tx.on_written([&] { spawn(loop, writer, 2, outcome); }, [] {});
    return insert(tx, 1);
  };
  boost::asio::co_spawn(loop, writer.run(first), boost::asio::detached);
  loop.poll();
  EXPECT_EQ(writer.advance(), WriterStep::wrote);
  EXPECT_EQ(count_rows(scratch), 0) << "before the commit";
  loop.restart();
  loop.poll();
  EXPECT_EQ(writer.advance(), WriterStep::ended);
  EXPECT_EQ(count_rows(scratch), 2);
  EXPECT_EQ(writer.stats().commits, 1U);
}

TEST(Writer, WithoutAThreadWhatWaitsGoesWithIt) {
  Scratch scratch;
  boost::asio::io_context loop;
  Outcome outcome;
  {
    Writer writer{with_table(scratch), loop.get_executor(), by_owner()};
    spawn(loop, writer, 1, outcome);
    loop.poll();
  }
  loop.restart();
  loop.poll();
  EXPECT_TRUE(outcome.done.empty());
  EXPECT_EQ(count_rows(scratch), 0);
}

TEST(Writer, AWrittenHookIsTakenBackWhenTheCommitFails) {
  Scratch scratch;
  boost::asio::io_context loop;
  Writer writer{with_table(scratch, with_faults()), loop.get_executor()};
  std::vector<std::string> order;
  auto job = [&order](Transaction& tx) -> Status {
    for (std::string const name : {"a", "b"})
      tx.on_written([&order, name] { order.push_back(name); },
                    [&order, name] { order.push_back("undo " + name); });
    return insert(tx, 1);
  };
  faults.disk_full = true;
  bool failed = false;
  boost::asio::co_spawn(loop, writer.run(job), [&](std::exception_ptr const&, Status const& done) {
    failed = !done;
    order.emplace_back("told");
  });
  loop.run_for(kTestDeadline);
  faults.disk_full = false;
  EXPECT_TRUE(failed);
  EXPECT_EQ(order, (std::vector<std::string>{"a", "b", "undo b", "undo a", "told"}));
}

TEST(Writer, AWrittenHookBehindACommitHookWaitsForTheCommit) {
  Scratch scratch;
  boost::asio::io_context loop;
  Writer writer{with_table(scratch, with_faults()), loop.get_executor()};
  std::vector<std::string> order;
  auto job = [&order](Transaction& tx) -> Status {
    tx.on_commit([&order] { order.emplace_back("commit"); });
    tx.on_written([&order] { order.emplace_back("written"); },
                  [&order] { order.emplace_back("undo"); });
    return insert(tx, 1);
  };
  faults.disk_full = true;
  boost::asio::co_spawn(loop, writer.run(job), boost::asio::detached);
  loop.run_for(kTestDeadline);
  EXPECT_TRUE(order.empty());
  faults.disk_full = false;
  boost::asio::co_spawn(loop, writer.run(job), boost::asio::detached);
  loop.restart();
  loop.run_for(kTestDeadline);
  EXPECT_EQ(order, (std::vector<std::string>{"commit", "written"}));
}

TEST(Writer, ARefusedQueueSaysSo) {
  Scratch scratch;
  boost::asio::io_context loop;
  WriterOptions options;
  options.queued_jobs_max = 2;
  Writer writer{with_table(scratch), loop.get_executor(), options};
  Outcome outcome;
  Hold hold{writer};
  for (int number = 0; number < 3; ++number)
    spawn(loop, writer, number, outcome);
  loop.poll();
  ASSERT_EQ(outcome.done.size(), 1U);
  EXPECT_EQ(outcome.done[0].error().code, ErrorCode::unavailable);
  ASSERT_TRUE(hold.release());
  loop.restart();
  loop.run_for(kTestDeadline);
  EXPECT_EQ(count_rows(scratch), 2);
}

TEST(Writer, DestructionWritesWhatWaits) {
  Scratch scratch;
  boost::asio::io_context loop;
  Outcome outcome;
  {
    Writer writer{with_table(scratch), loop.get_executor()};
    Hold hold{writer};
    for (int number = 0; number < 300; ++number)
      spawn(loop, writer, number, outcome);
    loop.poll();
    ASSERT_TRUE(hold.release());
  }
  EXPECT_EQ(count_rows(scratch), 300);
  loop.restart();
  loop.run_for(kTestDeadline);
  EXPECT_EQ(outcome.done.size(), 300U);
}

TEST(Writer, AJobOutOfSpaceFailsAndTheWriterGoesOn) {
  Scratch scratch;
  boost::asio::io_context loop;
  auto database = with_table(scratch);
  ASSERT_TRUE(database.execute("CREATE TABLE big(s); PRAGMA max_page_count=16"));
  Writer writer{std::move(database), loop.get_executor()};
  auto const full = writer.run_blocking([](Transaction& tx) -> Status {
    return tx.db().run("INSERT INTO big VALUES(?)", std::string(500'000, 'x'));
  });
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, ErrorCode::no_space) << full.error().text();
  EXPECT_TRUE(writer.run_blocking([](Transaction& tx) { return insert(tx, 1); }));
  EXPECT_EQ(count_rows(scratch), 1);
}

TEST(Writer, ACommitOutOfSpaceFailsItsWholeBatchAndTheWriterGoesOn) {
  Scratch scratch;
  boost::asio::io_context loop;
  Writer writer{with_table(scratch, with_faults()), loop.get_executor()};
  Outcome outcome;
  Hold hold{writer};
  for (int number = 0; number < 5; ++number)
    spawn(loop, writer, number, outcome);
  loop.poll();
  faults.disk_full = true;
  EXPECT_EQ(hold.release().error().code, ErrorCode::no_space);
  loop.restart();
  loop.run_for(kTestDeadline);
  ASSERT_EQ(outcome.done.size(), 5U);
  for (auto const& done : outcome.done)
    EXPECT_EQ(done.error().code, ErrorCode::no_space);
  EXPECT_TRUE(outcome.hooks.empty());
  faults.disk_full = false;
  EXPECT_TRUE(writer.run_blocking([](Transaction& tx) { return insert(tx, 7); }));
  EXPECT_EQ(count_rows(scratch), 1);
  EXPECT_GE(writer.stats().failed_commits, 1U);
}

TEST(Writer, AfterAFailedSyncNothingIsAcknowledgedAnyMore) {
  Scratch scratch;
  boost::asio::io_context loop;
  {
    Writer writer{with_table(scratch, with_faults()), loop.get_executor()};
    ASSERT_TRUE(writer.run_blocking([](Transaction& tx) { return insert(tx, 1); }));
    faults.sync_fails = true;
    auto const lost = writer.run_blocking([](Transaction& tx) { return insert(tx, 2); });
    EXPECT_EQ(lost.error().code, ErrorCode::unavailable) << lost.error().text();
    faults.sync_fails = false;
    auto const later = writer.run_blocking([](Transaction& tx) { return insert(tx, 3); });
    EXPECT_EQ(later.error().code, ErrorCode::unavailable);
    EXPECT_TRUE(writer.stats().refusing);
  }
  Writer reopened{with_table(scratch), loop.get_executor()};
  EXPECT_TRUE(reopened.run_blocking([](Transaction& tx) { return insert(tx, 4); }));
  auto reader = scratch.open(OpenMode::reader);
  EXPECT_EQ(read_integer(reader, "SELECT count(*) FROM t WHERE n IN (1, 4)"), 2);
  EXPECT_EQ(read_integer(reader, "SELECT count(*) FROM t WHERE n=3"), 0);
}

TEST(Writer, WhenIdleTheLogIsMovedIntoTheFile) {
  Scratch scratch;
  boost::asio::io_context loop;
  WriterOptions options;
  options.checkpoint_idle = Millis{20};
  Writer writer{with_table(scratch), loop.get_executor(), options};
  ASSERT_TRUE(writer.run_blocking([](Transaction& tx) { return insert(tx, 1); }));
  auto const deadline = std::chrono::steady_clock::now() + kTestDeadline;
  while (writer.stats().checkpoints == 0 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(Millis{5});
  while (writer.stats().wal_pages != 0 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(Millis{5});
  EXPECT_EQ(writer.stats().wal_pages, 0);
  auto const count = writer.stats().checkpoints;
  std::this_thread::sleep_for(Millis{100});
  EXPECT_EQ(writer.stats().checkpoints, count) << "nothing to do, nothing done";
}

Task<void> write_and_report(Writer* writer, int first, int step, int report_fd) {
  for (int number = first;; number += step) {
    auto const done =
        co_await writer->run([number](Transaction& tx) { return insert(tx, number); });
    if (!done) ::_exit(3);
    if (::write(report_fd, &number, sizeof number) != sizeof number) ::_exit(4);
  }
}

[[noreturn]] void be_killed(Scratch const& scratch, int report_fd) {
  boost::asio::io_context loop;
  Writer writer{with_table(scratch), loop.get_executor()};
  constexpr int kWriters = 8;
  for (int first = 0; first < kWriters; ++first)
    boost::asio::co_spawn(loop, write_and_report(&writer, first, kWriters, report_fd),
                          boost::asio::detached);
  loop.run();
  ::_exit(5);
}

// What was acknowledged is there after kill -9, whenever it comes.
TEST(Writer, NothingAcknowledgedIsLostWhenKilled) {
  for (int const kill_after : {1, 150, 777}) {
    Scratch scratch;
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    pid_t const child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) be_killed(scratch, ends[1]);
    ::close(ends[1]);
    std::vector<int> acknowledged;
    int number = 0;
    while (::read(ends[0], &number, sizeof number) == sizeof number) {
      acknowledged.push_back(number);
      if (acknowledged.size() == static_cast<std::size_t>(kill_after)) ::kill(child, SIGKILL);
    }
    ::close(ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
    ASSERT_GE(acknowledged.size(), static_cast<std::size_t>(kill_after));
    auto database = scratch.open();
    for (int const wanted : acknowledged) {
      auto row = database.query("SELECT 1 FROM t WHERE n=?", wanted);
      EXPECT_TRUE(row->step().value()) << wanted << " was acknowledged and is gone";
    }
  }
}

Task<void> submit_many(Writer* writer, int count, std::string body) {
  for (int done = 0; done < count; ++done) {
    auto const written = co_await writer->run([body](Transaction& tx) -> Status {
      return tx.db().run("INSERT INTO e(stream, seq, body) VALUES(?, ?, ?)", 1, 2, body);
    });
    EXPECT_TRUE(written);
  }
}

// A measurement, for people: --gtest_also_run_disabled_tests --gtest_filter=Writer.DISABLED_*
TEST(Writer, DISABLED_MeasureRowsPerSecond) {
  std::string const body(300, 'x');
  for (int const submitters : {1, 4, 16, 64, 256}) {
    Scratch scratch;
    boost::asio::io_context loop;
    auto database = scratch.open();
    ASSERT_TRUE(database.execute("CREATE TABLE e(id INTEGER PRIMARY KEY, stream, seq, body)"));
    WriterOptions options;
    options.batch_jobs_max = 256;
    Writer writer{std::move(database), loop.get_executor(), options};
    int const each = std::max(200, 40'000 / submitters / (submitters < 16 ? 8 : 1));
    for (int one = 0; one < submitters; ++one)
      boost::asio::co_spawn(loop, submit_many(&writer, each, body), boost::asio::detached);
    auto const started = std::chrono::steady_clock::now();
    loop.run();
    double const seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    auto const stats = writer.stats();
    double const rows = static_cast<double>(submitters) * each;
    std::printf("%4d submitters: %8.0f rows/s, %6.1f rows a commit, %5.0f us a commit\n",
                submitters, rows / seconds,
                static_cast<double>(stats.jobs) / static_cast<double>(stats.commits),
                seconds * 1e6 / static_cast<double>(stats.commits));
  }
}

}  // namespace
}  // namespace drover::store
