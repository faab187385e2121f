#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "model/model_stream.h"
#include "model/scripted.h"

namespace drover::model {
namespace {

std::string stream_of(std::string_view script) {
  auto const model = ScriptedModel::parse(script);
  EXPECT_TRUE(model) << model.error().message;
  ScriptedAttempts attempts;
  std::string bytes;
  for (PlanStep const& step :
       model->answer(R"({"stream":true,"model":"m","messages":[]})", "s", attempts))
    bytes += step.bytes;
  return bytes;
}

constexpr std::string_view kRich = R"({"turns":[{
  "thinking":["let me ","see"], "text":["grüße ","🦊\n\"x\""],
  "tool_calls":[{"name":"Bash","input":{"command":"echo 'ä' \\ \"q\"","n":1.5,"deep":{"a":[1,null,true]}}},
                {"name":"Read","input":{}}],
  "usage":{"input":11,"output":22,"cache_read":33,"cache_write_5m":44,"cache_write_1h":55}}]})";

struct Decoded {
  std::string text;
  std::string thinking;
  std::vector<std::string> calls;
  std::vector<std::string> blocks;
  Usage usage;
  friend bool operator==(Decoded const&, Decoded const&) = default;
};

Decoded decode(std::vector<std::string_view> const& pieces) {
  ModelStream stream;
  std::vector<StreamItem> items;
  for (std::string_view const piece : pieces) {
    auto const fed = stream.feed(piece, items);
    EXPECT_TRUE(fed) << fed.error().message;
  }
  Decoded out;
  for (StreamItem const& item : items) {
    if (item.kind == StreamItem::Kind::text) out.text += item.text;
    if (item.kind == StreamItem::Kind::thinking) out.thinking += item.text;
    if (item.kind == StreamItem::Kind::tool_call)
      out.calls.push_back(item.call.name + json::serialize(item.call.input) + item.call.invalid);
  }
  auto const response = stream.finish();
  EXPECT_TRUE(response);
  if (!response) return out;
  out.blocks = response->blocks;
  out.usage = response->usage;
  return out;
}

TEST(StreamDecoder, GivesTheSameForEveryCut) {
  std::string const bytes = stream_of(kRich);
  std::string_view const all = bytes;
  Decoded const whole = decode({all});
  EXPECT_EQ(whole.text, "grüße 🦊\n\"x\"");
  EXPECT_EQ(whole.thinking, "let me see");
  ASSERT_EQ(whole.calls.size(), 2U);
  EXPECT_EQ(whole.calls[1], "Read{}");
  EXPECT_NE(whole.calls[0].find(R"("command":"echo 'ä' \\ \"q\"")"), std::string::npos);
  EXPECT_EQ(whole.usage, (Usage{11, 22, 33, 44, 55}));
  ASSERT_EQ(whole.blocks.size(), 4U);
  EXPECT_EQ(whole.blocks[0],
            R"({"type":"thinking","thinking":"let me see","signature":"c2NyaXB0ZWQ="})");
  for (std::size_t cut = 0; cut <= all.size(); ++cut)
    ASSERT_EQ(decode({all.substr(0, cut), all.substr(cut)}), whole) << "cut at " << cut;
  std::vector<std::string_view> bytewise;
  for (std::size_t i = 0; i < all.size(); ++i)
    bytewise.push_back(all.substr(i, 1));
  EXPECT_EQ(decode(bytewise), whole);
}

TEST(StreamDecoder, EveryShorterStreamIsACut) {
  std::string const bytes = stream_of(kRich);
  auto const last_event = bytes.rfind("event: message_stop");
  for (std::size_t length = 0; length <= last_event; length += 7) {
    ModelStream stream;
    std::vector<StreamItem> items;
    ASSERT_TRUE(stream.feed(std::string_view{bytes}.substr(0, length), items));
    auto const response = stream.finish();
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().kind, Failure::Kind::cut);
    EXPECT_EQ(classify(response.error()), Verdict::retry);
  }
}

TEST(StreamDecoder, ArgumentsThatAreNoJsonStayAValidHistory) {
  StreamDecoder decoder;
  std::vector<StreamItem> items;
  for (
      std::string_view const event :
      {R"({"type":"message_start","message":{"id":"m","usage":{"input_tokens":1}}})",
       R"({"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"Bash","input":{}}})",
       R"({"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"command\": \"ec"}})",
       R"({"type":"content_block_stop","index":0})",
       R"({"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":9}})",
       R"({"type":"message_stop"})"})
    ASSERT_TRUE(decoder.feed(event, items));
  Response const response = decoder.take();
  ASSERT_EQ(response.calls.size(), 1U);
  EXPECT_NE(response.calls[0].invalid.find("not valid JSON"), std::string::npos);
  EXPECT_EQ(response.blocks[0], R"({"type":"tool_use","id":"t","name":"Bash","input":{}})");
  EXPECT_EQ(response.stop_reason, StopReason::max_tokens);
  EXPECT_EQ(response.usage.output, 9);
}

TEST(StreamDecoder, SkipsUnknownEventsAndKeepsUnknownBlocks) {
  StreamDecoder decoder;
  std::vector<StreamItem> items;
  for (
      std::string_view const event :
      {R"({"type":"message_start","message":{}})", R"({"type":"ping"})", R"({"type":"new_thing"})",
       R"({"type":"content_block_start","content_block":{"type":"redacted_thinking","data":"abc"}})",
       R"({"type":"content_block_stop"})", R"({"type":"message_stop"})"})
    ASSERT_TRUE(decoder.feed(event, items));
  EXPECT_EQ(decoder.take().blocks[0], R"({"type":"redacted_thinking","data":"abc"})");
}

TEST(StreamDecoder, InStreamErrorsAreJudgedLikeHttp) {
  StreamDecoder decoder;
  std::vector<StreamItem> items;
  auto const fed = decoder.feed(
      R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})", items);
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().status, 529);
  EXPECT_EQ(classify(fed.error()), Verdict::retry);
  StreamDecoder other;
  auto const fatal = other.feed(
      R"({"type":"error","error":{"type":"invalid_request_error","message":"no"}})", items);
  ASSERT_FALSE(fatal);
  EXPECT_EQ(classify(fatal.error()), Verdict::fatal);
}

TEST(StreamDecoder, RefusesWhatIsOutOfPlace) {
  for (std::string_view const event :
       {"not json", "[1]", R"({"type":"content_block_start","content_block":{"type":"text"}})",
        R"({"type":"content_block_delta","delta":{}})", R"({"type":"content_block_stop"})",
        R"({"type":"message_stop"})", R"({"type":"message_delta"})"}) {
    StreamDecoder decoder;
    std::vector<StreamItem> items;
    auto const fed = decoder.feed(event, items);
    ASSERT_FALSE(fed) << event;
    EXPECT_EQ(fed.error().kind, Failure::Kind::malformed) << event;
  }
}

}  // namespace
}  // namespace drover::model
