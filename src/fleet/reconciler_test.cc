#include "fleet/reconciler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "fleet/model_engine.h"
#include "fleet/rows.h"
#include "store/scratch.h"

namespace drover::fleet {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Fault = ModelEngine::Fault;

class ReconcilerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto database = scratch_.open();
    ASSERT_TRUE(store::migrate(database, fleet_migrations()));
    writer_ = std::make_unique<store::Writer>(std::move(database), loop_.get_executor());
    start();
  }
  void TearDown() override {
    // What a test has set refers to what was its own.
    engine_.fault = [](std::string_view) { return Fault::none; };
    stop();
    EXPECT_THAT(engine_.violations, IsEmpty());
  }

  void start() {
    ReconcilerParts parts{
        .executor = loop_.get_executor(),
        .clock = clock_,
        .random = random_,
        .writer = *writer_,
        .agents = [this] { return agents_; },
        .engines = {&engine_},
        .prepare_host = [](Instance) -> Task<Status> { co_return Status{}; },
        .wipe_host = [](Instance) -> Task<Status> { co_return Status{}; },
    };
    ReconcilerOptions options;
    options.places.state_folder = "/var/lib/drover";
    options.places.backend = "docker";
    options.places.image = "agents:1";
    options.backoff = {.first = Millis{20}, .longest = Millis{80}};
    options.period = Millis{3'600'000};
    fleet_ = std::make_unique<Reconciler>(std::move(parts), options);
    auto database = scratch_.open(store::OpenMode::reader);
    ASSERT_TRUE(fleet_->load(database));
  }
  void stop() {
    if (!fleet_) return;
    run_to_end(fleet_->stop());
    fleet_.reset();
  }
  void restart() {
    stop();
    start();
  }
  void run_to_end(Task<void> task) {
    bool done = false;
    boost::asio::co_spawn(loop_, std::move(task), [&](std::exception_ptr const& thrown) {
      EXPECT_FALSE(thrown);
      done = true;
    });
    until([&] { return done; });
  }
  template <class Condition>
  void until(Condition condition) {
    store::run_until(loop_, std::move(condition));
  }
  void run_in_background() {
    fleet_->watch();
    boost::asio::co_spawn(loop_, fleet_->run(), boost::asio::detached);
  }
  Summary all() { return store::finish(loop_, fleet_->reconcile_all()); }
  Summary one(std::string agent) {
    return store::finish(loop_, fleet_->reconcile_one(std::move(agent)));
  }

  static contract::AgentSpec resident(std::string const& name, int replicas = 1) {
    contract::AgentSpec agent;
    agent.name = name;
    agent.resident = true;
    agent.replicas = replicas;
    return agent;
  }
  std::string only_box() {
    EXPECT_THAT(engine_.boxes, SizeIs(1));
    return engine_.boxes.begin()->first;
  }
  State state_of(std::string const& name) {
    for (auto const& status : fleet_->status())
      if (status.instance.name == name) return status.health.state;
    return State::stopped;
  }
  std::string reason_of(std::string const& name) {
    for (auto const& status : fleet_->status())
      if (status.instance.name == name) return status.health.reason;
    return "";
  }

  store::Scratch scratch_;
  boost::asio::io_context loop_;
  ManualClock clock_;
  SeededRandom random_{7};
  std::unique_ptr<store::Writer> writer_;
  ModelEngine engine_;
  std::vector<contract::AgentSpec> agents_;
  std::unique_ptr<Reconciler> fleet_;
};

TEST_F(ReconcilerTest, ARowThatIsAddedGetsAContainerAndASecondLookChangesNothing) {
  agents_ = {resident("dev", 2), resident("ops")};
  EXPECT_THAT(all().created, ElementsAre("dev", "dev-2", "ops"));
  EXPECT_EQ(engine_.running("dev-2"), 1U);
  EXPECT_THAT(engine_.volumes, SizeIs(3));
  auto const calls = engine_.calls;
  EXPECT_THAT(all().unchanged, ElementsAre("dev", "dev-2", "ops"));
  EXPECT_EQ(engine_.calls, calls + 1) << "one list";
}

