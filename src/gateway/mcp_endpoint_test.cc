#include "gateway/mcp_endpoint.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "gateway/mcp_broker.h"
#include "gateway/mcp_http.h"
#include "gateway/mcp_process.h"

namespace drover::gateway {
namespace {

json::object reply_to(std::string const& text) {
  McpAsk const ask = read_mcp_ask(text);
  EXPECT_EQ(ask.kind, McpAsk::Kind::answer) << text;
  return parse_json(ask.answer).value().get_object();
}

std::int64_t error_of(std::string const& text) {
  auto const reply = reply_to(text);
  return reply.contains("error") ? reply.at("error").at("code").as_int64() : 0;
}

TEST(McpEndpoint, AUnitHasToolsAndNothingElse) {
  auto const hello = reply_to(
      R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-03-26"}})");
  EXPECT_EQ(hello.at("result").at("protocolVersion").as_string(), "2025-03-26");
  EXPECT_EQ(hello.at("result").at("capabilities").as_object().size(), 1U);
  EXPECT_EQ(reply_to(R"({"jsonrpc":"2.0","id":"a","method":"ping"})").at("id").as_string(), "a");
  EXPECT_EQ(read_mcp_ask(R"({"jsonrpc":"2.0","method":"notifications/initialized"})").kind,
            McpAsk::Kind::accepted);
  for (std::string const method :
       {"resources/list", "resources/read", "prompts/get", "sampling/createMessage",
        "completion/complete", "logging/setLevel", "server/discover", "tools/"})
    EXPECT_EQ(error_of(R"({"jsonrpc":"2.0","id":1,"method":")" + method + R"("})"), kRpcNoMethod)
        << method;
}

TEST(McpEndpoint, ACallIsReadStrictly) {
  auto const call = read_mcp_ask(
      R"({"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"a":1},"_meta":{"x":1}}})");
  ASSERT_EQ(call.kind, McpAsk::Kind::call);
  EXPECT_EQ(call.tool, "echo");
  EXPECT_EQ(call.arguments.at("a").as_int64(), 1);
  for (std::string const params :
       {"{}", R"({"name":1})", R"({"name":""})", R"({"name":"a","arguments":[]})", "[]"})
    EXPECT_NE(error_of(R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":)" + params + "}"),
              0)
        << params;
  for (std::string const body :
       {"", "[]", "1", R"([{"jsonrpc":"2.0","id":1,"method":"ping"}])", R"({"id":1})",
        R"({"jsonrpc":"2.0","id":{},"method":"ping"})", R"({"jsonrpc":"2.0","id":1,"method":1})"})
    EXPECT_EQ(error_of(body), kRpcParseError) << body;
}

TEST(McpEndpoint, APathNamesOneServer) {
  EXPECT_EQ(mcp_server_of("/mcp/tickets"), "tickets");
  for (std::string_view const path : {"/mcp", "/mcp/", "/mcp/a/b", "/v1/mcp/a"})
    EXPECT_EQ(mcp_server_of(path), "") << path;
}

TEST(JsonRpc, TheOrderOfMembersChangesNothingOfADigest) {
  auto const one = parse_json(R"({"b":[{"y":1,"x":2}],"a":"1"})").value();
  auto const other = parse_json(R"({"a":"1","b":[{"x":2,"y":1}]})").value();
  EXPECT_EQ(canonical_json(one), canonical_json(other));
  EXPECT_EQ(canonical_json(one), R"({"a":"1","b":[{"x":2,"y":1}]})");
  EXPECT_NE(canonical_json(one), canonical_json(parse_json(R"({"a":1,"b":[]})").value()));
}

TEST(LineCutter, CutsWholeLinesFromAnyPieces) {
  LineCutter cutter{8};
  EXPECT_TRUE(cutter.feed("ab")->empty());
  auto const lines = cutter.feed("c\r\n\n def \nx");
  ASSERT_EQ(lines->size(), 2U);
  EXPECT_EQ(lines->at(0), "abc");
  EXPECT_EQ(lines->at(1), "def");
  EXPECT_EQ(cutter.feed("123456789").error().code, ErrorCode::too_large);
  EXPECT_FALSE(cutter.feed("\n"));
}

TEST(RpcReplyFinder, FindsItsReplyAmongOthers) {
  RpcReplyFinder events{RpcReplyFinder::Form::events, 2};
  EXPECT_FALSE(*events.feed("id: 1\ndata: \n\n"));
  EXPECT_FALSE(*events.feed(
      "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\ndata: {\"jsonrpc\":"));
  EXPECT_FALSE(*events.feed("\"2.0\",\"id\":1,\"result\":{}}\n\n"));
  auto const found = events.feed("data: {\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"a\":1}}\n\n");
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->result.at("a").as_int64(), 1);
  RpcReplyFinder whole{RpcReplyFinder::Form::json, 2};
  EXPECT_FALSE(*whole.feed(R"({"jsonrpc":"2.0","id":2,)"));
  EXPECT_FALSE(*whole.feed(R"("error":{"code":-1,"message":"no"}})"));
  EXPECT_EQ((*whole.finish())->error->message, "no");
  RpcReplyFinder none{RpcReplyFinder::Form::json, 2};
  EXPECT_FALSE(none.finish());
}

TEST(McpSecrets, AreTakenOutOfEveryText) {
  auto value =
      parse_json(R"({"content":[{"text":"the key is sk-12345678, no?","a sk-12345678":1}]})")
          .value();
  clean_secrets(value, {{"KEY", Secret{std::string{"sk-12345678"}}}});
  EXPECT_EQ(value.at("content").at(0).at("text").as_string(), "the key is ***, no?");
  EXPECT_TRUE(value.at("content").at(0).as_object().contains("a ***")) << json::serialize(value);
}

}  // namespace
}  // namespace drover::gateway
