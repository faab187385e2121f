#include "gateway/upstream_gate.h"

#include <gtest/gtest.h>

#include <deque>

namespace drover::gateway {
namespace {

using Answer = UpstreamGate::Answer::Kind;
using Kind = UpstreamOutcome::Kind;

net::Headers headers(std::initializer_list<net::Header> items) {
  return net::Headers{items};
}

TEST(AskedWait, ReadsWhatUpstreamsSay) {
  ManualClock clock;
  WallTime const now = clock.now();
  auto const wait = [&](net::Headers const& from) { return asked_wait(from, now); };
  EXPECT_EQ(wait(headers({{"retry-after", "1.5"}})), Millis{1500});
  EXPECT_EQ(wait(headers({{"retry-after", "9"}, {"retry-after-ms", "20"}})), Millis{20});
  EXPECT_EQ(wait(headers({{"x-ratelimit-remaining-requests", "0"},
                          {"x-ratelimit-reset-requests", "1m2.5s"}})),
            Millis{62'500});
  EXPECT_EQ(
      wait(headers({{"x-ratelimit-remaining-tokens", "0"}, {"x-ratelimit-reset-tokens", "20ms"}})),
      Millis{20});
  EXPECT_EQ(wait(headers({{"anthropic-ratelimit-input-tokens-remaining", "0"},
                          {"anthropic-ratelimit-input-tokens-reset",
                           to_rfc3339(now + std::chrono::seconds{7})}})),
            Millis{7000});
  EXPECT_EQ(wait(headers(
                {{"x-ratelimit-remaining-requests", "3"}, {"x-ratelimit-reset-requests", "9s"}})),
            std::nullopt)
      << "there is something left";
  for (std::string const& odd : {"", "soon", "-1", "nan", "1e999", "1x", "s", "1..2s"})
    EXPECT_EQ(wait(headers({{"retry-after", odd},
                            {"x-ratelimit-remaining-tokens", "0"},
                            {"x-ratelimit-reset-tokens", odd}})),
              std::nullopt)
        << odd;
}

class GateTest : public ::testing::Test {
 protected:
  Answer ask() { return gate_.ask(now_).kind; }
  void call(UpstreamOutcome outcome) {
    ASSERT_EQ(ask(), Answer::go);
    gate_.begin(now_);
    gate_.end(now_, outcome, random_);
  }
  UpstreamGate gate_{GatePolicy{}};
  SeededRandom random_{7};
  BootTime now_{};
};

TEST_F(GateTest, WhatTheUpstreamAsksForIsWaited) {
  call({Kind::limited, Millis{3000}});
  auto const answer = gate_.ask(now_);
  EXPECT_EQ(answer.kind, Answer::later);
  EXPECT_EQ(answer.at, now_ + Millis{3000});
  now_ = now_ + Millis{3000};
  EXPECT_EQ(ask(), Answer::go);
}

TEST_F(GateTest, OnlySoManyAreOpen) {
  gate_.set_requests_max(2);
  gate_.begin(now_);
  gate_.begin(now_);
  EXPECT_EQ(ask(), Answer::full);
  gate_.end(now_, {Kind::fine, {}}, random_);
  EXPECT_EQ(ask(), Answer::go);
}

TEST_F(GateTest, AnUpstreamThatFailsIsLeftAloneAndThenTriedByOne) {
  for (int i = 0; i < 5; ++i)
    call({Kind::failed, {}});
  auto const down = gate_.ask(now_);
  ASSERT_EQ(down.kind, Answer::down);
  EXPECT_GE(down.at, now_ + Millis{2500});
  now_ = down.at;
  ASSERT_EQ(ask(), Answer::go);
  gate_.begin(now_);
  EXPECT_EQ(ask(), Answer::down) << "one call finds out";
  gate_.end(now_, {Kind::failed, {}}, random_);
  EXPECT_EQ(ask(), Answer::down) << "and it is still down";
  now_ = gate_.ask(now_).at;
  call({Kind::fine, {}});
  EXPECT_EQ(ask(), Answer::go);
  call({Kind::failed, {}});
  EXPECT_EQ(ask(), Answer::go) << "one failure is none yet";
}

// Over random histories: never above the limit, never before the time that was asked for, and an
// upstream that is well again is used again.
TEST(UpstreamGate, KeepsItsPromisesInAnyHistory) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SeededRandom random{seed};
    GatePolicy policy;
    policy.requests_max = 1 + random.below(4);
    UpstreamGate gate{policy};
    BootTime now{};
    BootTime asked{};
    std::size_t open = 0;
    for (int step = 0; step < 400; ++step) {
      now = now + Millis{static_cast<std::int64_t>(random.below(2000))};
      auto const answer = gate.ask(now);
      if (answer.kind == Answer::go) {
        ASSERT_LT(open, policy.requests_max) << seed;
        ASSERT_GE(now, asked) << seed;
      } else if (answer.kind != Answer::full) {
        ASSERT_GT(answer.at, now) << seed;
        ASSERT_LE(answer.at, now + policy.asked_max) << seed;
      }
      if (answer.kind == Answer::go && random.below(3) != 0) {
        gate.begin(now);
        ++open;
      } else if (open > 0) {
        UpstreamOutcome outcome;
        outcome.kind = static_cast<Kind>(random.below(4));
        if (outcome.kind == Kind::limited && random.below(2) == 0) {
          outcome.wait = Millis{static_cast<std::int64_t>(random.below(10'000))};
          asked = std::max(asked, now + *outcome.wait);
        }
        gate.end(now, outcome, random);
        --open;
      }
      ASSERT_EQ(gate.open(), open);
    }
    while (open-- > 0)
      gate.end(now, {Kind::fine, {}}, random);
    now = now + policy.asked_max + policy.down_max;
    EXPECT_EQ(gate.ask(now).kind, Answer::go) << seed;
  }
}

}  // namespace
}  // namespace drover::gateway
