#include "gateway/model_route.h"

#include <gtest/gtest.h>

#include <string>

namespace drover::gateway {
namespace {

TEST(ModelRoute, KnowsItsProviders) {
  auto const real = parse_model_name("anthropic/claude-sonnet-4-5");
  ASSERT_TRUE(real);
  EXPECT_EQ(real->provider, ModelRoute::Provider::anthropic);
  EXPECT_EQ(real->model, "claude-sonnet-4-5");
  EXPECT_EQ(parse_model_name("claude-opus-4-1")->model, "claude-opus-4-1");
  auto const scripted = parse_model_name("scripted:/tmp/a b.json");
  ASSERT_TRUE(scripted);
  EXPECT_EQ(scripted->provider, ModelRoute::Provider::scripted);
  EXPECT_EQ(scripted->script, "/tmp/a b.json");
}

TEST(ModelRoute, RefusesTheRestWithTheWayOn) {
  for (std::string const& name : {std::string{""}, std::string{"gpt"}, std::string{"anthropic/"},
                                  std::string{"anthropic/a/b"}, std::string{"scripted:"},
                                  std::string{"scripted:relative.json"}, std::string{"claude-\n"},
                                  std::string{"scripted:/a\0b", 13}}) {
    auto const route = parse_model_name(name);
    ASSERT_FALSE(route) << name;
    EXPECT_EQ(route.error().code, ErrorCode::invalid_argument);
    EXPECT_FALSE(route.error().next.empty());
  }
}

}  // namespace
}  // namespace drover::gateway
