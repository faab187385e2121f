#include "cli/layout.h"

#include <gtest/gtest.h>

namespace drover::cli {
namespace {

Style terminal(std::size_t width) {
  return {.device = Device::terminal, .colour = Colour::never, .redraws = true, .width = width};
}

TEST(Layout, WidthCountsColumnsAndNotBytes) {
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("é…●"), 3U);
  EXPECT_EQ(display_width("日本"), 4U);
  EXPECT_EQ(display_width("🚀"), 2U);
  EXPECT_EQ(display_width("e\u0301"), 1U);
}

TEST(Layout, CutTextNeverPassesItsWidthAndKeepsCharactersWhole) {
  std::string const text = "a日本語🚀é text";
  for (std::size_t columns = 0; columns < 20; ++columns) {
    std::string const cut = cut_to_width(text, columns);
    EXPECT_LE(display_width(cut), columns);
    if (columns > 0 && cut != text) {
      EXPECT_TRUE(cut.ends_with("…")) << cut;
      EXPECT_TRUE(text.starts_with(cut.substr(0, cut.size() - 3)));
    }
  }
  EXPECT_EQ(cut_to_width("short", 5), "short");
}

TEST(Layout, TableAlignsByWidthAndPadsNoLineEnd) {
  Table table{{{"NAME"}, {"N", Align::right}, {"WHAT"}}};
  table.add({{"日本"}, {"7"}, {"x"}});
  table.add({{"abcdef"}, {"123"}, {"y"}});
  EXPECT_EQ(table.render({}),
            "NAME      N  WHAT\n"
            "日本      7  x\n"
            "abcdef  123  y\n");
}

TEST(Layout, TableFitsTheTerminalAndIsWholeInAFile) {
  Table table{{{"RUN"}, {"PROMPT"}}};
  table.add({{"run-1"}, {std::string(200, 'p')}});
  std::string const narrow = table.render(terminal(40));
  std::string const line = narrow.substr(narrow.find('\n') + 1);
  EXPECT_EQ(display_width(line.substr(0, line.size() - 1)), 40U);
  EXPECT_TRUE(table.render({}).contains(std::string(200, 'p')));
}

TEST(Layout, DurationsReadAsPeopleSayThem) {
  EXPECT_EQ(short_duration(Millis{-5}), "0 ms");
  EXPECT_EQ(short_duration(Millis{999}), "999 ms");
  EXPECT_EQ(short_duration(Millis{12'340}), "12.3 s");
  EXPECT_EQ(short_duration(Millis{59'999}), "1 min 00 s");
  EXPECT_EQ(short_duration(Millis{245'000}), "4 min 05 s");
  EXPECT_EQ(short_duration(Millis{7'620'000}), "2 h 07 min");
}

TEST(Layout, RelativeTimes) {
  WallTime const now = *parse_rfc3339("2026-03-01T00:00:00Z");
  auto const ago = [&](std::chrono::seconds s) { return relative_time(now - s, now); };
  EXPECT_EQ(ago(std::chrono::seconds{-30}), "just now");
  EXPECT_EQ(ago(std::chrono::seconds{59}), "59 s ago");
  EXPECT_EQ(ago(std::chrono::minutes{59}), "59 min ago");
  EXPECT_EQ(ago(std::chrono::hours{23}), "23 h ago");
  EXPECT_EQ(ago(std::chrono::hours{24}), "1 day ago");
  EXPECT_EQ(ago(std::chrono::hours{24 * 40}), "2026-01-20");
}

TEST(Layout, BytesHaveAUnitAndAtMostOneDecimal) {
  EXPECT_EQ(short_bytes(0), "0 B");
  EXPECT_EQ(short_bytes(999), "999 B");
  EXPECT_EQ(short_bytes(1'000), "1.0 kB");
  EXPECT_EQ(short_bytes(999'960), "1.0 MB");
  EXPECT_EQ(short_bytes(3'412'345'678), "3.4 GB");
  EXPECT_EQ(short_bytes(UINT64_MAX), "18446744.1 TB");
}

TEST(Layout, CountsAndMoney) {
  EXPECT_EQ(short_count(999), "999");
  EXPECT_EQ(short_count(1234), "1.2k");
  EXPECT_EQ(short_count(999'960), "1.0M");
  EXPECT_EQ(money(0), "$0");
  EXPECT_EQ(money(0.00001), "<$0.0001");
  EXPECT_EQ(money(0.0123), "$0.0123");
  EXPECT_EQ(money(12.345), "$12.35");
  EXPECT_EQ(counted(1, "file"), "1 file");
  EXPECT_EQ(counted(2, "file"), "2 files");
}

}  // namespace
}  // namespace drover::cli
