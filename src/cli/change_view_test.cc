#include "cli/change_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "cli/layout.h"

namespace drover::cli {
namespace {

std::vector<JsonDifference> between(json::value const& before, json::value const& after) {
  return json_differences(&before, &after);
}

TEST(ChangeView, ShowsEachMemberBeforeAndAfter) {
  json::value const before{{"limits", {{"max_turns", 20}}}, {"image", "a:1"}};
  json::value const after{{"limits", {{"max_turns", 30}}}, {"env", {{"A", "b"}}}};
  EXPECT_EQ(render_changes(between(before, after), Style{}),
            "    limits.max_turns  20 → 30\n"
            "    image             \"a:1\" → (none)\n"
            "    env               (none) → {\"A\":\"b\"}\n");
  EXPECT_EQ(brief_changes(between(before, after), 100),
            "limits.max_turns 20 → 30, image \"a:1\" → (none), env (none) → {\"A\":\"b\"}");
  EXPECT_LE(display_width(brief_changes(between(before, after), 30)), 30U);
}

// Two prompts that begin alike for pages would look the same otherwise.
TEST(ChangeView, ALongTextIsShownWhereItDiffers) {
  std::string const same(5000, 'x');
  json::value const before{{"prompt", same + " ends so"}};
  json::value const after{{"prompt", same + " ends otherwise"}};
  auto const text = render_changes(between(before, after), Style{});
  EXPECT_THAT(text, ::testing::HasSubstr("ends so"));
  EXPECT_THAT(text, ::testing::HasSubstr("ends otherwise"));
  EXPECT_LT(text.size(), 300U);
}

TEST(ChangeView, NothingOfAValueReachesTheTerminal) {
  json::value const before{{"a\x1b[2J", "x"}};
  json::value const after{{"a\x1b[2J", "\xe2\x80\xae\x1b]0;owned\x07"}};
  for (std::string const& text : {render_changes(between(before, after), Style{}),
                                  brief_changes(between(before, after), 90)}) {
    EXPECT_FALSE(text.contains('\x1b')) << text;
    EXPECT_FALSE(text.contains("\xe2\x80\xae")) << text;
  }
}

TEST(ChangeView, PointersAreWrittenWithDots) {
  EXPECT_EQ(member_words("/limits/max_turns"), "limits.max_turns");
  EXPECT_EQ(member_words("/env/A~1B~0"), "env.A/B~");
  EXPECT_EQ(member_words(""), "");
}

}  // namespace
}  // namespace drover::cli
