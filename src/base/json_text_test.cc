#include "base/json_text.h"

#include <gtest/gtest.h>

#include <limits>
#include <span>
#include <string>
#include <utility>

#include <boost/json.hpp>

#include "base/json.h"
#include "base/random.h"
#include "base/text.h"

namespace drover {
namespace {

TEST(JsonText, EveryStringReadsBackTheSame) {
  SeededRandom random{21};
  for (int round = 0; round < 3000; ++round) {
    std::string bytes(random.below(50), '\0');
    random.fill(std::as_writable_bytes(std::span{bytes}));
    std::string written;
    append_json_string(written, bytes);
    auto const value = parse_json(written);
    ASSERT_TRUE(value.has_value()) << to_hex(bytes);
    ASSERT_EQ(std::string{value->as_string()}, to_utf8(bytes));
  }
  for (int c = 0; c < 128; ++c) {
    std::string written;
    append_json_string(written, std::string(1, static_cast<char>(c)));
    EXPECT_EQ(parse_json(written)->as_string(), std::string(1, static_cast<char>(c))) << c;
    EXPECT_EQ(written.find('\n'), std::string::npos);  // stays one line of NDJSON
  }
}

TEST(JsonText, WritesAnObjectInOrder) {
  JsonWriter writer;
  writer.string("s", "a\"b");
  writer.integer("i", std::numeric_limits<std::int64_t>::min());
  writer.number("n", 0.1);
  writer.number("whole", 2);
  writer.number("nan", std::numeric_limits<double>::quiet_NaN());
  writer.boolean("b", false);
  writer.raw("r", "[1]");
  EXPECT_EQ(std::move(writer).str(),
            R"({"s":"a\"b","i":-9223372036854775808,"n":0.1,"whole":2,"nan":0,"b":false,"r":[1]})");
  EXPECT_EQ(JsonWriter{}.str(), "{}");
}

}  // namespace
}  // namespace drover
