#include "gateway/request_head.h"

#include <gtest/gtest.h>

#include <string>

namespace drover::gateway {
namespace {

TEST(RequestHead, ReadsOnlyTheOutermostMembers) {
  auto const head = read_request_head(
      R"({"messages":[{"model":"inner","max_tokens":9,"stream":true}],"model":"claude-x",)"
      R"("metadata":{"stream":true},"max_tokens":4096})");
  ASSERT_TRUE(head) << head.error().text();
  EXPECT_EQ(head->model, "claude-x");
  EXPECT_EQ(head->tokens_max, 4096);
  EXPECT_FALSE(head->stream);
}

TEST(RequestHead, AValueThatEqualsAKeyNameIsNoKey) {
  auto const head =
      read_request_head(R"({"system":"model","model":"m","max_tokens":1,"stream":true})");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->model, "m");
  EXPECT_TRUE(head->stream);
}

TEST(RequestHead, EscapedKeysAreTheSameKeys) {
  auto const head = read_request_head(R"({"mod\u0065l":"m","max_tokens":1})");
  ASSERT_TRUE(head) << head.error().text();
  EXPECT_EQ(head->model, "m");
  EXPECT_FALSE(read_request_head(R"({"model":"a","mod\u0065l":"b","max_tokens":1})"));
}

TEST(RequestHead, RefusesWhatItCannotMeter) {
  for (std::string const& body :
       {std::string{""}, std::string{"[]"}, std::string{"{}"}, std::string{R"({"model":"m"})"},
        std::string{R"({"model":"m","max_tokens":0})"},
        std::string{R"({"model":1,"max_tokens":5})"},
        std::string{R"({"model":"m","max_tokens":9000000000000000000})"},
        std::string{R"({"model":"m","max_tokens":5,"base_url":"http://169.254.169.254"})"},
        std::string{R"({"model":"m","max_tokens":5,"api\u005fbase":null})"},
        std::string{R"({"model":"m","max_tokens":5} x)"},
        std::string{R"({"model":"m","max_tokens":5,"max_tokens":6})"},
        R"({"model":"m","max_tokens":5,"x":)" + std::string(1000, '[')})
    EXPECT_FALSE(read_request_head(body)) << body.substr(0, 60);
}

TEST(RequestHead, EachFormatLimitsTheAnswerInItsOwnWords) {
  using model::WireFormat;
  EXPECT_EQ(read_request_head(R"({"model":"m","max_output_tokens":9,"max_tokens":1})",
                              WireFormat::responses)
                ->tokens_max,
            9);
  EXPECT_EQ(read_request_head(R"({"model":"m","max_tokens":8})", WireFormat::chat)->tokens_max, 8);
  EXPECT_EQ(read_request_head(R"({"model":"m","max_completion_tokens":7,"max_tokens":8})",
                              WireFormat::chat)
                ->tokens_max,
            7);
  EXPECT_FALSE(read_request_head(R"({"model":"m"})", WireFormat::responses)->tokens_max);
  EXPECT_FALSE(read_request_head(R"({"model":"m","n":0})", WireFormat::chat));
}

TEST(RequestHead, WhetherAChatAsksForItsUsage) {
  using model::WireFormat;
  auto const head = read_request_head(
      R"({"model":"m","n":2,"stream":true,"stream_options":{"include_usage":true}})",
      WireFormat::chat);
  ASSERT_TRUE(head);
  EXPECT_TRUE(head->include_usage && head->has_stream_options && head->stream);
  EXPECT_EQ(head->choices, 2);
  EXPECT_FALSE(read_request_head(R"({"model":"m","stream_options":{"include_usage":true},)"
                                 R"("stream_options":{}})",
                                 WireFormat::chat));
}

}  // namespace
}  // namespace drover::gateway
