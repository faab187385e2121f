#include "agent/mcp_tool.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "agent/testing.h"

namespace drover::agent {
namespace {

class FakePort final : public McpPort {
 public:
  Result<json::value> ask(std::string_view server, std::string_view method,
                          json::object const& params) override {
    asked.push_back(std::string{server} + " " + std::string{method} + " " +
                    json::serialize(params));
    if (answer.empty()) return fail(ErrorCode::upstream, "a person rejected it");
    return parse_json(answer);
  }
  std::string answer;
  std::vector<std::string> asked;
};

constexpr std::string_view kListed = R"({"tools":[
  {"name":"find","description":"Finds.","inputSchema":{"type":"object"}},
  {"name":"not a name","inputSchema":{"type":"object"}},
  {"name":"shapeless"}]})";

class McpToolTest : public ::testing::Test {
 protected:
  ToolReply run(std::string answer) {
    port.answer = std::move(answer);
    made = make_mcp_tools(port, "tickets", parse_json(kListed).value());
    ToolScope scope;
    scope.spill_path = folder.path() + "/spill";
    json::value const input = parse_json(R"({"q":"x"})").value();
    return made.tools.front()->run(*JsonObject::of(input), scope);
  }
  testing::TempFolder folder;
  FakePort port;
  McpTools made;
};

TEST_F(McpToolTest, IsNamedAfterItsServerAndAsksIt) {
  auto const reply = run(
      R"({"content":[{"type":"text","text":"one"},{"type":"image","data":"AAAA","mimeType":"image/png"}]})");
  ASSERT_EQ(made.tools.size(), 1U);
  EXPECT_EQ(made.tools.front()->spec().name, "mcp__tickets__find");
  EXPECT_EQ(made.tools.front()->spec().input_schema, R"({"type":"object"})");
  EXPECT_EQ(made.tools.front()->kind(), ToolKind::with_effects);
  EXPECT_EQ(made.left_out.size(), 2U) << "what a model cannot call is said";
  EXPECT_EQ(port.asked.front(), R"(tickets tools/call {"name":"find","arguments":{"q":"x"}})");
  EXPECT_EQ(reply.outcome, model::ToolOutcome::ok);
  EXPECT_EQ(reply.text, "one\n[image left out, 4 bytes of image/png]");
}

TEST_F(McpToolTest, AFailureIsAResultThatTheModelReads) {
  auto reply = run("");
  EXPECT_EQ(reply.outcome, model::ToolOutcome::error);
  EXPECT_EQ(reply.text, "a person rejected it");
  reply = run(R"({"content":[{"type":"text","text":"no"}],"isError":true})");
  EXPECT_EQ(reply.outcome, model::ToolOutcome::error);
  reply = run(R"({"content":[],"structuredContent":{"n":1}})");
  EXPECT_EQ(reply.text, R"({"n":1})");
  EXPECT_EQ(run("[]").outcome, model::ToolOutcome::error);
}

TEST_F(McpToolTest, LongOutputIsBoundedAndKept) {
  std::string const text(100'000, 'x');
  auto const reply = run(R"({"content":[{"type":"text","text":")" + text + R"("}]})");
  EXPECT_LT(reply.text.size(), 40'000U);
  EXPECT_TRUE(reply.text.contains(folder.path())) << "the whole of it is in a file";
}

}  // namespace
}  // namespace drover::agent
