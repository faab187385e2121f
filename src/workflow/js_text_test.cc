#include "workflow/js_text.h"

#include <gtest/gtest.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <random>

namespace drover::workflow {
namespace {

TEST(JsText, NumbersAreWrittenAsJavaScriptDoes) {
  struct Case {
    double value;
    std::string text;
  };
  for (auto const& [value, text] :
       {Case{0, "0"}, Case{-0.0, "0"}, Case{1, "1"}, Case{-1.5, "-1.5"}, Case{0.1, "0.1"},
        Case{1e21, "1e+21"}, Case{1e20, "100000000000000000000"},
        Case{123456789012345680000.0, "123456789012345680000"}, Case{1e-6, "0.000001"},
        Case{1e-7, "1e-7"}, Case{1.5e-7, "1.5e-7"}, Case{5e-324, "5e-324"},
        Case{1.7976931348623157e308, "1.7976931348623157e+308"}, Case{0.000123, "0.000123"},
        Case{12.5e22, "1.25e+23"}, Case{9007199254740993.0, "9007199254740992"}})
    EXPECT_EQ(number_text(value), text);
  EXPECT_EQ(number_text(std::numeric_limits<double>::infinity()), "null");
}

TEST(JsText, EveryNumberReadsBackAsItself) {
  std::mt19937_64 engine{7};
  for (int i = 0; i < 20'000; ++i) {
    auto const bits = engine();
    auto const value = std::bit_cast<double>(bits);
    if (!std::isfinite(value)) continue;
    std::string const text = number_text(value);
    double read = 0;
    std::from_chars(text.data(), text.data() + text.size(), read);
    EXPECT_EQ(read, value == 0 ? 0 : value) << text;
  }
}

TEST(JsText, MembersThatAreArrayIndicesComeFirstAscending) {
  auto const value = parse_json(R"({"b":1,"10":2,"a":3,"9":4,"01":5,"4294967295":6,"-1":7})");
  EXPECT_EQ(compact_text(*value), R"({"9":4,"10":2,"b":1,"a":3,"01":5,"4294967295":6,"-1":7})");
}

TEST(JsText, FilesAreIndentedByTwoAndEndWithANewline) {
  auto const value =
      parse_json("{\"a\":[1,{}],\"b\":[],\"c\":{\"d\":\"x\\u2028\\u007f\\n\\u0001\"}}");
  EXPECT_EQ(file_text(*value),
            "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": [],\n  \"c\": {\n    \"d\": "
            "\"x\u2028\x7f\\n\\u0001\"\n  }\n}\n");
}

TEST(JsText, WholeNumbersBeyondADoubleArePrintedAsTheDouble) {
  EXPECT_EQ(compact_text(json::value(std::int64_t{9'007'199'254'740'993})), "9007199254740992");
  EXPECT_EQ(compact_text(json::value(std::uint64_t{18'446'744'073'709'551'615ULL})),
            "18446744073709552000");
}

}  // namespace
}  // namespace drover::workflow
