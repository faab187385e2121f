#include "contract/agent.h"

#include <gtest/gtest.h>

#include "contract/test_examples.h"

namespace drover::contract {
namespace {

TEST(Agent, RoundTrips) {
  int seen = 0;
  for (auto const& example : examples("agent.v1", "valid", "agent")) {
    auto const agent = parse_agent(example.text);
    ASSERT_TRUE(agent) << example.name << ": " << agent.error().message;
    EXPECT_EQ(to_json(*agent), json_of(example.text)) << example.name;
    ++seen;
  }
  EXPECT_GT(seen, 2);
  for (auto const& example : examples("agent.v1", "invalid", "agent"))
    EXPECT_FALSE(parse_agent(example.text)) << example.name;
}

TEST(Agent, WithoutToolsItHasTheServersAndWithNoneItHasNone) {
  EXPECT_FALSE(parse_agent(std::string_view{R"({"name": "a"})"})->tools);
  auto const none = parse_agent(std::string_view{R"({"name": "a", "tools": []})"});
  ASSERT_TRUE(none->tools);
  EXPECT_TRUE(none->tools->empty());
}

}  // namespace
}  // namespace drover::contract
