#pragma once
// The unit API (docs/unit-api.md) as values: what the unit reads and the events it writes. Pure.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/ports.h"
#include "base/error.h"
#include "base/time.h"

namespace drover::unit {

struct UnitDescription {
  std::string unit;
  std::string session;
  std::string runner = "native";
  std::string cwd = "/workspace";
  std::string session_dir;
  std::string system;
  std::string model;
  std::vector<std::string> tools;
  std::vector<std::string> mcp;  // servers whose tools it has too
  std::int64_t idle_s = 60;
  std::int64_t tokens_max = 8192;
};
[[nodiscard]] Result<UnitDescription> parse_description(std::string_view text);

struct InboxItem {
  enum class Type : std::uint8_t { message, interrupt, stop, unknown };
  Type type = Type::unknown;
  std::string turn_id;
  std::string nonce;
  std::string prompt;
  std::string model;  // empty: the session's
  int turns_max = 50;
};
[[nodiscard]] Result<InboxItem> parse_inbox_item(std::string_view text);

// What one event may hold, so that no event is over the server's limit for a whole batch.
inline constexpr std::size_t kArgumentBytesMax = std::size_t{8} << 10U;
inline constexpr std::size_t kArgumentsBytesMax = std::size_t{128} << 10U;
inline constexpr std::size_t kReplyBytesMax = std::size_t{256} << 10U;
inline constexpr std::size_t kMessageBytesMax = std::size_t{4} << 10U;

// Events as one line of JSON, without the newline.
[[nodiscard]] std::string turn_accepted_event(std::string_view turn_id, std::string_view nonce);
// `type` is message-delta or thinking-delta.
[[nodiscard]] std::string delta_event(std::string_view type, std::string_view turn_id,
                                      std::string_view text);
// Long arguments are shortened to head and tail; the tool gets them whole.
[[nodiscard]] std::string tool_call_event(std::string_view turn_id, model::ToolCall const& call);
[[nodiscard]] std::string tool_result_event(std::string_view turn_id,
                                            agent::EventSink::ToolResult const& result);
[[nodiscard]] std::string retry_event(std::string_view turn_id, int attempt, Millis wait,
                                      std::string_view reason);
[[nodiscard]] std::string question_event(std::string_view turn_id, std::string_view call_id,
                                         agent::Question const& question);
[[nodiscard]] std::string error_event(std::string_view turn_id, std::string_view message);
[[nodiscard]] std::string done_event(std::string_view turn_id, std::string_view session,
                                     agent::TurnOutcome const& outcome);

}  // namespace drover::unit
