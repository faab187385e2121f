#include "runtime/process_backend.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "os/files.h"
#include "runtime/record.h"

namespace drover::runtime {
namespace {

constexpr std::chrono::seconds kPatience{20};

std::shared_ptr<sandbox::Launcher> launcher() {
  static auto const shared = sandbox::Launcher::create().value();
  return shared;
}

class Backend : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/drover-runtime-test-XXXXXX";
    ASSERT_NE(nullptr, ::mkdtemp(name));
    path_ = name;
    ASSERT_EQ(0, ::chmod(name, 0755));
    make();
  }
  void TearDown() override {
    backend_.reset();
    EXPECT_TRUE(os::remove_tree(path_));
  }
  void make() {
    backend_ = std::make_unique<ProcessBackend>(
        loop_.get_executor(), pool_, clock_, launcher(),
        ProcessBackendSettings{.record_folder = path_ + "/workloads"});
    backend_->on_event([this](RuntimeEvent const& event) {
      events_.push_back(fmt::format("{}{}{}", to_string(event.state), event.stop_reason ? ":" : "",
                                    event.stop_reason ? to_string(*event.stop_reason) : ""));
    });
  }

  // Runs the loop until the task has its result.
  template <class T>
  T await(Task<T> task) {
    std::optional<T> result;
    boost::asio::co_spawn(loop_, std::move(task), [&](std::exception_ptr const& error, T value) {
      EXPECT_FALSE(error);
      result = std::move(value);
    });
    until([&] { return result.has_value(); });
    return std::move(*result);
  }
  template <class Condition>
  void until(Condition condition) {
    loop_.restart();
    auto const deadline = std::chrono::steady_clock::now() + kPatience;
    while (!condition() && std::chrono::steady_clock::now() < deadline) {
      loop_.run_for(Millis{5});
      loop_.restart();
    }
    ASSERT_TRUE(condition());
  }
  void until_state(WorkloadId const& id, WorkloadState state) {
    until([&] { return backend_->status(id)->state == state; });
  }

  WorkloadSpec script(std::string const& text) {
    WorkloadSpec spec;
    static int count = 0;
    spec.id = WorkloadId::trusted(fmt::format("rt-{}-{}", ::getpid(), ++count));
    spec.profile = "test";
    spec.sandbox.argv = {"/bin/sh", "-c", text};
    spec.sandbox.env = {"PATH=/usr/bin:/bin"};
    return spec;
  }
  // What must be gone when nothing lives.
  void expect_nothing_left(WorkloadId const& id) {
    auto group = os::Cgroup::existing(launcher()->cgroups(), sandbox::cgroup_name(id.str()));
    for (auto const& folder : group.folders())
      EXPECT_FALSE(os::exists(folder)) << folder;
    EXPECT_FALSE(os::exists(fmt::format("{}/workloads/{}.json", path_, id)));
  }

  std::string path_;
  SystemClock clock_;
  boost::asio::io_context loop_;
  os::BlockingPool pool_{2};
  std::vector<std::string> events_;
  std::unique_ptr<ProcessBackend> backend_;
};

using Events = std::vector<std::string>;

TEST_F(Backend, RunsToItsEndAndSaysHow) {
  auto spec = script("echo hello; echo oops >&2; exit 0");
  auto const id = spec.id;
  auto const started = await(backend_->start(std::move(spec)));
  ASSERT_TRUE(started.has_value()) << started.error().text();
  EXPECT_EQ("process", started->backend);
  EXPECT_TRUE(started->started_at.has_value());
  until_state(id, WorkloadState::stopped);
  auto const status = backend_->status(id).value();
  EXPECT_EQ(0, status.exit_code);
  EXPECT_EQ(StopReason::completed, status.stop_reason);
  EXPECT_NE(std::string::npos, status.output_tail.find("hello\noops\n"));
  EXPECT_EQ((Events{"starting", "running", "stopped:completed"}), events_);
  expect_nothing_left(id);
}

TEST_F(Backend, AFailureKeepsItsCode) {
  auto spec = script("exit 3");
  auto const id = spec.id;
  ASSERT_TRUE(await(backend_->start(std::move(spec))));
  until_state(id, WorkloadState::stopped);
  EXPECT_EQ(3, backend_->status(id)->exit_code);
  EXPECT_EQ(StopReason::failed, backend_->status(id)->stop_reason);
}

TEST_F(Backend, OutOfMemoryIsAReasonOfItsOwn) {
  if (launcher()->cgroups().place(os::CgroupDuty::memory) == nullptr)
    GTEST_SKIP() << launcher()->cgroups().why_not(os::CgroupDuty::memory);
  auto spec = script("head -c 200M /dev/zero | tail");
  spec.sandbox.argv = {"/usr/bin/tail", "/dev/zero"};
  spec.sandbox.limits.memory_mb = {64, sandbox::LimitOrigin::asked};
  auto const id = spec.id;
  ASSERT_TRUE(await(backend_->start(std::move(spec))));
  until_state(id, WorkloadState::stopped);
  EXPECT_EQ(StopReason::oom, backend_->status(id)->stop_reason);
  EXPECT_EQ(137, backend_->status(id)->exit_code);
}

