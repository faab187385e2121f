#pragma once
// The transcript of a run for people: one event in, the text to print out. Pure; not thread-safe.
// Everything an agent wrote is made harmless for the terminal here (base/text.h). Unknown event
// types and missing members are no error: a newer server may send them.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "cli/style.h"

namespace drover::cli {

// What the events so far add up to; for the progress line and the exit code.
struct Tally {
  std::string state;   // of the run: "queued", "running", …
  std::string reason;  // of the last state change
  std::int64_t model_calls = 0;
  std::int64_t tokens_in = 0;
  std::int64_t tokens_out = 0;
  double cost_usd = 0;
  bool ended = false;  // turn-complete was seen
};

class TranscriptRenderer {
 public:
  explicit TranscriptRenderer(Style style) : style_(style) {}

  // The text that `event` adds; often a part of a line.
  [[nodiscard]] std::string on_event(json::object const& event);
  // Ends an open line, when the stream stops before the run does.
  [[nodiscard]] std::string finish();

  // False while streamed text has left the cursor in the middle of a line.
  [[nodiscard]] bool at_line_start() const { return newlines_ > 0; }
  [[nodiscard]] Tally const& tally() const { return tally_; }

 private:
  enum class Block : std::uint8_t { none, text, thinking, tool, note };

  std::string begin_block(Block block);
  std::string streamed(std::string_view text, Paint paint);
  std::string note(Paint paint, std::string_view line);
  std::string on_delta(json::object const& event, Block block);
  std::string on_tool_call(json::object const& event);
  std::string on_tool_result(json::object const& event);
  std::string on_retry(json::object const& event);
  std::string on_done(json::object const& event);
  std::string on_commit(json::object const& event);
  std::string on_rejected(json::object const& event);
  std::string on_state(json::object const& event);
  std::string on_other(std::string_view type, json::object const& event);
  std::string on_question(json::object const& event);
  void on_usage(json::object const& event);

  Style style_;
  Tally tally_;
  Block block_ = Block::none;
  std::size_t newlines_ =
      2;  // at the end of what was printed; the start counts as after a blank line
  // A return at the end of a chunk: its newline may come with the next one.
  bool return_held_ = false;
  bool text_since_call_ = false;  // text streamed since the last model call was complete
  bool text_seen_ = false;
  std::map<std::string, std::string, std::less<>> tools_;  // callId → tool, of open calls
  std::string last_call_;
};

// The part of a tool call worth a line: the command, the path, the pattern. Terminal-safe, one
// line, not cut.
[[nodiscard]] std::string describe_tool_call(std::string_view tool, json::value const& arguments);

}  // namespace drover::cli
