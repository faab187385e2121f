// Any history of operations, against the queue as one would write it without caring for speed: at
// every claim it looks at every entry.
#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "broker/queue_core.h"

namespace drover::broker {
namespace {

WorkerId const kWorker = WorkerId::trusted("wrk-1");

class Model {
 public:
  using Place = QueueCore::Place;
  struct Item {
    QueueEntry entry;
    Place place = Place::blocked;
    BootTime lease_until;
  };

  Model(QueueLimits limits, BootTime started) : limits_(std::move(limits)), started_(started) {}

  std::list<Item> items;  // in the order of enqueueing
  std::set<QueueName> paused;

  void add(QueueEntry const& entry, QueueTime now) {
    items.push_back({.entry = entry, .place = Place::blocked, .lease_until = {}});
    place(items.back(), now);
  }

  Item* claim(ClaimFilter const& filter, BootTime until, QueueTime now) {
    Use use = count();
    std::vector<Item*> able;
    for (Item& item : items)
      if (item.place == Place::ready && wanted(filter, item) && passes(item, use, now))
        able.push_back(&item);
    if (able.empty()) return nullptr;
    Item* best = able.front();
    for (Item* item : able)
      if (rank(*item) < rank(*best)) best = item;
    std::set<Bucket> passed_over;
    for (Item* item : able)
      if (level(*item) > level(*best)) passed_over.insert(bucket(*item));
    for (Bucket const& one : passed_over)
      ++passed_[one];
    passed_[bucket(*best)] = 0;
    fair(*best).serve(best->entry.tenant, limits_.of_tenant(best->entry.tenant).weight);
    for (std::string const& gate : rated_gates(*best))
      tokens(gate).take(now.boot);
    displace(*best);
    best->place = Place::claimed;
    best->entry.epoch = Epoch{static_cast<std::int64_t>(best->entry.epoch) + 1};
    best->lease_until = until;
    return best;
  }

  void release(Item& item, WallTime not_before, QueueTime now) {
    displace(item);
    item.entry.not_before = not_before;
    place(item, now);
  }

  void remove(Item const* item, QueueTime now) {
    displace(*std::ranges::find(items, item, [](Item const& one) { return &one; }));
    items.remove_if([&](Item const& one) { return &one == item; });
    for (Item& one : items)
      if (one.place == Place::blocked) place(one, now);
  }

  std::size_t expire(QueueTime now) {
    std::vector<Item*> lost;
    for (Item& item : items)
      if (item.place == Place::claimed && item.lease_until <= now.boot) lost.push_back(&item);
    std::ranges::sort(lost, {},
                      [](Item* item) { return std::pair{item->lease_until, order_of(*item)}; });
    for (Item* item : lost) {
      displace(*item);
      if (++item->entry.lost >= item->entry.lost_max) {
        item->place = Place::leaving;
      } else {
        place(*item, now);
      }
    }
    return lost.size();
  }

  std::size_t take_overdue(QueueTime now) {
    std::vector<Item*> overdue;
    for (Item& item : items)
      if (item.entry.expires_at && *item.entry.expires_at <= now.wall &&
          item.entry.epoch == Epoch{0} && item.place != Place::leaving)
        overdue.push_back(&item);
    std::ranges::sort(overdue, {}, [](Item* item) {
      return std::pair{*item->entry.expires_at, order_of(*item)};
    });
    for (Item* item : overdue) {
      displace(*item);
      item->place = Place::leaving;
    }
    return overdue.size();
  }

  void wake(QueueTime now) {
    std::vector<Item*> awake;
    for (Item& item : items)
      if (item.place == Place::delayed && item.entry.not_before <= now.wall) awake.push_back(&item);
    std::ranges::sort(
        awake, {}, [](Item* item) { return std::pair{item->entry.not_before, order_of(*item)}; });
    for (Item* item : awake) {
      displace(*item);
      place(*item, now);
    }
  }

  void run_now(Item& item, QueueTime now) {
    if (item.place != Place::blocked && item.place != Place::delayed) return;
    if (item.entry.not_before <= now.wall) return;
    displace(item);
    item.entry.not_before = now.wall;
    place(item, now);
  }