TEST_F(ReconcilerTest, ARowThatIsGoneTakesItsContainerAlongAndLeavesItsState) {
  agents_ = {resident("dev")};
  all();
  agents_.clear();
  EXPECT_THAT(one("dev").removed, ElementsAre("dev"));
  EXPECT_THAT(engine_.boxes, IsEmpty());
  EXPECT_THAT(engine_.volumes, SizeIs(1));
  EXPECT_EQ(state_of("dev"), State::stopped);
  agents_ = {resident("dev")};
  EXPECT_THAT(one("dev").created, ElementsAre("dev")) << "and finds its state again";
}

TEST_F(ReconcilerTest, OneThatIsRefusedANameKeepsNothingOfTheOneThatHasIt) {
  agents_ = {resident("dev", 2)};
  all();
  agents_ = {resident("dev"), resident("dev-2")};
  auto const summary = all();
  EXPECT_THAT(summary.removed, ElementsAre("dev-2")) << "a replica that nobody wants";
  EXPECT_THAT(summary.failed, SizeIs(1)) << "and the agent of that name, until it is wiped";
  EXPECT_EQ(engine_.running("dev-2"), 0U);
  ASSERT_TRUE(store::finish(loop_, fleet_->wipe("dev", "dev-2")));
  EXPECT_THAT(all().created, ElementsAre("dev-2"));
}

TEST_F(ReconcilerTest, AnUnknownNameIsUnchangedAndAsksNoEngine) {
  agents_ = {resident("dev")};
  all();
  auto const calls = engine_.calls;
  EXPECT_THAT(one("nobody").unchanged, ElementsAre("nobody"));
  EXPECT_EQ(engine_.calls, calls);
}

TEST_F(ReconcilerTest, OneAgentsPassLeavesTheOthersAlone) {
  agents_ = {resident("dev"), resident("ops")};
  EXPECT_THAT(one("dev").created, ElementsAre("dev"));
  EXPECT_THAT(engine_.boxes, SizeIs(1));
  all();
  agents_.clear();
  EXPECT_THAT(one("dev").removed, ElementsAre("dev"));
  EXPECT_EQ(engine_.running("ops"), 1U);
}

TEST_F(ReconcilerTest, AnAnswerThatIsLostAfterACreationMakesNoSecondContainer) {
  agents_ = {resident("dev")};
  engine_.fault = [](std::string_view call) {
    return call == "create" ? Fault::answer_lost : Fault::none;
  };
  EXPECT_THAT(all().failed, SizeIs(1));
  EXPECT_EQ(state_of("dev"), State::failed);
  engine_.fault = [](std::string_view) { return Fault::none; };
  EXPECT_THAT(all().created, ElementsAre("dev"));
  EXPECT_EQ(engine_.running("dev"), 1U);
  EXPECT_THAT(engine_.boxes, SizeIs(1));
}

TEST_F(ReconcilerTest, ADeathBetweenAnyTwoStepsIsFinishedByTheNextServer) {
  for (std::string const at : {"volume", "make-volume", "create", "start"}) {
    agents_ = {resident("dev")};
    engine_.fault = [&](std::string_view call) {
      return call == at ? Fault::answer_lost : Fault::none;
    };
    all();
    engine_.fault = [](std::string_view) { return Fault::none; };
    restart();
    all();
    EXPECT_EQ(engine_.running("dev"), 1U) << at;
    EXPECT_THAT(engine_.boxes, SizeIs(1)) << at;
    EXPECT_THAT(all().unchanged, ElementsAre("dev")) << at;
    agents_.clear();
    all();
    ASSERT_TRUE(store::finish(loop_, fleet_->wipe("dev", std::nullopt))) << at;
    EXPECT_THAT(engine_.volumes, IsEmpty());
  }
}

