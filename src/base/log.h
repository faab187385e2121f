#pragma once
// A log line is an event name with key=value pairs, on stderr:
//   2026-11-21T03:34:27.123Z INFO run-claimed run=run-01… epoch=1
// Values are made printable, so that no agent can forge a line. Never log a secret.
#include <fmt/format.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace drover::log {

enum class Level : std::uint8_t { debug, info, warn, error, off };

struct Field {
  template <class T>
  Field(std::string_view name, T const& field_value)
      : key(name), value(fmt::format("{}", field_value)) {}
  std::string_view key;
  std::string value;
};
using Fields = std::initializer_list<Field>;

// Process-wide; thread-safe. Starts at info, or at what DROVER_LOG says (debug, info, …, off).
void set_level(Level level);
[[nodiscard]] bool enabled(Level level);
void write(Level level, std::string_view event, Fields fields);

inline void debug(std::string_view event, Fields fields = {}) {
  if (enabled(Level::debug)) write(Level::debug, event, fields);
}
inline void info(std::string_view event, Fields fields = {}) {
  write(Level::info, event, fields);
}
inline void warn(std::string_view event, Fields fields = {}) {
  write(Level::warn, event, fields);
}
inline void error(std::string_view event, Fields fields = {}) {
  write(Level::error, event, fields);
}

}  // namespace drover::log
