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

TEST_F(Core, AGroupGoesOneAtATimeInOrderEvenAgainstPriority) {
  add(entry("a", {"ws-1"}));
  auto urgent = entry("b", {"ws-1"});
  urgent.priority = 9;
  add(urgent);
  EXPECT_EQ(claim(), "a");
  EXPECT_EQ(claim(), "");
  core.release(RunId::trusted("a"), Epoch{1}, clock.now() + Millis{500}, now());
  EXPECT_EQ(claim(), "") << "the first of a group keeps its place while it waits to be tried again";
  clock.advance(Millis{500});
  EXPECT_EQ(claim(), "a");
  done("a");
  EXPECT_EQ(claim(), "b");
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
    limited.concurrency_key = "api";
    limited.concurrency_max = 2;
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
  core.release(run, Epoch{1}, clock.now(), now());
  EXPECT_EQ(core.stats().claimed, 1U) << "a release by the old holder does nothing";
}

TEST_F(Core, LeasesDoNotCareForTheWallClock) {
  add(entry("a"));
  ASSERT_EQ(claim({}, Millis{100}), "a");
  clock.set_wall(clock.now() + std::chrono::hours{24});
  EXPECT_TRUE(core.expire(now()).empty());
}

TEST_F(Core, ARunIsThereOnce) {
  add(entry("a"));
  EXPECT_FALSE(core.add(entry("a"), ++order, now()));
  EXPECT_EQ(core.stats().entries, 1U);
  EXPECT_FALSE(core.remove(RunId::trusted("b"), now()));
}

// The queue as one would write it without caring for speed.
struct Model {
  struct Item {
    QueueEntry entry;
    bool claimed = false;
    BootTime lease_until;
  };
  std::list<Item> items;  // in the order of enqueueing

  [[nodiscard]] bool claimable(Item const& item, WallTime now) const {
    if (item.claimed || item.entry.not_before > now) return false;
    for (Item const& before : items) {
      if (&before == &item) break;
      for (auto const& group : item.entry.fifo_groups)
        if (std::ranges::count(before.entry.fifo_groups, group) > 0) return false;
    }
    if (item.entry.concurrency_key.empty()) return true;
    auto const busy = std::ranges::count_if(items, [&](Item const& other) {
      return other.claimed && other.entry.concurrency_key == item.entry.concurrency_key;
    });
    return busy < item.entry.concurrency_max;
  }
  [[nodiscard]] Item* best(ClaimFilter const& filter, WallTime now) {
    Item* found = nullptr;
    for (Item& item : items) {
      if (!filter.pools.empty() && filter.pools[0] != item.entry.pool) continue;
      if (!claimable(item, now)) continue;
      if (found == nullptr || item.entry.priority > found->entry.priority) found = &item;
    }
    return found;
  }
  [[nodiscard]] Item* find(RunId const& run) {
    auto const at = std::ranges::find(items, run, [](Item const& item) { return item.entry.run; });
    return at == items.end() ? nullptr : &*at;
  }
};

QueueEntry random_entry(std::mt19937& random, std::int64_t number, WallTime now) {
  auto made = entry("run-" + std::to_string(number));
  made.pool = random() % 3 == 0 ? "gpu" : "default";
  made.task_type = random() % 2 == 0 ? "agent" : "index";
  made.priority = static_cast<std::int64_t>(random() % 3) - 1;
  for (std::string const group : {"g0", "g1", "g2", "g3"})
    if (random() % 5 == 0) made.fifo_groups.push_back(group);
  if (random() % 3 == 0) {
    auto const key = random() % 2;
    made.concurrency_key = "k" + std::to_string(key);
    made.concurrency_max = static_cast<std::int64_t>(key) + 1;
  }
  if (random() % 4 == 0) made.not_before = now + Millis{random() % 50};
  return made;
}

// Any history of operations: the core gives out exactly what the model would, epochs only rise, and
// in the end every run has left by being acknowledged or cancelled.
TEST_F(Core, AgreesWithTheModelOverRandomHistories) {
  for (std::uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random{seed};
    core = QueueCore{};
    Model model;
    std::map<std::string, std::int64_t> newest_epoch;
    std::int64_t added = 0;
    std::int64_t left = 0;
    auto const any = [&](auto const& wanted) -> Model::Item* {
      std::vector<Model::Item*> fitting;
      for (Model::Item& item : model.items)
        if (wanted(item)) fitting.push_back(&item);
      return fitting.empty() ? nullptr : fitting[random() % fitting.size()];
    };
    auto const is_claimed = [](Model::Item const& item) { return item.claimed; };
    auto const drop = [&](Model::Item const* item) {
      ASSERT_TRUE(core.remove(item->entry.run, now()));
      model.items.remove_if([&](Model::Item const& other) { return &other == item; });
      ++left;
    };
    constexpr int kSteps = 600;
    for (int step = 0; step < kSteps || !model.items.empty(); ++step) {
      ASSERT_LT(step, 20 * kSteps) << "the queue does not drain";
      auto const dice = step < kSteps ? random() % 100 : 30 + random() % 70;
      if (dice < 30) {
        auto made = random_entry(random, ++added, clock.now());
        model.items.push_back({.entry = made, .claimed = false, .lease_until = {}});
        add(made);
      } else if (dice < 65) {
        ClaimFilter filter;
        if (random() % 3 == 0) filter.pools = {random() % 2 == 0 ? "gpu" : "default"};
        BootTime const until = clock.boot_now() + Millis{20 + random() % 200};
        auto const picked = core.claim(filter, kWorker, until, now());
        Model::Item* const wanted = model.best(filter, clock.now());
        ASSERT_EQ(picked ? picked->entry.run.str() : "", wanted ? wanted->entry.run.str() : "");
        if (wanted == nullptr) continue;
        auto const epoch = static_cast<std::int64_t>(picked->entry.epoch);
        ASSERT_GT(epoch, newest_epoch[picked->entry.run.str()]);
        newest_epoch[picked->entry.run.str()] = epoch;
        wanted->entry.epoch = picked->entry.epoch;
        wanted->claimed = true;
        wanted->lease_until = until;
      } else if (dice < 80) {
        if (auto* const item = any(is_claimed)) drop(item);
      } else if (dice < 85) {
        if (auto* const item = any(is_claimed)) {
          item->entry.not_before = clock.now() + Millis{random() % 40};
          item->claimed = false;
          core.release(item->entry.run, item->entry.epoch, item->entry.not_before, now());
        }
      } else if (dice < 88) {
        if (auto* const item = any([](Model::Item const& one) { return !one.claimed; })) drop(item);
      } else if (dice < 92) {
        if (auto* const item = any(is_claimed)) {
          item->lease_until = clock.boot_now() + Millis{random() % 300};
          ASSERT_TRUE(core.renew(item->entry.run, item->entry.epoch, item->lease_until));
        }
      } else {
        clock.advance(Millis{random() % 30});
        auto const expired = core.expire(now());
        core.wake_delayed(now());
        std::size_t count = 0;
        for (Model::Item& item : model.items) {
          if (!item.claimed || item.lease_until > clock.boot_now()) continue;
          item.claimed = false;
          ++count;
        }
        ASSERT_EQ(expired.size(), count);
      }
      ASSERT_EQ(core.stats().entries, model.items.size());
    }
    EXPECT_EQ(added, left);
    EXPECT_EQ(core.stats().ready + core.stats().delayed + core.stats().claimed, 0U);
  }
}

}  // namespace
}  // namespace drover::broker
