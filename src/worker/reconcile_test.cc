#include "worker/reconcile.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace drover::worker {
namespace {

using broker::QueuedRun;
using contract::RunState;
using Kind = Mismatch::Kind;
using Hold = QueuedRun::Hold;

RunId id(std::string const& text) {
  return RunId::trusted(text);
}

TEST(Reconcile, WhatFitsIsLeftAlone) {
  EXPECT_TRUE(reconcile({}, {}).empty());
  EXPECT_TRUE(reconcile({{id("run-1"), RunState::queued}, {id("run-2"), RunState::running}},
                        {{id("run-1"), Hold::nobody}, {id("run-2"), Hold::worker}})
                  .empty());
}

TEST(Reconcile, ARunWithoutAPlaceIsStrandedInWhateverState) {
  for (RunState const state :
       {RunState::queued, RunState::claimed, RunState::running, RunState::committing}) {
    std::vector<Mismatch> const wanted = {{Kind::stranded, id("run-1")}};
    EXPECT_EQ(reconcile({{id("run-1"), state}}, {{id("run-2"), Hold::worker}}), wanted);
  }
}

TEST(Reconcile, ARunThatWaitsForItsUserTakesNoPlace) {
  EXPECT_TRUE(reconcile({{id("run-1"), RunState::waiting}}, {}).empty());
  std::vector<Mismatch> const wanted = {{Kind::left_over, id("run-1")}};
  EXPECT_EQ(reconcile({{id("run-1"), RunState::waiting}}, {{id("run-1"), Hold::nobody}}), wanted);
}

TEST(Reconcile, APlaceOfARunThatHasEndedIsLeftOverOnceNobodyHoldsIt) {
  EXPECT_TRUE(reconcile({}, {{id("run-1"), Hold::worker}}).empty())
      << "its worker acknowledges it, or its lease runs out";
  std::vector<Mismatch> const wanted = {{Kind::left_over, id("run-1")}};
  EXPECT_EQ(reconcile({}, {{id("run-1"), Hold::nobody}}), wanted);
}

// Whatever is there: carried out, what it found is all that there was to find, and nothing that
// fitted has changed.
TEST(Reconcile, CarriedOutItFindsNothingMore) {
  for (std::uint32_t seed = 1; seed <= 300; ++seed) {
    std::mt19937 random{seed};
    std::vector<UnfinishedRun> unfinished;
    std::vector<QueuedRun> queued;
    for (int i = 0; i < 20; ++i) {
      RunId const run = id("run-" + std::to_string(i));
      if (random() % 3 != 0)
        unfinished.push_back({run, random() % 4 == 0 ? RunState::waiting : RunState::running});
      if (random() % 3 != 0)
        queued.push_back({run, random() % 2 == 0 ? Hold::worker : Hold::nobody});
    }
    auto const found = reconcile(unfinished, queued);
    for (Mismatch const& one : found) {
      if (one.kind == Kind::stranded) {
        ASSERT_EQ(std::erase_if(unfinished, [&](auto const& run) { return run.run == one.run; }),
                  1U);
      } else {
        ASSERT_EQ(std::erase_if(queued, [&](auto const& entry) { return entry.run == one.run; }),
                  1U);
      }
    }
    EXPECT_TRUE(reconcile(unfinished, queued).empty()) << "seed " << seed;
    for (UnfinishedRun const& run : unfinished)
      if (run.state != RunState::waiting)
        EXPECT_EQ(std::ranges::count(queued, run.run, &QueuedRun::run), 1) << "seed " << seed;
  }
}

}  // namespace
}  // namespace drover::worker