  // Only what is stored stays.
  void restart(QueueTime now) {
    started_ = now.boot;
    passed_.clear();
    fair_ = {};
    tokens_.clear();
    for (Item& item : items)
      item.place = Place::blocked;
    for (Item& item : items)
      place(item, now);
  }

  // What has the same rate keeps its tokens.
  void set_limits(QueueLimits limits) {
    QueueLimits const before = std::exchange(limits_, std::move(limits));
    std::erase_if(tokens_, [&](auto const& one) {
      return limit_of(one.first, before).rate != limit_of(one.first).rate;
    });
    passed_.clear();
    fair_ = {};
    for (Item& item : items)
      if (item.place == Place::ready) fair(item).add(item.entry.tenant);
    within_ = false;
  }

  // What may be seen of any state, whatever led to it.
  void check() {
    std::map<std::string, std::int64_t> in_key;
    std::map<std::string, std::int64_t> in_tenant;
    std::set<std::string> seen_groups;
    std::int64_t all = 0;
    for (Item const& item : items) {
      bool const head = std::ranges::none_of(item.entry.fifo_groups, [&](std::string const& group) {
        return seen_groups.contains(group);
      });
      seen_groups.insert(item.entry.fifo_groups.begin(), item.entry.fifo_groups.end());
      if (item.place != Place::claimed) continue;
      ASSERT_TRUE(head) << item.entry.run.str() << " is claimed before the oldest of its group";
      ++all;
      ++in_tenant[item.entry.tenant];
      for (ConcurrencyKey const& key : item.entry.keys)
        ++in_key[key.name];
    }
    auto const fits = [](GateLimit const& limit, std::int64_t claimed) {
      return !limit.concurrency_max || claimed <= *limit.concurrency_max;
    };
    bool within = fits(limits_.global, all);
    for (auto const& [key, limit] : limits_.keys)
      within = within && fits(limit, in_key[key]);
    for (auto const& [tenant, limit] : limits_.tenants)
      within = within && fits(limit.limit, in_tenant[tenant]);
    // What was claimed under other limits may be above these; once it is not, it stays so.
    ASSERT_TRUE(within || !within_);
    within_ = within;
  }
  [[nodiscard]] std::int64_t claimed_with(std::string const& key) const {
    return std::ranges::count_if(items, [&](Item const& item) {
      return item.place == Place::claimed && has_key(item, key);
    });
  }

 private:
  using Bucket = std::pair<PriorityLevel, QueueLane>;

  static std::int64_t order_of(Item const& item) {
    return std::stoll(item.entry.run.str().substr(4));
  }
  static PriorityLevel level(Item const& item) { return level_of(item.entry.priority); }
  static Bucket bucket(Item const& item) { return {level(item), lane_of(item.entry)}; }
  static bool has_key(Item const& item, std::string const& key) {
    return std::ranges::find(item.entry.keys, key, &ConcurrencyKey::name) != item.entry.keys.end();
  }
  FairOrder& fair(Item const& item) { return fair_[static_cast<std::size_t>(level(item))]; }

  bool wanted(ClaimFilter const& filter, Item const& item) const {
    if (!filter.pools.empty() && filter.pools[0] != item.entry.pool) return false;
    if (!filter.task_types.empty() && filter.task_types[0] != item.entry.task_type) return false;
    for (auto const& [name, value] : item.entry.labels) {
      auto const there = filter.labels.find(name);
      if (there == filter.labels.end() || there->second != value) return false;
    }
    return !paused.contains({QueueName::Kind::all, {}}) &&
           !paused.contains({QueueName::Kind::pool, item.entry.pool}) &&
           !paused.contains({QueueName::Kind::task_type, item.entry.task_type});
  }

  static GateLimit limit_of(std::string const& gate, QueueLimits const& limits) {
    if (gate.empty()) return limits.global;
    if (gate.starts_with("tenant:")) return limits.of_tenant(gate.substr(7)).limit;
    auto const key = limits.keys.find(gate.substr(4));
    return key == limits.keys.end() ? GateLimit{} : key->second;
  }
  GateLimit limit_of(std::string const& gate) const { return limit_of(gate, limits_); }
  std::vector<std::string> rated_gates(Item const& item) const {
    std::vector<std::string> gates{"", "tenant:" + item.entry.tenant};
    for (ConcurrencyKey const& key : item.entry.keys)
      gates.push_back("key:" + key.name);
    std::erase_if(gates, [&](std::string const& gate) { return !limit_of(gate).rate; });
    return gates;
  }
  TokenBucket& tokens(std::string const& gate) {
    return tokens_.try_emplace(gate, TokenBucket{*limit_of(gate).rate, started_}).first->second;
  }