TEST_F(ReconcilerTest, AContainerThatOnlyHasTheNameIsReportedAndNeverTouched) {
  Actual other;
  other.name = "drover-dev";
  other.phase = Phase::running;
  auto const id = engine_.add(other, true);
  agents_ = {resident("dev"), resident("ops")};
  auto const summary = all();
  EXPECT_THAT(summary.created, ElementsAre("ops"));
  ASSERT_THAT(summary.failed, SizeIs(1));
  EXPECT_EQ(state_of("dev"), State::foreign);
  EXPECT_THAT(reason_of("dev"), HasSubstr("in use"));
  EXPECT_TRUE(engine_.boxes.contains(id));
  engine_.boxes.erase(id);
  EXPECT_THAT(all().created, ElementsAre("dev"));
  EXPECT_EQ(state_of("dev"), State::starting);
}

TEST_F(ReconcilerTest, AStateThatIsGoneIsAnErrorAndNeverMadeAnew) {
  agents_ = {resident("dev")};
  all();
  engine_.boxes.clear();
  engine_.volumes.clear();
  restart();
  for (int i = 0; i < 2; ++i) {
    auto const summary = all();
    ASSERT_THAT(summary.failed, SizeIs(1));
    EXPECT_THAT(summary.failed[0].error.text(), HasSubstr("drover-dev-state"));
    EXPECT_THAT(engine_.volumes, IsEmpty());
    EXPECT_THAT(engine_.boxes, IsEmpty());
  }
  agents_.clear();
  ASSERT_TRUE(store::finish(loop_, fleet_->wipe("dev", std::nullopt)));
  agents_ = {resident("dev")};
  EXPECT_THAT(all().created, ElementsAre("dev")) << "once somebody has said so";
}

TEST_F(ReconcilerTest, SomebodyElsesVolumeIsNotUsed) {
  engine_.volumes["drover-dev-state"] = "";
  agents_ = {resident("dev")};
  EXPECT_THAT(all().failed, SizeIs(1));
  EXPECT_THAT(engine_.boxes, IsEmpty());
}

TEST_F(ReconcilerTest, AnImageThatIsMissingStopsNothingThatRuns) {
  agents_ = {resident("dev")};
  all();
  auto const before = only_box();
  agents_[0].backend = "docker";
  agents_[0].image = "agents:2";
  engine_.missing_images = {"agents:2"};
  EXPECT_THAT(all().failed, SizeIs(1));
  EXPECT_EQ(only_box(), before);
  EXPECT_EQ(engine_.running("dev"), 1U);
  EXPECT_THAT(reason_of("dev"), HasSubstr("agents:2"));
  engine_.missing_images.clear();
  EXPECT_THAT(all().updated, ElementsAre("dev"));
  EXPECT_NE(only_box(), before);
  EXPECT_EQ(engine_.boxes.begin()->second.seen.name, "drover-dev");
}

TEST_F(ReconcilerTest, AnEngineThatIsDownIsAskedSeldomAndFoundAgain) {
  agents_ = {resident("dev")};
  bool down = true;
  engine_.fault = [&](std::string_view) { return down ? Fault::down : Fault::none; };
  run_in_background();
  fleet_->trigger();
  until([&] { return engine_.calls >= 4; });
  EXPECT_EQ(state_of("dev"), State::failed);
  EXPECT_THAT(reason_of("dev"), HasSubstr("no container engine"));
  auto const began = std::chrono::steady_clock::now();
  auto const calls = engine_.calls;
  until([&] { return engine_.calls >= calls + 3; });
  EXPECT_GE(std::chrono::steady_clock::now() - began, Millis{600}) << "no busy loop";
  down = false;
  until([&] { return engine_.running("dev") == 1; });
}

TEST_F(ReconcilerTest, WhatIsDoneByHandIsUndoneWhenTheEngineTellsOfIt) {
  agents_ = {resident("dev")};
  all();
  run_in_background();
  auto const id = only_box();
  engine_.boxes.at(id).seen.phase = Phase::ended;
  engine_.tell(EngineNews::Kind::ended, id);
  until([&] { return engine_.running("dev") == 1; });
  engine_.take_away(id);
  until([&] { return engine_.running("dev") == 1; });
  EXPECT_NE(only_box(), id);
}

