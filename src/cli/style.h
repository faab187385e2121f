#pragma once
// How text looks where it is going: colours, width, and whether lines may be redrawn. Pure values
// and functions; a Style is decided once for each of stdout and stderr.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace drover::cli {

// Reads one environment variable; passed in, so that tests need not change the process.
using Environment = std::function<std::optional<std::string>(std::string_view name)>;

// The environment of this process.
[[nodiscard]] Environment process_environment();

inline constexpr std::size_t kPlainWidth = 100;  // columns where there is no terminal to ask

enum class Colour : std::uint8_t { never, always };
enum class Device : std::uint8_t { file, terminal };

struct Style {
  Device device = Device::file;
  Colour colour = Colour::never;
  // Whether a line may be erased and drawn again (a progress line).
  bool redraws = false;
  std::size_t width = kPlainWidth;
};

// NO_COLOR (any non-empty value) and TERM=dumb turn colours off; TERM=dumb also redrawing.
[[nodiscard]] Style make_style(Device device, std::size_t columns, Environment const& environment);
// Asks the descriptor whether it is a terminal and how wide.
[[nodiscard]] Style style_of(int fd, Environment const& environment);

enum class Paint : std::uint8_t { plain, bold, dim, red, green, yellow, cyan, thought };
// `text` is already safe for a terminal. Colour never spans a newline.
[[nodiscard]] std::string paint(Style const& style, Paint paint, std::string_view text);

}  // namespace drover::cli
