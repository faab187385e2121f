#include "broker/queue_core.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <random>
#include <string>
#include <vector>

namespace drover::broker {
namespace {

WorkerId const kWorker = WorkerId::trusted("wrk-1");

QueueEntry entry(std::string const& run, std::vector<std::string> groups = {}) {
  QueueEntry made;
  made.run = RunId::trusted(run);
  made.task_type = "agent";
  made.pool = "default";
  made.fifo_groups = std::move(groups);
  return made;
}

class Core : public testing::Test {
 protected:
  QueueCore core;
  ManualClock clock;
  std::int64_t order = 0;

  QueueTime now() { return {clock.now(), clock.boot_now()}; }
  QueueCore::Back back(Millis delay = Millis{0}, std::int64_t failed = 0) {
    return {.not_before = clock.now() + delay, .delay = delay, .failed = failed};
  }
  void add(QueueEntry made) { ASSERT_TRUE(core.add(std::move(made), ++order, now())); }
  std::string claim(ClaimFilter const& filter = {}, Millis lease = Millis{1000}) {
    auto const picked = core.claim(filter, kWorker, clock.boot_now() + lease, now());
    return picked ? picked->entry.run.str() : "";
  }
  void done(std::string const& run) { EXPECT_TRUE(core.remove(RunId::trusted(run), now())); }
};

TEST_F(Core, HigherPriorityThenOrder) {
  add(entry("a"));
  add(entry("b"));
  auto urgent = entry("c");
  urgent.priority = 5;
  add(urgent);
  EXPECT_EQ(claim(), "c");
  EXPECT_EQ(claim(), "a");
  EXPECT_EQ(claim(), "b");
  EXPECT_EQ(claim(), "");
}

TEST_F(Core, OtherLimitsHoldFromThenOn) {
  for (std::string const run : {"a", "b", "c"}) {
    auto made = entry(run);
    made.keys = {{"k", 5}};
    add(std::move(made));
  }
  EXPECT_EQ(claim(), "a");
  QueueLimits one;
  one.keys["k"].concurrency_max = 1;
  core.set_limits(one, now());
  EXPECT_EQ(claim(), "") << "what was claimed before counts";
  core.set_limits({}, now());
  EXPECT_EQ(claim(), "b") << "what waited at the gate is let out";
  core.set_limits(one, now());
  done("a");
  EXPECT_EQ(claim(), "") << "b alone is as many as may";
  done("b");
  EXPECT_EQ(claim(), "c");
}

TEST_F(Core, OtherLimitsMakeNoTokens) {
  QueueLimits rated;
  rated.keys["k"].rate = RateLimit{.count = 1, .period = Millis{1000}, .burst = 1};
  core.set_limits(rated, now());
  for (std::string const run : {"a", "b"}) {
    auto made = entry(run);
    made.keys = {{"k", 5}};
    add(std::move(made));
  }
  clock.advance(Millis{1000});
  EXPECT_EQ(claim(), "a");
  rated.global.concurrency_max = 7;
  core.set_limits(rated, now());
  EXPECT_EQ(claim(), "") << "the rate of k is what it was, and so is its bucket";
  clock.advance(Millis{1000});
  EXPECT_EQ(claim(), "b");
}

TEST_F(Core, AGroupGoesOneAtATimeInOrderEvenAgainstPriority) {
  add(entry("a", {"ws-1"}));
  auto urgent = entry("b", {"ws-1"});
  urgent.priority = 9;
  add(urgent);
  EXPECT_EQ(claim(), "a");
  EXPECT_EQ(claim(), "");
  core.release(RunId::trusted("a"), Epoch{1}, back(Millis{500}, 1), now());
  EXPECT_EQ(claim(), "") << "the first of a group keeps its place while it waits to be tried again";
  clock.advance(Millis{500});
  EXPECT_EQ(claim(), "a");
  done("a");
  EXPECT_EQ(claim(), "b");
}

TEST_F(Core, AGroupIsThereWhileAnEntryOfItIsClaimedOrNot) {
  EXPECT_FALSE(core.has_group("ws-1"));
  add(entry("a", {"ws-1"}));
  EXPECT_TRUE(core.has_group("ws-1"));
  EXPECT_EQ(claim(), "a");
  EXPECT_TRUE(core.has_group("ws-1"));
  done("a");
  EXPECT_FALSE(core.has_group("ws-1"));
}

TEST_F(Core, AnEntryWaitsForAllOfItsGroups) {
  add(entry("a", {"ws-1"}));
  add(entry("b", {"ws-2"}));
  add(entry("both", {"ws-1", "ws-2"}));
  add(entry("c", {"ws-2"}));
  EXPECT_EQ(claim(), "a");
  EXPECT_EQ(claim(), "b");
  EXPECT_EQ(claim(), "");
  done("a");
  EXPECT_EQ(claim(), "");
  done("b");
  EXPECT_EQ(claim(), "both");
  EXPECT_EQ(claim(), "") << "c is behind it in ws-2";
  done("both");
  EXPECT_EQ(claim(), "c");
}

TEST_F(Core, AConcurrencyKeyLimitsWithoutAnOrder) {
  for (std::string const run : {"a", "b", "c"}) {
    auto limited = entry(run);
    limited.keys = {{"api", 2}};
    add(limited);
  }
  add(entry("free"));
  EXPECT_EQ(claim(), "a");
  EXPECT_EQ(claim(), "b");
  EXPECT_EQ(claim(), "free");
  EXPECT_EQ(claim(), "");
  done("b");
  EXPECT_EQ(claim(), "c");
}

TEST_F(Core, AClaimerGetsOnlyWhatItAsksFor) {
  auto gpu = entry("a");
  gpu.pool = "gpu";
  add(gpu);
  auto other_type = entry("b");
  other_type.task_type = "index";
  add(other_type);
  EXPECT_EQ(claim({.pools = {"default"}, .task_types = {"agent"}}), "");
  EXPECT_EQ(claim({.pools = {}, .task_types = {"index"}}), "b");
  EXPECT_EQ(claim({.pools = {"gpu", "default"}, .task_types = {}}), "a");
}

TEST_F(Core, ALostLeaseIsFencedByTheNextEpoch) {
  RunId const run = RunId::trusted("a");
  add(entry("a"));
  ASSERT_EQ(claim({}, Millis{100}), "a");
  EXPECT_TRUE(core.renew(run, Epoch{1}, clock.boot_now() + Millis{200}));
  clock.advance(Millis{150});
  EXPECT_TRUE(core.expire(now()).empty());
  EXPECT_EQ(core.next_due(now()), Millis{50});
  clock.advance(Millis{50});
  auto const expired = core.expire(now());
  ASSERT_EQ(expired.size(), 1U);
  EXPECT_EQ(expired[0].epoch, Epoch{1});
  EXPECT_EQ(core.renew(run, Epoch{1}, clock.boot_now()).error().code, ErrorCode::conflict);
  ASSERT_EQ(claim(), "a");
  EXPECT_EQ(core.renew(run, Epoch{1}, clock.boot_now()).error().code, ErrorCode::conflict);
  EXPECT_TRUE(core.renew(run, Epoch{2}, clock.boot_now() + Millis{1}));
  core.release(run, Epoch{1}, back(), now());
  EXPECT_EQ(core.stats().claimed, 1U) << "a release by the old holder does nothing";
}

TEST_F(Core, LeasesDoNotCareForTheWallClock) {
  add(entry("a"));
  ASSERT_EQ(claim({}, Millis{100}), "a");
  clock.set_wall(clock.now() + std::chrono::hours{24});
  EXPECT_TRUE(core.expire(now()).empty());
}

TEST_F(Core, ARetryDoesNotCareForTheWallClock) {
  RunId const run = RunId::trusted("a");
  add(entry("a"));
  ASSERT_EQ(claim(), "a");
  core.release(run, Epoch{1}, back(Millis{500}, 1), now());
  clock.set_wall(clock.now() + std::chrono::hours{1});
  EXPECT_EQ(claim(), "") << "set forward, it would go at once";
  clock.set_wall(clock.now() - std::chrono::hours{2});
  EXPECT_EQ(core.next_due(now()), Millis{500}) << "set back, it would wait for an hour more";
  clock.advance(Millis{500});
  EXPECT_EQ(claim({}, Millis{100}), "a");
  clock.set_wall(clock.now() - std::chrono::hours{1});
  clock.advance(Millis{100});
  ASSERT_EQ(core.expire(now()).size(), 1U);
  EXPECT_EQ(claim(), "a") << "and so would one whose lease was lost";
}

TEST_F(Core, ARunIsThereOnce) {
  add(entry("a"));
  EXPECT_FALSE(core.add(entry("a"), ++order, now()));
  EXPECT_EQ(core.stats().entries, 1U);
  EXPECT_FALSE(core.remove(RunId::trusted("b"), now()));
}

TEST_F(Core, ALowLevelIsNotStarved) {
  auto low = entry("low");
  low.priority = priority_of(PriorityLevel::low);
  add(low);
  std::int64_t before = 0;
  for (;;) {
    auto urgent = entry("urgent-" + std::to_string(before));
    urgent.priority = priority_of(PriorityLevel::critical);
    add(urgent);
    if (claim() == "low") break;
    ASSERT_LE(++before, kPassedMax);
  }
  EXPECT_EQ(before, kPassedMax) << "and nothing goes before its time";
}

TEST_F(Core, AnEntryNeedsASlotOfEachOfItsKeys) {
  auto both = entry("both");
  both.keys = {{"x", 1}, {"y", 1}};
  auto x = entry("x");
  x.keys = {{"x", 1}};
  auto y = entry("y");
  y.keys = {{"y", 1}};
  for (auto const& made : {both, x, y})
    add(made);
  EXPECT_EQ(claim(), "both");
  EXPECT_EQ(claim(), "");
  done("both");
  EXPECT_EQ(claim(), "x");
  EXPECT_EQ(claim(), "y");
}

TEST_F(Core, ASlotPassesToOneBehindThatCanUseIt) {
  auto x = entry("x");
  x.keys = {{"x", 1}};
  auto y = entry("y");
  y.keys = {{"y", 1}};
  auto both = entry("both");
  both.keys = {{"x", 1}, {"y", 1}};
  auto behind = entry("behind");
  behind.keys = {{"x", 1}};
  for (auto const& made : {x, y, both, behind})
    add(made);
  EXPECT_EQ(claim(), "x");
  EXPECT_EQ(claim(), "y");
  EXPECT_EQ(claim(), "");
  done("x");
  EXPECT_EQ(claim(), "behind") << "the older one still waits for y and must not hold x up";
  done("y");
  EXPECT_EQ(claim(), "");
  done("behind");
  EXPECT_EQ(claim(), "both");
}

TEST_F(Core, ADeadWorkerLeaksNoSlot) {
  for (std::string const run : {"a", "b"}) {
    auto limited = entry(run, {});
    limited.keys = {{"api", 1}};
    limited.lost_max = 2;
    add(limited);
  }
  for (int lost = 0; lost < 2; ++lost) {
    ASSERT_EQ(claim({}, Millis{100}), "a");
    EXPECT_EQ(claim(), "");
    clock.advance(Millis{100});
    auto const expired = core.expire(now());
    ASSERT_EQ(expired.size(), 1U);
    EXPECT_EQ(expired[0].poison, lost == 1);
    EXPECT_EQ(core.claimed("api"), 0);
  }
  EXPECT_EQ(claim(), "b") << "a is poison and leaves";
  EXPECT_EQ(core.find(RunId::trusted("a"))->place, QueueCore::Place::leaving);
}

TEST_F(Core, TheLowestOfTheNumbersForAKeyHolds) {
  auto wide = entry("wide");
  wide.keys = {{"k", 3}};
  auto narrow = entry("narrow");
  narrow.keys = {{"k", 1}};
  auto third = entry("third");
  third.keys = {{"k", 3}};
  for (auto const& made : {wide, narrow, third})
    add(made);
  EXPECT_EQ(claim(), "wide");
  EXPECT_EQ(claim(), "");
  EXPECT_TRUE(core.remove(RunId::trusted("narrow"), now()));
  EXPECT_EQ(claim(), "third");
}

TEST_F(Core, AnEntryThatNobodyClaimsInTimeLeaves) {
  auto timely = entry("a", {"g"});
  timely.expires_at = clock.now() + Millis{100};
  auto claimed = entry("b");
  claimed.expires_at = clock.now() + Millis{100};
  claimed.priority = 1;
  add(timely);
  add(entry("next", {"g"}));
  add(claimed);
  ASSERT_EQ(claim(), "b");
  EXPECT_EQ(core.next_due(now()), Millis{100});
  clock.advance(Millis{100});
  auto const overdue = core.take_overdue(now());
  ASSERT_EQ(overdue.size(), 1U);
  EXPECT_EQ(overdue[0].run.str(), "a");
  EXPECT_EQ(claim(), "") << "its group waits until it has left for good";
  done("a");
  EXPECT_EQ(claim(), "next");
  core.release(RunId::trusted("b"), Epoch{1}, back(), now());
  EXPECT_TRUE(core.take_overdue(now()).empty()) << "it was claimed in time";
  EXPECT_EQ(claim(), "b");
}

TEST_F(Core, APausedPartGivesOutNothing) {
  auto gpu = entry("gpu");
  gpu.pool = "gpu";
  add(gpu);
  add(entry("a"));
  core.pause({QueueName::Kind::pool, "gpu"});
  EXPECT_EQ(claim(), "a");
  EXPECT_EQ(claim(), "");
  core.pause({QueueName::Kind::all, {}});
  core.resume({QueueName::Kind::pool, "gpu"});
  EXPECT_EQ(claim(), "");
  core.resume({QueueName::Kind::all, {}});
  EXPECT_EQ(claim(), "gpu");
}

TEST_F(Core, RunNowEndsADelayAlsoBehindAGroup) {
  add(entry("first", {"g"}));
  auto later = entry("later", {"g"});
  later.not_before = clock.now() + Millis{60'000};
  add(later);
  core.run_now(RunId::trusted("later"), now());
  ASSERT_EQ(claim(), "first");
  done("first");
  EXPECT_EQ(claim(), "later");
}

TEST_F(Core, ALimitedKeyWaitsForItsTokenAndHoldsUpNobody) {
  QueueLimits limits;
  limits.keys["api"].rate = RateLimit{.count = 10, .period = Millis{1000}, .burst = 2};
  core = QueueCore{limits, clock.boot_now()};
  for (int i = 0; i < 3; ++i) {
    auto limited = entry("api-" + std::to_string(i));
    limited.keys = {{"api", 100}};
    add(limited);
  }
  add(entry("free"));
  EXPECT_EQ(claim(), "free") << "a restart gives no new burst";
  EXPECT_EQ(claim(), "");
  EXPECT_EQ(core.next_due(now()), Millis{100});
  clock.advance(Millis{99});
  EXPECT_EQ(claim(), "");
  clock.advance(Millis{1});
  EXPECT_EQ(claim(), "api-0");
  EXPECT_EQ(claim(), "");
  clock.advance(Millis{200});
  EXPECT_EQ(claim(), "api-1");
  EXPECT_EQ(claim(), "api-2");
}

TEST_F(Core, CountsByPoolTypeAndTenant) {
  auto mine = entry("a");
  mine.tenant = "me";
  mine.enqueued_at = clock.now();
  auto delayed = entry("b");
  delayed.tenant = "me";
  delayed.not_before = clock.now() + Millis{1};
  add(mine);
  add(delayed);
  add(entry("c"));
  ASSERT_EQ(claim(), "a");
  auto const tallies = core.tallies();
  ASSERT_EQ(tallies.size(), 2U);
  EXPECT_EQ(tallies[0].tenant, "");
  EXPECT_EQ(tallies[0].ready, 1U);
  EXPECT_EQ(tallies[1].tenant, "me");
  EXPECT_EQ(tallies[1].entries, 2U);
  EXPECT_EQ(tallies[1].claimed, 1U);
  EXPECT_EQ(tallies[1].delayed, 1U);
  EXPECT_EQ(tallies[1].oldest, clock.now());
  for (std::string const run : {"a", "b", "c"})
    done(run);
  EXPECT_TRUE(core.tallies().empty());
}

}  // namespace
}  // namespace drover::broker