  // How many are claimed, and what the entries in the queue allow, of each key.
  struct Use {
    std::map<std::string, std::int64_t> in_key;
    std::map<std::string, std::int64_t> in_tenant;
    std::map<std::string, std::int64_t> key_max;
    std::int64_t all = 0;
  };
  Use count() const {
    Use use;
    for (Item const& item : items) {
      std::int64_t const one = item.place == Place::claimed ? 1 : 0;
      use.all += one;
      use.in_tenant[item.entry.tenant] += one;
      for (ConcurrencyKey const& key : item.entry.keys) {
        use.in_key[key.name] += one;
        auto const most = use.key_max.try_emplace(key.name, key.max).first;
        most->second = std::min(most->second, key.max);
      }
    }
    for (auto& [key, most] : use.key_max)
      most = limit_of("key:" + key).concurrency_max.value_or(most);
    return use;
  }

  bool passes(Item const& item, Use& use, QueueTime now) {
    for (std::string const& gate : rated_gates(item))
      if (!tokens(gate).has(now.boot)) return false;
    auto const& tenant = limits_.of_tenant(item.entry.tenant).limit.concurrency_max;
    if (use.all >= limits_.global.concurrency_max.value_or(1'000'000)) return false;
    if (use.in_tenant[item.entry.tenant] >= tenant.value_or(1'000'000)) return false;
    return std::ranges::all_of(item.entry.keys, [&](ConcurrencyKey const& key) {
      return use.in_key[key.name] < use.key_max[key.name];
    });
  }

  using Rank = std::tuple<std::int64_t, PriorityLevel, FairOrder::Tag, std::int64_t>;
  Rank rank(Item const& item) {
    std::int64_t const passed = passed_[bucket(item)];
    return {passed >= kPassedMax ? -passed : 0, level(item), fair(item).tag(item.entry.tenant),
            order_of(item)};
  }

  void place(Item& item, QueueTime now) {
    item.place = Place::blocked;
    for (Item const& before : items) {
      if (&before == &item) break;
      for (auto const& group : item.entry.fifo_groups)
        if (std::ranges::count(before.entry.fifo_groups, group) > 0) return;
    }
    item.place = item.entry.not_before <= now.wall ? Place::ready : Place::delayed;
    if (item.place == Place::ready) fair(item).add(item.entry.tenant);
  }

  void displace(Item& item) {
    if (item.place != Place::ready) return;
    item.place = Place::blocked;
    fair(item).remove(item.entry.tenant);
    bool const more = std::ranges::any_of(items, [&](Item const& one) {
      return one.place == Place::ready && bucket(one) == bucket(item);
    });
    if (!more) passed_.erase(bucket(item));
  }

