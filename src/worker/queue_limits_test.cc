#include "worker/queue_limits.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "base/schema.h"

namespace drover::worker {
namespace {

constexpr std::string_view kFull = R"({
  "global": {"concurrency": 16, "rate": {"count": 600, "per_s": 60, "burst": 20}},
  "tenant": {"concurrency": 4},
  "tenants": {"ci": {"weight": 3, "rate": {"count": 1, "per_s": 0.5, "burst": 1}}, "free": {}},
  "keys": {"github:api": {"concurrency": 2}}})";

TEST(QueueLimits, SayWhatTheDocumentSays) {
  auto const limits = parse_queue_limits(json::parse(kFull)).value();
  EXPECT_EQ(limits.global.concurrency_max, 16);
  EXPECT_EQ(limits.global.rate->period, Millis{60'000});
  EXPECT_EQ(limits.of_tenant("anyone").limit.concurrency_max, 4);
  EXPECT_EQ(limits.of_tenant("ci").weight, 3);
  EXPECT_EQ(limits.of_tenant("ci").limit.rate->period, Millis{500});
  EXPECT_FALSE(limits.of_tenant("free").limit.concurrency_max)
      << "one that is named has what is said of it";
  EXPECT_EQ(limits.of_key("github:api").concurrency_max, 2);
}

TEST(QueueLimits, ReadBackAsTheyWerePrinted) {
  auto const limits = parse_queue_limits(json::parse(kFull)).value();
  EXPECT_EQ(parse_queue_limits(to_json(limits)).value(), limits);
  EXPECT_EQ(json::value(to_json(limits)), json::parse(kFull));
  EXPECT_TRUE(to_json(broker::QueueLimits{}).empty());
}

TEST(QueueLimits, WhatDoesNotFitHasItsPlace) {
  auto const refused =
      parse_queue_limits(json::parse(R"({"tenants": {"ci": {"concurrency": 0}}})"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(error_pointer(refused.error()), "/tenants/ci/concurrency");
}

}  // namespace
}  // namespace drover::worker
