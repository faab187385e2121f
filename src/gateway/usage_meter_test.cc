#include "gateway/usage_meter.h"

#include <gtest/gtest.h>

namespace drover::gateway {
namespace {

using model::WireFormat;

UsageMeter metered(WireFormat format, UsageMeter::Shape shape, std::string_view text) {
  UsageMeter meter{format, shape};
  for (char const c : text)
    meter.feed({&c, 1});
  meter.finish();
  return meter;
}

constexpr auto kStream = UsageMeter::Shape::stream;
constexpr auto kWhole = UsageMeter::Shape::whole;
model::Usage const kUsage{.input = 10, .output = 7, .cache_read = 90};

TEST(UsageMeter, ReadsEachFormatWholeAndStreamed) {
  constexpr std::string_view kResponses =
      R"("usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":90},)"
      R"("output_tokens":7,"output_tokens_details":{"reasoning_tokens":5}})";
  constexpr std::string_view kChat =
      R"("usage":{"prompt_tokens":100,"prompt_tokens_details":{"cached_tokens":90},)"
      R"("completion_tokens":7})";
  for (auto const& meter :
       {metered(WireFormat::responses, kWhole, "{" + std::string{kResponses} + "}"),
        metered(WireFormat::responses, kStream,
                "event: response.output_text.delta\ndata: not read\n\n"
                "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{" +
                    std::string{kResponses} + "}}\n\n"),
        metered(WireFormat::chat, kWhole, "{" + std::string{kChat} + "}"),
        metered(WireFormat::chat, kStream,
                "data: {\"choices\":[],\"usage\":null}\n\ndata: {" + std::string{kChat} +
                    "}\n\ndata: [DONE]\n\n"),
        metered(WireFormat::messages, kStream,
                R"(data: {"type":"message_start","message":{"usage":{"input_tokens":10,)"
                R"("cache_read_input_tokens":90,"output_tokens":1}}})"
                "\n\n"
                R"(data: {"type":"message_delta","usage":{"output_tokens":7}})"
                "\n\n"
                R"(data: {"type":"message_stop"})"
                "\n\n")}) {
    EXPECT_TRUE(meter.complete());
    EXPECT_EQ(meter.usage(), kUsage);
    EXPECT_FALSE(meter.failure());
  }
}

TEST(UsageMeter, ACutStreamIsNotComplete) {
  EXPECT_FALSE(
      metered(WireFormat::chat, kStream, "data: {\"choices\":[]}\n\ndata: [DONE]\n\n").complete())
      << "it never said what it used";
  EXPECT_FALSE(metered(WireFormat::chat, kStream,
                       "data: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n")
                   .complete());
  EXPECT_FALSE(metered(WireFormat::responses, kStream, "data: {\"type\":\"response.created\"}\n\n")
                   .complete());
  EXPECT_FALSE(metered(WireFormat::messages, kWhole, "{\"usage\":").complete());
}

TEST(UsageMeter, AnErrorInsideAStreamIsOneInEachFormat) {
  auto const messages =
      metered(WireFormat::messages, kStream,
              R"(data: {"type":"error","error":{"type":"overloaded_error","message":"m"}})"
              "\n\n");
  auto const failed = metered(
      WireFormat::responses, kStream,
      R"(data: {"type":"response.failed","response":{"error":{"code":"server_error","message":"m"}}})"
      "\n\n");
  auto const error =
      metered(WireFormat::responses, kStream,
              "data: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"m\"}\n\n");
  auto const chat = metered(WireFormat::chat, kStream,
                            "data: {\"error\":{\"message\":\"m\",\"type\":\"server_error\"}}\n\n");
  for (auto const* meter : {&messages, &failed, &error, &chat}) {
    ASSERT_TRUE(meter->failure());
    EXPECT_EQ(meter->failure()->message, "m");
    EXPECT_EQ(model::classify(*meter->failure()), model::Verdict::retry);
    EXPECT_FALSE(meter->complete());
  }
  EXPECT_EQ(messages.failure()->status, 529);
  EXPECT_EQ(error.failure()->status, 429);
}

}  // namespace
}  // namespace drover::gateway
