#include "model/scripted.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <span>

#include <boost/json.hpp>

#include "base/text.h"

namespace drover::model {

namespace {

// What of a request the script looks at.
struct RequestView {
  std::string model;
  std::string system;
  std::string last_user_text;
  struct Result {
    std::string text;
    bool is_error = false;
  };
  std::vector<Result> results;  // since the last assistant message
  std::vector<std::string> tools;
  std::int64_t assistant_messages = 0;
  bool stream = false;
};

// A string, or the joined text of an array of content blocks.
std::string text_of(json::value const* content) {
  if (content == nullptr) return {};
  if (content->is_string()) return std::string{content->get_string()};
  if (!content->is_array()) return {};
  std::string out;
  for (json::value const& block : content->get_array()) {
    if (!block.is_object() || string_or(block.get_object(), "type", "") != "text") continue;
    if (!out.empty()) out += '\n';
    out += string_or(block.get_object(), "text", "");
  }
  return out;
}

void add_results(json::value const* content, RequestView& view) {
  if (content == nullptr || !content->is_array()) return;
  for (json::value const& value : content->get_array()) {
    if (!value.is_object()) continue;
    json::object const& block = value.get_object();
    if (string_or(block, "type", "") != "tool_result") continue;
    auto const* const is_error = block.if_contains("is_error");
    view.results.push_back({text_of(block.if_contains("content")),
                            is_error != nullptr && is_error->is_bool() && is_error->get_bool()});
  }
}

void read_messages(json::array const& messages, RequestView& view) {
  for (json::value const& value : messages) {
    if (!value.is_object()) continue;
    json::object const& message = value.get_object();
    std::string_view const role = string_or(message, "role", "");
    auto const* const content = message.if_contains("content");
    if (role == "assistant") {
      ++view.assistant_messages;
      view.results.clear();
    } else if (role == "user") {
      add_results(content, view);
      std::string text = text_of(content);
      if (!text.empty()) view.last_user_text = std::move(text);
    }
  }
}

std::optional<RequestView> view_of(json::value const& request) {
  if (!request.is_object()) return {};
  json::object const& body = request.get_object();
  auto const* const messages = body.if_contains("messages");
  if (messages == nullptr || !messages->is_array()) return {};
  RequestView view;
  view.model = string_or(body, "model", "");
  view.system = text_of(body.if_contains("system"));
  auto const* const stream = body.if_contains("stream");
  view.stream = stream != nullptr && stream->is_bool() && stream->get_bool();
  auto const* const tools = body.if_contains("tools");
  if (tools != nullptr && tools->is_array()) {
    for (json::value const& tool : tools->get_array())
      if (tool.is_object()) view.tools.emplace_back(string_or(tool.get_object(), "name", ""));
  }
  read_messages(messages->get_array(), view);
  return view;
}

constexpr std::size_t kShownBytesMax = 300;

std::string missing(std::string_view what, std::string_view wanted, std::string_view found) {
  return fmt::format("expected {} to contain \"{}\", found \"{}\"", what, printable(wanted, 200),
                     printable(found, kShownBytesMax));
}

// Empty when all hold; else what was expected and what came.
std::string broken_result(ScriptedResult const& expected, RequestView const& view) {
  if (expected.call >= view.results.size())
    return fmt::format("expected a result of tool call {}, found {} tool results", expected.call,
                       view.results.size());
  RequestView::Result const& result = view.results[expected.call];
  std::string const what = fmt::format("the result of tool call {}", expected.call);
  for (std::string const& part : expected.contains)
    if (result.text.find(part) == std::string::npos) return missing(what, part, result.text);
  for (std::string const& part : expected.lacks)
    if (result.text.find(part) != std::string::npos)
      return fmt::format("expected {} to lack \"{}\", found \"{}\"", what, printable(part, 200),
                         printable(result.text, kShownBytesMax));
  if (expected.is_error && *expected.is_error != result.is_error)
    return fmt::format("expected {} to have is_error {}, found {} (\"{}\")", what,
                       *expected.is_error, result.is_error, printable(result.text, kShownBytesMax));
  return {};
}

std::string broken_expectation(ScriptedExpect const& expect, RequestView const& view) {
  if (expect.model && *expect.model != view.model)
    return fmt::format("expected the model \"{}\", found \"{}\"", printable(*expect.model),
                       printable(view.model));
  for (std::string const& part : expect.system_contains)
    if (view.system.find(part) == std::string::npos)
      return missing("the system prompt", part, view.system);
  for (std::string const& part : expect.last_user_text_contains)
    if (view.last_user_text.find(part) == std::string::npos)
      return missing("the last user text", part, view.last_user_text);
  for (std::string const& tool : expect.tools_include)
    if (std::ranges::find(view.tools, tool) == view.tools.end())
      return fmt::format("expected the tool {} to be offered, found {}", printable(tool),
                         printable(fmt::format("{}", fmt::join(view.tools, ", ")), kShownBytesMax));
  for (ScriptedResult const& result : expect.tool_results)
    if (std::string broken = broken_result(result, view); !broken.empty()) return broken;
  return {};
}

// Replaces {{turn}} and {{iteration}}.
struct Template {
  std::int64_t turn = 0;
  std::int64_t iteration = 0;