TEST_F(ReconcilerTest, WhoeverGivesTurnsHearsWhoComesAndGoes) {
  std::vector<std::string> heard;
  fleet_->on_live([&](LiveInstance const& one, LiveChange change) {
    heard.push_back(fmt::format("{} {}", change == LiveChange::came ? "came" : "gone", one.name));
  });
  agents_ = {resident("dev")};
  all();
  EXPECT_THAT(fleet_->live(), SizeIs(1));
  EXPECT_EQ(fleet_->live().front().of.agent, "dev");
  fleet_->beat("dev", Busy::yes);
  EXPECT_EQ(state_of("dev"), State::running);
  clock_.advance(std::chrono::seconds{31});
  EXPECT_EQ(state_of("dev"), State::unhealthy);
  agents_.clear();
  all();
  EXPECT_THAT(heard, ElementsAre("came dev", "gone dev"));
  EXPECT_THAT(fleet_->live(), IsEmpty());
}

TEST_F(ReconcilerTest, ATurnThatIsUnderWayIsNotEndedByAChange) {
  agents_ = {resident("dev")};
  all();
  std::string const before = only_box();
  fleet_->beat("dev", Busy::yes);
  agents_.front().env["MORE"] = "yes";
  EXPECT_THAT(all().unchanged, ElementsAre("dev"));
  EXPECT_EQ(only_box(), before);
  fleet_->beat("dev", Busy::no);
  EXPECT_THAT(all().updated, ElementsAre("dev"));
  EXPECT_NE(only_box(), before);
  fleet_->beat("dev", Busy::yes);
  agents_.clear();
  EXPECT_THAT(all().removed, IsEmpty());
  fleet_->beat("dev", Busy::no);
  EXPECT_THAT(all().removed, ElementsAre("dev"));
}

TEST_F(ReconcilerTest, ATurnThatBeginsWhileThePassIsUnderWayIsNotEndedEither) {
  agents_ = {resident("dev")};
  all();
  std::string const before = only_box();
  std::vector<LiveChange> heard;
  fleet_->on_live([&](LiveInstance const&, LiveChange change) { heard.push_back(change); });
  agents_.front().env["MORE"] = "yes";
  engine_.fault = [&](std::string_view call) {
    if (call == "create") fleet_->beat("dev", Busy::yes);
    return Fault::none;
  };
  EXPECT_THAT(all().unchanged, ElementsAre("dev"));
  ASSERT_TRUE(engine_.boxes.contains(before)) << "it was to be replaced when the turn began";
  EXPECT_EQ(engine_.boxes.at(before).seen.phase, Phase::running);
  EXPECT_THAT(heard, IsEmpty()) << "whoever gave the turn has its place";
  fleet_->beat("dev", Busy::no);
  EXPECT_THAT(all().updated, ElementsAre("dev"));
  EXPECT_NE(only_box(), before);
  EXPECT_EQ(engine_.running("dev"), 1U);
}

TEST_F(ReconcilerTest, ATurnThatBeginsBeforeAnUnwantedOneIsEndedEndsFirst) {
  agents_ = {resident("dev"), resident("ops")};
  all();
  agents_.clear();
  // dev is the first; the turn of the other begins while it ends.
  engine_.fault = [&](std::string_view call) {
    if (call == "remove") fleet_->beat("ops", Busy::yes);
    return Fault::none;
  };
  EXPECT_THAT(all().removed, ElementsAre("dev"));
  EXPECT_EQ(engine_.running("ops"), 1U);
  engine_.fault = [](std::string_view) { return Fault::none; };
  fleet_->beat("ops", Busy::no);
  EXPECT_THAT(all().removed, ElementsAre("ops"));
}

