#include "broker/fair_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <vector>

namespace drover::broker {
namespace {

constexpr std::array<std::string_view, 4> kTenants = {"a", "b", "c", "d"};

// The tenants with their entries and weights, served one after another.
struct Shop {
  FairOrder order;
  std::array<int, 4> entries{};
  std::array<std::int64_t, 4> weights{1, 1, 1, 1};

  void add(std::size_t tenant) {
    order.add(std::string{kTenants[tenant]});
    ++entries[tenant];
  }
  std::optional<std::size_t> serve() {
    std::optional<std::size_t> next;
    for (std::size_t i = 0; i < kTenants.size(); ++i)
      if (entries[i] > 0 && (!next || order.tag(kTenants[i]) < order.tag(kTenants[*next])))
        next = i;
    if (!next) return next;
    order.serve(kTenants[*next], weights[*next]);
    order.remove(std::string{kTenants[*next]});
    --entries[*next];
    return next;
  }
};

TEST(FairOrder, TenantsGoByTheirWeights) {
  Shop shop;
  shop.weights = {3, 1, 1, 1};
  std::array<int, 4> served{};
  for (std::size_t i = 0; i < 2; ++i)
    for (int n = 0; n < 4000; ++n)
      shop.add(i);
  for (int n = 0; n < 4000; ++n)
    ++served[*shop.serve()];
  EXPECT_NEAR(served[0], 3000, 2);
  EXPECT_NEAR(served[1], 1000, 2);
}

TEST(FairOrder, IdleTimeEarnsNothing) {
  Shop shop;
  for (int n = 0; n < 1000; ++n)
    shop.add(0);
  for (int n = 0; n < 500; ++n)
    shop.serve();
  for (int n = 0; n < 1000; ++n)
    shop.add(1);
  std::array<int, 4> served{};
  for (int n = 0; n < 100; ++n)
    ++served[*shop.serve()];
  EXPECT_NEAR(served[0], 50, 1);
}

TEST(FairOrder, WorkThatNobodyCouldTakeIsOwedOnlySoMuch) {
  FairOrder order;
  order.add("stuck");
  for (int n = 0; n < 10'000; ++n) {
    order.add("busy");
    order.serve("busy", 1);
    order.remove("busy");
  }
  order.add("busy");
  int turns = 0;
  while (order.tag("stuck") <= order.tag("busy")) {
    order.serve("stuck", 1);
    ASSERT_LE(++turns, FairOrder::kOwedMax + 2);
  }
  EXPECT_GE(turns, FairOrder::kOwedMax);
}

// Over any time in which two tenants both have work, what each got over its weight differs by no
// more than one turn of each.
TEST(FairOrder, UnfairnessIsBounded) {
  for (std::uint32_t seed = 1; seed <= 400; ++seed) {
    std::mt19937 random{seed};
    Shop shop;
    for (auto& weight : shop.weights)
      weight = 1 + static_cast<std::int64_t>(random() % 10);
    // Of each pair: what each got since both have had work, and the extremes of the difference.
    struct Pair {
      double lead = 0;
      double lowest = 0;
      double highest = 0;
    };
    std::array<std::array<Pair, 4>, 4> pairs{};
    for (int step = 0; step < 2000; ++step) {
      if (random() % 100 < 48) {
        shop.add(random() % 4);
      } else if (auto const served = shop.serve()) {
        for (std::size_t other = 0; other < 4; ++other) {
          double const share = 1.0 / static_cast<double>(shop.weights[*served]);
          pairs[*served][other].lead += share;
          pairs[other][*served].lead -= share;
        }
      }
      for (std::size_t left = 0; left < 4; ++left)
        for (std::size_t right = 0; right < left; ++right) {
          Pair& pair = pairs[left][right];
          if (shop.entries[left] == 0 || shop.entries[right] == 0) {
            pair = {};
            continue;
          }
          pair.lowest = std::min(pair.lowest, pair.lead);
          pair.highest = std::max(pair.highest, pair.lead);
          double const bound = 1.0 / static_cast<double>(shop.weights[left]) +
                               1.0 / static_cast<double>(shop.weights[right]);
          ASSERT_LE(pair.highest - pair.lowest, bound + 1e-4)
              << "seed " << seed << " step " << step << " " << kTenants[left] << kTenants[right];
        }
    }
  }
}

}  // namespace
}  // namespace drover::broker
