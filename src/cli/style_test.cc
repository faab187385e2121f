#include "cli/style.h"

#include <gtest/gtest.h>

#include <map>

namespace drover::cli {
namespace {

Environment environment(std::map<std::string, std::string, std::less<>> values) {
  return [values = std::move(values)](std::string_view name) -> std::optional<std::string> {
    auto const at = values.find(name);
    if (at == values.end()) return std::nullopt;
    return at->second;
  };
}

TEST(Style, AFileGetsNoColourAndNoRedrawing) {
  Style const style = make_style(Device::file, 0, environment({{"TERM", "xterm"}}));
  EXPECT_EQ(style.colour, Colour::never);
  EXPECT_FALSE(style.redraws);
  EXPECT_EQ(paint(style, Paint::red, "x"), "x");
}

TEST(Style, NoColorAndDumbTerminalsAreHonoured) {
  auto const plain = make_style(Device::terminal, 80, environment({{"TERM", "xterm"}}));
  EXPECT_EQ(plain.colour, Colour::always);
  auto const no_color =
      make_style(Device::terminal, 80, environment({{"TERM", "xterm"}, {"NO_COLOR", "1"}}));
  EXPECT_EQ(no_color.colour, Colour::never);
  EXPECT_TRUE(no_color.redraws);
  // An empty NO_COLOR does not count (no-color.org).
  auto const empty =
      make_style(Device::terminal, 80, environment({{"TERM", "xterm"}, {"NO_COLOR", ""}}));
  EXPECT_EQ(empty.colour, Colour::always);
  for (auto const& variables : {environment({{"TERM", "dumb"}}), environment({})}) {
    auto const dumb = make_style(Device::terminal, 80, variables);
    EXPECT_EQ(dumb.colour, Colour::never);
    EXPECT_FALSE(dumb.redraws);
  }
}

TEST(Style, ColourEndsBeforeEachNewline) {
  Style const style{.device = Device::terminal, .colour = Colour::always, .redraws = true};
  EXPECT_EQ(paint(style, Paint::red, "a\n\nb\n"), "\x1b[31ma\x1b[0m\n\n\x1b[31mb\x1b[0m\n");
  EXPECT_EQ(paint(style, Paint::plain, "a"), "a");
}

}  // namespace
}  // namespace drover::cli
