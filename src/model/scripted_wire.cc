#include "model/scripted_wire.h"

#include <fmt/format.h>

#include <span>
#include <utility>

#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "model/openai.h"

namespace drover::model {

namespace {

std::string joined(std::vector<std::string> const& pieces) {
  std::string out;
  for (std::string const& piece : pieces)
    out += piece;
  return out;
}

// Tool arguments come in two halves, as the real APIs send them in pieces.
std::pair<std::string, std::string> halves(json::object const& input) {
  std::string const text = json::serialize(input);
  std::size_t const half = utf8_prefix(text, text.size() / 2).size();
  return {text.substr(0, half), text.substr(half)};
}

// ---- Messages

json::object messages_usage(Usage const& usage) {
  return {{"input_tokens", usage.input},
          {"cache_creation_input_tokens", usage.cache_write_5m + usage.cache_write_1h},
          {"cache_read_input_tokens", usage.cache_read},
          {"cache_creation",
           {{"ephemeral_5m_input_tokens", usage.cache_write_5m},
            {"ephemeral_1h_input_tokens", usage.cache_write_1h}}},
          {"output_tokens", usage.output}};
}

constexpr std::string_view kSignature = "c2NyaXB0ZWQ=";

class MessagesWriter {
 public:
  void add(std::string_view type, json::object data, bool paced = false) {
    data["type"] = json::string_view{type};
    events_.push_back({fmt::format("event: {}\ndata: {}\n\n", type, json::serialize(data)), paced});
  }
  void block(json::object start, std::span<json::object const> deltas) {
    add("content_block_start", {{"index", index_}, {"content_block", std::move(start)}});
    for (json::object const& delta : deltas)
      add("content_block_delta", {{"index", index_}, {"delta", delta}}, true);
    add("content_block_stop", {{"index", index_}});
    ++index_;
  }
  std::vector<ScriptedEvent> take() { return std::move(events_); }

