#include "gateway/budget.h"

#include <gtest/gtest.h>

namespace drover::gateway {
namespace {

TEST(Budget, RefusesTheCallAfterTheLimitIsReached) {
  Budget budget{1000};
  ASSERT_TRUE(budget.reserve(400));
  budget.settle(400, 999);
  ASSERT_TRUE(budget.reserve(400)) << "one micro-dollar is left";
  budget.settle(400, 1);
  auto const refused = budget.reserve(1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::budget_exhausted);
}

TEST(Budget, CallsInFlightCountWithTheirReservation) {
  Budget budget{1000};
  ASSERT_TRUE(budget.reserve(600));
  ASSERT_TRUE(budget.reserve(600));
  EXPECT_FALSE(budget.reserve(600));
  budget.settle(600, 100);
  budget.settle(600, 100);
  EXPECT_TRUE(budget.reserve(600));
  EXPECT_EQ(budget.spent(), 200);
}

TEST(Budget, WithoutALimitEverythingIsAllowedAndCounted) {
  Budget budget{std::nullopt};
  ASSERT_TRUE(budget.reserve(1'000'000'000));
  budget.settle(1'000'000'000, 7);
  EXPECT_EQ(budget.spent(), 7);
}

TEST(Budget, AZeroLimitAllowsNothing) {
  EXPECT_FALSE(Budget{0}.reserve(0));
}

TEST(Budget, DollarsHaveFourDecimals) {
  EXPECT_EQ(format_dollars(0), "$0.0000");
  EXPECT_EQ(format_dollars(1'234'567), "$1.2345");
}

}  // namespace
}  // namespace drover::gateway
