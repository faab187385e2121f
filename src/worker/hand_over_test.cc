#include "worker/hand_over.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "gateway/mcp_config.h"

namespace drover::worker {
namespace {

using ::testing::HasSubstr;

contract::AgentSpec boss() {
  contract::AgentSpec agent;
  agent.name = "boss";
  agent.hands_to = {"dev", "reviewer"};
  return agent;
}

TEST(HandOver, IsOfferedToWhomItIsGiven) {
  EXPECT_FALSE(has_own_tools(contract::AgentSpec{}));
  EXPECT_TRUE(own_tools(contract::AgentSpec{}).empty());
  auto const tools = own_tools(boss());
  ASSERT_EQ(tools.size(), 1U);
  auto const& names =
      tools.at(0).at("inputSchema").at("properties").at("agent").at("enum").as_array();
  EXPECT_EQ(names, (json::array{"dev", "reviewer"}));
}

TEST(HandOver, ACallCanBeHeldForAPersonAsAnyOther) {
  auto agent = boss();
  EXPECT_TRUE(own_grant(agent).approve.empty());
  contract::McpGrant grant;
  grant.server = gateway::kOwnMcpServer;
  grant.approve = {std::string{kHandOverTool}};
  agent.mcp.push_back(grant);
  EXPECT_EQ(own_grant(agent).approve, grant.approve);
}

TEST(HandOver, GoesToAgentsOnTheListAlone) {
  auto const fine = parse_hand_over({{"agent", "dev"}, {"prompt", "write it"}}, boss());
  ASSERT_TRUE(fine);
  EXPECT_EQ(fine->prompt, "write it");
  auto const other = parse_hand_over({{"agent", "root"}, {"prompt", "write it"}}, boss());
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message, HasSubstr("dev, reviewer"));
  EXPECT_FALSE(parse_hand_over({{"agent", "dev"}, {"prompt", " \n"}}, boss()));
  EXPECT_FALSE(parse_hand_over({{"agent", "dev"}}, boss()));
  EXPECT_FALSE(parse_hand_over({{"agent", "dev"}, {"prompt", std::string(70'000, 'x')}}, boss()));
}

TEST(HandOver, IsARunOfTheOtherWithTheSameRightsAndAKeyThatTellsWho) {
  RunRecord run;
  run.id = RunId::trusted("run-01arz3ndektsv4rrffq69g5fav");
  run.agent = AgentId::trusted("boss");
  run.workspaces = {
      {WorkspaceId::trusted("app"), contract::WorkspaceMode::rw, contract::Checkout::in_place},
      {WorkspaceId::trusted("docs"), contract::WorkspaceMode::ro, contract::Checkout::in_place}};
  SessionRecord session;
  session.subject = "ann";
  session.tenant = "team";
  auto const made = invocation_of({"dev", "write it"}, run, session);
  EXPECT_EQ(made.identity.subject, "ann");
  EXPECT_EQ(made.tenant, "team");
  EXPECT_EQ(made.agent->str(), "dev");
  ASSERT_EQ(made.workspaces.size(), 2U);
  EXPECT_EQ(made.workspaces.at(1).mode, contract::WorkspaceMode::ro);
  EXPECT_EQ(handed_on_by(*made.idempotency_key), run.id);
  EXPECT_EQ(invocation_of({"dev", "write it"}, run, session).idempotency_key, made.idempotency_key);
  EXPECT_NE(invocation_of({"dev", "other"}, run, session).idempotency_key, made.idempotency_key);
  auto const wire = contract::parse_invocation(contract::to_json(made));
  EXPECT_TRUE(wire) << wire.error().text();
}

TEST(HandOver, OtherKeysAreNobodysHandOver) {
  EXPECT_FALSE(handed_on_by(""));
  EXPECT_FALSE(handed_on_by("hand-over:"));
  EXPECT_FALSE(handed_on_by("hand-over:No Id:1"));
  EXPECT_FALSE(handed_on_by("schedule:x:run-01arz3ndektsv4rrffq69g5fav"));
}

}  // namespace
}  // namespace drover::worker
