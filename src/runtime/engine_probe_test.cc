#include "runtime/engine_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drover::runtime {
namespace {

using sandbox::Layer;
using sandbox::LayerState;
using testing::AllOf;
using testing::Each;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

EngineQuestion question() {
  EngineQuestion question;
  question.address = parse_engine_address("unix:///run/engine.sock", "").value();
  question.root = true;
  return question;
}
EngineFacts able() {
  EngineFacts facts;
  facts.version = "20.10";
  facts.memory_limit = facts.swap_limit = facts.pids_limit = facts.cpu_limit = true;
  return facts;
}

TEST(EngineProbe, WhatAnEngineEnforcesNeedsNoFix) {
  auto const seen = examine_engine(question(), able());
  EXPECT_TRUE(seen.verdict);
  EXPECT_THAT(seen.layers, Each(AllOf(Field(&Layer::state, LayerState::enforced),
                                      Field(&Layer::fix, IsEmpty()))));
  EXPECT_THAT(seen.layers.front().how, AllOf(HasSubstr("20.10"), HasSubstr("/run/engine.sock")));
}

TEST(EngineProbe, EachLimitIsLookedAtByItself) {
  for (auto const limit : {&EngineFacts::memory_limit, &EngineFacts::swap_limit,
                           &EngineFacts::pids_limit, &EngineFacts::cpu_limit}) {
    auto facts = able();
    facts.*limit = false;
    auto seen = examine_engine(question(), facts);
    EXPECT_TRUE(seen.verdict);
    std::erase_if(seen.layers,
                  [](Layer const& layer) { return layer.state == LayerState::enforced; });
    ASSERT_THAT(seen.layers, SizeIs(1));
    EXPECT_THAT(seen.layers.front().fix, Not(IsEmpty()));
  }
}

TEST(EngineProbe, WithoutAnEngineItSaysWhereItLookedAndWhatToDo) {
  auto nowhere = question();
  nowhere.address = parse_engine_address("unix:///nonexistent/engine.sock", "").value();
  auto const seen = examine_engine(nowhere);
  EXPECT_FALSE(seen.verdict);
  ASSERT_THAT(seen.layers, SizeIs(1));
  EXPECT_EQ(seen.layers.front().state, LayerState::missing);
  EXPECT_THAT(seen.layers.front().how, HasSubstr("/nonexistent/engine.sock"));
  EXPECT_THAT(seen.layers.front().fix, HasSubstr("docker.io"));
}

}  // namespace
}  // namespace drover::runtime
