// Reads a script file. docs/scripted-model.md is the grammar.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>

#include <boost/json.hpp>

#include "base/text.h"
#include "model/failure.h"
#include "model/scripted.h"

namespace drover::model {

namespace {

constexpr std::int64_t kDelayMsMax = 3'600'000;
constexpr std::int64_t kTimesMax = 1'000'000;
constexpr std::int64_t kEventsMax = 1'000'000;

// A misspelt key would be a fault that never happens or an expectation that is never checked.
Status refuse_unknown(JsonObject const& object, std::initializer_list<std::string_view> known) {
  for (auto const& member : object.raw()) {
    std::string_view const key{member.key().data(), member.key().size()};
    if (std::ranges::find(known, key) != known.end()) continue;
    return fail(ErrorCode::invalid_argument, "{}: unknown member, expected one of {}",
                object.pointer_to(key), fmt::join(known, ", "));
  }
  return {};
}

Result<std::int64_t> bounded(JsonObject const& object, std::string_view key, std::int64_t fallback,
                             std::int64_t low, std::int64_t high) {
  auto const value = object.optional_integer(key);
  if (!value) return std::unexpected(value.error());
  std::int64_t const number = value->value_or(fallback);
  if (number < low || number > high)
    return fail(ErrorCode::invalid_argument, "{}: expected an integer from {} to {}, found {}",
                object.pointer_to(key), low, high, number);
  return number;
}

// A string, or an array of strings; absent gives none.
Result<std::vector<std::string>> strings(JsonObject const& object, std::string_view key) {
  std::vector<std::string> out;
  auto const* const value = object.find(key);
  if (value == nullptr || value->is_null()) return out;
  if (value->is_string()) {
    out.emplace_back(value->get_string());
    return out;
  }
  if (!value->is_array())
    return fail(ErrorCode::invalid_argument,
                "{}: expected a string or an array of strings, found {}", object.pointer_to(key),
                json_type_name(*value));
  for (std::size_t i = 0; i < value->get_array().size(); ++i) {
    json::value const& item = value->get_array()[i];
    if (!item.is_string())
      return fail(ErrorCode::invalid_argument, "{}/{}: expected a string, found {}",
                  object.pointer_to(key), i, json_type_name(item));
    out.emplace_back(item.get_string());
  }
  return out;
}

// Runs `read` on each object of the array `key`; absent is an empty array.
template <class Read>
Status each_object(JsonObject const& object, std::string_view key, Read read) {
  auto const* const value = object.find(key);
  if (value == nullptr || value->is_null()) return {};
  if (!value->is_array())
    return fail(ErrorCode::invalid_argument, "{}: expected an array, found {}",
                object.pointer_to(key), json_type_name(*value));
  for (std::size_t i = 0; i < value->get_array().size(); ++i) {
    auto const item =
        JsonObject::of(value->get_array()[i], fmt::format("{}/{}", object.pointer_to(key), i));
    if (!item) return std::unexpected(item.error());
    DROVER_TRY(read(*item));
  }
  return {};
}

Result<ScriptedCall> parse_call(JsonObject const& object) {
  DROVER_TRY(refuse_unknown(object, {"name", "input", "id"}));
  ScriptedCall call;
  auto name = object.string("name");
  if (!name) return std::unexpected(name.error());
  call.name = *std::move(name);
  if (object.find("input") != nullptr) {
    auto const input = object.object("input");
    if (!input) return std::unexpected(input.error());
    call.input = input->raw();
  }
  auto id = object.optional_string("id");
  if (!id) return std::unexpected(id.error());
  call.id = id->value_or("");
  return call;
}

struct FaultName {
  std::string_view name;
  ScriptedFault::Kind kind;
};
constexpr std::array kFaultNames = {
    FaultName{"status", ScriptedFault::Kind::status},
    FaultName{"cut", ScriptedFault::Kind::cut},
    FaultName{"hang", ScriptedFault::Kind::hang},
    FaultName{"malformed", ScriptedFault::Kind::malformed},
    FaultName{"stream_error", ScriptedFault::Kind::stream_error},
};

std::string_view default_error_type(int status) {
  switch (status) {
    case 400:
      return "invalid_request_error";
    case 401:
      return "authentication_error";
    case 402:
      return "billing_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 529:
      return "overloaded_error";
    default:
      return "api_error";
  }
}

Result<ScriptedFault::Kind> parse_fault_kind(JsonObject const& object) {
  auto const kind = object.string("kind");
  if (!kind) return std::unexpected(kind.error());
  auto const* const found = std::ranges::find(kFaultNames, *kind, &FaultName::name);
  if (found != kFaultNames.end()) return found->kind;
  return fail(ErrorCode::invalid_argument,
              "{}: expected one of status, cut, hang, malformed, stream_error, found \"{}\"",
              object.pointer_to("kind"), printable(*kind, 60));
}

Status check_fault_members(JsonObject const& object, ScriptedFault::Kind kind) {
  switch (kind) {
    case ScriptedFault::Kind::status:
      return refuse_unknown(object, {"kind", "status", "type", "message", "retry_after_s",
                                     "retry_after_ms", "times"});
    case ScriptedFault::Kind::stream_error:
      return refuse_unknown(object, {"kind", "type", "message", "after_events", "times"});
    default:
      return refuse_unknown(object, {"kind", "after_events", "times"});
  }
}

Status read_fault_waits(JsonObject const& object, ScriptedFault& fault) {
  auto const seconds = object.optional_number("retry_after_s");
  if (!seconds) return std::unexpected(seconds.error());
  auto const milliseconds = object.optional_integer("retry_after_ms");
  if (!milliseconds) return std::unexpected(milliseconds.error());
  if ((*seconds && **seconds < 0.0) || (*milliseconds && **milliseconds < 0))
    return fail(ErrorCode::invalid_argument, "{}: expected no negative wait",
                object.pointer_to(*seconds ? "retry_after_s" : "retry_after_ms"));
  fault.retry_after_s = *seconds;
  fault.retry_after_ms = *milliseconds;
  return {};
}

Result<ScriptedFault> parse_fault(JsonObject const& object) {
  ScriptedFault fault;
  auto const kind = parse_fault_kind(object);
  if (!kind) return std::unexpected(kind.error());
  fault.kind = *kind;
  DROVER_TRY(check_fault_members(object, *kind));
  auto const times = bounded(object, "times", 1, 1, kTimesMax);
  if (!times) return std::unexpected(times.error());
  fault.times = static_cast<int>(*times);
  if (object.find("after_events") != nullptr) {
    auto const events = bounded(object, "after_events", 1, 0, kEventsMax);
    if (!events) return std::unexpected(events.error());
    fault.after_events = static_cast<std::size_t>(*events);
  }
  if (*kind == ScriptedFault::Kind::status) {
    if (object.find("status") == nullptr)
      return fail(ErrorCode::invalid_argument,
                  "{}: expected an integer from 400 to 599, found nothing",
                  object.pointer_to("status"));
    auto const status = bounded(object, "status", 0, 400, 599);
    if (!status) return std::unexpected(status.error());
    fault.status = static_cast<int>(*status);
  }
  DROVER_TRY(read_fault_waits(object, fault));
  auto type = object.optional_string("type");
  if (!type) return std::unexpected(type.error());
  fault.type = type->value_or(*kind == ScriptedFault::Kind::stream_error
                                  ? "overloaded_error"
                                  : std::string{default_error_type(fault.status)});
  auto message = object.optional_string("message");
  if (!message) return std::unexpected(message.error());
  fault.message = message->value_or("scripted fault");
  return fault;
}

Result<ScriptedResult> parse_expected_result(JsonObject const& object, std::size_t position) {
  DROVER_TRY(refuse_unknown(object, {"call", "contains", "lacks", "is_error"}));
  ScriptedResult result;
  auto const call = bounded(object, "call", static_cast<std::int64_t>(position), 0, 1000);
  if (!call) return std::unexpected(call.error());
  result.call = static_cast<std::size_t>(*call);
  auto contains = strings(object, "contains");
  if (!contains) return std::unexpected(contains.error());
  result.contains = *std::move(contains);
  auto lacks = strings(object, "lacks");
  if (!lacks) return std::unexpected(lacks.error());
  result.lacks = *std::move(lacks);
  auto const is_error = object.optional_boolean("is_error");
  if (!is_error) return std::unexpected(is_error.error());
  result.is_error = *is_error;
  return result;
}

Result<ScriptedExpect> parse_expect(JsonObject const& object) {
  DROVER_TRY(refuse_unknown(object, {"model", "system_contains", "last_user_text_contains",
                                     "tools_include", "tool_results"}));
  ScriptedExpect expect;
  auto model = object.optional_string("model");
  if (!model) return std::unexpected(model.error());
  expect.model = *std::move(model);
  auto system = strings(object, "system_contains");
  if (!system) return std::unexpected(system.error());
  expect.system_contains = *std::move(system);
  auto user = strings(object, "last_user_text_contains");
  if (!user) return std::unexpected(user.error());
  expect.last_user_text_contains = *std::move(user);
  auto tools = strings(object, "tools_include");
  if (!tools) return std::unexpected(tools.error());
  expect.tools_include = *std::move(tools);
  DROVER_TRY(each_object(object, "tool_results", [&](JsonObject const& item) -> Status {
    auto result = parse_expected_result(item, expect.tool_results.size());
    if (!result) return std::unexpected(result.error());
    expect.tool_results.push_back(*std::move(result));
    return {};
  }));
  return expect;
}

Result<Usage> parse_usage(JsonObject const& object) {
  DROVER_TRY(refuse_unknown(object,
                            {"input", "output", "cache_read", "cache_write_5m", "cache_write_1h"}));
  constexpr std::int64_t kTokensMax = 1'000'000'000;
  Usage usage;
  struct Field {
    std::string_view key;
    std::int64_t* value;
  };
  for (Field const& field :
       {Field{"input", &usage.input}, Field{"output", &usage.output},
        Field{"cache_read", &usage.cache_read}, Field{"cache_write_5m", &usage.cache_write_5m},
        Field{"cache_write_1h", &usage.cache_write_1h}}) {
    auto const tokens = bounded(object, field.key, 0, 0, kTokensMax);
    if (!tokens) return std::unexpected(tokens.error());
    *field.value = *tokens;
  }
  return usage;
}

struct Pace {  // defaults of the whole script
  std::int64_t delay_ms = 0;
  std::int64_t delta_delay_ms = 0;
  std::int64_t delta_bytes = 0;
};

Result<Pace> parse_pace(JsonObject const& object, Pace const& fallback) {
  Pace pace;
  auto const delay = bounded(object, "delay_ms", fallback.delay_ms, 0, kDelayMsMax);
  if (!delay) return std::unexpected(delay.error());
  auto const delta = bounded(object, "delta_delay_ms", fallback.delta_delay_ms, 0, kDelayMsMax);
  if (!delta) return std::unexpected(delta.error());
  auto const bytes = bounded(object, "delta_bytes", fallback.delta_bytes, 0, 1 << 20);
  if (!bytes) return std::unexpected(bytes.error());
  pace.delay_ms = *delay;
  pace.delta_delay_ms = *delta;
  pace.delta_bytes = *bytes;
  return pace;
}

Status read_content(JsonObject const& object, ScriptedTurn& turn) {
  auto thinking = strings(object, "thinking");
  if (!thinking) return std::unexpected(thinking.error());
  turn.thinking = *std::move(thinking);
  auto text = strings(object, "text");
  if (!text) return std::unexpected(text.error());
  turn.text = *std::move(text);
  return each_object(object, "tool_calls", [&](JsonObject const& item) -> Status {
    auto call = parse_call(item);
    if (!call) return std::unexpected(call.error());
    turn.calls.push_back(*std::move(call));
    return {};
  });
}

Status read_behaviour(JsonObject const& object, ScriptedTurn& turn) {
  DROVER_TRY(each_object(object, "faults", [&](JsonObject const& item) -> Status {
    auto fault = parse_fault(item);
    if (!fault) return std::unexpected(fault.error());
    turn.faults.push_back(*std::move(fault));
    return {};
  }));
  if (object.find("expect") != nullptr) {
    auto const object_of_expect = object.object("expect");
    if (!object_of_expect) return std::unexpected(object_of_expect.error());
    auto expect = parse_expect(*object_of_expect);
    if (!expect) return std::unexpected(expect.error());
    turn.expect = *std::move(expect);
  }
  if (object.find("usage") != nullptr) {
    auto const object_of_usage = object.object("usage");
    if (!object_of_usage) return std::unexpected(object_of_usage.error());
    auto const usage = parse_usage(*object_of_usage);
    if (!usage) return std::unexpected(usage.error());
    turn.usage = *usage;
  }
  return {};
}

Result<ScriptedTurn> parse_turn(JsonObject const& object, Pace const& defaults) {
  DROVER_TRY(refuse_unknown(
      object, {"comment", "expect", "thinking", "text", "tool_calls", "delay_ms", "delta_delay_ms",
               "delta_bytes", "usage", "stop_reason", "faults", "repeat"}));
  ScriptedTurn turn;
  DROVER_TRY(read_content(object, turn));
  DROVER_TRY(read_behaviour(object, turn));
  auto const pace = parse_pace(object, defaults);
  if (!pace) return std::unexpected(pace.error());
  turn.delay = Millis{pace->delay_ms};
  turn.delta_delay = Millis{pace->delta_delay_ms};
  turn.delta_bytes = static_cast<std::size_t>(pace->delta_bytes);
  auto stop_reason = object.optional_string("stop_reason");
  if (!stop_reason) return std::unexpected(stop_reason.error());
  turn.stop_reason = stop_reason->value_or("");
  auto const repeat = bounded(object, "repeat", 1, 1, ScriptedModel::kRepeatMax);
  if (!repeat) return std::unexpected(repeat.error());
  turn.repeat = *repeat;
  return turn;
}

}  // namespace

Result<ScriptedModel> ScriptedModel::parse(std::string_view text) {
  auto const value = parse_json(text);
  if (!value) return std::unexpected(value.error());
  auto const root = JsonObject::of(*value);
  if (!root) return std::unexpected(root.error());
  DROVER_TRY(
      refuse_unknown(*root, {"$schema", "version", "name", "comment", "models", "pricing",
                             "delay_ms", "delta_delay_ms", "delta_bytes", "after_last", "turns"}));
  auto const version = bounded(*root, "version", 1, 1, 1);
  if (!version) return std::unexpected(version.error());
  ScriptedModel model;
  auto name = root->optional_string("name");
  if (!name) return std::unexpected(name.error());
  model.name_ = name->value_or("scripted");
  auto models = strings(*root, "models");
  if (!models) return std::unexpected(models.error());
  model.models_ = *std::move(models);
  if (model.models_.empty()) model.models_.push_back(model.name_);
  if (root->find("pricing") != nullptr) {
    auto const object = root->object("pricing");
    if (!object) return std::unexpected(object.error());
    DROVER_TRY(refuse_unknown(
        *object, {"input", "output", "cache_read", "cache_write_5m", "cache_write_1h"}));
    auto const price = parse_price(*object);
    if (!price) return std::unexpected(price.error());
    model.price_ = *price;
  }
  auto const after = root->optional_string("after_last");
  if (!after) return std::unexpected(after.error());
  std::string const after_last = after->value_or("error");
  if (after_last != "error" && after_last != "repeat_last" && after_last != "loop")
    return fail(ErrorCode::invalid_argument,
                "/after_last: expected one of error, repeat_last, loop, found \"{}\"",
                printable(after_last, 60));
  if (after_last == "repeat_last") model.after_last_ = AfterLast::repeat_last;
  if (after_last == "loop") model.after_last_ = AfterLast::loop;

  auto const pace = parse_pace(*root, {});
  if (!pace) return std::unexpected(pace.error());
  std::int64_t end = 0;
  DROVER_TRY(each_object(*root, "turns", [&](JsonObject const& item) -> Status {
    if (model.turns_.size() >= kTurnsMax)
      return fail(ErrorCode::too_large, "/turns: expected at most {} turns; use repeat", kTurnsMax);
    auto turn = parse_turn(item, *pace);
    if (!turn) return std::unexpected(turn.error());
    turn->index = model.turns_.size();
    end += turn->repeat;
    model.ends_.push_back(end);
    model.turns_.push_back(*std::move(turn));
    return {};
  }));
  if (model.turns_.empty())
    return fail(ErrorCode::invalid_argument, "/turns: expected an array of at least one turn");
  return model;
}

}  // namespace drover::model
