#include "model/messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json.hpp>

#include "base/check.h"
#include "base/text.h"

namespace drover::model {

namespace {

constexpr std::string_view kCacheMark = R"(,"cache_control":{"type":"ephemeral"})";

struct StopName {
  StopReason reason;
  std::string_view name;
};
constexpr std::array kStopNames = {
    StopName{StopReason::end_turn, "end_turn"},
    StopName{StopReason::tool_use, "tool_use"},
    StopName{StopReason::max_tokens, "max_tokens"},
    StopName{StopReason::stop_sequence, "stop_sequence"},
    StopName{StopReason::pause_turn, "pause_turn"},
    StopName{StopReason::refusal, "refusal"},
    StopName{StopReason::context_window_exceeded, "model_context_window_exceeded"},
};

// As Boost.JSON prints it: a resumed session prints its history again with it, and the bytes must
// be the same for the provider's cache.
std::string quoted(std::string_view text) {
  if (!is_utf8(text)) return json::serialize(json::string_view{to_utf8(text)});
  return json::serialize(json::string_view{text});
}

void append_tools(std::string& out, std::vector<ToolSpec> const& tools) {
  if (tools.empty()) return;
  out += R"("tools":[)";
  for (std::size_t i = 0; i < tools.size(); ++i) {
    ToolSpec const& tool = tools[i];
    out += fmt::format(R"({}{{"name":{},"description":{},"input_schema":{})", i == 0 ? "" : ",",
                       quoted(tool.name), quoted(tool.description), tool.input_schema);
    if (i + 1 == tools.size()) out += kCacheMark;
    out += '}';
  }
  out += "],";
}

void append_system(std::string& out, std::string const& system) {
  if (system.empty()) return;
  out += fmt::format(R"("system":[{{"type":"text","text":{}{}}}],)", quoted(system), kCacheMark);
}

}  // namespace

Usage& Usage::operator+=(Usage const& other) {
  input += other.input;
  output += other.output;
  cache_read += other.cache_read;
  cache_write_5m += other.cache_write_5m;
  cache_write_1h += other.cache_write_1h;
  return *this;
}

void read_usage(json::object const& from, Usage& usage) {
  // An upstream's counters are not trusted: sums of these still fit.
  static constexpr std::int64_t kTokensMax = 1'000'000'000'000;
  auto const count = [](json::object const& object, std::string_view key, std::int64_t usual) {
    return std::clamp<std::int64_t>(integer_or(object, key, usual), 0, kTokensMax);
  };
  usage.input = count(from, "input_tokens", usage.input);
  usage.output = count(from, "output_tokens", usage.output);
  usage.cache_read = count(from, "cache_read_input_tokens", usage.cache_read);
  std::int64_t const written =
      count(from, "cache_creation_input_tokens", usage.cache_write_5m + usage.cache_write_1h);
  auto const* const split = from.if_contains("cache_creation");
  if (split != nullptr && split->is_object())
    usage.cache_write_1h =
        count(split->get_object(), "ephemeral_1h_input_tokens", usage.cache_write_1h);
  usage.cache_write_5m = std::max<std::int64_t>(written - usage.cache_write_1h, 0);
}

StopReason parse_stop_reason(std::string_view text) {
  auto const* const found = std::ranges::find(kStopNames, text, &StopName::name);
  return found == kStopNames.end() ? StopReason::other : found->reason;
}

std::string_view to_string(StopReason reason) {
  auto const* const found = std::ranges::find(kStopNames, reason, &StopName::reason);
  if (found != kStopNames.end()) return found->name;
  return reason == StopReason::none ? "none" : "other";
}

std::string text_block(std::string_view text) {
  return fmt::format(R"({{"type":"text","text":{}}})", quoted(text));
}

std::string tool_use_block(ToolCall const& call) {
  return fmt::format(R"({{"type":"tool_use","id":{},"name":{},"input":{}}})", quoted(call.id),
                     quoted(call.name), json::serialize(call.input));
}

std::string tool_result_block(std::string_view call_id, std::string_view content,
                              ToolOutcome outcome) {
  return fmt::format(R"({{"type":"tool_result","tool_use_id":{},"content":{}{}}})", quoted(call_id),
                     quoted(content), outcome == ToolOutcome::error ? R"(,"is_error":true)" : "");
}

std::string message_json(Role role, std::span<std::string const> blocks) {
  std::string out =
      role == Role::user ? R"({"role":"user","content":[)" : R"({"role":"assistant","content":[)";
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (i != 0) out += ',';
    out += blocks[i];
  }
  return out += "]}";
}

RequestBuilder::RequestBuilder(Options options) : options_(std::move(options)) {
  append_tools(fixed_, options_.tools);
  append_system(fixed_, options_.system);
  write_head();
}

void RequestBuilder::set_model(std::string_view model) {
  if (options_.model == model) return;
  options_.model = model;
  write_head();
}

void RequestBuilder::write_head() {
  head_ = fmt::format(R"({{"model":{},"max_tokens":{},"stream":true,)", quoted(options_.model),
                      options_.tokens_max);
  if (!options_.user_id.empty())
    head_ += fmt::format(R"("metadata":{{"user_id":{}}},)", quoted(options_.user_id));
  head_ += fixed_;
  head_ += R"("messages":[)";
}

void RequestBuilder::append(Role role, std::string_view message) {
  DROVER_CHECK(message.ends_with("}]}"));
  if (!history_.empty()) history_ += ',';
  history_ += message;
  // Thinking blocks take no mark, so only the user's side is marked.
  if (role != Role::user) return;
  before_last_anchor_ = last_anchor_;
  last_anchor_ = history_.size() - std::string_view{"}]}"}.size();
}

std::string RequestBuilder::body() {
  if (sent_anchor_ != last_anchor_) {
    // After a resume this process has sent nothing yet; the last but one message is the best guess.
    previous_anchor_ = sent_anchor_ == kNone ? before_last_anchor_ : sent_anchor_;
    sent_anchor_ = last_anchor_;
  }
  std::string out;
  out.reserve(head_.size() + history_.size() + 2 * kCacheMark.size() + 2);
  out += head_;
  std::string_view const history = history_;
  std::size_t written = 0;
  for (std::size_t const anchor : {previous_anchor_, last_anchor_}) {
    if (anchor == kNone) continue;
    out += history.substr(written, anchor - written);
    out += kCacheMark;
    written = anchor;
  }
  out += history.substr(written);
  out += "]}";
  return out;
}

}  // namespace drover::model
