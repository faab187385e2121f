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
  EXPECT_EQ(head->max_tokens, 4096);
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
        std::string{R"({"model":"m","max_tokens":5} x)"},
        std::string{R"({"model":"m","max_tokens":5,"max_tokens":6})"},
        R"({"model":"m","max_tokens":5,"x":)" + std::string(1000, '[')})
    EXPECT_FALSE(read_request_head(body)) << body.substr(0, 60);
}

}  // namespace
}  // namespace drover::gateway
