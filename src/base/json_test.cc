#include "base/json.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include <boost/json.hpp>

#include "base/random.h"

namespace drover {
namespace {

void expect_refused(std::string_view text) {
  auto const value = parse_json(text);
  ASSERT_FALSE(value.has_value()) << text;
  EXPECT_EQ(value.error().code, ErrorCode::invalid_argument) << text;
}

TEST(Json, ParsesWhatItPrints) {
  for (auto const* text : {"null", "true", "0", "-1", "9223372036854775807", "18446744073709551615",
                           "\"\"", "[]", "{}", R"({"a":[1,{"b":"\u0000\n\"\\ü𝄞"}],"c":null})"}) {
    auto const value = parse_json(text);
    ASSERT_TRUE(value.has_value()) << text;
    auto const again = parse_json(json::serialize(*value));
    ASSERT_TRUE(again.has_value()) << text;
    EXPECT_EQ(*again, *value);
  }
}

TEST(Json, SurroundingSpaceIsFineTextBehindIsNot) {
  EXPECT_TRUE(parse_json(" \t\r\n{} \t\r\n").has_value());
  for (auto const* text : {"{} x", "1 2", "{}{}", "null,"})
    expect_refused(text);
  expect_refused(std::string_view{"{}\0", 3});
}

TEST(Json, RefusesWhatRfc8259DoesNotHave) {
  for (auto const* text : {"",          " ",         "{",
                           "[1",        "[1,]",      "{\"a\":1,}",
                           "{a:1}",     "'a'",       "\"a",
                           "01",        "+1",        ".5",
                           "1.",        "1e",        "NaN",
                           "nan",       "Infinity",  "-Infinity",
                           "0x10",      "tru",       "[1 2]",
                           "// c\n1",   "/* c */1",  "\"\t\"",
                           "\"\\x41\"", "\"\\u12\"", "\xEF\xBB\xBF{}"})
    expect_refused(text);
  expect_refused(std::string_view{"\"\0\"", 3});
}

TEST(Json, ADoubleIsReadToItsLastBit) {
  auto const value = parse_json(R"({"a": [0.4211156887472875, {"b": 1e-7, "c": 7}], "d": -2.5e3})");
  ASSERT_TRUE(value);
  EXPECT_EQ(value->at("a").at(0).as_double(), 0.4211156887472875);
  EXPECT_EQ(value->at("a").at(1).at("b").as_double(), 1e-7);
  EXPECT_EQ(value->at("a").at(1).at("c").as_int64(), 7);
  EXPECT_EQ(value->at("d").as_double(), -2500.0);
  SeededRandom random{1};
  for (int i = 0; i < 10'000; ++i) {
    double const number =
        static_cast<double>(random.below(std::uint64_t{1} << 53U)) / 9007199254740992.0;
    auto const text = fmt::format("[{}]", number);
    EXPECT_EQ(parse_json(text)->at(0).to_number<double>(), number) << text;
  }
}

TEST(Json, NumbersOutsideADoubleAreRefusedNotInfinite) {
  for (auto const* text : {"1e400", "-1e400", "[1e309]", "1e99999999999999", "{\"a\":-2e308}"})
    expect_refused(text);
  EXPECT_EQ(parse_json("1e-400")->as_double(), 0.0);
  EXPECT_EQ(parse_json("1.7976931348623157e308")->as_double(), std::numeric_limits<double>::max());
}

TEST(Json, DuplicateKeysAreRefusedAtEveryDepth) {
  for (auto const* text : {R"({"a":1,"a":2})", R"({"":1,"":2})", R"([{"x":{"b":1,"c":2,"b":3}}])",
                           R"({"a":1,"\u0061":2})"})
    expect_refused(text);
  EXPECT_NE(parse_json(R"({"mode":1,"mode":2})").error().message.find("'mode'"), std::string::npos);
  EXPECT_TRUE(parse_json(R"([{"a":1},{"a":1},{"b":{"a":1},"a":{"a":1}}])").has_value());
}

TEST(Json, LoneSurrogatesAndIllFormedUtf8AreRefused) {
  for (auto const* text :
       {R"("\ud800")", R"("\udc00")", R"("\ud800x")", R"("\ud800\u0041")", R"("\udc00\ud800")",
        R"({"\ud800":1})", "\"\xC0\xAF\"", "\"\xED\xA0\x80\"", "\"\xF4\x90\x80\x80\"", "\"\xFF\"",
        "\"\xE2\x82\"", "{\"\x80\":1}"})
    expect_refused(text);
  EXPECT_EQ(parse_json(R"("\ud834\udd1e")")->as_string(), "𝄞");
}

TEST(Json, DepthAndSizeAreBounded) {
  auto const nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(parse_json(nested(64)).has_value());
  expect_refused(nested(65));
  expect_refused(std::string(1'000'000, '['));
  EXPECT_TRUE(parse_json(nested(3), {.depth_max = 3}).has_value());
  EXPECT_FALSE(parse_json(nested(4), {.depth_max = 3}).has_value());
  EXPECT_EQ(parse_json("12345", {.bytes_max = 4}).error().code, ErrorCode::too_large);
  EXPECT_TRUE(parse_json("1234", {.bytes_max = 4}).has_value());
}

TEST(Json, ErrorsSayWhere) {
  EXPECT_NE(parse_json(R"({"a": x})").error().message.find("byte 6"), std::string::npos);
}

TEST(JsonObject, MismatchesNameThePointerAndBothTypes) {
  auto const value =
      *parse_json(R"({"a/b":{"n":"1","~":true},"i":1.5,"big":18446744073709551615})");
  auto const root = *JsonObject::of(value);
  auto const inner = *root.object("a/b");
  EXPECT_EQ(inner.integer("n").error().message, "/a~1b/n: expected an integer, found string");
  EXPECT_EQ(inner.string("~").error().message, "/a~1b/~0: expected a string, found boolean");
  EXPECT_EQ(inner.string("gone").error().message, "/a~1b/gone: expected a string, found nothing");
  EXPECT_EQ(root.integer("i").error().message, "/i: expected an integer, found number");
  EXPECT_FALSE(root.integer("big").has_value());  // does not wrap to -1
  EXPECT_EQ(JsonObject::of(json::value(1)).error().message,
            "the JSON text: expected an object, found integer");
}

TEST(JsonObject, OptionalTakesAbsentAndNullButNoOtherType) {
  auto const value = *parse_json(R"({"s":"x","null":null,"n":2,"d":2.5,"b":false})");
  auto const object = *JsonObject::of(value);
  EXPECT_EQ(object.optional_string("s")->value(), "x");
  EXPECT_EQ(*object.optional_string("null"), std::nullopt);
  EXPECT_EQ(*object.optional_string("absent"), std::nullopt);
  EXPECT_FALSE(object.optional_string("n").has_value());
  EXPECT_EQ(object.optional_integer("n")->value(), 2);
  EXPECT_EQ(object.optional_number("d")->value(), 2.5);
  EXPECT_EQ(object.optional_number("n")->value(), 2.0);
  EXPECT_EQ(object.optional_boolean("b")->value(), false);
  EXPECT_FALSE(object.optional_boolean("n").has_value());
  EXPECT_EQ(string_or(object.raw(), "n", "fallback"), "fallback");
  EXPECT_EQ(integer_or(object.raw(), "n", 9), 2);
}

TEST(Json, PointerKeysAreEscapedInTheRightOrder) {
  EXPECT_EQ(escape_pointer("a/b~c"), "a~1b~0c");
  EXPECT_EQ(escape_pointer("~1"), "~01");
}

}  // namespace
}  // namespace drover
