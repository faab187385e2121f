#include "fleet/engine_pass.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fleet/model_engine.h"
#include "fleet/rows.h"
#include "store/scratch.h"

namespace drover::fleet {
namespace {

using testing::ElementsAre;

class EnginePassTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto database = scratch_.open();
    ASSERT_TRUE(store::migrate(database, fleet_migrations()));
    writer_ = std::make_unique<store::Writer>(std::move(database), loop_.get_executor());
    states_.emplace(*writer_, clock_, &nothing, &nothing, UserRange{});
    places_.state_folder = "/var/lib/drover";
    places_.backend = "docker";
    places_.image = "agents:1";
  }
  static Task<Status> nothing(Instance) { co_return Status{}; }

  void want(std::vector<std::string> const& names) {
    std::vector<contract::AgentSpec> agents;
    for (auto const& name : names) {
      contract::AgentSpec agent;
      agent.name = name;
      agent.resident = true;
      agents.push_back(std::move(agent));
    }
    wanted_ = wanted_fleet(agents, states_->known(), places_);
    ASSERT_TRUE(store::finish(loop_, states_->remember(wanted_)));
    wanted_ = wanted_fleet(agents, states_->known(), places_);
    book_.note_wanted(wanted_, states_->known());
  }
  Task<Result<Summary>> pass(Waits waits) {
    PassParts parts{.executor = loop_.get_executor(),
                    .engine = engine_,
                    .book = book_,
                    .states = *states_,
                    .wanted = wanted_,
                    .stopping = stopping_};
    PassOptions options;
    options.scope.waits = waits;
    options.prefix = "drover";
    EnginePass one{std::move(parts), std::move(options)};
    Summary summary;
    co_await one.run(summary);
    co_return summary;
  }
  Summary run(Waits waits) { return store::finish(loop_, pass(waits)).value(); }

  store::Scratch scratch_;
  boost::asio::io_context loop_;
  ManualClock clock_;
  SeededRandom random_{7};
  std::unique_ptr<store::Writer> writer_;
  std::optional<InstanceStates> states_;
  // No wait is over while a test runs.
  InstanceBook book_{clock_, random_, {.first = Millis{3'600'000}, .longest = Millis{3'600'000}}};
  ModelEngine engine_;
  FleetPlaces places_;
  Wanted wanted_;
  bool stopping_ = false;
};

TEST_F(EnginePassTest, WhatWaitsIsLeftWhateverElseThereIsToDo) {
  want({"dev", "ops"});
  book_.note_failure("dev", Error{ErrorCode::upstream, "it was not to be", {}});
  auto const summary = run(Waits::respected);
  EXPECT_THAT(summary.created, ElementsAre("ops"));
  EXPECT_EQ(engine_.boxes.size(), 1U) << "and the second look does not see to it either";
  EXPECT_THAT(run(Waits::ignored).created, ElementsAre("dev"));
}

}  // namespace
}  // namespace drover::fleet