 private:
  std::vector<ScriptedEvent> events_;
  std::int64_t index_ = 0;
};

void write_content(ScriptedAnswer const& answer, MessagesWriter& writer) {
  if (!answer.thinking.empty()) {
    std::vector<json::object> deltas;
    for (std::string const& piece : answer.thinking)
      deltas.push_back({{"type", "thinking_delta"}, {"thinking", piece}});
    deltas.push_back({{"type", "signature_delta"}, {"signature", json::string_view{kSignature}}});
    writer.block({{"type", "thinking"}, {"thinking", ""}, {"signature", ""}}, deltas);
  }
  if (!answer.text.empty()) {
    std::vector<json::object> deltas;
    for (std::string const& piece : answer.text)
      deltas.push_back({{"type", "text_delta"}, {"text", piece}});
    writer.block({{"type", "text"}, {"text", ""}}, deltas);
  }
  for (ToolCall const& call : answer.calls) {
    // In two halves, as the real API sends arguments in pieces.
    std::string const input = json::serialize(call.input);
    std::size_t const half = utf8_prefix(input, input.size() / 2).size();
    std::vector<json::object> const deltas{
        {{"type", "input_json_delta"}, {"partial_json", json::string_view{input}.substr(0, half)}},
        {{"type", "input_json_delta"}, {"partial_json", json::string_view{input}.substr(half)}}};
    writer.block(
        {{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", json::object{}}},
        deltas);
  }
}

std::vector<ScriptedEvent> messages_events(ScriptedAnswer const& answer) {
  MessagesWriter writer;
  Usage at_start = answer.usage;
  at_start.output = 1;
  json::object message{{"id", answer.id},          {"type", "message"},
                       {"role", "assistant"},      {"model", answer.model},
                       {"content", json::array{}}, {"stop_reason", nullptr},
                       {"stop_sequence", nullptr}, {"usage", messages_usage(at_start)}};
  writer.add("message_start", {{"message", std::move(message)}});
  write_content(answer, writer);
  writer.add("message_delta",
             {{"delta", {{"stop_reason", answer.stop_reason}, {"stop_sequence", nullptr}}},
              {"usage", {{"output_tokens", answer.usage.output}}}});
  writer.add("message_stop", {});
  return writer.take();
}

std::string message_body(ScriptedAnswer const& answer) {
  json::array content;
  if (!answer.thinking.empty())
    content.push_back({{"type", "thinking"},
                       {"thinking", joined(answer.thinking)},
                       {"signature", json::string_view{kSignature}}});
  if (!answer.text.empty()) content.push_back({{"type", "text"}, {"text", joined(answer.text)}});
  for (ToolCall const& call : answer.calls)
    content.push_back(
        {{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", call.input}});
  json::object const message{{"id", answer.id},
                             {"type", "message"},
                             {"role", "assistant"},
                             {"model", answer.model},
                             {"content", std::move(content)},
                             {"stop_reason", answer.stop_reason},
                             {"stop_sequence", nullptr},
                             {"usage", messages_usage(answer.usage)}};
  return json::serialize(message);
}

// ---- Responses

json::object responses_item(ScriptedAnswer const& answer, std::string_view text) {
  json::array content;
  content.push_back({{"type", "output_text"}, {"text", text}, {"annotations", json::array{}}});
  return {{"type", "message"},
          {"id", answer.id + "_text"},
          {"role", "assistant"},
          {"status", "completed"},
          {"content", std::move(content)}};
}

json::object reasoning_item(ScriptedAnswer const& answer, std::string_view text) {
  json::array summary;
  if (!text.empty()) summary.push_back({{"type", "summary_text"}, {"text", text}});
  return {{"type", "reasoning"}, {"id", answer.id + "_reasoning"}, {"summary", std::move(summary)}};
}

json::object call_item(ToolCall const& call, std::string_view arguments, std::string_view status) {
  return {{"type", "function_call"}, {"id", "fc_" + call.id},  {"call_id", call.id},
          {"name", call.name},       {"arguments", arguments}, {"status", status}};
}

json::array responses_output(ScriptedAnswer const& answer) {
  json::array output;
  if (!answer.thinking.empty()) output.push_back(reasoning_item(answer, joined(answer.thinking)));
  if (!answer.text.empty()) output.push_back(responses_item(answer, joined(answer.text)));
  for (ToolCall const& call : answer.calls)
    output.push_back(call_item(call, json::serialize(call.input), "completed"));
  return output;
}

json::object response_object(ScriptedAnswer const& answer, std::string_view status) {
  json::object response{{"id", answer.id},
                        {"object", "response"},
                        {"created_at", 0},
                        {"status", status},
                        {"model", answer.model},
                        {"error", nullptr},
                        {"incomplete_details", nullptr},
                        {"output", json::array{}},
                        {"usage", nullptr}};
  if (status == "in_progress") return response;
  response["output"] = responses_output(answer);
  response["usage"] = responses_usage(answer.usage);
  if (status == "incomplete")
    response["incomplete_details"] = json::object{{"reason", "max_output_tokens"}};
  return response;
}

std::string_view responses_status(ScriptedAnswer const& answer) {
  return answer.stop_reason == "max_tokens" ? "incomplete" : "completed";
}

class ResponsesWriter {
 public:
  void add(std::string_view type, json::object data, bool paced = false) {
    data["type"] = json::string_view{type};
    data["sequence_number"] = static_cast<std::int64_t>(events_.size());
    events_.push_back({fmt::format("event: {}\ndata: {}\n\n", type, json::serialize(data)), paced});
  }
  void begin_item(json::object item) {
    id_ = std::string{item.at("id").get_string()};
    add("response.output_item.added", {{"output_index", index_}, {"item", std::move(item)}});
  }
  // An event of the item that was begun.
  void part(std::string_view type, json::object data, bool paced = false) {
    data["item_id"] = id_;
    data["output_index"] = index_;
    add(type, std::move(data), paced);
  }
  void end_item(json::object item) {
    add("response.output_item.done", {{"output_index", index_}, {"item", std::move(item)}});
    ++index_;
  }
  std::vector<ScriptedEvent> take() { return std::move(events_); }

 private:
  std::vector<ScriptedEvent> events_;
  std::string id_;
  std::int64_t index_ = 0;
};

void write_reasoning(ScriptedAnswer const& answer, ResponsesWriter& writer) {
  std::string const whole = joined(answer.thinking);
  writer.begin_item(reasoning_item(answer, ""));
  writer.part("response.reasoning_summary_part.added",
              {{"summary_index", 0}, {"part", {{"type", "summary_text"}, {"text", ""}}}});
  for (std::string const& piece : answer.thinking)
    writer.part("response.reasoning_summary_text.delta", {{"summary_index", 0}, {"delta", piece}},
                true);
  writer.part("response.reasoning_summary_text.done", {{"summary_index", 0}, {"text", whole}});
  writer.part("response.reasoning_summary_part.done",
              {{"summary_index", 0}, {"part", {{"type", "summary_text"}, {"text", whole}}}});
  writer.end_item(reasoning_item(answer, whole));
}

json::object text_part(std::string_view text) {
  return {{"type", "output_text"}, {"text", text}, {"annotations", json::array{}}};
}

void write_text(ScriptedAnswer const& answer, ResponsesWriter& writer) {
  std::string const whole = joined(answer.text);
  json::object begun = responses_item(answer, "");
  begun["content"] = json::array{};
  begun["status"] = "in_progress";
  writer.begin_item(std::move(begun));
  writer.part("response.content_part.added", {{"content_index", 0}, {"part", text_part("")}});
  for (std::string const& piece : answer.text)
    writer.part("response.output_text.delta", {{"content_index", 0}, {"delta", piece}}, true);
  writer.part("response.output_text.done", {{"content_index", 0}, {"text", whole}});
  writer.part("response.content_part.done", {{"content_index", 0}, {"part", text_part(whole)}});
  writer.end_item(responses_item(answer, whole));
}

std::vector<ScriptedEvent> responses_events(ScriptedAnswer const& answer) {
  ResponsesWriter writer;
  writer.add("response.created", {{"response", response_object(answer, "in_progress")}});
  if (!answer.thinking.empty()) write_reasoning(answer, writer);
  if (!answer.text.empty()) write_text(answer, writer);
  for (ToolCall const& call : answer.calls) {
    auto const [first, second] = halves(call.input);
    writer.begin_item(call_item(call, "", "in_progress"));
    writer.part("response.function_call_arguments.delta", {{"delta", first}}, true);
    writer.part("response.function_call_arguments.delta", {{"delta", second}}, true);
    writer.part("response.function_call_arguments.done", {{"arguments", first + second}});
    writer.end_item(call_item(call, first + second, "completed"));
  }
  std::string_view const status = responses_status(answer);
  writer.add(fmt::format("response.{}", status), {{"response", response_object(answer, status)}});
  return writer.take();
}

// ---- Chat Completions

std::string_view finish_reason(ScriptedAnswer const& answer) {
  if (answer.stop_reason == "end_turn" || answer.stop_reason == "stop_sequence") return "stop";
  if (answer.stop_reason == "tool_use") return "tool_calls";
  if (answer.stop_reason == "max_tokens") return "length";
  if (answer.stop_reason == "refusal") return "content_filter";
  return answer.stop_reason;
}

json::object chat_call(ToolCall const& call, std::string_view arguments) {
  return {{"id", call.id},
          {"type", "function"},
          {"function", {{"name", call.name}, {"arguments", arguments}}}};
}

class ChatWriter {
 public:
  explicit ChatWriter(ScriptedAnswer const& answer) : answer_(answer) {}

  void delta(json::object delta, json::value finish = nullptr, bool paced = false) {
    json::array choices;
    choices.push_back({{"index", 0}, {"delta", std::move(delta)}, {"finish_reason", finish}});
    add(std::move(choices), nullptr, paced);
  }
  void usage(json::object usage) { add(json::array{}, std::move(usage), false); }
  void done() { events_.push_back({"data: [DONE]\n\n", false}); }
  std::vector<ScriptedEvent> take() { return std::move(events_); }

 private:
  void add(json::array choices, json::value usage, bool paced) {
    json::object chunk{{"id", answer_.id},
                       {"object", "chat.completion.chunk"},
                       {"created", 0},
                       {"model", answer_.model},
                       {"choices", std::move(choices)}};
    if (!usage.is_null()) chunk["usage"] = std::move(usage);
    events_.push_back({fmt::format("data: {}\n\n", json::serialize(chunk)), paced});
  }
  ScriptedAnswer const& answer_;
  std::vector<ScriptedEvent> events_;
};

std::vector<ScriptedEvent> chat_events(ScriptedAnswer const& answer, ChatUsage with_usage) {
  ChatWriter writer{answer};
  writer.delta({{"role", "assistant"}, {"content", ""}});
  for (std::string const& piece : answer.thinking)
    writer.delta({{"reasoning_content", piece}}, nullptr, true);
  for (std::string const& piece : answer.text)
    writer.delta({{"content", piece}}, nullptr, true);
  for (std::size_t i = 0; i < answer.calls.size(); ++i) {
    auto const [first, second] = halves(answer.calls[i].input);
    json::object begun = chat_call(answer.calls[i], first);
    begun["index"] = static_cast<std::int64_t>(i);
    writer.delta({{"tool_calls", json::array{std::move(begun)}}}, nullptr, true);
    json::object rest{{"index", static_cast<std::int64_t>(i)},
                      {"function", {{"arguments", second}}}};
    writer.delta({{"tool_calls", json::array{std::move(rest)}}}, nullptr, true);
  }
  writer.delta({}, json::string{finish_reason(answer)});
  if (with_usage == ChatUsage::in_stream) writer.usage(chat_usage(answer.usage));
  writer.done();
  return writer.take();
}

json::object chat_body(ScriptedAnswer const& answer) {
  json::object message{{"role", "assistant"}, {"content", nullptr}};
  if (!answer.text.empty()) message["content"] = joined(answer.text);
  if (!answer.thinking.empty()) message["reasoning_content"] = joined(answer.thinking);
  json::array calls;
  for (ToolCall const& call : answer.calls)
    calls.push_back(chat_call(call, json::serialize(call.input)));
  if (!calls.empty()) message["tool_calls"] = std::move(calls);
  json::array choices;
  choices.push_back({{"index", 0},
                     {"message", std::move(message)},
                     {"finish_reason", json::string{finish_reason(answer)}}});
  return {{"id", answer.id},
          {"object", "chat.completion"},
          {"created", 0},
          {"model", answer.model},
          {"choices", std::move(choices)},
          {"usage", chat_usage(answer.usage)}};
}

}  // namespace

std::vector<ScriptedEvent> scripted_events(ScriptedAnswer const& answer, WireFormat format,
                                           ChatUsage chat_usage) {
  switch (format) {
    case WireFormat::messages:
      return messages_events(answer);
    case WireFormat::responses:
      return responses_events(answer);
    case WireFormat::chat:
      return chat_events(answer, chat_usage);
  }
  return {};
}

std::string scripted_body(ScriptedAnswer const& answer, WireFormat format) {
  switch (format) {
    case WireFormat::messages:
      return message_body(answer);
    case WireFormat::responses:
      return json::serialize(response_object(answer, responses_status(answer)));
    case WireFormat::chat:
      return json::serialize(chat_body(answer));
  }
  return {};
}

std::string broken_event(WireFormat format) {
  switch (format) {
    case WireFormat::messages:
      return "event: content_block_delta\ndata: {\"type\":\"content_block_de\n\n";
    case WireFormat::responses:
      return "event: response.output_text.delta\ndata: {\"type\":\"response.out\n\n";
    case WireFormat::chat:
      return "data: {\"id\":\"chat\n\n";
  }
  return {};
}

}  // namespace drover::model
