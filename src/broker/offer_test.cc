#include "broker/offer.h"

#include <gtest/gtest.h>

namespace drover::broker {
namespace {

Offer offer(PriorityLevel level, std::string pool = "default") {
  Offer made;
  made.offered = {RunId::trusted("run-a"), Epoch{7}};
  made.lane = {"background-agent", std::move(pool), level};
  return made;
}

TEST(Offer, GoesToTheStreamOfItsTypeAndLevel) {
  EXPECT_EQ(stream_of(offer(PriorityLevel::normal).lane), "task:dispatch:background-agent");
  EXPECT_EQ(stream_of(offer(PriorityLevel::critical).lane),
            "task:dispatch:background-agent:critical");
  EXPECT_EQ(stream_of(offer(PriorityLevel::low, "gpu").lane),
            "task:dispatch:background-agent@gpu:low");
  // A type that looks like another's level is no other's stream.
  EXPECT_NE(stream_of({"a:high", "default", PriorityLevel::normal}),
            stream_of({"a", "default", PriorityLevel::high}));
  EXPECT_NE(stream_of({"a@b", "default", PriorityLevel::normal}),
            stream_of({"a", "b", PriorityLevel::normal}));
}

TEST(Offer, OfATaskWithLabelsGoesToAStreamOfItsOwn) {
  OfferLane lane{"train", "gpu", PriorityLevel::high, {{"gpu", "a100"}, {"zone", "eu"}}};
  EXPECT_EQ(stream_of(lane), "task:dispatch:train@gpu?gpu%3Da100%2Czone%3Deu:high");
  Offer made;
  made.offered = {RunId::trusted("run-a"), Epoch{7}};
  made.lane = lane;
  auto const read = offer_of(to_fields(made));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, made);
  lane.labels.clear();
  EXPECT_NE(stream_of(lane), stream_of(made.lane));
}

TEST(Offer, SurvivesTheWayThroughAStream) {
  for (PriorityLevel const level :
       {PriorityLevel::critical, PriorityLevel::high, PriorityLevel::normal, PriorityLevel::low}) {
    auto const read = offer_of(to_fields(offer(level, "gpu")));
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, offer(level, "gpu"));
  }
}

TEST(Offer, WhatDroverDidNotWriteIsNone) {
  auto fields = to_fields(offer(PriorityLevel::normal));
  for (std::size_t i = 1; i < 4; i += 2) {
    auto broken = fields;
    broken[i] = "../x";
    EXPECT_FALSE(offer_of(broken));
    broken[i] = "";
    EXPECT_FALSE(offer_of(broken));
  }
  EXPECT_FALSE(offer_of({}));
  EXPECT_FALSE(offer_of({"run"}));
}

}  // namespace
}  // namespace drover::broker