TEST_F(Backend, AFailedStartIsTheErrorAndAStatus) {
  auto spec = script("true");
  spec.sandbox.argv = {"/no/such/program"};
  auto const id = spec.id;
  auto const started = await(backend_->start(std::move(spec)));
  ASSERT_FALSE(started.has_value());
  EXPECT_NE(std::string::npos, started.error().message.find("/no/such/program"));
  EXPECT_EQ(StopReason::start_failed, backend_->status(id)->stop_reason);
  EXPECT_EQ((Events{"starting", "stopped:start_failed"}), events_);
  expect_nothing_left(id);
}

TEST_F(Backend, StartIsIdempotentAndAnotherSpecIsAConflict) {
  auto spec = script("sleep 60");
  ASSERT_TRUE(await(backend_->start(spec)));
  auto const again = await(backend_->start(spec));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(WorkloadState::running, again->state);
  EXPECT_EQ(1U, backend_->list().size());
  auto other = spec;
  other.profile = "other";
  other.sandbox.limits.memory_mb.value = 1;
  auto const refused = await(backend_->start(other));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(ErrorCode::conflict, refused.error().code);
  EXPECT_NE(std::string::npos, refused.error().message.find("profile, resources"));
  ASSERT_TRUE(await(backend_->destroy(spec.id)));
  EXPECT_EQ(ErrorCode::not_found, backend_->status(spec.id).error().code);
  EXPECT_EQ("destroyed:stopped", events_.back());
  EXPECT_TRUE(await(backend_->destroy(spec.id)));
  expect_nothing_left(spec.id);
}

TEST_F(Backend, AnEndedOneStartsAnew) {
  auto spec = script("exit 1");
  ASSERT_TRUE(await(backend_->start(spec)));
  until_state(spec.id, WorkloadState::stopped);
  auto second = spec;
  second.sandbox.argv.back() = "exit 0";
  ASSERT_TRUE(await(backend_->start(second)));
  until_state(spec.id, WorkloadState::stopped);
  EXPECT_EQ(StopReason::completed, backend_->status(spec.id)->stop_reason);
}