  [[nodiscard]] std::string fill(std::string_view text) const {
    std::string out;
    while (!text.empty()) {
      auto const open = text.find("{{");
      out += text.substr(0, open);
      if (open == std::string_view::npos) break;
      text.remove_prefix(open);
      constexpr std::string_view kTurn = "{{turn}}";
      constexpr std::string_view kIteration = "{{iteration}}";
      if (text.starts_with(kTurn)) {
        out += std::to_string(turn);
        text.remove_prefix(kTurn.size());
      } else if (text.starts_with(kIteration)) {
        out += std::to_string(iteration);
        text.remove_prefix(kIteration.size());
      } else {
        out += "{{";
        text.remove_prefix(2);
      }
    }
    return out;
  }

  [[nodiscard]] json::value fill(json::value const& value) const {
    if (value.is_string()) return json::string{fill(std::string_view{value.get_string()})};
    if (value.is_object()) return fill(value.get_object());
    if (!value.is_array()) return value;
    json::array out;
    for (json::value const& item : value.get_array())
      out.push_back(fill(item));
    return out;
  }
  [[nodiscard]] json::object fill(json::object const& object) const {
    json::object out;
    for (auto const& member : object)
      out[member.key()] = fill(member.value());
    return out;
  }
};

struct Answer {
  std::string id;
  std::string model;
  std::vector<std::string> thinking;
  std::vector<std::string> text;
  std::vector<ToolCall> calls;
  std::string stop_reason;
  Usage usage;
};

std::vector<std::string> pieces_of(std::vector<std::string> const& pieces, std::size_t bytes,
                                   Template const& values) {
  std::vector<std::string> out;
  for (std::string const& piece : pieces) {
    std::string const filled = values.fill(piece);
    std::string_view rest = filled;
    while (bytes != 0 && rest.size() > bytes) {
      std::string_view part = utf8_prefix(rest, bytes);
      // A character wider than the piece still goes whole.
      if (part.empty()) part = utf8_prefix(rest, 4);
      out.emplace_back(part);
      rest.remove_prefix(part.size());
    }
    if (!rest.empty()) out.emplace_back(rest);
  }
  return out;
}

Answer make_answer(ScriptedTurn const& turn, RequestView const& view, Template const& values,
                   std::size_t body_bytes) {
  Answer answer;
  answer.id = fmt::format("msg_scripted_{:06}", values.turn);
  answer.model = view.model;
  answer.thinking = pieces_of(turn.thinking, turn.delta_bytes, values);
  answer.text = pieces_of(turn.text, turn.delta_bytes, values);
  std::size_t output_bytes = 0;
  for (std::string const& piece : answer.thinking)
    output_bytes += piece.size();
  for (std::string const& piece : answer.text)
    output_bytes += piece.size();
  for (std::size_t i = 0; i < turn.calls.size(); ++i) {
    ScriptedCall const& scripted = turn.calls[i];
    ToolCall call;
    call.id = scripted.id.empty() ? fmt::format("toolu_scripted_{:06}_{}", values.turn, i)
                                  : values.fill(scripted.id);
    call.name = scripted.name;
    call.input = values.fill(scripted.input);
    output_bytes += json::serialize(call.input).size();
    answer.calls.push_back(std::move(call));
  }
  answer.stop_reason = turn.stop_reason;
  if (answer.stop_reason.empty())
    answer.stop_reason = answer.calls.empty() ? "end_turn" : "tool_use";
  // Four bytes a token, as a rule of thumb, so that demonstrations show plausible figures.
  constexpr std::size_t kBytesPerToken = 4;
  Usage estimate;
  estimate.input = static_cast<std::int64_t>((body_bytes + kBytesPerToken - 1) / kBytesPerToken);
  estimate.output = static_cast<std::int64_t>((output_bytes + kBytesPerToken - 1) / kBytesPerToken);
  answer.usage = turn.usage.value_or(estimate);
  return answer;
}

json::object usage_object(Usage const& usage) {
  return {{"input_tokens", usage.input},
          {"cache_creation_input_tokens", usage.cache_write_5m + usage.cache_write_1h},
          {"cache_read_input_tokens", usage.cache_read},
          {"cache_creation",
           {{"ephemeral_5m_input_tokens", usage.cache_write_5m},
            {"ephemeral_1h_input_tokens", usage.cache_write_1h}}},
          {"output_tokens", usage.output}};
}

constexpr std::string_view kSignature = "c2NyaXB0ZWQ=";

// One server-sent event, and whether it shows something new and so comes at the script's pace.
struct Event {
  std::string bytes;
  bool paced = false;
};

class EventWriter {
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
  std::vector<Event> take() { return std::move(events_); }

