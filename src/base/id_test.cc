#include "base/id.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <unordered_set>
#include <vector>

namespace drover {
namespace {

TEST(Id, SlugsAreExactlyTheDocumentedSet) {
  for (auto const* good : {"a", "0", "a-", "run-01", "a--b"})
    EXPECT_TRUE(is_slug(good)) << good;
  EXPECT_TRUE(is_slug(std::string(63, 'a')));
  EXPECT_FALSE(is_slug(std::string(64, 'a')));
  for (auto const* bad : {"", "-a", "A", "a_b", "a.b", "../x", "a/b", "a b", "ä", "a\n", "a%2e"})
    EXPECT_FALSE(is_slug(bad)) << bad;
  EXPECT_FALSE(is_slug(std::string_view{"a\0b", 3}));
  // Every byte but [a-z0-9-] is refused wherever it stands.
  for (int byte = 0; byte < 256; ++byte) {
    char const c = static_cast<char>(byte);
    bool const inner = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    EXPECT_EQ(is_slug(std::string{"a"} + c + "a"), inner) << byte;
  }
}

TEST(Id, MakeSlugAlwaysGivesASlug) {
  EXPECT_EQ(make_slug("My Project (v2)"), "my-project-v2");
  EXPECT_EQ(make_slug("../../etc"), "etc");
  EXPECT_EQ(make_slug("日本"), "x");
  EXPECT_EQ(make_slug(""), "x");
  EXPECT_EQ(make_slug("---"), "x");
  SeededRandom random{7};
  for (int round = 0; round < 2000; ++round) {
    std::string text(random.below(100), '\0');
    random.fill(std::as_writable_bytes(std::span{text}));
    EXPECT_TRUE(is_slug(make_slug(text)));
  }
  std::string cut_at_dash = std::string(62, 'a') + " b";
  EXPECT_EQ(make_slug(cut_at_dash), std::string(62, 'a'));
}

TEST(Id, CreatedIdsAreSlugsAndSortByTime) {
  ManualClock clock;
  SeededRandom random{1};
  std::vector<std::string> ids;
  for (int i = 0; i < 500; ++i) {
    ids.push_back(RunId::create(clock, random).str());
    EXPECT_TRUE(is_slug(ids.back()));
    EXPECT_EQ(ids.back().size(), std::string_view{"run-"}.size() + 26);
    clock.advance(Millis{1 + static_cast<int>(random.below(100'000))});
  }
  EXPECT_TRUE(std::ranges::is_sorted(ids));
}

TEST(Id, CreatedIdsOfOneMillisecondDiffer) {
  ManualClock const clock;
  SeededRandom random{2};
  std::unordered_set<RunId> ids;
  for (int i = 0; i < 10'000; ++i)
    ids.insert(RunId::create(clock, random));
  EXPECT_EQ(ids.size(), 10'000U);
}

// The specification's example: 01ARYZ6S41 is 2016-07-30T23:54:10.259Z.
TEST(Id, TheTimePartIsAUlid) {
  ManualClock clock;
  clock.set_wall(from_unix_ms(1469918176385));
  SeededRandom random{3};
  EXPECT_EQ(new_id_text("x", clock, random).substr(2, 10), "01aryz6s41");
}

TEST(Id, ParseRefusesWithTheKindAndARule) {
  EXPECT_EQ(RunId::parse("run-1")->str(), "run-1");
  auto const bad = SessionId::parse("../\x1b[2J");
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().code, ErrorCode::invalid_argument);
  EXPECT_NE(bad.error().message.find("is not a session id"), std::string::npos);
  EXPECT_EQ(bad.error().message.find('\x1b'), std::string::npos);
  EXPECT_FALSE(bad.error().next.empty());
}

}  // namespace
}  // namespace drover