TEST_F(ReconcilerTest, WhatIsReplacedAgainAndAgainIsNoLoop) {
  agents_ = {resident("dev")};
  all();
  run_in_background();
  for (int i = 0; i < 5; ++i) {
    agents_.front().env["ROUND"] = fmt::format("{}", i);
    EXPECT_THAT(all().updated, ElementsAre("dev"));
  }
  EXPECT_EQ(state_of("dev"), State::starting) << reason_of("dev");
}

TEST_F(ReconcilerTest, WhatIsFrozenForATurnStaysSoAndWhatSomebodyElsePausedDoesNot) {
  agents_ = {resident("dev")};
  all();
  std::string const box = only_box();
  ASSERT_TRUE(store::finish(loop_, fleet_->freeze("dev")));
  fleet_->beat("dev", Busy::no);
  clock_.advance(std::chrono::seconds{60});
  EXPECT_THAT(all().unchanged, ElementsAre("dev"));
  EXPECT_EQ(engine_.boxes.at(box).seen.phase, Phase::paused);
  EXPECT_EQ(state_of("dev"), State::running) << "it is silent because it has to be";
  ASSERT_TRUE(store::finish(loop_, fleet_->thaw("dev")));
  EXPECT_EQ(engine_.boxes.at(box).seen.phase, Phase::running);
  engine_.boxes.at(box).seen.phase = Phase::paused;
  EXPECT_THAT(all().updated, ElementsAre("dev"));
  EXPECT_EQ(engine_.boxes.at(box).seen.phase, Phase::running);
}

TEST_F(ReconcilerTest, AProgramThatIsAnotherOneAfterTheEngineWasAwayComesAnew) {
  std::vector<LiveChange> heard;
  fleet_->on_live([&](LiveInstance const&, LiveChange change) { heard.push_back(change); });
  agents_ = {resident("dev")};
  all();
  run_in_background();
  auto const first = store::finish(loop_, fleet_->program("dev"));
  ASSERT_TRUE(first) << first.error().text();
  auto const calls = engine_.calls;
  engine_.tell(EngineNews::Kind::look);
  until([&] { return engine_.calls >= calls + 2; });  // describes it, and lists
  EXPECT_THAT(heard, ElementsAre(LiveChange::came)) << "the same program";
  // The engine was ended, started it again, and nobody heard of it.
  engine_.boxes.at(only_box()).pid = *first + 100;
  engine_.tell(EngineNews::Kind::look);
  until([&] { return heard.size() > 1; });
  EXPECT_THAT(heard, ElementsAre(LiveChange::came, LiveChange::gone, LiveChange::came));
  EXPECT_EQ(store::finish(loop_, fleet_->program("dev")).value(), *first + 100);
}

TEST_F(ReconcilerTest, WhatCannotBeUsedAnyMoreIsMadeAnewOnce) {
  agents_ = {resident("dev")};
  all();
  run_in_background();
  std::string const first = only_box();
  auto const program = store::finish(loop_, fleet_->program("dev"));
  ASSERT_TRUE(program);
  fleet_->replace("dev", *program + 1);  // of a life that is over
  EXPECT_THAT(all().unchanged, ElementsAre("dev"));
  fleet_->replace("dev", *program);
  until([&] {
    return engine_.boxes.size() == 1 && only_box() != first && state_of("dev") != State::stopped;
  });
  EXPECT_THAT(all().unchanged, ElementsAre("dev"));
  EXPECT_EQ(engine_.boxes.begin()->second.seen.name, "drover-dev");
}

TEST_F(ReconcilerTest, ALoopThatBeganBeforeThisServerIsOneAndIsLeftToItsEngine) {
  agents_ = {resident("dev")};
  all();
  restart();
  std::string const id = only_box();
  auto& box = engine_.boxes.at(id);
  box.seen.phase = Phase::restarting;
  box.starts = 42;
  box.started = clock_.now();
  EXPECT_THAT(all().unchanged, ElementsAre("dev"));
  EXPECT_EQ(state_of("dev"), State::crash_loop);
  EXPECT_THAT(reason_of("dev"), HasSubstr("41 times"));
  EXPECT_EQ(fleet_->status().front().restarts, 41);
  EXPECT_EQ(only_box(), id);
  clock_.advance(kLoopWindow);
  all();
  EXPECT_EQ(state_of("dev"), State::starting) << "one that ran for long is none";
}