 private:
  std::vector<Event> events_;
  std::int64_t index_ = 0;
};

void write_content(Answer const& answer, EventWriter& writer) {
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

std::vector<Event> stream_events(Answer const& answer) {
  EventWriter writer;
  Usage at_start = answer.usage;
  at_start.output = 1;
  json::object message{{"id", answer.id},          {"type", "message"},
                       {"role", "assistant"},      {"model", answer.model},
                       {"content", json::array{}}, {"stop_reason", nullptr},
                       {"stop_sequence", nullptr}, {"usage", usage_object(at_start)}};
  writer.add("message_start", {{"message", std::move(message)}});
  write_content(answer, writer);
  writer.add("message_delta",
             {{"delta", {{"stop_reason", answer.stop_reason}, {"stop_sequence", nullptr}}},
              {"usage", {{"output_tokens", answer.usage.output}}}});
  writer.add("message_stop", {});
  return writer.take();
}

std::string joined(std::vector<std::string> const& pieces) {
  std::string out;
  for (std::string const& piece : pieces)
    out += piece;
  return out;
}

std::string message_body(Answer const& answer) {
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
                             {"usage", usage_object(answer.usage)}};
  return json::serialize(message);
}

// Puts steps together; bytes without a wait between them become one step.
class PlanWriter {
 public:
  void wait(Millis duration) {
    if (duration.count() == 0) return;
    PlanStep step;
    step.kind = PlanStep::Kind::wait;
    step.wait = duration;
    plan_.push_back(std::move(step));
  }
  void head(int status, std::string_view content_type,
            std::vector<std::pair<std::string, std::string>> more = {}) {
    PlanStep step;
    step.kind = PlanStep::Kind::head;
    step.status = status;
    step.headers.emplace_back("content-type", content_type);
    step.headers.emplace_back("request-id", "req_scripted");
    for (auto& header : more)
      step.headers.push_back(std::move(header));
    plan_.push_back(std::move(step));
  }
  void bytes(std::string_view text) {
    if (plan_.empty() || plan_.back().kind != PlanStep::Kind::bytes) plan_.emplace_back();
    plan_.back().bytes += text;
  }
  void end(PlanStep::Kind kind) {
    PlanStep step;
    step.kind = kind;
    plan_.push_back(std::move(step));
  }
  Plan take() { return std::move(plan_); }

