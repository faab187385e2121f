// What the core says could be claimed, and claims of just that.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "broker/queue_core.h"

namespace drover::broker {
namespace {

WorkerId const kWorker = WorkerId::trusted("wrk-1");

struct History {
  explicit History(std::uint64_t seed, QueueLimits limits = {})
      : random(seed), core(std::move(limits), clock.boot_now()) {}

  SeededRandom random;
  ManualClock clock;
  QueueCore core;
  Order order = 0;

  QueueTime now() { return {clock.now(), clock.boot_now()}; }
  BootTime until() { return clock.boot_now() + Millis{1000}; }
  void add(QueueEntry entry) {
    entry.run = RunId::trusted(fmt::format("run-{}", ++order));
    entry.pool = "default";
    entry.task_type = "agent";
    entry.not_before = clock.now();
    ASSERT_TRUE(core.add(std::move(entry), order, now()));
  }
  QueueEntry any_entry() {
    QueueEntry entry;
    entry.tenant = std::string(1, static_cast<char>('a' + random.below(3)));
    entry.priority = static_cast<std::int64_t>(random.below(4)) * 5 - 5;
    if (random.below(2) == 0)
      entry.keys.push_back(
          {fmt::format("k{}", random.below(2)), 1 + static_cast<std::int64_t>(random.below(2))});
    if (random.below(3) == 0) entry.fifo_groups.push_back(fmt::format("g{}", random.below(3)));
    return entry;
  }
};

QueueLimits some_limits() {
  QueueLimits limits;
  limits.tenants["a"] = {.weight = 3, .limit = {}};
  limits.tenants["b"] = {.weight = 1, .limit = {.concurrency_max = 2, .rate = {}}};
  limits.global.concurrency_max = 6;
  return limits;
}

TEST(QueueOffers, WhatIsOfferedCanBeClaimedAndNothingIsForgotten) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    History history{seed, some_limits()};
    QueueCore& core = history.core;
    std::vector<Picked> claimed;
    std::size_t finished = 0;
    for (int step = 0; step < 120; ++step) {
      if (step < 80 && history.random.below(2) == 0) history.add(history.any_entry());
      auto const offers = core.claimable(1 + history.random.below(3), history.now());
      if (offers.empty()) {
        ASSERT_FALSE(core.claim({}, kWorker, history.until(), history.now())) << "seed " << seed;
      } else {
        QueueEntry const& chosen = *offers[history.random.below(offers.size())];
        OfferedRun const offered{chosen.run, chosen.epoch};
        auto const picked =
            core.claim_offered(offered, {}, kWorker, history.until(), history.now());
        ASSERT_TRUE(picked) << "seed " << seed << " step " << step;
        ASSERT_EQ(picked->entry.run, offered.run);
        ASSERT_GT(picked->entry.epoch, offered.after);
        ASSERT_FALSE(core.claim_offered(offered, {}, kWorker, history.until(), history.now()));
        for (ConcurrencyKey const& key : picked->entry.keys)
          ASSERT_LE(core.claimed(key.name), key.max) << "seed " << seed;
        ASSERT_LE(core.claimed(""), 6);
        claimed.push_back(*picked);
      }
      if (claimed.empty() || history.random.below(2) == 0) continue;
      std::size_t const which = history.random.below(claimed.size());
      Picked const one = claimed[which];
      claimed.erase(claimed.begin() + static_cast<std::ptrdiff_t>(which));
      if (history.random.below(3) == 0) {
        core.release(one.entry.run, one.entry.epoch,
                     {.not_before = history.clock.now(), .delay = {}, .failed = 0}, history.now());
      } else {
        ASSERT_TRUE(core.remove(one.entry.run, history.now()));
        ++finished;
      }
    }
    while (core.stats().entries > 0) {
      for (Picked const& one : claimed)
        finished += core.remove(one.entry.run, history.now()) ? 1 : 0;
      claimed.clear();
      auto const offers = core.claimable(8, history.now());
      ASSERT_TRUE(!offers.empty() || core.stats().entries == 0) << "seed " << seed;
      std::vector<OfferedRun> all;
      for (QueueEntry const* entry : offers)
        all.push_back({entry->run, entry->epoch});
      for (OfferedRun const& offered : all)
        if (auto picked = core.claim_offered(offered, {}, kWorker, history.until(), history.now()))
          claimed.push_back(*std::move(picked));
    }
    ASSERT_EQ(finished, static_cast<std::size_t>(history.order)) << "seed " << seed;
  }
}

TEST(QueueOffers, AreInTheOrderInWhichTheyWouldBeClaimed) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    History history{seed, some_limits()};
    for (int i = 0; i < 30; ++i) {
      QueueEntry entry;
      entry.tenant = history.random.below(2) == 0 ? "a" : "c";
      history.add(entry);
    }
    std::vector<RunId> expected;
    for (QueueEntry const* entry : history.core.claimable(6, history.now()))
      expected.push_back(entry->run);
    ASSERT_EQ(expected.size(), 6U);
    for (RunId const& run : expected) {
      auto const picked = history.core.claim({}, kWorker, history.until(), history.now());
      ASSERT_TRUE(picked);
      ASSERT_EQ(picked->entry.run, run) << "seed " << seed;
    }
  }
}

TEST(QueueOffers, PausedAndStaleAreNotClaimed) {
  History history{1};
  history.add({});
  auto const run = RunId::trusted("run-1");
  EXPECT_FALSE(
      history.core.claim_offered({run, Epoch{1}}, {}, kWorker, history.until(), history.now()));
  history.core.pause({QueueName::Kind::task_type, "agent"});
  EXPECT_TRUE(history.core.claimable(5, history.now()).empty());
  EXPECT_FALSE(
      history.core.claim_offered({run, Epoch{0}}, {}, kWorker, history.until(), history.now()));
  history.core.resume({QueueName::Kind::task_type, "agent"});
  EXPECT_TRUE(
      history.core.claim_offered({run, Epoch{0}}, {}, kWorker, history.until(), history.now()));
}

TEST(QueueOffers, AnOfferIsTakenUpOnlyByWhomItFits) {
  History history{1};
  QueueEntry asks;
  asks.labels = {{"gpu", "a100"}};
  history.add(asks);
  OfferedRun const offered{RunId::trusted("run-1"), Epoch{0}};
  auto const take = [&](ClaimFilter const& filter) {
    return history.core.claim_offered(offered, filter, kWorker, history.until(), history.now());
  };
  EXPECT_FALSE(take({}));
  EXPECT_FALSE(take({.pools = {"other"}, .task_types = {}, .labels = {{"gpu", "a100"}}}));
  EXPECT_FALSE(take({.pools = {}, .task_types = {"other"}, .labels = {{"gpu", "a100"}}}));
  EXPECT_TRUE(take({.pools = {}, .task_types = {}, .labels = {{"gpu", "a100"}, {"zone", "eu"}}}));
}

}  // namespace
}  // namespace drover::broker
