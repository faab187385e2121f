#pragma once
// What a resident program and its server say to each other, one JSON object a line. Pure.
//
//   program: {"type":"hello","version":"0.1.0","running":["…"]}   first on each connection
//            {"type":"heartbeat"}                     every kHeartbeat
//            {"type":"output","id":"…","stream":"out","text":"…"}   of a command
//            {"type":"ended","id":"…","status":0}     128 + signal where one ended it
//            {"type":"failed","id":"…","message":"…"} it was never begun
//   server:  {"type":"unit","id":"…","cwd":"…","env":["NAME=value"],"writable":["/…"]}
//            {"type":"command", the same, and "argv":["…"]}
//            {"type":"signal","id":"…","number":15}
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace drover::unit {

inline constexpr Millis kHeartbeat{5'000};
inline constexpr std::size_t kResidentLineMax = std::size_t{4} << 20U;

struct ResidentOrder {
  enum class Type : std::uint8_t { unit, command, signal, unknown };
  Type type = Type::unknown;
  std::string id;
  std::string cwd;
  std::vector<std::string> argv;
  std::vector<std::string> env;
  std::vector<std::string> writable;
  bool walls_required = false;
  int number = 0;
};
[[nodiscard]] Result<ResidentOrder> parse_resident_order(std::string_view line);

// Each with its newline.
[[nodiscard]] std::string hello_line(std::string_view version,
                                     std::vector<std::string> const& running);
[[nodiscard]] std::string heartbeat_line();
[[nodiscard]] std::string output_line(std::string_view id, std::string_view stream,
                                      std::string_view text);
[[nodiscard]] std::string ended_line(std::string_view id, int status);
[[nodiscard]] std::string failed_line(std::string_view id, std::string_view message);

}  // namespace drover::unit
