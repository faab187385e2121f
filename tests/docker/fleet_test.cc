// The fleet over a real engine, which the tests of a suite share.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/text.h"
#include "docker/docker_daemon.h"
#include "fleet/docker_fleet_engine.h"
#include "fleet/reconciler.h"
#include "fleet/rows.h"
#include "os/files.h"
#include "runtime/docker_backend.h"
#include "store/scratch.h"

namespace drover::fleet {
namespace {

using test::DockerDaemon;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class DockerFleet : public ::testing::Test {
 protected:
  static constexpr std::chrono::seconds kPatience{60};

  static void SetUpTestSuite() { daemon_ = std::make_unique<DockerDaemon>(test::engine_kind()); }
  static void TearDownTestSuite() { daemon_.reset(); }

  void SetUp() override {
    char name[] = "/tmp/drover-fleet-test-XXXXXX";
    ASSERT_NE(nullptr, ::mkdtemp(name));
    path_ = name;
    program("echo hello $DROVER_INSTANCE; trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done");
    auto database = scratch_.open();
    ASSERT_TRUE(store::migrate(database, fleet_migrations()));
    writer_ = std::make_unique<store::Writer>(std::move(database), loop_.get_executor());
    start();
  }
  void TearDown() override {
    agents_.clear();
    all();
    for (auto const& status : fleet_->status()) {
      auto const agent = status.instance.of.agent;
      (void)await(fleet_->wipe(agent, std::nullopt));
    }
    stop();
    EXPECT_EQ(cli({"ps", "-aq"}), "");
    EXPECT_EQ(cli({"volume", "ls", "-q"}), "");
    EXPECT_TRUE(os::remove_tree(path_));
  }

  static Task<Status> make_line(std::string folder) { co_return os::make_folders(folder, 0755); }

  // What runs inside, in the place of drover's own program.
  void program(std::string const& text) {
    std::ofstream{path_ + "/unit"} << "#!/bin/sh\n" << text << "\n";
    ASSERT_EQ(0, ::chmod((path_ + "/unit").c_str(), 0755));
    ASSERT_EQ(0, ::chmod(path_.c_str(), 0755));
  }
  void start() {
    DockerFleetSettings settings;
    settings.engine = runtime::parse_engine_address(daemon_->host(), "").value();
    settings.folder = path_ + "/docker";
    engine_ = std::make_shared<DockerFleetEngine>(loop_, pool_, random_, settings);
    ReconcilerParts parts{
        .executor = loop_.get_executor(),
        .clock = clock_,
        .random = random_,
        .writer = *writer_,
        .agents = [this] { return agents_; },
        .engines = {engine_.get()},
        .prepare_host =
            [this](Instance const& instance) {
              return make_line(path_ + "/state/residents/" + instance.name + "/line");
            },
        .wipe_host = [](Instance) -> Task<Status> { co_return Status{}; },
    };
    ReconcilerOptions options;
    options.places.state_folder = path_ + "/state";
    options.places.unit_program = path_ + "/unit";
    options.places.unit_digest = digest_;
    options.places.backend = "docker";
    options.places.image = DockerDaemon::kImage;
    options.grace = grace_;
    options.backoff = {.first = Millis{100}, .longest = Millis{1000}};
    fleet_ = std::make_unique<Reconciler>(std::move(parts), options);
    auto database = scratch_.open(store::OpenMode::reader);
    ASSERT_TRUE(fleet_->load(database));
  }
  void stop() {
    if (!fleet_) return;
    await(nothing_after(fleet_->stop()));
    fleet_.reset();
    engine_.reset();
    loop_.restart();
    loop_.run_for(Millis{20});
  }
  // As kill -9 of the server does: what runs goes on.
  void restart() {
    stop();
    start();
  }
  static Task<Result<std::vector<LogEvent>>> next_of(std::shared_ptr<LogFollow> follow) {
    co_return co_await follow->next(std::chrono::steady_clock::now() + Millis{50});
  }
  static Task<Status> nothing_after(Task<void> task) {
    co_await std::move(task);
    co_return Status{};
  }
  void run_in_background() {
    fleet_->watch();
    boost::asio::co_spawn(loop_, fleet_->run(), boost::asio::detached);
  }

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
    auto const deadline = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("not in time");
      loop_.restart();
      loop_.run_for(Millis{5});
    }
  }
  Summary all() { return await(fleet_->reconcile_all()); }
  Summary one(std::string agent) { return await(fleet_->reconcile_one(std::move(agent))); }

