#include "agent/ports.h"

#include <algorithm>
#include <array>

namespace drover::agent {

namespace {

struct Name {
  DoneReason reason;
  std::string_view text;
};
constexpr std::array kNames = {
    Name{DoneReason::completed, "completed"},
    Name{DoneReason::waiting_input, "waiting_input"},
    Name{DoneReason::max_turns, "max_turns"},
    Name{DoneReason::budget_exhausted, "budget_exhausted"},
    Name{DoneReason::model_error, "model_error"},
    Name{DoneReason::prompt_too_long, "prompt_too_long"},
    Name{DoneReason::interrupted, "interrupted"},
    Name{DoneReason::session_error, "session_error"},
};

}  // namespace

std::string_view to_string(DoneReason reason) {
  auto const* const found = std::ranges::find(kNames, reason, &Name::reason);
  return found == kNames.end() ? "model_error" : found->text;
}

DoneReason parse_done_reason(std::string_view text) {
  auto const* const found = std::ranges::find(kNames, text, &Name::text);
  return found == kNames.end() ? DoneReason::model_error : found->reason;
}

}  // namespace drover::agent
