#include "cli/style.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace drover::cli {

namespace {

constexpr std::size_t kWidthMin = 20;
constexpr std::size_t kWidthMax = 400;

std::string_view code_of(Paint paint) {
  switch (paint) {
    case Paint::plain:
      return "";
    case Paint::bold:
      return "1";
    case Paint::dim:
      return "2";
    case Paint::red:
      return "31";
    case Paint::green:
      return "32";
    case Paint::yellow:
      return "33";
    case Paint::cyan:
      return "36";
    case Paint::thought:
      return "2;3";
  }
  return "";
}

std::string painted(std::string_view code, std::string_view line) {
  if (line.empty()) return {};
  std::string out = "\x1b[";
  out.append(code).append("m").append(line).append("\x1b[0m");
  return out;
}

}  // namespace

Environment process_environment() {
  return [](std::string_view name) -> std::optional<std::string> {
    char const* const value = std::getenv(std::string{name}.c_str());
    if (value == nullptr) return std::nullopt;
    return std::string{value};
  };
}

Style make_style(Device device, std::size_t columns, Environment const& environment) {
  if (device == Device::file) return {};
  bool const dumb = environment("TERM").value_or("dumb") == "dumb";
  bool const no_color = !environment("NO_COLOR").value_or("").empty();
  std::size_t const width = columns == 0 ? std::size_t{80} : columns;
  return {.device = device,
          .colour = dumb || no_color ? Colour::never : Colour::always,
          .redraws = !dumb,
          .width = std::clamp(width, kWidthMin, kWidthMax)};
}

Style style_of(int fd, Environment const& environment) {
  if (::isatty(fd) != 1) return make_style(Device::file, 0, environment);
  winsize size{};
  std::size_t const columns = ::ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
  return make_style(Device::terminal, columns, environment);
}

std::string paint(Style const& style, Paint paint, std::string_view text) {
  std::string_view const code = code_of(paint);
  if (style.colour == Colour::never || code.empty()) return std::string{text};
  std::string out;
  for (;;) {
    auto const end = text.find('\n');
    out += painted(code, text.substr(0, end));
    if (end == std::string_view::npos) return out;
    out += '\n';
    text.remove_prefix(end + 1);
  }
}

}  // namespace drover::cli
