#include "driver/agent_work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace drover::driver {
namespace {

using ::testing::HasSubstr;

EffectJob job(std::string_view agent, std::string_view usual = R"({"workspaces":[{"id":"w"}]})") {
  EffectJob made;
  made.workflow.id = "flow-1";
  made.workflow.agent = parse_json(usual)->as_object();
  made.effect.id = "01ABC";
  made.definition = json::object{{"kind", "agent"}, {"agent", *parse_json(agent)}};
  return made;
}

Result<AgentWork> parsed(std::string_view agent,
                         std::string_view usual = R"({"workspaces":[{"id":"w"}]})") {
  return parse_agent_work(job(agent, usual), [](std::string_view name) { return name == "fixer"; });
}

std::string prompt_of(AgentWork const& work) {
  return *std::get<contract::Entrypoint>(work.invocation.start).inline_prompt;
}

TEST(AgentWork, AnEffectIsOneInvocationWithAKeyOfItsOwn) {
  auto const work = parsed(R"({"name":"fixer","prompt":"mend it","model":"scripted:x",
    "workspaces":[{"id":"repo","mode":"rw"}],"limits":{"max_turns":3}})");
  ASSERT_TRUE(work) << work.error().text();
  auto const& invocation = work->invocation;
  EXPECT_EQ(invocation.agent->str(), "fixer");
  EXPECT_EQ(prompt_of(*work), "mend it");
  EXPECT_EQ(invocation.model, "scripted:x");
  EXPECT_EQ(invocation.workspaces.at(0).id.str(), "repo");
  EXPECT_EQ(invocation.limits.max_turns, 3);
  EXPECT_EQ(invocation.identity.launcher.text(), "integration:workflow/flow-1");
  EXPECT_EQ(invocation.idempotency_key, dispatch_key("flow-1", "01ABC", 0));
  EXPECT_NE(dispatch_key("flow-1", "01ABC", 0), dispatch_key("flow-1", "01ABC", 1));
  EXPECT_NE(dispatch_key("flow-1", "01ABC", 0), dispatch_key("flow-2", "01ABC", 0));
}

TEST(AgentWork, WhatItDoesNotSayTheWorkflowSays) {
  auto const work = parsed(
      R"({"prompt":"x"})",
      R"({"agent":"fixer","model":"m","workspaces":[{"id":"w","mode":"ro"}],"subject":"me"})");
  ASSERT_TRUE(work) << work.error().text();
  EXPECT_EQ(work->invocation.agent->str(), "fixer");
  EXPECT_EQ(work->invocation.model, "m");
  EXPECT_EQ(work->invocation.identity.subject, "me");
  EXPECT_EQ(work->invocation.workspaces.at(0).mode, contract::WorkspaceMode::ro);
}

TEST(AgentWork, ANameThatNobodyDefinedIsTheWorkflowsAgentOrRefused) {
  auto const refused = parsed(R"({"name":"general-purpose","prompt":"x"})");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("/agent/name"));
  auto const taken = parsed(R"({"name":"general-purpose","prompt":"x"})",
                            R"({"agent":"fixer","workspaces":[{"id":"w"}]})");
  ASSERT_TRUE(taken) << taken.error().text();
  EXPECT_EQ(taken->invocation.agent->str(), "fixer");
}

TEST(AgentWork, WhatDoesNotFitIsRefused) {
  for (auto const* const text :
       {R"({})", R"({"prompt":1})", R"({"prompt":"x","limits":{"dollars":1}})",
        R"({"prompt":"x","outputSchema":{"type":7}})", R"({"prompt":"x","corrections":11})"})
    EXPECT_EQ(parsed(text).error().code, ErrorCode::invalid_argument) << text;
  EXPECT_FALSE(parsed(R"({"prompt":"x"})", "{}"));  // without a workspace
}

TEST(AgentWork, AStructuredPromptSaysAllThatItHas) {
  auto const text = prompt_text(*parse_json(
      R"({"role":"QA","task":"score","context":{"a":1},"instructions":["one","two"],"outputFormat":"JSON","hint":"h"})"));
  for (auto const* const part : {"You are: QA", "# Task\n\nscore", "\"a\": 1", "1. one\n2. two",
                                 "# Output\n\nJSON", "# hint\n\nh"})
    EXPECT_THAT(text, HasSubstr(part));
}

TEST(AgentWork, ASchemaIsToldAndChecked) {
  auto const work =
      parsed(R"({"prompt":"x","outputSchema":{"type":"object","required":["score"]}})");
  ASSERT_TRUE(work);
  EXPECT_THAT(prompt_of(*work), HasSubstr(R"("required":["score"])"));
  EXPECT_TRUE(work->output->check(*value_in_reply(R"({"score":1})")));
  EXPECT_FALSE(work->output->check(*value_in_reply(R"({"other":1})")));
}

TEST(AgentWork, AReplyIsItsJsonOrItsLastBlock) {
  EXPECT_EQ(json::serialize(*value_in_reply(" {\"a\":1}\n")), R"({"a":1})");
  EXPECT_EQ(json::serialize(*value_in_reply("Here:\n```json\n[1]\n```\nand\n```json\n[2]\n```\n")),
            "[2]");
  EXPECT_EQ(json::serialize(*value_in_reply("```\n3\n```")), "3");
  for (auto const* const text : {"", "no", "```", "``` ```", "```json\nnot\n```", "``````"})
    EXPECT_FALSE(value_in_reply(text)) << text;
}

}  // namespace
}  // namespace drover::driver
