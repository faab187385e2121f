// Real sandboxes, with the resident program in them.
#include "fleet/process_fleet_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "fleet/fleet.h"
#include "fleet/rows.h"
#include "store/scratch.h"

namespace drover::fleet {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(LastLines, AreThatMany) {
  EXPECT_EQ(last_lines("a\nb\nc\n", 2), "b\nc\n");
  EXPECT_EQ(last_lines("a\nb\nc", 1), "c");
  EXPECT_EQ(last_lines("a\nb\n", 5), "a\nb\n");
  EXPECT_EQ(last_lines("", 5), "");
}

class ProcessFleet : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "mounts into a sandbox that runs need root";
    auto database = scratch_.open();
    ASSERT_TRUE(store::migrate(database, fleet_migrations()));
    writer_ = std::make_unique<store::Writer>(std::move(database), loop_.get_executor());
    ASSERT_TRUE(os::make_folders(state() + "/workloads", 0700));
    start();
  }
  void TearDown() override { stop(); }

  [[nodiscard]] std::string state() const { return scratch_.path("state"); }
  void start() {
    runtime::ProcessBackendSettings settings;
    settings.record_folder = state() + "/workloads";
    backend_ = std::make_unique<runtime::ProcessBackend>(
        loop_.get_executor(), pool_, clock_, sandbox::Launcher::create().value(), settings);
    FleetSettings fleet;
    fleet.state_folder = state();
    fleet.unit_program = FLEET_UNIT_PROGRAM;
    fleet.backend = "process";
    fleet_ = Fleet::make({.io = loop_,
                          .pool = pool_,
                          .clock = clock_,
                          .random = random_,
                          .writer = *writer_,
                          .agents = [this] { return agents_; },
                          .process = backend_.get()},
                         fleet)
                 .value();
    auto database = scratch_.open(store::OpenMode::reader);
    ASSERT_TRUE(reconciler().load(database));
  }
  void stop() {
    if (!fleet_) return;
    await(after(reconciler().stop()));
    backend_.reset();
    fleet_.reset();
  }
  Reconciler& reconciler() { return fleet_->reconciler(); }
  void run_in_background() {
    reconciler().watch();
    boost::asio::co_spawn(loop_, reconciler().run(), boost::asio::detached);
  }
  static Task<Status> after(Task<void> task) {
    co_await std::move(task);
    co_return Status{};
  }
  template <class T>
  T await(Task<T> task) {
    return store::finish(loop_, std::move(task));
  }
  template <class Condition>
  void until(Condition condition) {
    store::run_until(loop_, std::move(condition));
  }
  Summary all() { return await(reconciler().reconcile_all()); }
  pid_t program() {
    until([&] { return reconciler().live().size() == 1; });
    return await(reconciler().program("dev")).value();
  }
  static contract::AgentSpec resident(std::string const& name) {
    contract::AgentSpec agent;
    agent.name = name;
    agent.resident = true;
    return agent;
  }

  store::Scratch scratch_;
  boost::asio::io_context loop_;
  os::BlockingPool pool_{2};
  SystemClock clock_;
  SystemRandom random_;
  std::vector<contract::AgentSpec> agents_;
  std::unique_ptr<store::Writer> writer_;
  std::unique_ptr<runtime::ProcessBackend> backend_;
  std::unique_ptr<Fleet> fleet_;
};

TEST_F(ProcessFleet, AnInstanceRunsOverAStateThatIsItsOwn) {
  agents_ = {resident("dev")};
  auto const summary = all();
  ASSERT_THAT(summary.created, ElementsAre("dev"))
      << (summary.failed.empty() ? "" : summary.failed.front().error.text());
  EXPECT_EQ(0, ::kill(program(), 0));
  auto const uid = reconciler().live().front().uid;
  struct stat info{};
  ASSERT_EQ(0, ::stat((state() + "/residents/dev/state").c_str(), &info));
  EXPECT_EQ(info.st_uid, uid);
  EXPECT_EQ(info.st_mode & 0777U, 0700U);
  EXPECT_THAT(all().unchanged, ElementsAre("dev"));
  agents_.clear();
  EXPECT_THAT(all().removed, ElementsAre("dev"));
  EXPECT_THAT(backend_->list(), IsEmpty());
  EXPECT_TRUE(os::exists(state() + "/residents/dev/state"));
  ASSERT_TRUE(await(reconciler().wipe("dev", std::nullopt)));
  EXPECT_FALSE(os::exists(state() + "/residents/dev"));
}

// Two servers of one machine may well have agents of the same name: what one ends must not be the
// other's.
TEST_F(ProcessFleet, ASandboxIsOfOneServerOfTheMachine) {
  auto const id_in = [this](std::string state_folder) {
    FleetPlaces places;
    places.state_folder = std::move(state_folder);
    ProcessFleetEngine engine{*backend_, pool_, std::move(places)};
    Instance instance;
    instance.name = "dev";
    return await(engine.create(std::move(instance), "drover-dev")).value();
  };
  EXPECT_NE(id_in("/state/one"), id_in("/state/two"));
  EXPECT_TRUE(is_slug(id_in("/state/one")));
}

TEST_F(ProcessFleet, OneThatEndsIsStartedAgain) {
  agents_ = {resident("dev")};
  run_in_background();
  reconciler().trigger();
  auto const first = program();
  ASSERT_EQ(0, ::kill(first, SIGKILL));
  until([&] { return reconciler().live().empty(); });
  EXPECT_NE(program(), first);
  EXPECT_EQ(await(reconciler().status_of("dev")).front().restarts, 1);
}

TEST_F(ProcessFleet, AChangedSpecIsRolledOverTheSameState) {
  agents_ = {resident("dev")};
  all();
  auto const first = program();
  ASSERT_TRUE(os::write_file_atomic(state() + "/residents/dev/state/note", "mine"));
  agents_[0].env["TEAM"] = "blue";
  EXPECT_THAT(all().updated, ElementsAre("dev"));
  until([&] { return reconciler().live().size() == 1 && program() != first; });
  EXPECT_EQ(os::read_file(state() + "/residents/dev/state/note").value(), "mine");
  EXPECT_THAT(backend_->list(), SizeIs(1));
}

TEST_F(ProcessFleet, TheyEndWithTheirServerAndTheNextStartsThemAnew) {
  agents_ = {resident("dev")};
  all();
  auto const first = program();
  stop();
  EXPECT_EQ(-1, ::kill(first, 0));
  start();
  EXPECT_THAT(all().created, ElementsAre("dev"));
  EXPECT_NE(program(), first);
}

TEST_F(ProcessFleet, AStateFolderThatIsGoneIsAnError) {
  agents_ = {resident("dev")};
  all();
  stop();
  ASSERT_TRUE(os::remove_tree(state() + "/residents/dev/state"));
  start();
  auto const summary = all();
  ASSERT_THAT(summary.failed, SizeIs(1));
  EXPECT_THAT(summary.failed.front().error.text(), HasSubstr("gone"));
  EXPECT_FALSE(os::exists(state() + "/residents/dev/state"));
}

}  // namespace
}  // namespace drover::fleet