  QueueLimits limits_;
  bool within_ = true;
  BootTime started_;
  std::map<Bucket, std::int64_t> passed_;
  std::array<FairOrder, kPriorityLevels> fair_;
  std::map<std::string, TokenBucket> tokens_;
};

QueueLimits random_limits(std::mt19937& random) {
  QueueLimits limits;
  if (random() % 4 == 0) limits.global.concurrency_max = 4;
  if (random() % 6 == 0)
    limits.global.rate = RateLimit{.count = 100, .period = Millis{1000}, .burst = 3};
  if (random() % 2 == 0) limits.tenants["t0"].weight = 3;
  if (random() % 3 == 0) limits.tenants["t1"].limit.concurrency_max = 2;
  if (random() % 3 == 0)
    limits.tenants["t2"].limit.rate = RateLimit{.count = 50, .period = Millis{1000}, .burst = 1};
  if (random() % 2 == 0) limits.keys["k0"].concurrency_max = 2;
  if (random() % 2 == 0)
    limits.keys["k1"].rate = RateLimit{.count = 30, .period = Millis{1000}, .burst = 2};
  return limits;
}

QueueEntry random_entry(std::mt19937& random, std::int64_t number, WallTime now) {
  QueueEntry made;
  made.run = RunId::trusted("run-" + std::to_string(number));
  made.pool = random() % 3 == 0 ? "gpu" : "default";
  made.task_type = random() % 2 == 0 ? "agent" : "index";
  made.tenant = "t" + std::to_string(random() % 3);
  made.priority = static_cast<std::int64_t>(random() % 4) - 1;
  if (made.priority == 2) made.priority = 10;
  made.lost_max = 1 + static_cast<std::int64_t>(random() % 4);
  for (std::string const group : {"g0", "g1", "g2", "g3"})
    if (random() % 7 == 0) made.fifo_groups.push_back(group);
  for (std::string const key : {"k0", "k1", "k2", "k3"})
    if (random() % 4 == 0) made.keys.push_back({key, 1 + static_cast<std::int64_t>(random() % 3)});
  if (random() % 6 == 0) made.labels["gpu"] = random() % 2 == 0 ? "a100" : "h100";
  if (random() % 9 == 0) made.labels["zone"] = "eu";
  if (random() % 4 == 0) made.not_before = now + Millis{random() % 50};
  if (random() % 8 == 0) made.expires_at = now + Millis{random() % 100};
  return made;
}

// One history. Fails where the core and the model differ.
class History {
 public:
  explicit History(std::uint32_t seed)
      : random_(seed),
        limits_(random_limits(random_)),
        core_(limits_, clock_.boot_now()),
        model_(limits_, clock_.boot_now()) {}

  void play() {
    constexpr int kSteps = 60;
    for (int step = 0; step < kSteps || !model_.items.empty(); ++step) {
      ASSERT_LT(step, 40 * kSteps) << "the queue does not drain";
      if (step == kSteps) resume_all();
      // Towards the end nothing is added, paused or restarted.
      auto const dice = step < kSteps ? dice_below(100) : 37 + dice_below(63);
      turn(dice);
      if (testing::Test::HasFatalFailure()) return;
      compare();
      if (testing::Test::HasFatalFailure()) return;
    }
    EXPECT_EQ(added_, left_);
    EXPECT_TRUE(core_.tallies().empty());
    EXPECT_EQ(core_.claimed(""), 0);
  }

 private:
  using Place = QueueCore::Place;
  using Item = Model::Item;

  [[nodiscard]] QueueTime now() const { return {clock_.now(), clock_.boot_now()}; }

  void turn(std::uint32_t dice) {
    if (dice < 32) return add();
    if (dice < 35) return pause_or_resume();
    if (dice < 36) return restart();
    if (dice < 37) return set_limits();
    if (dice < 66) return claim();
    if (dice < 77) return drop(any(Place::claimed));
    if (dice < 81) return release();
    if (dice < 83) return drop(any(Place::ready));
    if (dice < 84) return drop(any(Place::leaving));
    if (dice < 85) return drop(any(Place::blocked));
    if (dice < 87) return run_now();
    if (dice < 90) return renew();
    pass_time();
  }

  std::uint32_t dice_below(std::uint32_t bound) {
    return static_cast<std::uint32_t>(random_() % bound);
  }

  Item* any(Place place) {
    std::vector<Item*> fitting;
    for (Item& item : model_.items)
      if (item.place == place) fitting.push_back(&item);
    return fitting.empty() ? nullptr : fitting[random_() % fitting.size()];
  }

  void add() {
    auto const made = random_entry(random_, ++added_, clock_.now());
    model_.add(made, now());
    ASSERT_TRUE(core_.add(made, added_, now()));
  }

  void pause_or_resume() {
    std::vector<QueueName> const names = {{QueueName::Kind::all, {}},
                                          {QueueName::Kind::pool, "gpu"},
                                          {QueueName::Kind::task_type, "index"}};
    QueueName const& name = names[random_() % names.size()];
    if (random_() % 3 == 0) {
      core_.pause(name);
      model_.paused.insert(name);
    } else {
      core_.resume(name);
      model_.paused.erase(name);
    }
  }

  void resume_all() {
    for (QueueName const& name : model_.paused)
      core_.resume(name);
    model_.paused.clear();
  }

