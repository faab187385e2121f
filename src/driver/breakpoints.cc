#include "driver/breakpoints.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"
#include "base/text.h"

namespace drover::driver {

namespace {

constexpr std::size_t kTitleBytesMax = 200;
constexpr std::size_t kOptionsMax = 100;
constexpr std::int64_t kAutoAfterMax = 1'000'000;

json::object const& object_at(json::object const& from, std::string_view key) {
  static json::object const empty;
  auto const* const found = from.if_contains(key);
  return found != nullptr && found->is_object() ? found->get_object() : empty;
}

// A text, or an object that is called something.
std::string option_text(json::value const& option) {
  if (option.is_string()) return std::string{option.get_string()};
  if (!option.is_object()) return "";
  for (auto const* const key : {"value", "label", "id"})
    if (auto const text = string_or(option.get_object(), key, ""); !text.empty())
      return std::string{text};
  return "";
}

Result<std::vector<std::string>> options_of(json::object const& payload) {
  std::vector<std::string> options;
  auto const* const found = payload.if_contains("options");
  if (found == nullptr || found->is_null()) return options;
  if (!found->is_array() || found->get_array().size() > kOptionsMax)
    return fail(ErrorCode::invalid_argument, "/options: expected an array of at most {}",
                kOptionsMax);
  for (auto const& each : found->get_array()) {
    options.push_back(option_text(each));
    if (options.back().empty())
      return fail(ErrorCode::invalid_argument,
                  "/options: expected texts, or objects with a value, label or id");
  }
  return options;
}

}  // namespace

Result<Question> question_of(EffectJob const& job) {
  auto const whole = JsonObject::of(job.definition);
  if (!whole) return std::unexpected(whole.error());
  // ctx.breakpoint has it in metadata; a task of this kind, as the SDK's breakpointTask, in a
  // member of its own.
  json::object const& metadata = object_at(whole->raw(), "metadata");
  auto const* payload = metadata.if_contains("payload");
  if (payload == nullptr) payload = object_at(whole->raw(), "breakpoint").if_contains("payload");
  static json::object const nothing;
  json::object const& asked =
      payload != nullptr && payload->is_object() ? payload->get_object() : nothing;
  Question question;
  auto options = options_of(asked);
  if (!options) return std::unexpected(options.error());
  question.options = *std::move(options);
  std::string text{string_or(asked, "question", string_or(asked, "title", ""))};
  if (text.empty() && payload != nullptr && payload->is_string()) text = payload->get_string();
  question.title = job.effect.label;
  if (!text.empty())
    question.title += fmt::format("{}{}", question.title.empty() ? "" : ": ", text);
  question.title = printable(question.title, kTitleBytesMax);
  question.breakpoint = string_or(metadata, "breakpointId", job.effect.label);
  question.auto_after =
      std::clamp<std::int64_t>(integer_or(metadata, "autoApproveAfterN", 0), 0, kAutoAfterMax);
  json::object& subject = question.subject;
  subject = {{"workflow", json::string{job.workflow.id}},
             {"effect", json::string{job.effect.id}},
             {"process", json::string{job.workflow.process_id}},
             {"breakpoint", json::string{question.breakpoint}}};
  if (payload != nullptr) subject["payload"] = *payload;
  for (auto const* const key : {"expert", "tags", "strategy"})
    if (auto const* const value = metadata.if_contains(key); value != nullptr && !value->is_null())
      subject[key] = *value;
  if (!question.options.empty())
    subject["options"] = json::array(question.options.begin(), question.options.end());
  return question;
}

Status check_answer(Question const& question, Verdict const& answer) {
  // Who rejects may choose none.
  bool const chosen =
      std::ranges::find(question.options, answer.response) != question.options.end();
  if (question.options.empty() || chosen || (!answer.approved && answer.response.empty()))
    return {};
  return fail_next(
      ErrorCode::invalid_argument,
      fmt::format("/response: '{}' is none of the options", printable(answer.response, 100)),
      fmt::format("they are: {}",
                  printable(fmt::format("{}", fmt::join(question.options, ", ")), 1000)));
}

json::object answer_value(Verdict const& answer) {
  json::object value{{"approved", answer.approved}};
  value["response"] = json::string{answer.response.empty() ? answer.comment : answer.response};
  if (!answer.comment.empty()) value["feedback"] = json::string{answer.comment};
  if (answer.by == AnsweredBy::rule) value["autoApproved"] = true;
  return value;
}

Verdict automatic_answer(std::int64_t count) {
  Verdict answer;
  answer.approved = true;
  answer.comment = fmt::format("Auto-approved after {} approvals in a row", count);
  answer.by = AnsweredBy::rule;
  return answer;
}

worker::ApprovalId approval_of(std::string_view workflow, std::string_view effect) {
  constexpr std::size_t kDigits = 26;
  return worker::ApprovalId::trusted(
      "apr-" + sha256_hex(fmt::format("{}\n{}", workflow, effect)).substr(0, kDigits));
}

}  // namespace drover::driver