 private:
  Plan plan_;
};

std::string error_body(std::string_view type, std::string_view message) {
  json::object const body{
      {"type", "error"},
      {"error", {{"type", json::string_view{type}}, {"message", json::string_view{message}}}},
      {"request_id", "req_scripted"}};
  return json::serialize(body);
}

Plan refuse(std::string_view message) {
  PlanWriter writer;
  writer.head(400, "application/json");
  writer.bytes(error_body("invalid_request_error", message));
  return writer.take();
}

Plan status_fault(ScriptedFault const& fault) {
  PlanWriter writer;
  std::vector<std::pair<std::string, std::string>> headers;
  if (fault.retry_after_s)
    headers.emplace_back("retry-after", fmt::format("{}", *fault.retry_after_s));
  if (fault.retry_after_ms)
    headers.emplace_back("retry-after-ms", std::to_string(*fault.retry_after_ms));
  writer.head(fault.status, "application/json", std::move(headers));
  writer.bytes(error_body(fault.type, fault.message));
  return writer.take();
}

void write_events(std::vector<Event> const& events, std::size_t count, Millis pace,
                  PlanWriter& writer) {
  for (std::size_t i = 0; i < std::min(count, events.size()); ++i) {
    if (events[i].paced) writer.wait(pace);
    writer.bytes(events[i].bytes);
  }
}

void write_fault_end(ScriptedFault const& fault, PlanWriter& writer) {
  switch (fault.kind) {
    case ScriptedFault::Kind::hang:
      return writer.end(PlanStep::Kind::hang);
    case ScriptedFault::Kind::malformed:
      return writer.bytes("event: content_block_delta\ndata: {\"type\":\"content_block_de\n\n");
    case ScriptedFault::Kind::stream_error:
      return writer.bytes(
          fmt::format("event: error\ndata: {}\n\n", error_body(fault.type, fault.message)));
    case ScriptedFault::Kind::cut:
    case ScriptedFault::Kind::status:
      return writer.end(PlanStep::Kind::cut);
  }
}

Plan stream_plan(ScriptedTurn const& turn, Answer const& answer, ScriptedFault const* fault) {
  PlanWriter writer;
  writer.wait(turn.delay);
  if (fault != nullptr && fault->kind == ScriptedFault::Kind::hang && !fault->after_events) {
    writer.end(PlanStep::Kind::hang);
    return writer.take();
  }
  writer.head(200, "text/event-stream; charset=utf-8", {{"cache-control", "no-cache"}});
  std::vector<Event> const events = stream_events(answer);
  std::size_t const count = fault == nullptr ? events.size() : fault->after_events.value_or(1);
  write_events(events, count, turn.delta_delay, writer);
  if (fault != nullptr) write_fault_end(*fault, writer);
  return writer.take();
}

Plan whole_plan(ScriptedTurn const& turn, Answer const& answer, ScriptedFault const* fault) {
  PlanWriter writer;
  writer.wait(turn.delay);
  if (fault != nullptr && fault->kind == ScriptedFault::Kind::stream_error) {
    ScriptedFault as_status = *fault;
    as_status.status = 529;
    return status_fault(as_status);
  }
  if (fault != nullptr && fault->kind == ScriptedFault::Kind::hang) {
    writer.end(PlanStep::Kind::hang);
    return writer.take();
  }
  std::string const body = message_body(answer);
  writer.head(200, "application/json");
  writer.bytes(fault == nullptr ? body : body.substr(0, body.size() / 2));
  if (fault != nullptr && fault->kind == ScriptedFault::Kind::cut) writer.end(PlanStep::Kind::cut);
  return writer.take();
}

ScriptedFault const* pick_fault(ScriptedTurn const& turn, int attempt) {
  for (ScriptedFault const& fault : turn.faults) {
    if (attempt <= fault.times) return &fault;
    attempt -= fault.times;
  }
  return nullptr;
}

}  // namespace

int ScriptedAttempts::next(std::string_view session, std::size_t turn) {
  std::string key = fmt::format("{} {}", turn, session);
  auto const found = counts_.find(key);
  if (found != counts_.end()) return ++found->second;
  if (order_.size() >= kTurnsMax) {
    counts_.erase(order_.front());
    order_.pop_front();
  }
  order_.push_back(key);
  counts_.emplace(std::move(key), 1);
  return 1;
}

std::optional<ScriptedModel::Place> ScriptedModel::find(std::int64_t turn) const {
  std::int64_t const count = ends_.back();
  if (turn >= count) {
    if (after_last_ == AfterLast::error) return {};
    if (after_last_ == AfterLast::repeat_last)
      return Place{&turns_.back(), turns_.back().repeat - 1 + (turn - count) + 1};
    turn %= count;
  }
  auto const end = std::ranges::upper_bound(ends_, turn);
  auto const index = static_cast<std::size_t>(end - ends_.begin());
  return Place{&turns_[index], turn - (*end - turns_[index].repeat)};
}

Plan ScriptedModel::answer(std::string_view request_body, std::string_view session,
                           ScriptedAttempts& attempts) const {
  // Not parse_json(): a long history is the hot path of the benchmarks, and a repeated key in it
  // decides nothing here.
  boost::system::error_code error;
  json::monotonic_resource memory;
  json::parse_options options;
  options.max_depth = JsonBounds{}.depth_max;
  json::value const request = json::parse(request_body, error, &memory, options);
  if (error)
    return refuse(
        fmt::format("scripted model: the request is not valid JSON: {}", error.message()));
  return answer(request, request_body.size(), session, attempts);
}

Plan ScriptedModel::answer(json::value const& request, std::size_t body_bytes,
                           std::string_view session, ScriptedAttempts& attempts) const {
  auto const view = view_of(request);
  if (!view) return refuse("scripted model: /messages: expected an array of messages");
  auto const place = find(view->assistant_messages);
  if (!place)
    return refuse(fmt::format(
        "scripted model: the script \"{}\" has {} turns, and this request asks for turn {} (it "
        "holds {} assistant messages); add turns, or set after_last",
        printable(name_), ends_.back(), view->assistant_messages + 1, view->assistant_messages));
  ScriptedTurn const& turn = *place->turn;
  if (std::string const broken = broken_expectation(turn.expect, *view); !broken.empty())
    return refuse(fmt::format("scripted model: /turns/{}/expect: {}", turn.index, broken));
  ScriptedFault const* fault = nullptr;
  if (!turn.faults.empty())
    fault = pick_fault(turn,
                       attempts.next(session, static_cast<std::size_t>(view->assistant_messages)));
  if (fault != nullptr && fault->kind == ScriptedFault::Kind::status) {
    Plan plan = status_fault(*fault);
    if (turn.delay.count() == 0) return plan;
    PlanStep wait;
    wait.kind = PlanStep::Kind::wait;
    wait.wait = turn.delay;
    plan.insert(plan.begin(), std::move(wait));
    return plan;
  }
  Template const values{view->assistant_messages, place->iteration};
  Answer const answer = make_answer(turn, *view, values, body_bytes);
  return view->stream ? stream_plan(turn, answer, fault) : whole_plan(turn, answer, fault);
}

std::string ScriptedModel::model_list() const {
  json::array data;
  for (std::string const& model : models_)
    data.push_back({{"type", "model"},
                    {"id", model},
                    {"display_name", model},
                    {"created_at", "2026-01-01T00:00:00Z"}});
  json::object const body{{"data", std::move(data)},
                          {"has_more", false},
                          {"first_id", models_.front()},
                          {"last_id", models_.back()}};
  return json::serialize(body);
}

}  // namespace drover::model