  // A new core from what the rows say. Who was claimed or leaving is there again.
  void restart() {
    core_ = QueueCore{limits_, clock_.boot_now()};
    for (QueueName const& name : model_.paused)
      core_.pause(name);
    model_.restart(now());
    for (Item const& item : model_.items) {
      std::int64_t const order = std::stoll(item.entry.run.str().substr(4));
      ASSERT_TRUE(core_.add(item.entry, order, now()));
    }
  }

  void set_limits() {
    limits_ = random_limits(random_);
    core_.set_limits(limits_, now());
    model_.set_limits(limits_);
  }

  void claim() {
    ClaimFilter filter;
    if (random_() % 3 == 0) filter.pools = {random_() % 2 == 0 ? "gpu" : "default"};
    if (random_() % 4 == 0) filter.task_types = {random_() % 2 == 0 ? "agent" : "index"};
    if (random_() % 2 == 0) filter.labels = {{"gpu", random_() % 2 == 0 ? "a100" : "h100"}};
    if (random_() % 2 == 0) filter.labels["zone"] = random_() % 4 == 0 ? "us" : "eu";
    BootTime const until = clock_.boot_now() + Millis{20 + random_() % 200};
    auto const picked = core_.claim(filter, kWorker, until, now());
    model_.wake(now());
    Item const* const wanted = model_.claim(filter, until, now());
    ASSERT_EQ(picked ? picked->entry.run.str() : "", wanted ? wanted->entry.run.str() : "");
    if (!picked) return;
    auto const epoch = static_cast<std::int64_t>(picked->entry.epoch);
    ASSERT_GT(epoch, newest_epoch_[picked->entry.run.str()]);
    newest_epoch_[picked->entry.run.str()] = epoch;
  }

  void drop(Item const* item) {
    if (item == nullptr) return;
    ASSERT_TRUE(core_.remove(item->entry.run, now()));
    model_.remove(item, now());
    ++left_;
  }

  void release() {
    Item* const item = any(Place::claimed);
    if (item == nullptr) return;
    Millis const delay{random_() % 40};
    WallTime const not_before = clock_.now() + delay;
    QueueCore::Back const back{.not_before = not_before, .delay = delay, .failed = 0};
    core_.release(item->entry.run, item->entry.epoch, back, now());
    model_.release(*item, not_before, now());
  }

  void run_now() {
    Item* const item = any(random_() % 2 == 0 ? Place::delayed : Place::blocked);
    if (item == nullptr) return;
    core_.run_now(item->entry.run, now());
    model_.run_now(*item, now());
  }

  void renew() {
    Item* const item = any(Place::claimed);
    if (item == nullptr) return;
    item->lease_until = clock_.boot_now() + Millis{random_() % 300};
    ASSERT_TRUE(core_.renew(item->entry.run, item->entry.epoch, item->lease_until));
  }

  void pass_time() {
    clock_.advance(Millis{random_() % 30});
    ASSERT_EQ(core_.expire(now()).size(), model_.expire(now()));
    ASSERT_EQ(core_.take_overdue(now()).size(), model_.take_overdue(now()));
    core_.wake(now());
    model_.wake(now());
  }

  void compare() {
    model_.check();
    ASSERT_EQ(core_.stats().entries, model_.items.size());
    for (Item const& item : model_.items) {
      auto const seen = core_.find(item.entry.run);
      // One macro for all, which is most of the test's time.
      bool const same = seen && seen->place == item.place &&
                        seen->entry->epoch == item.entry.epoch &&
                        seen->entry->lost == item.entry.lost;
      if (!same) FAIL() << item.entry.run.str() << " differs";
    }
    for (std::string const key : {"k0", "k1", "k2", "k3"})
      ASSERT_EQ(core_.claimed(key), model_.claimed_with(key)) << key;
  }

  std::mt19937 random_;
  ManualClock clock_;
  QueueLimits limits_;
  QueueCore core_;
  Model model_;
  std::map<std::string, std::int64_t> newest_epoch_;
  std::int64_t added_ = 0;
  std::int64_t left_ = 0;
};

// The core gives out exactly what the model would, epochs only rise, no group, key or tenant has
// more than it may, neither a restart nor other limits change any of it, and in the end every run
// has left.
TEST(QueueModel, AgreesOverRandomHistories) {
  for (std::uint32_t seed = 1; seed <= 1500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    History history{seed};
    history.play();
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace drover::broker