TEST_F(Backend, StopLetsAProgramEndWellWithinItsGrace) {
  auto spec = script("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done");
  ASSERT_TRUE(await(backend_->start(spec)));
  until([&] { return backend_->status(spec.id)->output_tail == "up\n"; });
  auto const stopped = await(backend_->stop(spec.id, StopReason::idle_timeout, Millis{10'000}));
  ASSERT_TRUE(stopped.has_value());
  EXPECT_EQ(0, stopped->exit_code);
  EXPECT_EQ(StopReason::idle_timeout, stopped->stop_reason);
  until([&] { return backend_->status(spec.id)->output_tail == "up\nbye\n"; });
  EXPECT_EQ((Events{"starting", "running", "stopping", "stopped:idle_timeout"}), events_);
}

TEST_F(Backend, StopKillsWhatDoesNotListenAfterTheGrace) {
  auto spec = script("trap 'echo no' TERM; echo up; while :; do sleep 0.01; done");
  ASSERT_TRUE(await(backend_->start(spec)));
  until([&] { return backend_->status(spec.id)->output_tail == "up\n"; });
  auto const begin = std::chrono::steady_clock::now();
  auto const stopped = await(backend_->stop(spec.id, StopReason::stopped, Millis{100}));
  auto const took = std::chrono::steady_clock::now() - begin;
  ASSERT_TRUE(stopped.has_value());
  EXPECT_EQ(137, stopped->exit_code);
  EXPECT_GE(took, Millis{100});
  EXPECT_LT(took, std::chrono::seconds{3});
  expect_nothing_left(spec.id);
}

TEST_F(Backend, StopDoesNotWaitForAProgramThatCannotHear) {
  auto spec = script("sleep 60");
  ASSERT_TRUE(await(backend_->start(spec)));
  auto const begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(await(backend_->stop(spec.id, StopReason::stopped, kStopGrace)));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{5});
}

TEST_F(Backend, AFrozenOneStaysLiveAndCanBeThawedAndStopped) {
  auto spec = script("trap 'exit 0' TERM; while :; do echo x; sleep 0.01; done");
  EXPECT_EQ(ErrorCode::not_found, await(backend_->freeze(spec.id)).error().code);
  ASSERT_TRUE(await(backend_->start(spec)));
  until([&] { return !backend_->status(spec.id)->output_tail.empty(); });
  ASSERT_TRUE(await(backend_->freeze(spec.id)));
  loop_.restart();
  loop_.run_for(Millis{50});
  auto const at = backend_->status(spec.id)->output_tail.size();
  loop_.restart();
  loop_.run_for(Millis{100});
  EXPECT_EQ(at, backend_->status(spec.id)->output_tail.size());
  ASSERT_TRUE(await(backend_->thaw(spec.id)));
  until([&] { return backend_->status(spec.id)->output_tail.size() > at; });
  ASSERT_TRUE(await(backend_->freeze(spec.id)));
  auto const stopped = await(backend_->stop(spec.id, StopReason::stopped, Millis{5000}));
  ASSERT_TRUE(stopped.has_value());
  EXPECT_EQ(0, stopped->exit_code);
  EXPECT_EQ(ErrorCode::conflict, await(backend_->freeze(spec.id)).error().code);
}

TEST_F(Backend, TheMaximalLifetimeEndsIt) {
  auto spec = script("sleep 60");
  spec.max_lifetime = Millis{150};
  ASSERT_TRUE(await(backend_->start(spec)));
  until_state(spec.id, WorkloadState::stopped);
  EXPECT_EQ(StopReason::max_lifetime, backend_->status(spec.id)->stop_reason);
}

TEST_F(Backend, EachLiveOneHasAUidOfItsOwn) {
  if (launcher()->privilege() != sandbox::Privilege::root) GTEST_SKIP() << "needs root";
  std::set<uid_t> uids;
  std::vector<WorkloadId> ids;
  for (int i = 0; i < 3; ++i) {
    auto spec = script("sleep 60");
    ids.push_back(spec.id);
    ASSERT_TRUE(await(backend_->start(std::move(spec))));
    auto const records = RecordFolder{path_ + "/workloads"}.load().value().records;
    struct stat info{};
    ASSERT_EQ(
        0, ::stat(fmt::format("/proc/{}", records[static_cast<std::size_t>(0)].trace.pid).c_str(),
                  &info));
    for (auto const& record : records)
      if (::stat(fmt::format("/proc/{}", record.trace.pid).c_str(), &info) == 0)
        uids.insert(info.st_uid);
  }
  EXPECT_EQ(3U, uids.size());
  EXPECT_FALSE(uids.contains(0));
}

TEST_F(Backend, OutputIsBounded) {
  auto spec = script("head -c 1M /dev/zero | tr '\\0' x; echo end");
  ASSERT_TRUE(await(backend_->start(spec)));
  until([&] { return backend_->status(spec.id)->output_tail.ends_with("end\n"); });
  EXPECT_EQ(kOutputTailBytes, backend_->status(spec.id)->output_tail.size());
}

TEST_F(Backend, TheDestructorLeavesNothing) {
  auto spec = script("setsid sleep 60 & sleep 60");
  auto const socket_folder = path_ + "/socket";
  ASSERT_TRUE(os::make_folders(socket_folder));
  spec.owned_folders = {socket_folder};
  ASSERT_TRUE(await(backend_->start(spec)));
  backend_.reset();
  EXPECT_FALSE(os::exists(socket_folder));
  expect_nothing_left(spec.id);
}

// The server is killed; the next one finds the workload by its record.
TEST_F(Backend, AfterKillNineTheNextServerReapsTheOrphans) {
  auto const id = WorkloadId::trusted(fmt::format("rt-orphan-{}", ::getpid()));
  auto const socket_folder = path_ + "/socket";
  ASSERT_TRUE(os::make_folders(socket_folder));
  pid_t const server = ::fork();
  if (server == 0) {
    // A process of its own with its own backend; it ends only by the signal.
    boost::asio::io_context loop;
    os::BlockingPool pool{1};
    SystemClock clock;
    ProcessBackend backend{loop.get_executor(),
                           pool,
                           clock,
                           sandbox::Launcher::create().value(),
                           {.record_folder = path_ + "/workloads"}};
    WorkloadSpec spec;
    spec.id = id;
    spec.profile = "test";
    spec.owned_folders = {socket_folder};
    spec.sandbox.argv = {"/bin/sh", "-c", "trap '' TERM; setsid sleep 600 & sleep 600"};
    spec.sandbox.env = {"PATH=/usr/bin:/bin"};
    boost::asio::co_spawn(loop, backend.start(std::move(spec)), boost::asio::detached);
    loop.run();
    ::_exit(0);
  }
  RecordFolder const folder{path_ + "/workloads"};
  std::optional<Record> record;
  until([&] {
    auto const loaded = folder.load();
    if (loaded && !loaded->records.empty()) record = loaded->records[0];
    return record.has_value();
  });
  std::this_thread::sleep_for(Millis{100});  // past the gate
  ASSERT_EQ(0, ::kill(server, SIGKILL));
  ASSERT_EQ(server, ::waitpid(server, nullptr, 0));
  auto const orphan = os::open_process(record->trace.pid);
  ASSERT_TRUE(orphan.has_value());
  EXPECT_FALSE(*os::wait_gone(orphan->get(), Millis{50}));

  auto const reaped = backend_->reap_orphans();
  ASSERT_TRUE(reaped.has_value()) << reaped.error().text();
  EXPECT_EQ(std::vector<WorkloadId>{id}, *reaped);
  EXPECT_TRUE(*os::wait_gone(orphan->get(), Millis{0}));
  EXPECT_FALSE(os::exists(socket_folder));
  expect_nothing_left(id);
  EXPECT_TRUE(backend_->reap_orphans()->empty());
}

}  // namespace
}  // namespace drover::runtime
