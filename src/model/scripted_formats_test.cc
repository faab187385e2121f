// The scripted model in the wire formats of OpenAI, read back as their clients read them.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "model/openai.h"
#include "model/scripted.h"
#include "net/sse.h"

namespace drover::model {
namespace {

constexpr std::string_view kScript = R"({"turns":[
  {"thinking":"hm","text":["Let ","me."],"tool_calls":[{"name":"shell","input":{"cmd":"ls"}}],
   "usage":{"input":10,"cache_read":90,"output":7}},
  {"expect":{"tool_results":[{"contains":"README"}]},"text":"Done."}]})";

constexpr std::string_view kFirstResponses =
    R"({"model":"m","stream":true,"instructions":"Be kind.","input":[
        {"type":"message","role":"user","content":[{"type":"input_text","text":"look"}]}]})";
constexpr std::string_view kSecondResponses =
    R"({"model":"m","stream":true,"input":[
        {"role":"user","content":"look"},
        {"type":"reasoning","id":"r","summary":[]},
        {"type":"message","role":"assistant","content":[{"type":"output_text","text":"Let me."}]},
        {"type":"function_call","call_id":"c","name":"shell","arguments":"{}"},
        {"type":"function_call_output","call_id":"c","output":"README.md"}]})";
constexpr std::string_view kFirstChat =
    R"({"model":"m","stream":true,"stream_options":{"include_usage":true},
        "messages":[{"role":"system","content":"s"},{"role":"user","content":"look"}]})";
constexpr std::string_view kSecondChat =
    R"({"model":"m","stream":false,"messages":[{"role":"user","content":"look"},
        {"role":"assistant","content":"Let me.","tool_calls":[]},
        {"role":"tool","tool_call_id":"c","content":"README.md"}]})";

struct Answered {
  int status = 0;
  std::string body;
};
Answered answer(WireFormat format, std::string_view request, std::string_view script = kScript) {
  auto const model = ScriptedModel::parse(script);
  EXPECT_TRUE(model) << model.error().message;
  ScriptedAttempts attempts;
  Answered out;
  for (PlanStep const& step : model->answer(request, "s", attempts, format)) {
    if (step.kind == PlanStep::Kind::head) out.status = step.status;
    out.body += step.bytes;
  }
  return out;
}

std::vector<json::object> events_of(std::string_view body) {
  net::SseParser parser;
  auto const parsed = parser.feed(body);
  EXPECT_TRUE(parsed);
  std::vector<json::object> events;
  for (net::SseEvent const& event : *parsed)
    if (event.data != "[DONE]") events.push_back(json::parse(event.data).as_object());
  return events;
}

Usage const kUsage{.input = 10, .output = 7, .cache_read = 90};

TEST(ScriptedFormats, AResponsesStreamBuildsUpToWhatItsEndHolds) {
  auto const events = events_of(answer(WireFormat::responses, kFirstResponses).body);
  std::string text;
  std::string arguments;
  std::int64_t number = 0;
  for (json::object const& event : events) {
    EXPECT_EQ(event.at("sequence_number").as_int64(), number++);
    if (event.at("type") == "response.output_text.delta") text += event.at("delta").as_string();
    if (event.at("type") == "response.function_call_arguments.delta")
      arguments += event.at("delta").as_string();
  }
  EXPECT_EQ(text, "Let me.");
  EXPECT_EQ(arguments, R"({"cmd":"ls"})");
  ASSERT_EQ(events.back().at("type"), "response.completed");
  auto const& response = events.back().at("response").as_object();
  EXPECT_EQ(response.at("output").as_array().size(), 3U) << "reasoning, message, call";
  EXPECT_EQ(response.at("output").at(2).at("name"), "shell");
  EXPECT_EQ(read_responses_usage(response.at("usage").as_object()), kUsage);
  EXPECT_EQ(response.at("usage").at("input_tokens").as_int64(), 100);
}

TEST(ScriptedFormats, SeveralItemsInARowAreOneAnswerOfTheModel) {
  auto const second = answer(WireFormat::responses, kSecondResponses);
  EXPECT_EQ(second.status, 200) << second.body;
  EXPECT_NE(second.body.find("Done."), std::string::npos) << second.body;
}

TEST(ScriptedFormats, AChatStreamEndsWithItsUsageWhereThatIsAskedFor) {
  auto const answered = answer(WireFormat::chat, kFirstChat);
  EXPECT_TRUE(answered.body.ends_with("data: [DONE]\n\n"));
  auto const events = events_of(answered.body);
  std::string text;
  std::string arguments;
  for (json::object const& chunk : events) {
    if (chunk.at("choices").as_array().empty()) continue;
    auto const& delta = chunk.at("choices").at(0).at("delta").as_object();
    if (delta.contains("content")) text += delta.at("content").as_string();
    if (delta.contains("tool_calls"))
      arguments += delta.at("tool_calls").at(0).at("function").at("arguments").as_string();
  }
  EXPECT_EQ(text, "Let me.");
  EXPECT_EQ(arguments, R"({"cmd":"ls"})");
  EXPECT_EQ(read_chat_usage(events.back().at("usage").as_object()), kUsage);

  auto const without = events_of(
      answer(WireFormat::chat,
             R"({"model":"m","stream":true,"messages":[{"role":"user","content":"look"}]})")
          .body);
  EXPECT_FALSE(without.back().contains("usage"));
}

TEST(ScriptedFormats, AWholeChatAnswerFollowsItsToolResult) {
  auto const second = answer(WireFormat::chat, kSecondChat);
  auto const body = json::parse(second.body).as_object();
  EXPECT_EQ(body.at("choices").at(0).at("message").at("content"), "Done.") << second.body;
  EXPECT_EQ(body.at("choices").at(0).at("finish_reason"), "stop");
}

TEST(ScriptedFormats, WhatIsRefusedIsRefusedInTheFormatsOwnShape) {
  for (WireFormat const format : kWireFormats) {
    auto const refused = answer(format, "{}");
    EXPECT_EQ(refused.status, 400);
    auto const body = json::parse(refused.body).as_object();
    EXPECT_EQ(body.at("error").at("type"), "invalid_request_error");
    EXPECT_EQ(body.contains("type"), format == WireFormat::messages);
  }
}

TEST(ScriptedFormats, AFaultInsideAStreamIsOneInEachFormat) {
  constexpr std::string_view kFaulty =
      R"({"turns":[{"text":"x","faults":[{"kind":"stream_error","after_events":1}]}]})";
  auto const responses = events_of(answer(WireFormat::responses, kFirstResponses, kFaulty).body);
  EXPECT_EQ(responses.back().at("type"), "error");
  EXPECT_EQ(responses.back().at("code"), "overloaded_error");
  auto const chat = events_of(answer(WireFormat::chat, kFirstChat, kFaulty).body);
  EXPECT_EQ(chat.back().at("error").at("type"), "overloaded_error");
}

}  // namespace
}  // namespace drover::model
