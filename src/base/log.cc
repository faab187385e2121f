#include "base/log.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <string>

#include "base/text.h"
#include "base/time.h"

namespace drover::log {

namespace {

constexpr std::size_t kValueBytesMax = 2000;
constexpr std::array<std::string_view, 5> kNames = {"DEBUG", "INFO", "WARN", "ERROR", "OFF"};

Level level_from_environment() {
  char const* const wanted = std::getenv("DROVER_LOG");
  if (wanted == nullptr) return Level::info;
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (iequals(wanted, kNames[i])) return static_cast<Level>(i);
  return Level::info;
}

std::atomic<Level>& current_level() {
  static std::atomic<Level> level{level_from_environment()};
  return level;
}

}  // namespace

void set_level(Level level) {
  current_level() = level;
}

bool enabled(Level level) {
  return level >= current_level();
}

void write(Level level, std::string_view event, Fields fields) {
  if (!enabled(level)) return;
  std::string line = fmt::format("{} {} {}", to_rfc3339(SystemClock{}.now()),
                                 kNames[static_cast<std::size_t>(level)], event);
  for (Field const& field : fields) {
    std::string const value = printable(field.value, kValueBytesMax);
    bool const quote = value.empty() || value.find_first_of(" \"=") != std::string::npos;
    if (quote) {
      std::string escaped;
      for (char const c : value) {
        if (c == '"' || c == '\\') escaped += '\\';
        escaped += c;
      }
      line += fmt::format(" {}=\"{}\"", field.key, escaped);
    } else {
      line += fmt::format(" {}={}", field.key, value);
    }
  }
  line += '\n';
  // One write a line keeps lines of several threads apart. A log that cannot be written is not
  // worth dying for.
  [[maybe_unused]] ssize_t const written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace drover::log
