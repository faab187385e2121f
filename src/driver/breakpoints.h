#pragma once
// What a breakpoint asks a person, and what the answer is to the process. Pure.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "driver/effect_carrier.h"
#include "worker/approval.h"

namespace drover::driver {

struct Question {
  std::string title;                   // in one line
  std::string breakpoint;              // the same for every asking of this place of the process
  std::vector<std::string> options{};  // of which an answer names one; empty: it is free
  json::object subject;                // all that is decided on
  // So many approvals by people, the last ones in a row, stand for this one; 0: none do.
  std::int64_t auto_after = 0;
};
// invalid_argument: options that are no texts.
[[nodiscard]] Result<Question> question_of(EffectJob const& job);

enum class AnsweredBy : std::uint8_t { person, rule };
struct Verdict {
  bool approved = false;
  std::string response{};  // the option, or free words
  std::string comment{};
  AnsweredBy by = AnsweredBy::person;
};
// invalid_argument, with the options that there are.
[[nodiscard]] Status check_answer(Question const& question, Verdict const& answer);
// {approved, response, feedback?, autoApproved?}: a rejection is a result, never an error.
[[nodiscard]] json::object answer_value(Verdict const& answer);
// That of the `count` approvals in a row before this one.
[[nodiscard]] Verdict automatic_answer(std::int64_t count);

// Of this effect, the same after a restart.
[[nodiscard]] worker::ApprovalId approval_of(std::string_view workflow, std::string_view effect);

}  // namespace drover::driver
