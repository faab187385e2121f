#include "schedule/plan.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "base/schema.h"

namespace drover::schedule {
namespace {

using contract::Misfire;
using contract::Overlap;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

WallTime at(std::string_view text) {
  auto const time = parse_rfc3339(text);
  EXPECT_TRUE(time.has_value()) << text;
  return time.value_or(WallTime{});
}

Timing timing(std::string_view members, std::string_view id = "job") {
  auto const job = contract::parse_schedule_job(
      fmt::format(R"({{"request":{{"url":"https://x/"}},{}}})", members));
  if (!job) throw std::runtime_error(job.error().text());
  auto made = timing_of(*job, id);
  if (!made) throw std::runtime_error(made.error().text());
  return *std::move(made);
}

WallTime const kMidnight = at("2026-01-01T00:00:00Z");

TEST(Plan, AFiringInTimeFiresAndArmsTheNext) {
  auto const hourly = timing(R"("cron":"@hourly")");
  for (Millis const late : {Millis{0}, Millis{59'999}, kLateMax}) {
    auto const plan = plan_due(hourly, kMidnight, kMidnight + late);
    ASSERT_EQ(plan.fire.size(), 1U);
    EXPECT_EQ(plan.fire[0].nominal, kMidnight);
    EXPECT_EQ(plan.fire[0].missed, 0);
    EXPECT_FALSE(plan.skip);
    EXPECT_EQ(plan.next, kMidnight + hours{1});
  }
}

TEST(Plan, MissedFiringsFollowThePolicy) {
  WallTime const now = kMidnight + hours{5} + minutes{30};
  auto const once = plan_due(timing(R"("cron":"@hourly","misfire":"once")"), kMidnight, now);
  ASSERT_EQ(once.fire.size(), 1U);
  EXPECT_EQ(once.fire[0].nominal, kMidnight + hours{5});
  EXPECT_EQ(once.fire[0].missed, 5);
  EXPECT_FALSE(once.skip);

  auto const skip = plan_due(timing(R"("cron":"@hourly","misfire":"skip")"), kMidnight, now);
  EXPECT_TRUE(skip.fire.empty());
  ASSERT_TRUE(skip.skip);
  EXPECT_EQ(skip.skip->count, 6);
  EXPECT_EQ(skip.skip->first, kMidnight);
  EXPECT_EQ(skip.skip->last, kMidnight + hours{5});

  auto const all = plan_due(timing(R"("cron":"@hourly","misfire":"all")"), kMidnight, now);
  ASSERT_EQ(all.fire.size(), 6U);
  EXPECT_EQ(all.fire[0].nominal, kMidnight);
  EXPECT_FALSE(all.skip);

  for (auto const* plan : {&once, &skip, &all})
    EXPECT_EQ(plan->next, kMidnight + hours{6});
}

TEST(Plan, AmongMissedOnesSkipFiresTheOneThatIsInTime) {
  auto const plan = plan_due(timing(R"("cron":"@hourly","misfire":"skip")"), kMidnight,
                             kMidnight + hours{5} + seconds{10});
  ASSERT_EQ(plan.fire.size(), 1U);
  EXPECT_EQ(plan.fire[0].nominal, kMidnight + hours{5});
  EXPECT_EQ(plan.skip->count, 5);
}

// Years of silence of a job that fires each minute: no storm, no long computation, nothing silent.
TEST(Plan, ALongSilenceIsBounded) {
  WallTime const now = kMidnight + hours{24 * 365 * 3} + seconds{30};
  auto const all = plan_due(timing(R"("cron":"* * * * *","misfire":"all")"), kMidnight, now);
  ASSERT_EQ(all.fire.size(), kMisfireFiringsMax);
  EXPECT_EQ(all.fire.back().nominal, now - seconds{30});
  EXPECT_EQ(all.fire.front().nominal, now - seconds{30} - minutes{99});
  ASSERT_TRUE(all.skip);
  EXPECT_TRUE(all.skip->at_least);
  EXPECT_GE(all.skip->count, 9'900);
  EXPECT_EQ(all.skip->first, kMidnight);
  EXPECT_EQ(all.next, now + seconds{30});

  auto const once = plan_due(timing(R"("cron":"* * * * *")"), kMidnight, now);
  ASSERT_EQ(once.fire.size(), 1U);
  EXPECT_GE(once.fire[0].missed, kMissedCountMax - 1);
}

TEST(Plan, AOneShotIsFiredOnceAlsoWhenItsTimeHasPassed) {
  auto const job = timing(R"("execute_at":"2026-01-01T00:00:00Z")");
  EXPECT_EQ(first_time(job, kMidnight + hours{3}), kMidnight);
  auto const plan = plan_due(job, kMidnight, kMidnight + hours{3});
  ASSERT_EQ(plan.fire.size(), 1U);
  EXPECT_FALSE(plan.next);
  auto const skipped = plan_due(timing(R"("execute_at":"2026-01-01T00:00:00Z","misfire":"skip")"),
                                kMidnight, kMidnight + hours{3});
  EXPECT_TRUE(skipped.fire.empty());
  EXPECT_EQ(skipped.skip->count, 1);
}

TEST(Plan, StartAndEndBoundTheFirings) {
  auto const job = timing(
      R"("cron":"@hourly","start_at":"2026-01-01T03:00:00Z","end_at":"2026-01-01T05:00:00Z")");
  EXPECT_EQ(first_time(job, kMidnight), kMidnight + hours{3});
  EXPECT_EQ(first_time(job, kMidnight + hours{4}), kMidnight + hours{5});
  EXPECT_FALSE(first_time(job, kMidnight + hours{5}));
  auto const plan = plan_due(job, kMidnight + hours{3}, kMidnight + hours{30});
  ASSERT_EQ(plan.fire.size(), 1U);
  EXPECT_EQ(plan.fire[0].nominal, kMidnight + hours{5});
  EXPECT_FALSE(plan.next);
  EXPECT_FALSE(first_time(timing(R"("event":{"type":"a"})"), kMidnight));
}

TEST(Plan, JitterIsTheSameForTheSameFiringAndSpreadsOthers) {
  auto const job = timing(R"("cron":"@hourly","jitter_s":600)");
  std::set<WallTime> offsets;
  for (int hour = 0; hour < 50; ++hour) {
    auto const nominal = kMidnight + hours{hour};
    auto const due = due_time(job, nominal);
    EXPECT_EQ(due, due_time(timing(R"("cron":"@hourly","jitter_s":600)"), nominal));
    EXPECT_GE(due, nominal);
    EXPECT_LT(due, nominal + minutes{10});
    offsets.insert(WallTime{due - nominal});
  }
  EXPECT_GT(offsets.size(), 40U);
  EXPECT_NE(due_time(job, kMidnight),
            due_time(timing(R"("cron":"@hourly","jitter_s":600)", "other"), kMidnight));
}

// Whatever moments a job is looked at: with `all`, every nominal time fires exactly once, in order,
// as long as no silence has more of them than the bound.
TEST(Plan, NothingIsFiredTwiceOrLeftOutWhateverTheMomentsOfLooking) {
  std::mt19937 random{7};
  for (int round = 0; round < 200; ++round) {
    auto const job = timing(fmt::format(R"("cron":"*/{} * * * *","misfire":"all","jitter_s":{})",
                                        1 + random() % 30, random() % 3 == 0 ? random() % 300 : 0));
    WallTime now = kMidnight;
    auto next = first_time(job, now);
    auto expected = next;
    for (int look = 0; look < 60; ++look) {
      now += seconds{random() % 3000};
      if (due_time(job, *next) > now) continue;
      auto const plan = plan_due(job, *next, now);
      ASSERT_FALSE(plan.skip);
      for (auto const& firing : plan.fire) {
        ASSERT_EQ(firing.nominal, *expected);
        ASSERT_LE(due_time(job, firing.nominal), now);
        expected = first_time(job, *expected);
      }
      ASSERT_EQ(plan.next, expected);
      ASSERT_GT(due_time(job, *plan.next), now);
      next = plan.next;
    }
  }
}

TEST(Plan, OverlapsFollowThePolicyAndAreBounded) {
  using Start = OverlapDecision::Start;
  for (auto const overlap : {Overlap::allow, Overlap::queue, Overlap::skip, Overlap::replace})
    EXPECT_EQ(decide_overlap(overlap, 0).start, Start::now);
  EXPECT_EQ(decide_overlap(Overlap::allow, 1).start, Start::now);
  EXPECT_EQ(decide_overlap(Overlap::queue, 1).start, Start::wait);
  EXPECT_EQ(decide_overlap(Overlap::skip, 1).start, Start::never);
  EXPECT_FALSE(decide_overlap(Overlap::skip, 1).reason.empty());
  auto const replace = decide_overlap(Overlap::replace, 1);
  EXPECT_EQ(replace.start, Start::wait);
  EXPECT_TRUE(replace.cancel_earlier);
  for (auto const overlap : {Overlap::allow, Overlap::queue}) {
    auto const full = decide_overlap(overlap, kQueuedFiringsMax);
    EXPECT_EQ(full.start, Start::never);
    EXPECT_FALSE(full.reason.empty());
  }
}

TEST(Plan, WhatCannotBeReadIsNamedByItsPointer) {
  auto const pointer = [](std::string_view members) {
    auto const job = contract::parse_schedule_job(
        fmt::format(R"({{"request":{{"url":"https://x/"}},{}}})", members));
    EXPECT_TRUE(job.has_value());
    auto const made = timing_of(*job, "job");
    EXPECT_FALSE(made.has_value());
    return made ? std::string{} : std::string{error_pointer(made.error())};
  };
  EXPECT_EQ(pointer(R"("cron":"99 * * * *")"), "/cron");
  EXPECT_EQ(pointer(R"("cron":"@daily","timezone":"Mars/Base")"), "/timezone");
}

}  // namespace
}  // namespace drover::schedule
