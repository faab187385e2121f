#include "model/scripted.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <span>

#include <boost/json.hpp>

#include "base/text.h"
#include "model/scripted_view.h"
#include "model/scripted_wire.h"

namespace drover::model {

namespace {

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
  if (expected.is_error && result.is_error && *expected.is_error != *result.is_error)
    return fmt::format("expected {} to have is_error {}, found {} (\"{}\")", what,
                       *expected.is_error, *result.is_error,
                       printable(result.text, kShownBytesMax));
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

ScriptedAnswer make_answer(ScriptedTurn const& turn, RequestView const& view,
                           Template const& values, std::size_t body_bytes) {
  ScriptedAnswer answer;
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

Plan refuse(WireFormat format, std::string_view message) {
  PlanWriter writer;
  writer.head(400, "application/json");
  writer.bytes(error_body(format, "invalid_request_error", message));
  return writer.take();
}

Plan status_fault(ScriptedFault const& fault, WireFormat format) {
  PlanWriter writer;
  std::vector<std::pair<std::string, std::string>> headers;
  if (fault.retry_after_s)
    headers.emplace_back("retry-after", fmt::format("{}", *fault.retry_after_s));
  if (fault.retry_after_ms)
    headers.emplace_back("retry-after-ms", std::to_string(*fault.retry_after_ms));
  writer.head(fault.status, "application/json", std::move(headers));
  writer.bytes(error_body(format, fault.type, fault.message));
  return writer.take();
}

void write_events(std::vector<ScriptedEvent> const& events, std::size_t count, Millis pace,
                  PlanWriter& writer) {
  for (std::size_t i = 0; i < std::min(count, events.size()); ++i) {
    if (events[i].paced) writer.wait(pace);
    writer.bytes(events[i].bytes);
  }
}

void write_fault_end(ScriptedFault const& fault, WireFormat format, PlanWriter& writer) {
  switch (fault.kind) {
    case ScriptedFault::Kind::hang:
      return writer.end(PlanStep::Kind::hang);
    case ScriptedFault::Kind::malformed:
      return writer.bytes(broken_event(format));
    case ScriptedFault::Kind::stream_error:
      return writer.bytes(error_event(format, fault.type, fault.message));
    case ScriptedFault::Kind::cut:
    case ScriptedFault::Kind::status:
      return writer.end(PlanStep::Kind::cut);
  }
}

Plan stream_plan(ScriptedTurn const& turn, ScriptedAnswer const& answer, ScriptedFault const* fault,
                 WireFormat format, ChatUsage chat_usage) {
  PlanWriter writer;
  writer.wait(turn.delay);
  if (fault != nullptr && fault->kind == ScriptedFault::Kind::hang && !fault->after_events) {
    writer.end(PlanStep::Kind::hang);
    return writer.take();
  }
  writer.head(200, "text/event-stream; charset=utf-8", {{"cache-control", "no-cache"}});
  std::vector<ScriptedEvent> const events = scripted_events(answer, format, chat_usage);
  std::size_t const count = fault == nullptr ? events.size() : fault->after_events.value_or(1);
  write_events(events, count, turn.delta_delay, writer);
  if (fault != nullptr) write_fault_end(*fault, format, writer);
  return writer.take();
}

Plan whole_plan(ScriptedTurn const& turn, ScriptedAnswer const& answer, ScriptedFault const* fault,
                WireFormat format) {
  PlanWriter writer;
  writer.wait(turn.delay);
  if (fault != nullptr && fault->kind == ScriptedFault::Kind::stream_error) {
    ScriptedFault as_status = *fault;
    as_status.status = 529;
    return status_fault(as_status, format);
  }
  if (fault != nullptr && fault->kind == ScriptedFault::Kind::hang) {
    writer.end(PlanStep::Kind::hang);
    return writer.take();
  }
  std::string const body = scripted_body(answer, format);
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
                           ScriptedAttempts& attempts, WireFormat format) const {
  // Not parse_json(): a long history is the hot path of the benchmarks, and a repeated key in it
  // decides nothing here.
  boost::system::error_code error;
  json::monotonic_resource memory;
  json::parse_options options;
  options.max_depth = JsonBounds{}.depth_max;
  json::value const request = json::parse(request_body, error, &memory, options);
  if (error)
    return refuse(
        format, fmt::format("scripted model: the request is not valid JSON: {}", error.message()));
  return answer(request, request_body.size(), session, attempts, format);
}

Plan ScriptedModel::answer(json::value const& request, std::size_t body_bytes,
                           std::string_view session, ScriptedAttempts& attempts,
                           WireFormat format) const {
  auto const view = view_of(request, format);
  if (!view)
    return refuse(format, fmt::format("scripted model: /{}: expected the conversation",
                                      format == WireFormat::responses ? "input" : "messages"));
  auto const place = find(view->answers);
  if (!place)
    return refuse(
        format,
        fmt::format(
            "scripted model: the script \"{}\" has {} turns, and this request asks for turn {} (it "
            "holds {} answers of the model); add turns, or set after_last",
            printable(name_), ends_.back(), view->answers + 1, view->answers));
  ScriptedTurn const& turn = *place->turn;
  if (std::string const broken = broken_expectation(turn.expect, *view); !broken.empty())
    return refuse(format, fmt::format("scripted model: /turns/{}/expect: {}", turn.index, broken));
  ScriptedFault const* fault = nullptr;
  if (!turn.faults.empty())
    fault = pick_fault(turn, attempts.next(session, static_cast<std::size_t>(view->answers)));
  if (fault != nullptr && fault->kind == ScriptedFault::Kind::status) {
    Plan plan = status_fault(*fault, format);
    if (turn.delay.count() == 0) return plan;
    PlanStep wait;
    wait.kind = PlanStep::Kind::wait;
    wait.wait = turn.delay;
    plan.insert(plan.begin(), std::move(wait));
    return plan;
  }
  Template const values{view->answers, place->iteration};
  ScriptedAnswer const answer = make_answer(turn, *view, values, body_bytes);
  if (!view->stream) return whole_plan(turn, answer, fault, format);
  return stream_plan(turn, answer, fault, format,
                     view->wants_usage ? ChatUsage::in_stream : ChatUsage::left_out);
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