TEST_F(ReconcilerTest, EachInstanceHasAUserOfItsOwnThatStaysItsOwn) {
  if (::geteuid() != 0) GTEST_SKIP() << "without root all are drover's own user";
  agents_ = {resident("dev", 2)};
  all();
  auto const uids = [this] {
    std::map<std::string, uid_t> all_uids;
    for (auto const& status : fleet_->status())
      all_uids[status.instance.name] = status.instance.uid;
    return all_uids;
  };
  auto const before = uids();
  EXPECT_NE(before.at("dev"), before.at("dev-2"));
  restart();
  agents_.insert(agents_.begin(), resident("aaa"));
  all();
  EXPECT_EQ(uids().at("dev"), before.at("dev"));
  EXPECT_EQ(uids().at("dev-2"), before.at("dev-2"));
  EXPECT_NE(uids().at("aaa"), before.at("dev"));
}

TEST_F(ReconcilerTest, AStateIsWipedOnlyWhenNobodyWantsIt) {
  agents_ = {resident("dev", 2)};
  all();
  auto const refused = store::finish(loop_, fleet_->wipe("dev", std::nullopt));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::conflict);
  EXPECT_THAT(engine_.volumes, SizeIs(2));
  agents_[0].replicas = 1;
  EXPECT_TRUE(store::finish(loop_, fleet_->wipe("dev", "dev-2"))) << "fewer replicas";
  EXPECT_THAT(engine_.volumes, SizeIs(1));
  EXPECT_EQ(engine_.running("dev"), 1U);
  EXPECT_EQ(store::finish(loop_, fleet_->wipe("ops", std::nullopt)).error().code,
            ErrorCode::not_found);
}

TEST_F(ReconcilerTest, TwoWhoWipeAtOnceAreOneAfterTheOther) {
  agents_ = {resident("dev")};
  all();
  agents_.clear();
  all();
  std::vector<Result<void>> ended;
  for (int i = 0; i < 2; ++i)
    boost::asio::co_spawn(loop_, fleet_->wipe("dev", std::nullopt),
                          [&](std::exception_ptr const& thrown, Status done) {
                            EXPECT_FALSE(thrown);
                            ended.push_back(std::move(done));
                          });
  until([&] { return ended.size() == 2; });
  EXPECT_TRUE(ended[0]);
  ASSERT_FALSE(ended[1]);
  EXPECT_EQ(ended[1].error().code, ErrorCode::not_found);
}

TEST_F(ReconcilerTest, WhoeverWantsItAgainWhileItIsWipedGetsAStateThatStays) {
  agents_ = {resident("dev")};
  all();
  agents_.clear();
  all();
  std::optional<Summary> summary;
  engine_.fault = [&](std::string_view call) {
    if (call != "wipe-volume" || !agents_.empty()) return Fault::none;
    agents_ = {resident("dev")};
    boost::asio::co_spawn(loop_, fleet_->reconcile_one("dev"),
                          [&](std::exception_ptr const& thrown, Summary done) {
                            EXPECT_FALSE(thrown);
                            summary = std::move(done);
                          });
    // It goes as far as it can before the volume does.
    loop_.poll();
    return Fault::none;
  };
  ASSERT_TRUE(store::finish(loop_, fleet_->wipe("dev", std::nullopt)));
  until([&] { return summary.has_value(); });
  EXPECT_THAT(summary->created, ElementsAre("dev"));
  EXPECT_THAT(engine_.volumes, SizeIs(1)) << "its container has one";
  restart();
  EXPECT_THAT(all().unchanged, ElementsAre("dev"));
}

}  // namespace
}  // namespace drover::fleet
