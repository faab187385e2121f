#include "cli/json_view.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace drover::cli {
namespace {

Style file_style() {
  Style style;
  style.device = Device::file;
  return style;
}

TEST(JsonView, IsTheSameValueOverSeveralLines) {
  json::value const value = json::parse(R"({"name": "a", "empty": {}, "list": [1, [], {"deep": ")" +
                                        std::string(90, 'x') + R"("}], "text": "line\nline"})");
  std::string const text = render_json(value, file_style());
  EXPECT_EQ(json::parse(text), value) << text;
  EXPECT_TRUE(text.starts_with("{\n  \"name\": \"a\",\n  \"empty\": {},\n  \"list\": [\n")) << text;
  EXPECT_TRUE(text.ends_with("\n}\n"));
}

TEST(JsonView, ATerminalGetsNoControlOfAnotherOne) {
  json::value const value = json::parse(R"({"name": "a\u009b2J"})");
  Style style;
  style.device = Device::terminal;
  std::string const text = render_json(value, style);
  EXPECT_TRUE(text.contains("\\u009b")) << text;
  EXPECT_EQ(json::parse(text), value);
}

}  // namespace
}  // namespace drover::cli
