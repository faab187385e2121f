#include "gateway/model_route.h"

#include <gtest/gtest.h>

#include <string>

#include "base/config_text.h"

namespace drover::gateway {
namespace {

GatewayConfig config(std::string_view toml) {
  auto const value = parse_config("gateway.toml", toml);
  EXPECT_TRUE(value) << value.error().text();
  auto parsed = parse_gateway_config(*value);
  EXPECT_TRUE(parsed) << parsed.error().text();
  return parsed ? *std::move(parsed) : GatewayConfig{};
}

GatewayConfig const kTwo = config(R"(
[upstreams.anthropic]
kind = "anthropic"
base_url = "https://api.anthropic.com"
models = ["claude-*"]
[upstreams.eu]
kind = "anthropic"
base_url = "https://eu.example.com/"
models = ["claude-opus-*"]
[upstreams.router]
kind = ["openai-chat"]
base_url = "http://127.0.0.1:4000/v1"
[models.fast]
upstream = "router"
model = "meta/llama"
fallback = ["claude-haiku", "fast", "anthropic/claude-haiku"]
)");

TEST(ModelRoute, AnUpstreamIsFoundByPrefixAliasAndPattern) {
  auto const by_prefix = find_model(kTwo, "anthropic/claude-sonnet-4-5");
  ASSERT_TRUE(by_prefix);
  EXPECT_EQ(by_prefix->upstream, "anthropic");
  EXPECT_EQ(by_prefix->model, "claude-sonnet-4-5");
  EXPECT_EQ(find_model(kTwo, "router/meta/llama-3")->model, "meta/llama-3");
  EXPECT_EQ(find_model(kTwo, "claude-sonnet-4-5")->upstream, "anthropic");
  EXPECT_EQ(find_model(kTwo, "claude-opus-4-1")->upstream, "eu") << "the longest pattern";
  auto const alias = find_model(kTwo, "fast");
  ASSERT_TRUE(alias);
  EXPECT_EQ(alias->upstream, "router");
  EXPECT_EQ(alias->model, "meta/llama");
}

TEST(ModelRoute, AScriptIsAnAbsoluteFile) {
  auto const scripted = find_model(kTwo, "scripted:/tmp/a b.json");
  ASSERT_TRUE(scripted);
  EXPECT_TRUE(scripted->is_scripted());
  EXPECT_EQ(scripted->script, "/tmp/a b.json");
}

TEST(ModelRoute, FallbacksAreEachAnotherModelAndThere) {
  auto const fallbacks = find_fallbacks(kTwo, "fast", {"claude-x"});
  ASSERT_TRUE(fallbacks);
  ASSERT_EQ(fallbacks->size(), 2U) << "neither itself nor one twice";
  EXPECT_EQ(fallbacks->front().model, "claude-x");
  EXPECT_EQ(fallbacks->back().model, "claude-haiku");
  EXPECT_TRUE(find_fallbacks(kTwo, "claude-sonnet", {})->empty());
  EXPECT_FALSE(find_fallbacks(kTwo, "claude-sonnet", {"nobody/x"})) << "found before it is needed";
}

TEST(ModelRoute, RefusesTheRestWithTheWayOn) {
  for (std::string const& name :
       {std::string{""}, std::string{"gpt"}, std::string{"anthropic/"}, std::string{"router/a/"},
        std::string{"scripted:"}, std::string{"nobody/claude-x"},
        std::string{"scripted:relative.json"}, std::string{"claude-\n"},
        std::string{"scripted:/a\0b", 13}}) {
    auto const route = find_model(kTwo, name);
    ASSERT_FALSE(route) << name;
    EXPECT_EQ(route.error().code, ErrorCode::invalid_argument);
    EXPECT_FALSE(route.error().next.empty());
  }
}

}  // namespace
}  // namespace drover::gateway
