#include "net/http_types.h"

#include <gtest/gtest.h>

namespace drover::net {
namespace {

TEST(HttpTypes, HeaderLookupIgnoresCase) {
  Headers const headers{{"Content-Type", "a"}, {"connection", "Keep-Alive, Upgrade"}, {"X", ""}};
  ASSERT_NE(headers.find("content-type"), nullptr);
  EXPECT_EQ(*headers.find("CONTENT-TYPE"), "a");
  EXPECT_EQ(headers.find("Content-Typ"), nullptr);
  EXPECT_TRUE(headers.has_token("Connection", "upgrade"));
  EXPECT_FALSE(headers.has_token("Connection", "close"));
}

TEST(HttpTypes, HeadersThatCouldBreakOutAreRefused) {
  EXPECT_TRUE(check_headers({{"A", "b\tc"}, {"A", ""}, {"A", "\xC3\xA4"}}));
  for (Header const& bad : {Header{"A", "x\r\nB: y"}, Header{"A", "x\n"}, Header{"A", "x\r"},
                            Header{"A", std::string("x\0y", 3)}, Header{"A:", "x"}, Header{"", "x"},
                            Header{"A B", "x"}, Header{"A\r\nB", "x"}}) {
    auto const status = check_headers({bad});
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::invalid_argument);
  }
}

TEST(HttpTypes, TheRefusalDoesNotRepeatTheValue) {
  auto const status = check_headers({{"Authorization", "Bearer secret\n"}});
  EXPECT_EQ(status.error().message.find("secret"), std::string::npos);
}

TEST(HttpTypes, PercentCodingRoundTrips) {
  std::string every;
  for (int c = 1; c < 128; ++c)
    every.push_back(static_cast<char>(c));
  every += "\xC3\xA4\xF0\x9F\x90\x91";
  EXPECT_EQ(percent_decode(percent_encode(every)).value(), every);
  EXPECT_EQ(percent_encode("a b/ä"), "a%20b%2F%C3%A4");
}

TEST(HttpTypes, PercentDecodingIsStrict) {
  for (std::string_view bad : {"%", "%4", "%4g", "a%zz", "%00", "%ff", "%c3", "a%2"})
    EXPECT_FALSE(percent_decode(bad)) << bad;
}

TEST(HttpTypes, QueryIsDecodedAndUnambiguous) {
  auto const query = parse_query("a=1&b=x%26y+z&empty=&flag&");
  ASSERT_TRUE(query);
  EXPECT_EQ(*query, (Query{{"a", "1"}, {"b", "x&y z"}, {"empty", ""}, {"flag", ""}}));
  EXPECT_FALSE(parse_query("a=1&a=2"));
  EXPECT_FALSE(parse_query("a=1&%61=2"));
  EXPECT_FALSE(parse_query("a=%0"));
}

TEST(HttpTypes, TargetIsOriginFormOnly) {
  auto const target = parse_target("/a%20b/c?x=1?2&y=/");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/a b/c");
  EXPECT_EQ(target->query, (Query{{"x", "1?2"}, {"y", "/"}}));
  for (std::string_view bad : {"", "a", "http://h/a", "h:1", "/a%2Fb", "/a%2fb", "/%00", "/%ff"})
    EXPECT_FALSE(parse_target(bad)) << bad;
}

TEST(HttpTypes, ErrorBodyIsTheApiShape) {
  EXPECT_EQ(error_body({ErrorCode::not_found, "no \"x\"", "look"}),
            R"({"error":{"code":"not_found","message":"no \"x\"","next":"look"}})");
  EXPECT_EQ(error_body({ErrorCode::conflict, "c\xFF", ""}),
            "{\"error\":{\"code\":\"conflict\",\"message\":\"c\xEF\xBF\xBD\"}}");
}

TEST(HttpTypes, UrlsAreShownWithoutTheirSecrets) {
  EXPECT_EQ(url_for_people("https://user:pw@host:1/p/q?key=secret#frag"), "https://host:1/p/q");
  EXPECT_EQ(url_for_people("http://a@b@host"), "http://host");
  EXPECT_EQ(url_for_people("http://host/p@q"), "http://host/p@q");
}

}  // namespace
}  // namespace drover::net
