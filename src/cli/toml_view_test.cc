#include "cli/toml_view.h"

#include <gtest/gtest.h>

#include <random>

#include <boost/json.hpp>

#include "base/config_text.h"

namespace drover::cli {
namespace {

TEST(TomlView, ReadsAsOneWouldWriteIt) {
  auto const value = parse_json(R"({"name":"a","limits":{"max_turns":3,"max_budget_usd":2E0},
      "prompt":"Be brief.\nSay \"no\".\n","tools":["Read","Grep"],
      "mcp":[{"server":"tickets","tools":[]},{"server":"wiki"}],"enabled":false})");
  EXPECT_EQ(render_toml(value->as_object()).value(),
            "name = \"a\"\n"
            "prompt = \"\"\"\nBe brief.\nSay \\\"no\\\".\n\"\"\"\n"
            "tools = [\"Read\", \"Grep\"]\n"
            "enabled = false\n"
            "\n[limits]\nmax_turns = 3\nmax_budget_usd = 2.0\n"
            "\n[[mcp]]\nserver = \"tickets\"\ntools = []\n"
            "\n[[mcp]]\nserver = \"wiki\"\n");
}

TEST(TomlView, SaysWhatTomlCannotHold) {
  auto const value = parse_json(R"({"payload":{"enum":["a",null]}})");
  auto const text = render_toml(value->as_object());
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::unsupported);
  EXPECT_TRUE(text.error().message.starts_with("/payload/enum/1: ")) << text.error().message;
}

json::value some_value(std::mt19937_64& random, int depth) {
  static constexpr char const* kTexts[] = {"",
                                           "plain",
                                           "with \"quotes\" and \\",
                                           "two\nlines",
                                           "\n\nthree\n",
                                           "\ttab",
                                           "\x01\x7f\r",
                                           "\"\"\"",
                                           "ends in a quote\n\"",
                                           "ünï \xe2\x80\xae \xf0\x9f\x90\x84"};
  switch (random() % (depth > 0 ? 6 : 4)) {
    case 0:
      return static_cast<std::int64_t>(random());
    case 1:
      return random() % 2 == 0;
    case 2:
      return static_cast<double>(static_cast<std::int64_t>(random() % 2000000) - 1000000) / 8 *
             (random() % 2 == 0 ? 1 : 1e200);
    case 3:
      return json::value(kTexts[random() % std::size(kTexts)]);
    case 4: {
      json::array list;
      for (auto count = random() % 4; count > 0; --count)
        list.push_back(some_value(random, depth - 1));
      return list;
    }
    default: {
      json::object object;
      for (char const* const key : {"a", "B-1", "with space", "dotted.key", "", "ü", "new\nline"})
        if (random() % 3 == 0) object[key] = some_value(random, depth - 1);
      return object;
    }
  }
}

TEST(TomlView, IsReadAsWhatItWas) {
  std::mt19937_64 random{11};
  for (int round = 0; round < 3000; ++round) {
    json::object object;
    for (char const* const key : {"one", "two", "three.four", "five"})
      object[key] = some_value(random, 4);
    auto const text = render_toml(object);
    ASSERT_TRUE(text) << text.error().text();
    auto const read = parse_config("a.toml", *text);
    ASSERT_TRUE(read) << read.error().text() << "\n" << *text;
    ASSERT_EQ(*read, json::value(object)) << *text << "\n" << json::serialize(object);
  }
}

}  // namespace
}  // namespace drover::cli
