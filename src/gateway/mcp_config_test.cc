#include "gateway/mcp_config.h"

#include <gtest/gtest.h>

#include "base/config_text.h"
#include "gateway/gateway_config.h"
#include "gateway/mcp_launch.h"

namespace drover::gateway {
namespace {

Result<GatewayConfig> parse(std::string_view toml) {
  auto const value = parse_config("gateway.toml", toml);
  if (!value) return std::unexpected(value.error());
  return parse_gateway_config(*value);
}

TEST(McpConfig, ReadsAProgramAndAnAddress) {
  auto const config = parse(R"(
[mcp.tickets]
command = ["/usr/bin/tickets", "--stdio"]
env = { TOKEN = { file = "/etc/tickets" }, WHERE = "here" }
tools = ["search", "create"]
approval_timeout_s = 60
timeouts = { start_s = 1, call_s = 2, idle_s = 3 }
sessions_at_once = 4
[mcp.wiki]
url = "https://wiki.example.org/mcp/"
key = { credential = "wiki" }
auth = "x-api-key"
)");
  ASSERT_TRUE(config) << config.error().text();
  McpServer const& tickets = config->mcp.at("tickets");
  EXPECT_FALSE(tickets.over_http());
  EXPECT_EQ(tickets.command.back(), "--stdio");
  EXPECT_EQ(tickets.env.at(0).source.name, "/etc/tickets");
  EXPECT_EQ(tickets.env.at(1).text, "here");
  EXPECT_TRUE(tickets.allows("search"));
  EXPECT_FALSE(tickets.allows("delete"));
  EXPECT_EQ(tickets.timeouts.approval, Millis{60'000});
  EXPECT_EQ(tickets.timeouts.call, Millis{2'000});
  EXPECT_EQ(tickets.sessions_max, 4U);
  McpServer const& wiki = config->mcp.at("wiki");
  EXPECT_TRUE(wiki.over_http());
  EXPECT_EQ(wiki.url, "https://wiki.example.org/mcp");
  EXPECT_EQ(wiki.key_header, KeyHeader::x_api_key);
  EXPECT_TRUE(wiki.allows("anything"));
}

TEST(McpConfig, AnErrorNamesThePlace) {
  for (auto const& [toml, place] :
       {std::pair{"[mcp.x]\ntools = []", "/mcp/x"},
        {"[mcp.x]\ncommand = \"a\"\nurl = \"http://b\"", "/mcp/x"},
        {"[mcp.x]\ncommand = []", "/mcp/x/command"},
        {"[mcp.x]\ncommand = \"a\"\nenv = { \"1\" = \"b\" }", "/mcp/x/env"},
        {"[mcp.x]\ncommand = \"a\"\nenv = { A = { secret = \"b\" } }", "/mcp/x/env/A/secret"},
        {"[mcp.x]\ncommand = \"a\"\nkey = { env = \"B\" }", "/mcp/x/key"},
        {"[mcp.x]\nurl = \"ftp://b\"", "/mcp/x/url"},
        {"[mcp.x]\nurl = \"http://b\"\nauth = \"cookie\"", "/mcp/x/auth"},
        {"[mcp.x]\nurl = \"http://b\"\ntimeouts = { call_s = 0 }", "/mcp/x/timeouts"},
        {"[mcp.X]\nurl = \"http://b\"", "/mcp"}}) {
    auto const config = parse(toml);
    ASSERT_FALSE(config) << toml;
    EXPECT_TRUE(config.error().message.contains(place)) << config.error().message;
  }
}

TEST(McpLaunch, AProgramHasItsVariablesAndNoPrivileges) {
  McpServer server;
  server.name = "x";
  server.command = {"prog", "--flag"};
  server.env = {{"TOKEN", "", {}}, {"HOME", "/var/lib/x", {}}};
  McpSecrets const secrets{{"TOKEN", Secret{std::string{"s3cret"}}}};
  auto const spec = mcp_process_spec(server, secrets, McpUser{true, 65534, 65534});
  auto const has = [&](std::vector<std::string> const& all, std::string const& one) {
    return std::ranges::find(all, one) != all.end();
  };
  EXPECT_TRUE(has(spec.env, "TOKEN=s3cret"));
  EXPECT_TRUE(has(spec.env, "HOME=/var/lib/x"));
  EXPECT_FALSE(has(spec.env, "HOME=/nonexistent"));
  for (std::string const word :
       {"--reuid=65534", "--no-new-privs", "--bounding-set=-all", "--mount-proc"})
    EXPECT_TRUE(has(spec.argv, word)) << word;
  for (std::string const& word : spec.argv)
    EXPECT_FALSE(word.contains("s3cret")) << "what is in argv everybody can read";
  EXPECT_EQ(spec.argv.back(), "--flag");
}

TEST(McpLaunch, WhatIsNotThereIsSaid) {
  McpServer server;
  server.name = "x";
  server.command = {"no-such-program"};
  EXPECT_TRUE(check_mcp_command(server).error().message.contains("no-such-program"));
  server.command = {"sh"};
  EXPECT_TRUE(check_mcp_command(server));
  server.user = "no-such-user";
  EXPECT_FALSE(mcp_user(server, 0));
  server.user = "nobody";
  EXPECT_FALSE(mcp_user(server, 1000)) << "only root becomes somebody else";
  server.user.clear();
  EXPECT_NE(mcp_user(server, 0)->uid, 0U) << "root is given up unasked";
}

}  // namespace
}  // namespace drover::gateway
