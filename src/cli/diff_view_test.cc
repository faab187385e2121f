#include "cli/diff_view.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.h"

namespace drover::cli {
namespace {

constexpr std::string_view kDiff =
    "diff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@ f\n same\n--- old\n"
    "+++ new\n\\ No newline at end of file\ndiff --git a/y b/y\nnew file mode 100644\n";

TEST(DiffView, ColoursByWhereALineStands) {
  Style const style{.device = Device::terminal, .colour = Colour::always, .redraws = true};
  std::string const text = view_diff(kDiff, style, 0).text;
  EXPECT_TRUE(text.contains("\x1b[1m--- a/x\x1b[0m\n"));
  EXPECT_TRUE(text.contains("\x1b[36m@@ -1,2 +1,2 @@ f\x1b[0m\n same\n"));
  // Inside a hunk these are a removed and an added line, and no file names.
  EXPECT_TRUE(text.contains("\x1b[31m--- old\x1b[0m\n\x1b[32m+++ new\x1b[0m\n"));
  EXPECT_TRUE(text.contains("\x1b[1mnew file mode 100644\x1b[0m\n"));
}

TEST(DiffView, PlainIsTheDiffItself) {
  EXPECT_EQ(view_diff(kDiff, {}, 0).text, kDiff);
}

TEST(DiffView, TheBoundIsExactAndCounted) {
  auto const view = view_diff(kDiff, {}, 4);
  EXPECT_EQ(std::ranges::count(view.text, '\n'), 4);
  EXPECT_EQ(view.lines_left_out, 7U);
  EXPECT_EQ(view_diff(kDiff, {}, 11).lines_left_out, 0U);
}

TEST(DiffView, NeutralisesWhatFilesHold) {
  std::string const text = view_diff("@@ -1 +1 @@\n+\x1b]52;c;aGk=\x07\xe2\x80\xae\n", {}, 0).text;
  EXPECT_EQ(terminal_safe(text), text);
}

}  // namespace
}  // namespace drover::cli
