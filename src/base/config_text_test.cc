#include "base/config_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace drover {
namespace {

using ::testing::HasSubstr;

TEST(ConfigText, TomlAndJsonSayTheSame) {
  auto const toml = parse_config("a.toml", R"(
name = "nightly"
payload_required = true
[timeouts]
run_s = 3600
[retry]
backoff = "list"
delays_s = [1, 2.5]
)");
  auto const json = parse_config("a.json", R"({"name": "nightly", "payload_required": true,
    "timeouts": {"run_s": 3600}, "retry": {"backoff": "list", "delays_s": [1, 2.5]}})");
  ASSERT_TRUE(toml) << toml.error().message;
  ASSERT_TRUE(json);
  EXPECT_EQ(*toml, *json);
}

TEST(ConfigText, DatesAreText) {
  auto const parsed = parse_config(
      "a.toml", "day = 2026-11-21\nat = 10:30:00\nmoment = 2026-11-21T10:30:00+01:00\n");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->at("day"), "2026-11-21");
  EXPECT_EQ(parsed->at("at"), "10:30:00");
  EXPECT_EQ(parsed->at("moment"), "2026-11-21T10:30:00+01:00");
}

TEST(ConfigText, AnErrorSaysWhere) {
  EXPECT_THAT(parse_config("a.toml", "x = 1\ny = = 2\n").error().message, HasSubstr("line 2"));
  EXPECT_THAT(parse_config("a.toml", "x = inf\n").error().message, HasSubstr("line 1"));
  EXPECT_THAT(parse_config("a.yaml", "x: 1\n").error().message, HasSubstr(".toml"));
  EXPECT_FALSE(parse_config("a.json", "{"));
  EXPECT_FALSE(parse_config("a.toml", std::string(300, '[')));
}

}  // namespace
}  // namespace drover
