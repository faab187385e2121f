#include "gateway/gateway_config.h"

#include <gtest/gtest.h>

#include "base/config_text.h"

namespace drover::gateway {
namespace {

Result<GatewayConfig> parse(std::string_view toml) {
  auto const value = parse_config("gateway.toml", toml);
  if (!value) return std::unexpected(value.error());
  return parse_gateway_config(*value);
}

TEST(GatewayConfig, ReadsAnUpstreamInFull) {
  auto const config = parse(R"(
default_model = "fast"
[upstreams.work]
kind = ["openai-responses", "openai-chat"]
base_url = "https://llm.example.com/v1//"
key = { command = ["pass", "show", "llm"] }
auth = "api-key"
ca_file = "/etc/ca.pem"
models = "gpt-*"
timeouts = { connect_s = 2, head_s = 3.5, first_token_s = 4, idle_s = 5, total_s = 600 }
requests_at_once = 4
attempts = 2
[models.fast]
upstream = "work"
model = "gpt-mini"
)");
  ASSERT_TRUE(config) << config.error().text();
  Upstream const& upstream = config->upstreams.at("work");
  EXPECT_TRUE(upstream.speaks(model::WireFormat::chat));
  EXPECT_FALSE(upstream.speaks(model::WireFormat::messages));
  EXPECT_EQ(upstream.base_url, "https://llm.example.com/v1");
  EXPECT_EQ(upstream.key.kind, KeySource::Kind::command);
  EXPECT_EQ(upstream.key.argv.size(), 3U);
  EXPECT_EQ(upstream.key_header, KeyHeader::api_key);
  EXPECT_EQ(upstream.timeouts.head, Millis{3500});
  EXPECT_EQ(upstream.timeouts.total, Millis{600'000});
  EXPECT_EQ(upstream.requests_max, 4U);
  EXPECT_EQ(upstream.attempts_max, 2);
  EXPECT_EQ(config->default_model, "fast");
}

TEST(GatewayConfig, EachVendorHasItsWayToCarryTheKey) {
  auto const config = parse(R"(
[upstreams.a]
kind = "anthropic"
base_url = "https://a"
[upstreams.o]
kind = "openai-chat"
base_url = "https://o"
)");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->upstreams.at("a").key_header, KeyHeader::x_api_key);
  EXPECT_EQ(config->upstreams.at("o").key_header, KeyHeader::bearer);
}

TEST(GatewayConfig, WhatDoesNotFitIsNamed) {
  struct Case {
    std::string_view toml;
    std::string_view names;
  };
  constexpr std::string_view kHead =
      "[upstreams.a]\nkind = \"anthropic\"\nbase_url = \"https://a\"\n";
  for (auto const& [tail, names] :
       {Case{"key = \"sk-secret\"", "/upstreams/a/key"},
        Case{"key = { value = \"sk-secret\" }", "/upstreams/a/key/value"},
        Case{"key = { env = \"A\", file = \"/b\" }", "/upstreams/a/key"},
        Case{"key = { file = \"relative\" }", "/upstreams/a/key/file"},
        Case{"key = { credential = \"../x\" }", "/upstreams/a/key/credential"},
        Case{"auth = \"basic\"", "/upstreams/a/auth"}, Case{"retries = 4", "/upstreams/a/retries"},
        Case{"attempts = 0", "/upstreams/a/attempts"},
        Case{"timeouts = { idle_s = -1 }", "/upstreams/a/timeouts/idle_s"},
        Case{"[models.m]\nupstream = \"b\"\nmodel = \"x\"", "/models/m/upstream"},
        Case{"[upstreams.B]\nkind = \"anthropic\"\nbase_url = \"https://a\"", "'B'"}}) {
    auto const config = parse(std::string{kHead} + std::string{tail});
    ASSERT_FALSE(config) << tail;
    EXPECT_NE(config.error().message.find(names), std::string::npos) << config.error().message;
    EXPECT_EQ(config.error().message.find("sk-secret"), std::string::npos) << "a key is no message";
  }
}

TEST(GatewayConfig, ABaseUrlIsPlain) {
  EXPECT_EQ(parse_base_url("http://127.0.0.1:8080/x/").value(), "http://127.0.0.1:8080/x");
  for (std::string_view const url :
       {"", "ftp://a", "https://", "https:///x", "https://u:p@a", "https://a/?x=1", "https://a#f",
        "https://a/../b", "https://a/./b", "https://a b", "https://a\r\nx: y",
        "file:///etc/passwd"})
    EXPECT_FALSE(parse_base_url(url)) << url;
}

}  // namespace
}  // namespace drover::gateway
