#pragma once
// What the loop needs from outside: a way to wait, a model, and somebody to tell. One thread; none
// of these is called from another.
#include <poll.h>

#include <cstdint>
#include <expected>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "model/failure.h"
#include "model/messages.h"
#include "model/stream_decoder.h"

namespace drover::agent {

enum class Wake : std::uint8_t {
  ready,        // at least one of the descriptors has `revents`
  deadline,     // it passed
  interrupted,  // the turn is to end now; stays so until the turn has ended
};

// Every wait of a turn goes through here, so that an interrupt ends each of them at once and the
// unit can serve its other connections meanwhile.
class Waiter {
 public:
  virtual ~Waiter() = default;
  // Returns at once when a descriptor is ready, the deadline is past or an interrupt is pending.
  virtual Wake wait(std::span<pollfd> descriptors, BootTime deadline) = 0;
  // An interrupt was none of the user's: another attempt has the turn, or will have it. What is in
  // the journal is where that one goes on, so nothing more of this one may be written.
  [[nodiscard]] virtual bool superseded() const { return false; }
};

enum class DoneReason : std::uint8_t {
  completed,
  waiting_input,  // the model has asked the user
  max_turns,
  budget_exhausted,
  model_error,
  prompt_too_long,
  interrupted,
  session_error,
};
[[nodiscard]] std::string_view to_string(DoneReason reason);
[[nodiscard]] DoneReason parse_done_reason(
    std::string_view text);  // model_error for an unknown one

struct TurnOutcome {
  DoneReason reason = DoneReason::completed;
  std::string reply;   // the model's last text
  std::string detail;  // one sentence, where not completed; of waiting_input, what was asked
  int turns = 0;       // model calls
  [[nodiscard]] bool ok() const {
    return reason == DoneReason::completed || reason == DoneReason::waiting_input;
  }
};

struct Question {
  std::string text;
  std::vector<std::string> options;  // to choose from; empty: an answer in one's own words
};

// Hears what happens in a turn, in order. Must not block for long.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void text_delta(std::string_view text) = 0;
  virtual void thinking_delta(std::string_view text) = 0;
  virtual void tool_call(model::ToolCall const& call) = 0;
  struct ToolResult {
    std::string_view call_id;
    bool ok = true;
    std::string_view summary;  // head and tail, at most kSummaryBytesMax
    Millis took{0};
  };
  virtual void tool_result(ToolResult const& result) = 0;
  // The partial answer shown since the last model call is void; the same call is made again.
  virtual void retry(int attempt, Millis wait, std::string_view reason) = 0;
  virtual void error(std::string_view message) = 0;
  // Put to the user by the tool call of that id.
  virtual void question(std::string_view call_id, Question const& question) = 0;
  // Exactly once a turn, last.
  virtual void done(TurnOutcome const& outcome) = 0;
};

inline constexpr std::size_t kSummaryBytesMax = 4096;

using OnItem = std::function<void(model::StreamItem const&)>;

// One attempt at one model call.
class ModelClient {
 public:
  virtual ~ModelClient() = default;
  // Sends `body` and hands items on as they come. Failure kind interrupted when the waiter says so.
  virtual std::expected<model::Response, model::Failure> call(std::string body,
                                                              OnItem const& on_item) = 0;
};

}  // namespace drover::agent
