#pragma once
// The Anthropic Messages wire format, version 2023-06-01: what goes out and what came back.
// A request is built from pieces that are serialised once, so that a turn costs the bytes it adds
// and not the length of the history. Not thread-safe; no I/O.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace drover::model {

struct Usage {
  std::int64_t input = 0;
  std::int64_t output = 0;
  std::int64_t cache_read = 0;
  std::int64_t cache_write_5m = 0;
  std::int64_t cache_write_1h = 0;
  Usage& operator+=(Usage const& other);
  friend bool operator==(Usage const&, Usage const&) = default;
};

// Reads `usage` of the API into `usage`; counters that are absent keep their value.
void read_usage(json::object const& from, Usage& usage);

enum class StopReason : std::uint8_t {
  none,
  end_turn,
  tool_use,
  max_tokens,
  stop_sequence,
  pause_turn,
  refusal,
  context_window_exceeded,
  other,
};
[[nodiscard]] StopReason parse_stop_reason(std::string_view text);
[[nodiscard]] std::string_view to_string(StopReason reason);

struct ToolCall {
  std::string id;
  std::string name;
  json::object input;
  std::string invalid;  // why the arguments cannot be used; empty when they can
};

// One complete answer. `blocks` are the content blocks as they go back into the history.
struct Response {
  std::string id;
  std::string model;
  std::vector<std::string> blocks;
  std::string text;  // all text blocks, joined
  std::vector<ToolCall> calls;
  StopReason stop_reason = StopReason::none;
  Usage usage;
};

// Content blocks and messages as JSON text. Text that is not UTF-8 is mended.
[[nodiscard]] std::string text_block(std::string_view text);
[[nodiscard]] std::string tool_use_block(ToolCall const& call);
enum class ToolOutcome : std::uint8_t { ok, error };
[[nodiscard]] std::string tool_result_block(std::string_view call_id, std::string_view content,
                                            ToolOutcome outcome);
enum class Role : std::uint8_t { user, assistant };
[[nodiscard]] std::string message_json(Role role, std::span<std::string const> blocks);

struct ToolSpec {
  std::string name;
  std::string description;
  std::string input_schema;  // JSON Schema 2020-12 as JSON text
};

// A streaming request body with at most four cache breakpoints: the end of the tools, the end of
// the system prompt, the end of the previous request, and the last block of this one (a tool result
// too). The last two slide with every turn, so that each request reads what the one before wrote.
class RequestBuilder {
 public:
  struct Options {
    std::string model;
    std::int64_t tokens_max = 8192;
    std::string system;           // empty: none
    std::vector<ToolSpec> tools;  // kept in this order: a change of order would lose the cache
    std::string user_id;          // `metadata.user_id`; names the session to the provider
  };
  explicit RequestBuilder(Options options);

  void set_model(std::string_view model);
  // One message as message_json() makes it.
  void append(Role role, std::string_view message);
  // The whole body; copies the history once and serialises nothing of it.
  [[nodiscard]] std::string body();
  [[nodiscard]] std::size_t history_bytes() const { return history_.size(); }

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  void write_head();

  Options options_;
  std::string fixed_;    // tools and system, serialised once
  std::string head_;     // up to and with `"messages":[`
  std::string history_;  // messages with commas between
  // Offsets in history_ just before the closing brace of a user message's last block.
  std::size_t last_anchor_ = kNone;
  std::size_t before_last_anchor_ = kNone;
  std::size_t sent_anchor_ = kNone;      // last_anchor_ of the latest body()
  std::size_t previous_anchor_ = kNone;  // of the request before that
};

}  // namespace drover::model
