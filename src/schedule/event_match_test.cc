#include "schedule/event_match.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace drover::schedule {
namespace {

json::value const kEvent = json::parse(
    R"({"type":"issue","source":"gh","data":{"action":"opened","n":1,"a/b":{"~":[10,20]},"none":null}})");

TEST(EventMatch, PointersFollowRfc6901) {
  EXPECT_EQ(value_at(kEvent, ""), &kEvent);
  EXPECT_EQ(*value_at(kEvent, "/data/a~1b/~0/1"), json::value(20));
  for (auto const* const pointer : {"data", "/data/a/b", "/data/a~1b/~0/2", "/data/a~1b/~0/01",
                                    "/data/a~1b/~0/-", "/x", "/data/n/x"})
    EXPECT_EQ(value_at(kEvent, pointer), nullptr) << pointer;
}

TEST(EventMatch, AllConditionsMustHold) {
  auto const fits = [&](std::string_view trigger) {
    auto const job = contract::parse_schedule_job(R"({"request":{"url":"https://x/"},"event":)" +
                                                  std::string{trigger} + "}");
    EXPECT_TRUE(job.has_value()) << trigger;
    return job && matches(std::get<contract::EventTrigger>(job->trigger), kEvent);
  };
  EXPECT_TRUE(fits(R"({"type":"issue"})"));
  EXPECT_TRUE(
      fits(R"({"type":"issue","source":"gh","filter":{"/data/action":"opened","/data/n":1.0}})"));
  EXPECT_TRUE(fits(R"({"type":"issue","filter":{"/data/none":null}})"));
  EXPECT_FALSE(fits(R"({"type":"issues"})"));
  EXPECT_FALSE(fits(R"({"type":"issue","source":"gl"})"));
  EXPECT_FALSE(fits(R"({"type":"issue","filter":{"/data/action":"closed"}})"));
  EXPECT_FALSE(fits(R"({"type":"issue","filter":{"/data/n":"1"}})"));
  EXPECT_FALSE(fits(R"({"type":"issue","filter":{"/data/absent":null}})"));
}

}  // namespace
}  // namespace drover::schedule
