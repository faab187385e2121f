#include "schedule/placeholders.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace drover::schedule {
namespace {

json::value const kEvent = json::parse(
    R"({"type":"t","data":{"x":"a {{event.type}} b","n":3,"list":[{"k":"v"}],"none":null}})");

std::string filled(std::string_view text) {
  auto const result = fill_placeholders(text, kEvent);
  EXPECT_TRUE(result.has_value()) << text;
  return result.value_or("");
}

TEST(Placeholders, AreLookedUpAndNeverEvaluated) {
  EXPECT_EQ(filled("{{event.type}}"), "t");
  EXPECT_EQ(filled("{{ event.data.n }} and {{event.data.list.0.k}}"), "3 and v");
  EXPECT_EQ(filled("{{event.data.list}}"), R"([{"k":"v"}])");
  // What comes from outside is not looked at again.
  EXPECT_EQ(filled("{{event.data.x}}"), "a {{event.type}} b");
  EXPECT_EQ(filled("[{{event.data.none}}{{event.data.absent.y}}{{event.data.list.9}}]"), "[]");
}

TEST(Placeholders, OtherBracesAreLeftAlone) {
  for (std::string_view const text :
       {"", "{{", "}}", "{{}}", "{{other.x}}", "{{event}}", "a {b} c", "{{event.type", "}}{{"})
    EXPECT_EQ(filled(text), text);
  EXPECT_EQ(filled("{{{event.type}}}"), "{t}");
  EXPECT_EQ(filled("{{ {{event.type}}"), "{{ t");
}

TEST(Placeholders, AreBoundedAndSaySo) {
  json::object event;
  event["data"] = std::string(kInsertedBytesMax + 1, 'x');
  auto const cut = fill_placeholders("{{event.data}}", event);
  ASSERT_TRUE(cut);
  EXPECT_LT(cut->size(), kInsertedBytesMax + 100);
  EXPECT_TRUE(cut->contains("cut: 16385 bytes")) << cut->substr(cut->size() - 60);
  std::string many;
  for (int i = 0; i < 100; ++i)
    many += "{{event.data}}";
  auto const over = fill_placeholders(many, event);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().code, ErrorCode::too_large);
}

}  // namespace
}  // namespace drover::schedule
