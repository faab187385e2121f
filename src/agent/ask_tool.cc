// AskUserQuestion: puts questions to the user and so ends the turn.
#include <fmt/format.h>

#include "agent/tool.h"
#include "base/text.h"

namespace drover::agent {

namespace {

constexpr std::size_t kQuestionsMax = 4;
constexpr std::size_t kOptionsMax = 32;  // of event.v1
constexpr std::size_t kTextBytesMax = 8192;

Result<std::vector<std::string>> labels_of(JsonObject const& question) {
  std::vector<std::string> labels;
  auto const* const options = question.find("options");
  if (options == nullptr || options->is_null()) return labels;
  if (!options->is_array() || options->get_array().size() > kOptionsMax)
    return fail(ErrorCode::invalid_argument, "/options: expected an array of at most {} options",
                kOptionsMax);
  for (json::value const& item : options->get_array()) {
    auto const option = JsonObject::of(item);
    if (!option) return std::unexpected(option.error());
    auto label = option->string("label");
    if (!label) return std::unexpected(label.error());
    labels.push_back(*std::move(label));
  }
  return labels;
}

Result<Question> question_of(json::value const& value) {
  auto const object = JsonObject::of(value);
  if (!object) return std::unexpected(object.error());
  auto text = object->string("question");
  if (!text) return std::unexpected(text.error());
  if (text->empty() || text->size() > kTextBytesMax)
    return fail(ErrorCode::invalid_argument, "/question: expected 1 to {} bytes of text",
                kTextBytesMax);
  auto labels = labels_of(*object);
  if (!labels) return std::unexpected(labels.error());
  return Question{*std::move(text), *std::move(labels)};
}

Result<std::vector<Question>> questions_of(JsonObject const& input) {
  auto const* const list = input.find("questions");
  bool const some = list != nullptr && list->is_array() && !list->get_array().empty();
  if (!some || list->get_array().size() > kQuestionsMax)
    return fail(ErrorCode::invalid_argument, "/questions: expected an array of 1 to {} questions",
                kQuestionsMax);
  std::vector<Question> questions;
  for (json::value const& item : list->get_array()) {
    auto question = question_of(item);
    if (!question) return std::unexpected(question.error());
    questions.push_back(*std::move(question));
  }
  return questions;
}

class AskTool final : public Tool {
 public:
  [[nodiscard]] model::ToolSpec const& spec() const override {
    static model::ToolSpec const kSpec{
        "AskUserQuestion",
        "Asks the user when only they can decide. It ends your turn; the answer is their next "
        "message, which may come much later. Do not ask what you can find out yourself.",
        R"json({"type":"object","additionalProperties":false,"required":["questions"],"properties":{
  "questions":{"type":"array","minItems":1,"maxItems":4,"items":{"type":"object","required":["question"],"properties":{
    "question":{"type":"string","description":"The whole question, with what the user needs to know to answer it"},
    "header":{"type":"string","description":"A word or two that name it"},
    "multiSelect":{"type":"boolean","description":"Several options may be chosen"},
    "options":{"type":"array","items":{"type":"object","required":["label"],"properties":{
      "label":{"type":"string"},"description":{"type":"string"}}}}}}}}})json"};
    return kSpec;
  }
  // Asking twice is not harmless: the user sees both.
  [[nodiscard]] ToolKind kind() const override { return ToolKind::with_effects; }

  [[nodiscard]] ToolReply run(JsonObject const& input, ToolScope& /*scope*/) override {
    auto questions = questions_of(input);
    if (!questions) return bad_arguments(questions.error());
    ToolReply reply = tool_ok("The user has been asked. Their next message is the answer.");
    reply.questions = *std::move(questions);
    return reply;
  }
};

}  // namespace

std::unique_ptr<Tool> make_ask_tool() {
  return std::make_unique<AskTool>();
}

}  // namespace drover::agent
