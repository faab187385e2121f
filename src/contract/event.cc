#include "contract/event.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/json_text.h"
#include "base/text.h"
#include "contract/fields.h"
#include "contract/schemas.h"

namespace drover::contract {

namespace {

constexpr std::array<Named<EventType>, 25> kTypes = {
    {{EventType::turn_accepted, "turn-accepted"},
     {EventType::message_delta, "message-delta"},
     {EventType::thinking_delta, "thinking-delta"},
     {EventType::tool_call, "tool-call"},
     {EventType::tool_result, "tool-result"},
     {EventType::retry, "retry"},
     {EventType::compacted, "compacted"},
     {EventType::subagent_started, "subagent-started"},
     {EventType::subagent_done, "subagent-done"},
     {EventType::question, "question"},
     {EventType::error, "error"},
     {EventType::done, "done"},
     {EventType::ping, "ping"},
     {EventType::state, "state"},
     {EventType::usage, "usage"},
     {EventType::approval_requested, "approval-requested"},
     {EventType::approval_resolved, "approval-resolved"},
     {EventType::commit, "commit"},
     {EventType::rejected, "rejected"},
     {EventType::policy_reverted, "policy-reverted"},
     {EventType::commit_failed, "commit-failed"},
     {EventType::limit, "limit"},
     {EventType::egress, "egress"},
     {EventType::mcp_call, "mcp-call"},
     {EventType::turn_complete, "turn-complete"}}};

JsonWriter begin(EventHead const& head, EventType type) {
  JsonWriter writer;
  writer.string("run", head.run.str());
  writer.integer("epoch", static_cast<std::int64_t>(head.epoch));
  writer.string("type", to_string(type));
  writer.string("turn_id", head.turn_id);
  return writer;
}

void write(JsonWriter& writer, Usage const& usage) {
  writer.integer("input", usage.input);
  writer.integer("output", usage.output);
  writer.integer("cache_read", usage.cache_read);
  writer.integer("cache_write", usage.cache_write);
  writer.number("cost_usd", usage.cost_usd);
}

void write(JsonWriter& writer, CommitSummary const& commit) {
  writer.string("workspace", commit.workspace.str());
  writer.string("sha", commit.sha);
  writer.string("branch", commit.branch);
  writer.integer("files", commit.files);
  writer.integer("insertions", commit.insertions);
  writer.integer("deletions", commit.deletions);
  writer.string("subject", commit.subject);
}

std::string print(RuleViolation const& violation) {
  JsonWriter writer;
  if (!violation.path.empty()) writer.string("path", violation.path);
  writer.string("rule", violation.rule);
  writer.string("message", violation.message);
  return std::move(writer).str();
}

template <class Items, class Print>
std::string print_array(Items const& items, Print print_one) {
  std::string out = "[";
  for (auto const& item : items) {
    if (out.size() > 1) out += ',';
    out += print_one(item);
  }
  return out + "]";
}

Result<UnitEvent> unit_event_of(json::value value) {
  // The type's own definition, found by its name, spares trying the others.
  auto const* type_name = value.is_object() ? value.get_object().if_contains("type") : nullptr;
  auto const type = type_name != nullptr && type_name->is_string()
                        ? value_of(kTypes, std::string_view{type_name->get_string()})
                        : std::nullopt;
  bool const claims_server_members =
      value.is_object() &&
      std::ranges::any_of(std::array{"seq", "at", "run", "epoch"},
                          [&](char const* key) { return value.get_object().contains(key); });
  bool const is_plain = type && is_from_unit(*type) && !claims_server_members;
  DROVER_TRY(check(Contract::event, is_plain ? to_string(*type) : "unitEvent", value));
  UnitEvent event;
  event.type = *type;
  event.turn_id = text_at(value.get_object(), "turn_id");
  event.body = std::move(value.get_object());
  return event;
}

}  // namespace

std::string_view to_string(EventType type) {
  return name_of(kTypes, type);
}

Result<EventType> parse_event_type(std::string_view text) {
  return parse_name(kTypes, "event type", text);
}

bool is_from_unit(EventType type) {
  return type <= EventType::ping;
}
bool is_terminal(EventType type) {
  return type == EventType::turn_complete;
}

Usage& Usage::operator+=(Usage const& other) {
  input += other.input;
  output += other.output;
  cache_read += other.cache_read;
  cache_write += other.cache_write;
  cost_usd += other.cost_usd;
  return *this;
}

Result<UnitEvent> parse_unit_event(std::string_view line) {
  auto value = parse_json(line, {.bytes_max = kUnitEventBytesMax});
  if (!value) return std::unexpected(std::move(value).error());
  return unit_event_of(*std::move(value));
}

Result<std::vector<UnitEvent>> parse_unit_events(std::string_view body, std::size_t events_max) {
  std::vector<UnitEvent> events;
  std::size_t number = 0;
  while (!body.empty()) {
    auto const end = std::min(body.find('\n'), body.size());
    auto const line = trim(body.substr(0, end));
    body.remove_prefix(std::min(end + 1, body.size()));
    ++number;
    if (line.empty()) continue;
    if (events.size() == events_max)
      return fail(ErrorCode::too_large, "the body has more than {} events", events_max);
    auto event = parse_unit_event(line);
    if (!event) {
      Error error = std::move(event).error();
      error.message = fmt::format("line {}: {}", number, error.message);
      return std::unexpected(std::move(error));
    }
    events.push_back(*std::move(event));
  }
  return events;
}

std::string draft_of(UnitEvent const& event, EventHead const& head) {
  JsonWriter writer = begin(head, event.type);
  for (auto const& member : event.body) {
    std::string_view const key{member.key().data(), member.key().size()};
    if (key == "type" || key == "turn_id") continue;
    if (member.value().is_string()) {
      writer.string(key, std::string_view{member.value().get_string()});
    } else {
      writer.raw(key, json::serialize(member.value()));
    }
  }
  return std::move(writer).str();
}

UnitResult result_of(UnitEvent const& done) {
  UnitResult result;
  result.ok = bool_at(done.body, "ok");
  auto const reason = parse_run_reason(string_or(done.body, "reason", ""));
  result.reason = reason ? *reason : result.ok ? RunReason::completed : RunReason::model_error;
  result.reply = text_at(done.body, "reply");
  result.session_id = text_at(done.body, "sessionId");
  result.turns = int_at(done.body, "turns");
  result.detail = text_at(done.body, "detail");
  return result;
}

std::string state_draft(EventHead const& head, RunState from, RunState to,
                        std::optional<RunReason> reason) {
  JsonWriter writer = begin(head, EventType::state);
  writer.string("from", to_string(from));
  writer.string("to", to_string(to));
  if (reason) writer.string("reason", to_string(*reason));
  return std::move(writer).str();
}

std::string usage_draft(EventHead const& head, Usage const& usage, std::string_view model,
                        std::int64_t ms) {
  JsonWriter writer = begin(head, EventType::usage);
  write(writer, usage);
  writer.string("model", model);
  writer.integer("ms", ms);
  return std::move(writer).str();
}

std::string commit_draft(EventHead const& head, CommitSummary const& commit) {
  JsonWriter writer = begin(head, EventType::commit);
  write(writer, commit);
  return std::move(writer).str();
}

std::string approval_requested_draft(EventHead const& head, std::string_view id,
                                     std::string_view kind, std::string_view title) {
  JsonWriter writer = begin(head, EventType::approval_requested);
  writer.string("id", id);
  writer.string("kind", kind);
  writer.string("title", title);
  return std::move(writer).str();
}

std::string rejected_draft(EventHead const& head, WorkspaceId const& workspace,
                           std::vector<RuleViolation> const& violations) {
  JsonWriter writer = begin(head, EventType::rejected);
  writer.string("workspace", workspace.str());
  writer.raw("violations",
             print_array(violations, [](RuleViolation const& one) { return print(one); }));
  return std::move(writer).str();
}

std::string policy_reverted_draft(EventHead const& head, WorkspaceId const& workspace,
                                  std::vector<std::string> const& paths) {
  JsonWriter writer = begin(head, EventType::policy_reverted);
  writer.string("workspace", workspace.str());
  writer.raw("paths", print_array(paths, [](std::string const& path) {
               std::string text;
               append_json_string(text, path);
               return text;
             }));
  return std::move(writer).str();
}

std::string commit_failed_draft(EventHead const& head, WorkspaceId const& workspace,
                                std::string_view error) {
  JsonWriter writer = begin(head, EventType::commit_failed);
  writer.string("workspace", workspace.str());
  writer.string("error", error);
  return std::move(writer).str();
}

std::string limit_draft(EventHead const& head, std::string_view which) {
  JsonWriter writer = begin(head, EventType::limit);
  writer.string("which", which);
  return std::move(writer).str();
}

std::string egress_draft(EventHead const& head, EgressAttempt const& attempt) {
  using Outcome = EgressAttempt::Outcome;
  JsonWriter writer = begin(head, EventType::egress);
  writer.string("host", attempt.host);
  writer.integer("port", attempt.port);
  writer.string("outcome", attempt.outcome == Outcome::opened    ? "opened"
                           : attempt.outcome == Outcome::refused ? "refused"
                                                                 : "failed");
  if (!attempt.address.empty()) writer.string("address", attempt.address);
  if (!attempt.reason.empty()) writer.string("reason", attempt.reason);
  return std::move(writer).str();
}

std::string approval_resolved_draft(EventHead const& head, std::string_view id,
                                    std::string_view decision, std::string_view note) {
  JsonWriter writer = begin(head, EventType::approval_resolved);
  writer.string("id", id);
  writer.string("decision", decision);
  if (!note.empty()) writer.string("note", note);
  return std::move(writer).str();
}

std::string mcp_call_draft(EventHead const& head, McpCallNote const& note) {
  using Outcome = McpCallNote::Outcome;
  constexpr std::array<Named<Outcome>, 4> kOutcomes = {{{Outcome::sent, "sent"},
                                                        {Outcome::answered, "answered"},
                                                        {Outcome::failed, "failed"},
                                                        {Outcome::refused, "refused"}}};
  bool const over = note.outcome == Outcome::answered || note.outcome == Outcome::failed;
  JsonWriter writer = begin(head, EventType::mcp_call);
  writer.string("id", note.id);
  writer.string("server", note.server);
  writer.string("tool", note.tool);
  writer.string("outcome", name_of(kOutcomes, note.outcome));
  if (!note.digest.empty()) writer.string("digest", note.digest);
  if (!note.approval.empty()) writer.string("approval", note.approval);
  if (over) writer.integer("ms", note.ms);
  if (!note.reason.empty()) writer.string("reason", note.reason);
  return std::move(writer).str();
}

std::string error_draft(EventHead const& head, std::string_view message) {
  JsonWriter writer = begin(head, EventType::error);
  writer.string("message", message);
  return std::move(writer).str();
}

std::string retry_draft(EventHead const& head, std::int64_t attempt, std::int64_t wait_ms,
                        std::string_view reason) {
  JsonWriter writer = begin(head, EventType::retry);
  writer.integer("attempt", attempt);
  writer.integer("wait_ms", wait_ms);
  writer.string("reason", reason);
  return std::move(writer).str();
}

std::string turn_complete_draft(EventHead const& head, TurnComplete const& end) {
  JsonWriter writer = begin(head, EventType::turn_complete);
  writer.string("state", to_string(end.state));
  writer.string("reason", to_string(end.reason));
  writer.string("detail", end.detail);
  writer.string("reply", end.reply);
  writer.integer("turns", end.turns);
  writer.raw("commits", print(end.commits));
  writer.raw("usage", print(end.usage));
  writer.raw("phases", print(end.phases));
  return std::move(writer).str();
}

std::string print(Usage const& usage) {
  JsonWriter writer;
  write(writer, usage);
  return std::move(writer).str();
}

std::string print(Phases const& phases) {
  JsonWriter writer;
  writer.integer("queue_ms", phases.queue_ms);
  writer.integer("start_ms", phases.start_ms);
  writer.integer("model_ms", phases.model_ms);
  writer.integer("tool_ms", phases.tool_ms);
  writer.integer("commit_ms", phases.commit_ms);
  writer.integer("total_ms", phases.total_ms);
  return std::move(writer).str();
}

std::string print(CommitSummary const& commit) {
  JsonWriter writer;
  write(writer, commit);
  return std::move(writer).str();
}

std::string print(std::vector<CommitSummary> const& commits) {
  return print_array(commits, [](CommitSummary const& commit) { return print(commit); });
}

Result<Usage> parse_usage(std::string_view text) {
  auto const value = parse_checked(Contract::event, "usageTotals", text);
  if (!value) return std::unexpected(value.error());
  auto const& object = value->get_object();
  return Usage{.input = int_at(object, "input"),
               .output = int_at(object, "output"),
               .cache_read = int_at(object, "cache_read"),
               .cache_write = int_at(object, "cache_write"),
               .cost_usd = optional_double(object, "cost_usd").value_or(0)};
}

Result<Phases> parse_phases(std::string_view text) {
  auto const value = parse_checked(Contract::event, "phases", text);
  if (!value) return std::unexpected(value.error());
  auto const& object = value->get_object();
  return Phases{.queue_ms = int_at(object, "queue_ms"),
                .start_ms = int_at(object, "start_ms"),
                .model_ms = int_at(object, "model_ms"),
                .tool_ms = int_at(object, "tool_ms"),
                .commit_ms = int_at(object, "commit_ms"),
                .total_ms = int_at(object, "total_ms")};
}

Result<std::vector<CommitSummary>> parse_commits(std::string_view text) {
  auto const value = parse_checked(Contract::event, "commitSummaries", text);
  if (!value) return std::unexpected(value.error());
  std::vector<CommitSummary> commits;
  for (auto const& item : value->get_array()) {
    auto const& object = item.get_object();
    commits.push_back({.workspace = WorkspaceId::trusted(text_at(object, "workspace")),
                       .sha = text_at(object, "sha"),
                       .branch = text_at(object, "branch"),
                       .files = int_at(object, "files"),
                       .insertions = int_at(object, "insertions"),
                       .deletions = int_at(object, "deletions"),
                       .subject = text_at(object, "subject")});
  }
  return commits;
}

}  // namespace drover::contract
