#include "cli/transcript.h"

#include <fmt/format.h>

#include <algorithm>

#include <boost/json/serialize.hpp>

#include "base/text.h"
#include "cli/layout.h"

namespace drover::cli {

namespace {

// Where the server keeps the changes of a turn that did not succeed.
constexpr std::string_view kRescueRefs = "refs/drover/rescue/";

constexpr std::size_t kResultLinesMax = 4;
constexpr std::size_t kViolationsMax = 20;
constexpr std::size_t kArgumentBytesMax = 2000;
constexpr std::size_t kOpenCallsMax = 1000;  // a stream that never answers its calls
constexpr std::string_view kWorkspacePrefix = "/workspace/";

std::string flat(std::string_view text, std::size_t bytes_max = kArgumentBytesMax) {
  return printable(text, bytes_max);
}

std::string flat_member(json::object const& object, std::string_view key,
                        std::string_view fallback = "") {
  return flat(string_or(object, key, fallback));
}

double number_or_zero(json::object const& object, std::string_view key) {
  auto const* const value = object.if_contains(key);
  return value != nullptr && value->is_number() ? value->to_number<double>() : 0.0;
}

bool is_true(json::object const& object, std::string_view key) {
  auto const* const value = object.if_contains(key);
  return value != nullptr && value->is_bool() && value->get_bool();
}

std::string_view short_path(std::string_view path) {
  if (path.starts_with(kWorkspacePrefix)) path.remove_prefix(kWorkspacePrefix.size());
  return path;
}

std::size_t line_count(std::string_view text) {
  if (text.empty()) return 0;
  auto const breaks = static_cast<std::size_t>(std::ranges::count(text, '\n'));
  return breaks + (text.back() == '\n' ? 0 : 1);
}

std::string describe_shell(json::object const& arguments) {
  std::string_view const command = trim(string_or(arguments, "command", ""));
  auto const end = command.find('\n');
  std::string line = flat(trim(command.substr(0, end)));
  if (end != std::string_view::npos) line += " …";
  return line;
}

std::string describe_file(std::string_view tool, json::object const& arguments) {
  std::string line = flat(short_path(string_or(arguments, "file_path", "")));
  if (tool == "Write")
    line += fmt::format(
        "  ({})",
        counted(static_cast<std::int64_t>(line_count(string_or(arguments, "content", ""))),
                "line"));
  if (tool == "Edit")
    line += fmt::format("  (+{} -{})", line_count(string_or(arguments, "new_string", "")),
                        line_count(string_or(arguments, "old_string", "")));
  return line;
}

std::string describe_search(json::object const& arguments) {
  std::string line = flat_member(arguments, "pattern");
  std::string_view const path = string_or(arguments, "path", "");
  if (!path.empty()) line += fmt::format("  in {}", flat(short_path(path)));
  return line;
}

}  // namespace

std::string describe_tool_call(std::string_view tool, json::value const& arguments) {
  if (arguments.is_object()) {
    json::object const& object = arguments.get_object();
    if (tool == "Bash" && object.contains("command")) return describe_shell(object);
    if ((tool == "Read" || tool == "Write" || tool == "Edit") && object.contains("file_path"))
      return describe_file(tool, object);
    if ((tool == "Glob" || tool == "Grep") && object.contains("pattern"))
      return describe_search(object);
    if (object.empty()) return {};
  }
  return flat(json::serialize(arguments));
}

std::string TranscriptRenderer::begin_block(Block block) {
  return_held_ = false;
  // A result belongs to its call; anything else starts after an empty line.
  bool const same = block == block_ && (block == Block::tool || block == Block::note);
  std::size_t const wanted = block_ == Block::none || same ? 1 : 2;
  std::string out;
  for (; newlines_ < wanted; ++newlines_)
    out += '\n';
  block_ = block;
  return out;
}

std::string TranscriptRenderer::streamed(std::string_view text, Paint paint_with) {
  std::string raw;
  if (return_held_) raw += '\r';
  raw += text;
  return_held_ = raw.ends_with('\r');
  if (return_held_) raw.pop_back();
  std::string const safe = terminal_safe(raw);
  auto const last = safe.find_last_not_of('\n');
  newlines_ = last == std::string::npos ? newlines_ + safe.size() : safe.size() - 1 - last;
  return paint(style_, paint_with, safe);
}

std::string TranscriptRenderer::note(Paint paint_with, std::string_view line) {
  std::string out = begin_block(Block::note);
  out += paint(style_, paint_with, line);
  out += '\n';
  newlines_ = 1;
  return out;
}

std::string TranscriptRenderer::on_delta(json::object const& event, Block block) {
  std::string_view text = string_or(event, "text", "");
  if (text.empty()) return {};
  std::string out;
  if (block != block_) {
    // Models like to begin with empty lines; the transcript has its own.
    text.remove_prefix(std::min(text.find_first_not_of("\r\n"), text.size()));
    if (text.empty()) return {};
    out = begin_block(block);
  }
  if (block == Block::text) text_since_call_ = text_seen_ = true;
  return out + streamed(text, block == Block::thinking ? Paint::thought : Paint::plain);
}

std::string TranscriptRenderer::on_tool_call(json::object const& event) {
  std::string_view const tool = string_or(event, "tool", "?");
  json::value const none;
  auto const* const arguments = event.if_contains("args");
  std::string const what = describe_tool_call(tool, arguments == nullptr ? none : *arguments);
  std::string const name = flat(tool, 40);
  std::string const call{string_or(event, "callId", "")};
  if (tools_.size() < kOpenCallsMax) tools_[call] = name;
  last_call_ = call;
  text_since_call_ = false;

  std::string out = begin_block(Block::tool);
  out += paint(style_, Paint::cyan, "●");
  out += ' ';
  out += paint(style_, Paint::bold, name);
  std::size_t const used = 4 + display_width(name);
  std::size_t const room = style_.width > used ? style_.width - used : 0;
  // On a file the line is not cut: nothing wraps there.
  std::string const shown = style_.device == Device::file ? what : cut_to_width(what, room);
  if (!shown.empty()) out += "  " + shown;
  out += '\n';
  newlines_ = 1;
  return out;
}

std::string TranscriptRenderer::on_tool_result(json::object const& event) {
  std::string_view const call = string_or(event, "callId", "");
  bool const ok = is_true(event, "ok");
  std::string lead;
  auto const tool = tools_.find(call);
  // Results of parallel calls come in any order: name those that do not stand under their call.
  if (call != last_call_ && tool != tools_.end()) lead = tool->second + ": ";
  if (!ok) lead += "failed: ";
  if (tool != tools_.end()) tools_.erase(tool);

  std::string const safe = terminal_safe(trim(string_or(event, "summary", "")));
  std::vector<std::string_view> lines = split(safe, '\n');
  while (!lines.empty() && trim(lines.back()).empty())
    lines.pop_back();
  std::string tail;
  std::int64_t const ms = integer_or(event, "ms", 0);
  if (ms >= 1000) tail = fmt::format("  ({})", short_duration(Millis{ms}));

  std::string out = begin_block(Block::tool);
  newlines_ = 1;
  Paint const colour = ok ? Paint::dim : Paint::red;
  auto const line = [&](std::string_view indent, std::string const& text) {
    std::string const tabless = flat(text);
    std::size_t const room = style_.width > 4 ? style_.width - 4 : 0;
    std::string const shown = style_.device == Device::file ? tabless : cut_to_width(tabless, room);
    out += paint(style_, colour, std::string{indent} + shown);
    out += '\n';
  };
  if (lines.empty()) {
    line("  ⎿ ", lead + (ok ? "no output" : "no reason given") + tail);
    return out;
  }
  std::size_t const shown = lines.size() <= kResultLinesMax + 1 ? lines.size() : kResultLinesMax;
  for (std::size_t i = 0; i < shown; ++i)
    line(i == 0 ? "  ⎿ " : "    ",
         (i == 0 ? lead : "") + std::string{lines[i]} + (i == 0 ? tail : ""));
  if (shown < lines.size()) line("    ", fmt::format("… {} more lines", lines.size() - shown));
  return out;
}

std::string TranscriptRenderer::on_retry(json::object const& event) {
  std::string line = fmt::format("↻ retry {} in {}", integer_or(event, "attempt", 1),
                                 short_duration(Millis{integer_or(event, "wait_ms", 0)}));
  std::string const reason = flat_member(event, "reason");
  if (!reason.empty()) line += ": " + reason;
  if (text_since_call_) line += "; the partial answer above is discarded";
  text_since_call_ = false;
  return note(Paint::yellow, line);
}

std::string TranscriptRenderer::on_done(json::object const& event) {
  std::string out;
  std::string_view const reply = string_or(event, "reply", "");
  // A runner that does not stream sends its answer only here.
  if (!text_seen_ && !trim(reply).empty()) {
    out += begin_block(Block::text);
    out += streamed(trim(reply), Paint::plain);
  }
  if (is_true(event, "ok")) return out;
  std::string line = "✗ " + flat_member(event, "reason", "failed");
  std::string const detail = flat_member(event, "detail");
  if (!detail.empty()) line += ": " + detail;
  return out + note(Paint::red, line);
}

std::string TranscriptRenderer::on_commit(json::object const& event) {
  std::string const branch = flat_member(event, "branch");
  std::string const changes =
      fmt::format("({}, +{} -{})", counted(integer_or(event, "files", 0), "file"),
                  integer_or(event, "insertions", 0), integer_or(event, "deletions", 0));
  if (branch.starts_with(kRescueRefs))
    return note(Paint::yellow, fmt::format("⤷ changes set aside at {}  {}", branch, changes));
  std::string line = fmt::format("✔ commit {}", flat(string_or(event, "sha", "").substr(0, 8)));
  if (!branch.empty()) line += " on " + branch;
  std::string const subject = flat_member(event, "subject");
  if (!subject.empty()) line += ": " + subject;
  return note(Paint::green, line + "  " + changes);
}

std::string TranscriptRenderer::on_rejected(json::object const& event) {
  std::string out = note(Paint::red, fmt::format("✗ the change to {} was rejected, and nothing of "
                                                 "it is committed",
                                                 flat_member(event, "workspace", "the workspace")));
  auto const* const violations = event.if_contains("violations");
  if (violations == nullptr || !violations->is_array()) return out;
  std::size_t shown = 0;
  for (json::value const& violation : violations->get_array()) {
    if (shown++ == kViolationsMax) {
      out += note(Paint::red,
                  fmt::format("  … {} more", violations->get_array().size() - kViolationsMax));
      break;
    }
    std::string line = "  ";
    if (violation.is_string()) {
      line += flat(std::string_view{violation.get_string()});
    } else if (violation.is_object() && violation.get_object().contains("path")) {
      line += fmt::format("{}: {}", flat_member(violation.get_object(), "path"),
                          flat_member(violation.get_object(), "message"));
    } else {
      line += flat(json::serialize(violation));
    }
    out += note(Paint::red, line);
  }
  return out;
}

std::string TranscriptRenderer::on_state(json::object const& event) {
  tally_.state = flat_member(event, "to");
  tally_.reason = flat_member(event, "reason");
  if (tally_.state != "waiting") return {};
  std::string line = "⏸ waiting";
  if (tally_.reason == "waiting_input")
    line += " for your answer";
  else if (!tally_.reason.empty())
    line += " for " + tally_.reason;
  return note(Paint::yellow, line);
}

void TranscriptRenderer::on_usage(json::object const& event) {
  ++tally_.model_calls;
  tally_.tokens_in += integer_or(event, "input", 0) + integer_or(event, "cache_read", 0) +
                      integer_or(event, "cache_write", 0);
  tally_.tokens_out += integer_or(event, "output", 0);
  tally_.cost_usd += number_or_zero(event, "cost_usd");
}

std::string TranscriptRenderer::on_other(std::string_view type, json::object const& event) {
  if (type == "error") return note(Paint::red, "✗ " + flat_member(event, "message", "error"));
  if (type == "limit")
    return note(Paint::yellow, "! the limit " + flat_member(event, "which") + " is reached");
  if (type == "egress" && flat_member(event, "outcome") != "opened")
    return note(Paint::yellow,
                fmt::format("! no connection to {}: {}", flat_member(event, "host", "a host"),
                            flat_member(event, "reason")));
  if (type == "mcp-call" && flat_member(event, "outcome") == "refused")
    return note(Paint::yellow,
                fmt::format("! {} of {} was not called: {}", flat_member(event, "tool", "a tool"),
                            flat_member(event, "server"), flat_member(event, "reason")));
  if (type == "commit-failed")
    return note(Paint::red, fmt::format("✗ cannot commit {}: {}",
                                        flat_member(event, "workspace", "the workspace"),
                                        flat_member(event, "error")));
  if (type == "compacted") return note(Paint::dim, "· the conversation was compacted");
  if (type == "approval-requested" && string_or(event, "kind", "") == "tool")
    return note(Paint::yellow,
                fmt::format("⏸ waits for you to allow {}; see: drover approvals show {}",
                            flat_member(event, "title"), flat_member(event, "id")));
  if (type == "approval-requested" && string_or(event, "kind", "") == "change")
    return note(Paint::yellow, fmt::format("⏸ proposed, decide with: drover approvals approve {}",
                                           flat_member(event, "id")));
  if (type == "approval-requested")
    return note(Paint::yellow,
                "⏸ asks for an approval: " + flat_member(event, "title", flat_member(event, "id")));
  if (type == "question") return on_question(event);
  if (type == "policy-reverted") {
    auto const* const paths = event.if_contains("paths");
    return note(Paint::yellow,
                "! reverted by policy: " + flat(paths == nullptr ? "" : json::serialize(*paths)));
  }
  return {};
}

std::string TranscriptRenderer::on_question(json::object const& event) {
  std::string text = note(Paint::yellow, "? " + flat_member(event, "text"));
  auto const* const options = event.if_contains("options");
  if (options == nullptr || !options->is_array()) return text;
  for (json::value const& option : options->get_array())
    if (option.is_string())
      text += note(Paint::yellow, "    - " + flat(std::string_view{option.get_string()}));
  return text;
}

std::string TranscriptRenderer::on_event(json::object const& event) {
  std::string_view const type = string_or(event, "type", "");
  if (type == "message-delta") return on_delta(event, Block::text);
  if (type == "thinking-delta") return on_delta(event, Block::thinking);
  if (type == "tool-call") return on_tool_call(event);
  if (type == "tool-result") return on_tool_result(event);
  if (type == "retry") return on_retry(event);
  if (type == "done") return on_done(event);
  if (type == "commit") return on_commit(event);
  if (type == "rejected") return on_rejected(event);
  if (type == "state") return on_state(event);
  if (type == "usage") {
    on_usage(event);
    return {};
  }
  if (type == "turn-complete") {
    tally_.state = flat_member(event, "state");
    tally_.reason = flat_member(event, "reason");
    tally_.ended = true;
    return finish();
  }
  return on_other(type, event);
}

std::string TranscriptRenderer::finish() {
  return_held_ = false;
  if (newlines_ > 0) return {};
  newlines_ = 1;
  return "\n";
}

}  // namespace drover::cli