  static contract::AgentSpec resident(std::string const& name, int replicas = 1) {
    contract::AgentSpec agent;
    agent.name = name;
    agent.resident = true;
    agent.replicas = replicas;
    return agent;
  }
  std::string cli(std::vector<std::string> const& words) { return daemon_->cli(words); }
  std::string running() {
    return cli({"ps", "--filter", "status=running", "--format", "{{.Names}}"});
  }
  std::string id_of(std::string const& name) { return cli({"inspect", "-f", "{{.Id}}", name}); }
  std::string first_failure(Summary const& summary) {
    return summary.failed.empty() ? "" : summary.failed.front().error.text();
  }

  inline static std::unique_ptr<DockerDaemon> daemon_;
  std::string path_;
  std::string digest_ = "d1";
  Millis grace_{15'000};
  store::Scratch scratch_;
  SystemClock clock_;
  SystemRandom random_;
  boost::asio::io_context loop_;
  os::BlockingPool pool_{2};
  std::unique_ptr<store::Writer> writer_;
  std::shared_ptr<DockerFleetEngine> engine_;
  std::vector<contract::AgentSpec> agents_;
  std::unique_ptr<Reconciler> fleet_;
};

TEST_F(DockerFleet, ARowThatIsAddedHasAContainerWithItsStateAndItsWalls) {
  agents_ = {resident("dev", 2)};
  auto const summary = all();
  ASSERT_THAT(summary.created, ElementsAre("dev", "dev-2")) << first_failure(summary);
  EXPECT_THAT(running(), HasSubstr("drover-dev-2"));
  EXPECT_EQ(cli({"inspect", "-f", "{{.HostConfig.RestartPolicy.Name}}", "drover-dev"}),
            "unless-stopped");
  EXPECT_EQ(cli({"inspect", "-f", "{{.HostConfig.NetworkMode}}", "drover-dev"}), "none");
  cli({"exec", "drover-dev", "sh", "-c", "echo mine > /state/note"});
  EXPECT_EQ(cli({"exec", "drover-dev", "cat", "/state/note"}), "mine");
  EXPECT_THAT(cli({"exec", "drover-dev-2", "ls", "/state"}), IsEmpty()) << "each has its own";
  EXPECT_EQ(cli({"exec", "drover-dev", "sh", "-c", "touch /x 2>/dev/null || echo no"}), "no");
  until([&] { return await(fleet_->logs("dev", 10)).value_or("").starts_with("hello dev"); });
  until([&] { return fleet_->live().size() == 2; });
  EXPECT_GT(await(fleet_->program("dev")).value(), 1);
  EXPECT_GT(await(fleet_->usage("dev"))->memory_bytes, 0U);
  EXPECT_THAT(await(fleet_->usage_of_all(Millis{30'000})), SizeIs(2));
  EXPECT_THAT(all().unchanged, ElementsAre("dev", "dev-2"));
}

TEST_F(DockerFleet, ARowThatIsGoneTakesItsContainerAndLeavesItsState) {
  agents_ = {resident("dev")};
  all();
  cli({"exec", "drover-dev", "sh", "-c", "echo mine > /state/note"});
  agents_.clear();
  EXPECT_THAT(one("dev").removed, ElementsAre("dev"));
  EXPECT_EQ(cli({"ps", "-aq"}), "");
  EXPECT_EQ(cli({"volume", "ls", "-q"}), "drover-dev-state");
  agents_ = {resident("dev")};
  EXPECT_THAT(one("dev").created, ElementsAre("dev"));
  EXPECT_EQ(cli({"exec", "drover-dev", "cat", "/state/note"}), "mine");
}

TEST_F(DockerFleet, WhatIsDoneByHandIsUndone) {
  agents_ = {resident("dev")};
  all();
  auto const id = id_of("drover-dev");
  cli({"pause", "drover-dev"});
  EXPECT_THAT(all().updated, ElementsAre("dev"));
  cli({"stop", "-t", "5", "drover-dev"});
  EXPECT_THAT(all().updated, ElementsAre("dev"));
  cli({"rename", "drover-dev", "mine"});
  EXPECT_THAT(all().updated, ElementsAre("dev"));
  EXPECT_EQ(id_of("drover-dev"), id) << "all this time the same one";
  cli({"rm", "-f", "drover-dev"});
  EXPECT_THAT(all().created, ElementsAre("dev"));
  EXPECT_EQ(running(), "drover-dev");
  EXPECT_THAT(all().unchanged, ElementsAre("dev"));
}

TEST_F(DockerFleet, AllOfItAlsoWhenTheEngineTellsOfIt) {
  agents_ = {resident("dev")};
  run_in_background();
  fleet_->trigger();
  until([&] { return fleet_->live().size() == 1; });
  // The engine's stream is open once it has told of this.
  for (auto const* const act : {"pause", "kill", "rename", "rm"}) {
    if (std::string_view{act} == "rename")
      cli({"rename", "drover-dev", "mine"});
    else if (std::string_view{act} == "rm")
      cli({"rm", "-f", "drover-dev"});
    else
      cli({act, "drover-dev"});
    until([&] { return running() == "drover-dev"; });
    until([&] { return fleet_->live().size() == 1; });
  }
}

TEST_F(DockerFleet, AChangedSpecIsRolledAndItsStateStays) {
  agents_ = {resident("dev")};
  all();
  auto const before = id_of("drover-dev");
  cli({"exec", "drover-dev", "sh", "-c", "echo mine > /state/note"});
  agents_[0].env["TEAM"] = "blue";
  EXPECT_THAT(all().updated, ElementsAre("dev"));
  EXPECT_NE(id_of("drover-dev"), before);
  EXPECT_EQ(cli({"exec", "drover-dev", "sh", "-c", "echo $TEAM; cat /state/note"}), "blue\nmine");
  EXPECT_THAT(all().unchanged, ElementsAre("dev"));
  digest_ = "d2";
  restart();
  EXPECT_THAT(all().updated, ElementsAre("dev")) << "a new drover";
  agents_[0].backend = "docker";
  agents_[0].image = "drover-test:gone";
  auto const running_one = id_of("drover-dev");
  auto const failed = all();
  EXPECT_THAT(first_failure(failed), HasSubstr("drover-test:gone"));
  EXPECT_EQ(id_of("drover-dev"), running_one) << "an image that is missing stops nothing";
  EXPECT_EQ(running(), "drover-dev");
}

TEST_F(DockerFleet, AnImageWhoseNameMovedIsRolled) {
  std::string const small{DockerDaemon::kImage};
  cli({"tag", small, "mine:1"});
  auto agent = resident("dev");
  agent.backend = "docker";
  agent.image = "mine:1";
  agents_ = {agent};
  ASSERT_THAT(all().created, ElementsAre("dev"));
  auto const before = id_of("drover-dev");
  EXPECT_THAT(all().unchanged, ElementsAre("dev"));
  cli({"create", "--network", "none", "--name", "other", small, "/bin/true"});
  cli({"commit", "-m", "other", "other", "mine:1"});
  cli({"rm", "other"});
  EXPECT_THAT(all().updated, ElementsAre("dev"));
  EXPECT_NE(id_of("drover-dev"), before);
  EXPECT_THAT(all().unchanged, ElementsAre("dev"));
  agents_.clear();
  all();
  cli({"rmi", "mine:1"});
}

TEST_F(DockerFleet, SomebodyElsesContainerOfThatNameIsReportedAndLeft) {
  // Podman's own limits may be more than this machine lets it give.
  cli({"run", "-d", "--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit",
       "nproc=1024:1024", "--name", "drover-dev", std::string{DockerDaemon::kImage}, "sleep",
       "600"});
  auto const id = id_of("drover-dev");
  agents_ = {resident("dev")};
  EXPECT_THAT(all().failed, SizeIs(1));
  EXPECT_EQ(fleet_->status().at(0).health.state, State::foreign);
  agents_.clear();
  all();
  EXPECT_EQ(id_of("drover-dev"), id);
  cli({"rm", "-f", "drover-dev"});
}

TEST_F(DockerFleet, AStateThatIsGoneIsAnErrorAndNotMadeAnew) {
  agents_ = {resident("dev")};
  all();
  cli({"rm", "-f", "drover-dev"});
  cli({"volume", "rm", "drover-dev-state"});
  restart();
  EXPECT_THAT(first_failure(all()), HasSubstr("drover-dev-state"));
  EXPECT_EQ(cli({"volume", "ls", "-q"}), "");
  EXPECT_EQ(cli({"ps", "-aq"}), "");
}

TEST_F(DockerFleet, WhatAServerLeftWhenItDiedIsFinishedByTheNext) {
  agents_ = {resident("dev")};
  all();
  // Between the commit of its row and the creation; then between creation and start.
  cli({"rm", "-f", "drover-dev"});
  restart();
  EXPECT_THAT(all().created, ElementsAre("dev"));
  cli({"kill", "drover-dev"});
  restart();
  EXPECT_THAT(all().updated, ElementsAre("dev"));
  auto const id = id_of("drover-dev");
  restart();
  EXPECT_THAT(all().unchanged, ElementsAre("dev")) << "it went on without a server";
  EXPECT_EQ(id_of("drover-dev"), id);
  until([&] { return fleet_->live().size() == 1; });
}

TEST_F(DockerFleet, TheBackendTakesThemForNobodysOrphans) {
  agents_ = {resident("dev")};
  all();
  runtime::DockerBackendSettings settings;
  settings.engine = runtime::parse_engine_address(daemon_->host(), "").value();
  settings.folder = path_ + "/docker";
  runtime::DockerBackend backend{loop_, pool_, clock_, random_, settings};
  ASSERT_TRUE(await(backend.check()));
  EXPECT_EQ(running(), "drover-dev");
}

TEST_F(DockerFleet, ItsOutputIsFollowedOverARestartAndAReplacement) {
  program("echo begins $TEAM; trap 'echo ends; exit 0' TERM; while :; do sleep 1 & wait $!; done");
  agents_ = {resident("dev")};
  run_in_background();
  all();
  LogWish wish;
  wish.agent = "dev";
  wish.lines = 100;
  auto follow = fleet_->follow_logs(wish);
  std::string said;
  std::string cursors;
  auto const until_said = [&](std::string const& text) {
    until([&] {
      for (auto const& event : await(next_of(follow)).value()) {
        said += event.kind == LogEvent::Kind::replaced ? "(replaced)" : event.line.text;
        said += ";";
        cursors = event.cursors;
      }
      return said == text;
    });
  };
  until_said("begins;");
  cli({"restart", "-t", "5", "drover-dev"});
  until_said("begins;ends;begins;");
  agents_[0].env["TEAM"] = "blue";
  fleet_->trigger("dev");
  until_said("begins;ends;begins;ends;(replaced);begins blue;");
  // Whoever was cut off goes on behind what it has.
  follow->cancel();
  cli({"restart", "-t", "5", "drover-dev"});
  wish.cursors = parse_cursors(cursors).value();
  follow = fleet_->follow_logs(wish);
  until_said("begins;ends;begins;ends;(replaced);begins blue;ends;begins blue;");
  agents_.clear();
  fleet_->trigger("dev");
  until([&] {
    for (auto const& event : await(next_of(follow)).value())
      said += event.line.text;
    return follow->over();
  });
  EXPECT_TRUE(said.ends_with("begins blue;ends")) << said;
}

TEST_F(DockerFleet, AProgramThatEndsAgainAndAgainIsALoop) {
  program("exit 3");
  agents_ = {resident("dev")};
  run_in_background();
  fleet_->trigger();
  until([&] {
    auto const all_of_them = fleet_->status();
    return !all_of_them.empty() && all_of_them.front().health.state == State::crash_loop;
  });
  until([&] { return await(fleet_->status_of("dev")).front().restarts >= 3; });
  EXPECT_THAT(fleet_->status().front().health.reason, HasSubstr("exit status 3"));
}

TEST_F(DockerFleet, ALoopThatIsOutOfMemorySaysSo) {
  program("x=0123456789abcdef; while :; do x=$x$x; done");
  auto agent = resident("dev");
  agent.limits.memory_mb = 32;
  agents_ = {agent};
  run_in_background();
  fleet_->trigger();
  until([&] {
    auto const all_of_them = fleet_->status();
    return !all_of_them.empty() && all_of_them.front().health.state == State::crash_loop;
  });
  EXPECT_THAT(fleet_->status().front().health.reason, HasSubstr("memory ran out"));
}

TEST_F(DockerFleet, ALoopIsKnownToAServerThatBeginsInTheMiddleOfIt) {
  program("exit 3");
  agents_ = {resident("dev")};
  all();
  until([&] { return await(fleet_->status_of("dev")).front().restarts >= 6; });
  auto const before = id_of("drover-dev");
  restart();
  until([&] {
    EXPECT_THAT(all().updated, IsEmpty()) << "its engine starts it again";
    return fleet_->status().front().health.state == State::crash_loop;
  });
  EXPECT_GE(fleet_->status().front().restarts, 6);
  EXPECT_EQ(id_of("drover-dev"), before);
  EXPECT_THAT(fleet_->status().front().health.reason, HasSubstr("exit status 3"));
}

}  // namespace
}  // namespace drover::fleet
