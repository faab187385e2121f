#include "driver/agent_work.h"

#include <fmt/format.h>

#include <array>

#include "base/digest.h"
#include "base/text.h"
#include "workflow/js_text.h"

namespace drover::driver {

namespace {

constexpr std::array<std::string_view, 13> kInvocationMembers = {
    "model",  "runner",   "workspaces", "tools",           "task_type",   "payload", "limits",
    "tenant", "priority", "fifo_group", "concurrency_key", "concurrency", "retry"};
constexpr std::int64_t kCorrectionsMost = 10;

json::object const& object_or_empty(json::object const& from, std::string_view key) {
  static json::object const empty;
  auto const* const found = from.if_contains(key);
  return found != nullptr && found->is_object() ? found->get_object() : empty;
}

// The effect's own member, else the workflow's.
json::value const* member(json::object const& own, json::object const& usual,
                          std::string_view key) {
  if (auto const* const found = own.if_contains(key); found != nullptr && !found->is_null())
    return found;
  auto const* const found = usual.if_contains(key);
  return found != nullptr && !found->is_null() ? found : nullptr;
}

Result<std::string> agent_name(json::object const& own, json::object const& usual,
                               KnowsAgent const& knows) {
  std::string const named{string_or(own, "name", "")};
  if (!named.empty() && knows(named)) return named;
  std::string const fallback{string_or(usual, "agent", "")};
  if (named.empty() || !fallback.empty()) return fallback;
  return fail_next(ErrorCode::invalid_argument,
                   fmt::format("/agent/name: there is no agent {}", printable(named, 80)),
                   "define it, or give the workflow an agent for the names that are not defined");
}

std::string schema_text(json::value const& schema) {
  return "\n\n# The answer\n\nYour last message is nothing but one JSON value, without a fence or "
         "any "
         "other words, that fits this JSON Schema:\n" +
         workflow::compact_text(schema);
}

void add_section(std::string& text, std::string_view title, std::string_view body) {
  if (!text.empty()) text += "\n\n";
  text += fmt::format("# {}\n\n{}", title, body);
}

std::string list_text(json::value const& value) {
  if (value.is_string()) return std::string{value.get_string()};
  if (!value.is_array()) return workflow::file_text(value);
  std::string text;
  int n = 0;
  for (auto const& each : value.get_array()) {
    if (++n > 1) text += '\n';
    text += fmt::format(
        "{}. {}", n,
        each.is_string() ? std::string{each.get_string()} : workflow::compact_text(each));
  }
  return text;
}

Result<contract::Invocation> invocation_of(EffectJob const& job, json::object const& own,
                                           std::string const& agent, std::string const& prompt) {
  json::object const& usual = job.workflow.agent;
  json::object said;
  for (auto const key : kInvocationMembers)
    if (auto const* const value = member(own, usual, key)) said.emplace(key, *value);
  if (!said.contains("runner")) said.emplace("runner", "native");
  if (!said.contains("model"))
    if (auto const model =
            string_or(object_or_empty(job.definition.get_object(), "execution"), "model", "");
        !model.empty())
      said.emplace("model", model);
  if (!agent.empty()) said.emplace("agent", agent);
  auto const* const subject = member(own, usual, "subject");
  said.emplace("identity",
               json::object{{"subject", subject == nullptr ? json::value("workflow") : *subject},
                            {"launcher", fmt::format("integration:workflow/{}", job.workflow.id)}});
  // Nobody looks on: what it changes is proposed, unless it is granted more by name.
  said.emplace("trigger", "event");
  said.emplace("start", json::object{{"entrypoint", json::object{{"inline", prompt}}}});
  said.emplace("idempotency_key", dispatch_key(job.workflow.id, job.effect.id, 0));
  return contract::parse_invocation(json::value(std::move(said)));
}

}  // namespace

Result<AgentWork> parse_agent_work(EffectJob const& job, KnowsAgent const& knows) {
  auto const whole = JsonObject::of(job.definition);
  if (!whole) return std::unexpected(whole.error());
  auto const own = whole->object("agent");
  if (!own) return std::unexpected(own.error());
  auto const* const prompt = own->find("prompt");
  if (prompt == nullptr || !(prompt->is_string() || prompt->is_object()))
    return fail(ErrorCode::invalid_argument, "/agent/prompt: expected a text or an object");
  auto const agent = agent_name(own->raw(), job.workflow.agent, knows);
  if (!agent) return std::unexpected(agent.error());
  AgentWork work;
  std::string text = prompt_text(*prompt);
  if (auto const* const schema = own->find("outputSchema");
      schema != nullptr && !schema->is_null()) {
    auto compiled = Schema::compile(*schema, nullptr, UnknownKeywords::ignore);
    if (!compiled)
      return fail(ErrorCode::invalid_argument, "/agent/outputSchema: {}", compiled.error().message);
    work.output = *std::move(compiled);
    text += schema_text(*schema);
  }
  auto const corrections = own->optional_integer("corrections");
  if (!corrections) return std::unexpected(corrections.error());
  work.corrections_max = corrections->value_or(work.corrections_max);
  if (work.corrections_max < 0 || work.corrections_max > kCorrectionsMost)
    return fail(ErrorCode::invalid_argument, "/agent/corrections: expected 0 to {}",
                kCorrectionsMost);
  auto invocation = invocation_of(job, own->raw(), *agent, text);
  if (!invocation)
    return fail_next(ErrorCode::invalid_argument,
                     fmt::format("the run of the effect: {}", invocation.error().message),
                     "the effect's definition or the workflow's agent says it");
  work.invocation = *std::move(invocation);
  return work;
}

std::string prompt_text(json::value const& prompt) {
  if (prompt.is_string()) return std::string{prompt.get_string()};
  std::string text;
  auto const& said = prompt.as_object();
  if (auto const role = string_or(said, "role", ""); !role.empty())
    text = fmt::format("You are: {}", role);
  for (auto const& [key, title] :
       {std::pair{"task", "Task"}, std::pair{"context", "Context"},
        std::pair{"instructions", "Instructions"}, std::pair{"outputFormat", "Output"}})
    if (auto const* const value = said.if_contains(key); value != nullptr && !value->is_null())
      add_section(text, title, list_text(*value));
  for (auto const& each : said) {
    std::string_view const key = each.key();
    if (key != "role" && key != "task" && key != "context" && key != "instructions" &&
        key != "outputFormat")
      add_section(text, key, list_text(each.value()));
  }
  return text;
}

std::string dispatch_key(std::string_view workflow, std::string_view effect,
                         std::int64_t correction) {
  // An id may be as long as a file name.
  constexpr std::size_t kDigits = 32;
  auto const digest = sha256_hex(fmt::format("{}\n{}", workflow, effect)).substr(0, kDigits);
  return fmt::format("workflow:{}:{}", digest, correction);
}

Result<json::value> value_in_reply(std::string_view reply) {
  constexpr std::string_view kFence = "```";
  auto const whole = parse_json(trim(reply));
  if (whole) return *whole;
  auto const end = reply.rfind(kFence);
  auto const start = end == std::string_view::npos || end == 0 ? std::string_view::npos
                                                               : reply.rfind(kFence, end - 1);
  if (start == std::string_view::npos) return std::unexpected(whole.error());
  auto block = reply.substr(start + kFence.size(), end - start - kFence.size());
  // The name of the language.
  auto const line = block.find('\n');
  if (line != std::string_view::npos) block.remove_prefix(line);
  return parse_json(trim(block));
}

std::string correction_text(std::string_view why) {
  return fmt::format(
      "Your answer does not fit: {}. Answer again with nothing but the JSON value that fits the "
      "schema.",
      printable(why, 2000));
}

}  // namespace drover::driver
