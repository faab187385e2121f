#include "cli/question.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>

#include "base/text.h"

namespace drover::cli {

namespace {

constexpr std::size_t kLineBytesMax = 1000;

// Byte by byte, so that nothing behind the line is taken from whoever reads next.
std::optional<std::string> read_line() {
  std::string line;
  for (;;) {
    char c = 0;
    ssize_t const count = ::read(STDIN_FILENO, &c, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return std::nullopt;
    if (c == '\n') return line;
    if (line.size() < kLineBytesMax) line += c;
  }
}

}  // namespace

bool can_ask(Screen const& screen) {
  return ::isatty(STDIN_FILENO) == 1 && screen.err_style().device == Device::terminal;
}

Answer ask(Screen& screen, std::string_view question, Answer usual) {
  for (;;) {
    screen.note(fmt::format("{} {}", question, usual == Answer::yes ? "[Y/n]" : "[y/N]"));
    auto const line = read_line();
    if (!line) return Answer::no;
    std::string_view const word = trim(*line);
    if (word.empty()) return usual;
    if (iequals(word, "y") || iequals(word, "yes")) return Answer::yes;
    if (iequals(word, "n") || iequals(word, "no")) return Answer::no;
    screen.note("drover: say yes or no");
  }
}

}  // namespace drover::cli
