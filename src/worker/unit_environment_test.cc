#include "worker/unit_environment.h"

#include <gtest/gtest.h>

#include <map>

#include <boost/json.hpp>

#include "worker/unit_spec.h"

namespace drover::worker {
namespace {

SessionRecord session() {
  SessionRecord session;
  session.id = SessionId::trusted("ses-1");
  session.subject = "dev";
  session.runner = "command:reviewer";
  session.workspaces = {
      {WorkspaceId::trusted("app"), contract::WorkspaceMode::rw, contract::Checkout::in_place},
      {WorkspaceId::trusted("docs"), contract::WorkspaceMode::ro, contract::Checkout::in_place}};
  return session;
}

contract::Mount mount(std::string slug, std::string path, bool first) {
  contract::Mount made;
  made.slug = WorkspaceId::trusted(std::move(slug));
  made.path = std::move(path);
  made.write = made.primary = first;
  return made;
}

TEST(UnitEnvironment, HasTheTenNamesOfTheContractEachWithItsTwin) {
  UnitFacts facts;
  facts.unit = "agent-dev-chat-ses-1";
  facts.token = Secret{"the-token"};
  facts.idle = Millis{60'000};
  facts.mounts = {mount("app", "/srv/app", true), mount("docs", "/srv/docs", false)};
  auto const environment = unit_environment(session(), facts);
  std::map<std::string, std::string> const have{environment.begin(), environment.end()};
  EXPECT_EQ(environment.size(), have.size()) << "a name is there twice";
  std::map<std::string, std::string> const wanted{
      {"UNIT_ID", "agent-dev-chat-ses-1"},
      {"UNIT_IN_TOPIC", "unit:agent-dev-chat-ses-1:in"},
      {"UNIT_OUT_TOPIC", "unit:agent-dev-chat-ses-1:out"},
      {"START", R"({"session":{"ref":"ses-1"}})"},
      {"RUNNER", "command:reviewer"},
      {"WORKSPACES", "app:rw,docs:ro"},
      {"AGENT_IDENTITY_TOKEN", "the-token"},
      {"IDLE_TIMEOUT_SEC", "60"},
      {"CHAT_SESSION", "ses-1"}};
  for (auto const& [name, value] : wanted)
    for (std::string const prefix : {"DROVER_", "VEXA_"})
      EXPECT_EQ(have.at(prefix + name), value) << name;
  EXPECT_EQ(have.at("DROVER_MOUNTS"), have.at("VEXA_MOUNTS"));
  auto const mounts = json::parse(have.at("VEXA_MOUNTS")).as_array();
  ASSERT_EQ(mounts.size(), 2U);
  EXPECT_TRUE(contract::parse_mount(json::serialize(mounts[0])));
  EXPECT_EQ(mounts[0].at("path").as_string(), "/srv/app");
  EXPECT_EQ(have.size(), 20U);
}

// The names that a sandbox of ours has are those, and no variable of the host's.
TEST(UnitEnvironment, IsThatOfOurOwnUnitsToo) {
  workspace::CheckedOut checkout;
  checkout.id = WorkspaceId::trusted("app");
  checkout.path = "/host/app";
  checkout.mode = contract::WorkspaceMode::rw;
  UnitIdentity identity{"agent-dev-chat-ses-1", WorkloadId::trusted("wl"), Secret{"t"},
                        Millis{60'000}};
  contract::AgentSpec agent;
  agent.env = {{"TEAM", "blue"}, {"HOME", "/elsewhere"}, {"DROVER_UNIT_ID", "another"}};
  auto const spec =
      unit_spec(session(), {checkout}, agent, {}, identity, {"/unit", "/socket", "/files"});
  std::map<std::string, std::string> have;
  for (std::string const& line : spec.sandbox.env)
    have.emplace(line.substr(0, line.find('=')), line.substr(line.find('=') + 1));
  EXPECT_EQ(have.size(), 26U);
  EXPECT_EQ(have.at("TEAM"), "blue");
  EXPECT_EQ(have.at("HOME"), "/home/agent") << "what makes a unit is not the agent's to change";
  EXPECT_NE(have.at("DROVER_UNIT_ID"), "another");
  EXPECT_EQ(have.at("VEXA_UNIT_ID"), have.at("DROVER_UNIT_ID"));
  EXPECT_NE(have.at("VEXA_MOUNTS").find("\"/workspace\""), std::string::npos)
      << have.at("VEXA_MOUNTS");
  EXPECT_EQ(have.at("VEXA_MOUNTS").find("/host"), std::string::npos);
}

}  // namespace
}  // namespace drover::worker
