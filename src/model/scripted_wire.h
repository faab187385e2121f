#pragma once
// A scripted answer as the bytes of each wire format, whole and as a stream's events. Internal to
// the scripted model.
#include <string>
#include <vector>

#include "model/messages.h"
#include "model/wire_format.h"

namespace drover::model {

struct ScriptedAnswer {
  std::string id;
  std::string model;
  std::vector<std::string> thinking;  // pieces
  std::vector<std::string> text;
  std::vector<ToolCall> calls;
  std::string stop_reason;  // as the Messages API names it
  Usage usage;
};

// One server-sent event, and whether it shows something new and so comes at the script's pace.
struct ScriptedEvent {
  std::string bytes;
  bool paced = false;
};

enum class ChatUsage : std::uint8_t { left_out, in_stream };

[[nodiscard]] std::vector<ScriptedEvent> scripted_events(ScriptedAnswer const& answer,
                                                         WireFormat format, ChatUsage chat_usage);
// The body of an answer that is not streamed.
[[nodiscard]] std::string scripted_body(ScriptedAnswer const& answer, WireFormat format);
// An event that breaks off inside its JSON.
[[nodiscard]] std::string broken_event(WireFormat format);

}  // namespace drover::model
