#include "unit/unit_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include <boost/json.hpp>

#include "agent/output.h"
#include "base/json.h"
#include "base/json_text.h"
#include "base/text.h"

namespace drover::unit {

namespace {

JsonWriter event(std::string_view type, std::string_view turn_id) {
  JsonWriter writer;
  writer.string("type", type);
  writer.string("turn_id", turn_id);
  return writer;
}

Result<std::vector<std::string>> names_at(JsonObject const& object, std::string_view key) {
  std::vector<std::string> names;
  auto const* const value = object.find(key);
  if (value == nullptr || value->is_null()) return names;
  if (!value->is_array())
    return fail(ErrorCode::invalid_argument, "{}: expected an array of strings, found {}",
                object.pointer_to(key), json_type_name(*value));
  for (json::value const& item : value->get_array()) {
    if (!item.is_string())
      return fail(ErrorCode::invalid_argument, "{}: expected an array of strings",
                  object.pointer_to(key));
    names.emplace_back(item.get_string());
  }
  return names;
}

std::string arguments_for_event(json::object const& input) {
  json::object shown;
  for (auto const& member : input) {
    json::value const& value = member.value();
    bool const long_text = value.is_string() && value.get_string().size() > kArgumentBytesMax;
    shown[member.key()] = long_text ? json::value(agent::head_and_tail(
                                          std::string_view{value.get_string()}, kArgumentBytesMax))
                                    : value;
  }
  std::string text = json::serialize(shown);
  if (text.size() <= kArgumentsBytesMax) return text;
  return fmt::format(R"({{"left_out":"the arguments have {} bytes"}})", text.size());
}

}  // namespace

Result<UnitDescription> parse_description(std::string_view text) {
  auto const value = parse_json(text);
  if (!value) return std::unexpected(value.error());
  auto const object = JsonObject::of(*value);
  if (!object) return std::unexpected(object.error());
  UnitDescription out;
  struct Field {
    std::string_view key;
    std::string* into;
  };
  for (Field const& field : {Field{"unit", &out.unit}, Field{"session", &out.session},
                             Field{"session_dir", &out.session_dir}, Field{"model", &out.model}}) {
    auto string = object->string(field.key);
    if (!string) return std::unexpected(string.error());
    *field.into = *std::move(string);
  }
  for (Field const& field :
       {Field{"runner", &out.runner}, Field{"cwd", &out.cwd}, Field{"system", &out.system}}) {
    auto string = object->optional_string(field.key);
    if (!string) return std::unexpected(string.error());
    if (*string) *field.into = **std::move(string);
  }
  auto tools = names_at(*object, "tools");
  if (!tools) return std::unexpected(tools.error());
  out.tools = *std::move(tools);
  auto servers = names_at(*object, "mcp");
  if (!servers) return std::unexpected(servers.error());
  out.mcp = *std::move(servers);
  auto const idle = object->optional_integer("idle_s");
  if (!idle) return std::unexpected(idle.error());
  out.idle_s = std::clamp<std::int64_t>(idle->value_or(out.idle_s), 1, 31'536'000);
  auto const tokens = object->optional_integer("max_output_tokens");
  if (!tokens) return std::unexpected(tokens.error());
  out.tokens_max = std::clamp<std::int64_t>(tokens->value_or(out.tokens_max), 1, 10'000'000);
  return out;
}

Result<InboxItem> parse_inbox_item(std::string_view text) {
  auto const value = parse_json(text);
  if (!value) return std::unexpected(value.error());
  auto const object = JsonObject::of(*value);
  if (!object) return std::unexpected(object.error());
  auto const type = object->string("type");
  if (!type) return std::unexpected(type.error());
  InboxItem item;
  if (*type == "interrupt") item.type = InboxItem::Type::interrupt;
  if (*type == "stop") item.type = InboxItem::Type::stop;
  if (*type != "message") return item;
  item.type = InboxItem::Type::message;
  auto turn_id = object->string("turn_id");
  if (!turn_id) return std::unexpected(turn_id.error());
  item.turn_id = *std::move(turn_id);
  auto prompt = object->string("prompt");
  if (!prompt) return std::unexpected(prompt.error());
  item.prompt = *std::move(prompt);
  item.nonce = string_or(object->raw(), "nonce", "");
  item.model = string_or(object->raw(), "model", "");
  auto const* const limits = object->find("limits");
  if (limits == nullptr || !limits->is_object()) return item;
  auto const turns = integer_or(limits->get_object(), "max_turns", item.turns_max);
  item.turns_max =
      static_cast<int>(std::clamp<std::int64_t>(turns, 1, std::numeric_limits<int>::max()));
  return item;
}

std::string turn_accepted_event(std::string_view turn_id, std::string_view nonce) {
  JsonWriter writer = event("turn-accepted", turn_id);
  if (!nonce.empty()) writer.string("nonce", nonce);
  return std::move(writer).str();
}

std::string delta_event(std::string_view type, std::string_view turn_id, std::string_view text) {
  JsonWriter writer = event(type, turn_id);
  writer.string("text", text);
  return std::move(writer).str();
}

std::string tool_call_event(std::string_view turn_id, model::ToolCall const& call) {
  JsonWriter writer = event("tool-call", turn_id);
  writer.string("tool", call.name);
  writer.raw("args", arguments_for_event(call.input));
  writer.string("callId", call.id);
  return std::move(writer).str();
}

std::string tool_result_event(std::string_view turn_id,
                              agent::EventSink::ToolResult const& result) {
  JsonWriter writer = event("tool-result", turn_id);
  writer.string("callId", result.call_id);
  writer.boolean("ok", result.ok);
  writer.string("summary", result.summary);
  writer.integer("ms", result.took.count());
  return std::move(writer).str();
}

std::string retry_event(std::string_view turn_id, int attempt, Millis wait,
                        std::string_view reason) {
  JsonWriter writer = event("retry", turn_id);
  writer.integer("attempt", attempt);
  writer.integer("wait_ms", wait.count());
  writer.string("reason", utf8_prefix(reason, kMessageBytesMax));
  return std::move(writer).str();
}

std::string error_event(std::string_view turn_id, std::string_view message) {
  JsonWriter writer = event("error", turn_id);
  writer.string("message", utf8_prefix(message, kMessageBytesMax));
  return std::move(writer).str();
}

std::string question_event(std::string_view turn_id, std::string_view call_id,
                           agent::Question const& question) {
  JsonWriter writer = event("question", turn_id);
  writer.string("id", call_id);
  writer.string("text", question.text);
  if (!question.options.empty()) {
    json::array options;
    for (std::string const& option : question.options)
      options.emplace_back(option);
    writer.raw("options", json::serialize(options));
  }
  return std::move(writer).str();
}

std::string done_event(std::string_view turn_id, std::string_view session,
                       agent::TurnOutcome const& outcome) {
  JsonWriter writer = event("done", turn_id);
  writer.boolean("ok", outcome.ok());
  writer.string("reason", agent::to_string(outcome.reason));
  writer.string("reply", agent::head_and_tail(outcome.reply, kReplyBytesMax));
  writer.string("sessionId", session);
  writer.integer("turns", outcome.turns);
  if (!outcome.detail.empty())
    writer.string("detail", utf8_prefix(outcome.detail, kMessageBytesMax));
  return std::move(writer).str();
}

}  // namespace drover::unit
