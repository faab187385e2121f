#pragma once
// event.v1: the records of output streams. Events of a unit are parsed and checked here, because
// nothing that a unit says is trusted; events of the server are written by the functions below.
//
// A draft is the text of one event without `seq` and `at`, which the stream adds.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "base/json.h"
#include "contract/run.h"

namespace drover::contract {

enum class EventType : std::uint8_t {
  turn_accepted,
  message_delta,
  thinking_delta,
  tool_call,
  tool_result,
  retry,
  compacted,
  subagent_started,
  subagent_done,
  question,
  error,
  done,
  ping,
  state,
  usage,
  approval_requested,
  approval_resolved,
  commit,
  rejected,
  policy_reverted,
  commit_failed,
  limit,
  egress,
  mcp_call,
  turn_complete,
};

[[nodiscard]] std::string_view to_string(EventType type);  // "turn-accepted"
[[nodiscard]] Result<EventType> parse_event_type(std::string_view text);
// May a unit send it? The others are the server's alone.
[[nodiscard]] bool is_from_unit(EventType type);
// Does the stream end behind it?
[[nodiscard]] bool is_terminal(EventType type);

// What every event of a run carries.
struct EventHead {
  RunId run;
  Epoch epoch{};
  std::string turn_id;
};

struct Usage {
  std::int64_t input = 0;
  std::int64_t output = 0;
  std::int64_t cache_read = 0;
  std::int64_t cache_write = 0;
  double cost_usd = 0;

  Usage& operator+=(Usage const& other);
  friend bool operator==(Usage const&, Usage const&) = default;
};

struct CommitSummary {
  WorkspaceId workspace;
  std::string sha;
  std::string branch;
  std::int64_t files = 0;
  std::int64_t insertions = 0;
  std::int64_t deletions = 0;
  std::string subject;

  friend bool operator==(CommitSummary const&, CommitSummary const&) = default;
};

struct Phases {
  std::int64_t queue_ms = 0;
  std::int64_t start_ms = 0;
  std::int64_t model_ms = 0;
  std::int64_t tool_ms = 0;
  std::int64_t commit_ms = 0;
  std::int64_t total_ms = 0;

  friend bool operator==(Phases const&, Phases const&) = default;
};

struct RuleViolation {
  std::string path;  // empty: not about one file
  std::string rule;
  std::string message;
};

struct TurnComplete {
  RunState state = RunState::failed;
  RunReason reason = RunReason::internal;
  std::string detail;
  std::string reply;
  std::int64_t turns = 0;
  std::vector<CommitSummary> commits;
  Usage usage;
  Phases phases;
};

// An event that a unit sent, checked.
struct UnitEvent {
  EventType type = EventType::ping;
  std::string turn_id;
  json::object body;  // all members as sent
};

inline constexpr std::size_t kUnitEventBytesMax = std::size_t{1} << 20U;

[[nodiscard]] Result<UnitEvent> parse_unit_event(std::string_view line);
// A whole NDJSON body, in order; the error names the line (from 1). Empty lines are skipped.
// too_large above `events_max` events.
[[nodiscard]] Result<std::vector<UnitEvent>> parse_unit_events(std::string_view body,
                                                               std::size_t events_max);
// The draft of a unit's event: run, epoch and turn_id are those of `head`, whatever the unit said.
[[nodiscard]] std::string draft_of(UnitEvent const& event, EventHead const& head);

// The result that a unit reports at the end of a turn.
struct UnitResult {
  bool ok = false;
  RunReason reason = RunReason::internal;  // absent on the wire: completed or model_error, by ok
  std::string reply;
  std::string session_id;
  std::int64_t turns = 0;
  std::string detail;
};
// Of an event of type done.
[[nodiscard]] UnitResult result_of(UnitEvent const& done);

// ---- drafts of the server's own events
[[nodiscard]] std::string state_draft(EventHead const& head, RunState from, RunState to,
                                      std::optional<RunReason> reason = std::nullopt);
[[nodiscard]] std::string usage_draft(EventHead const& head, Usage const& usage,
                                      std::string_view model, std::int64_t ms);
[[nodiscard]] std::string commit_draft(EventHead const& head, CommitSummary const& commit);
[[nodiscard]] std::string approval_requested_draft(EventHead const& head, std::string_view id,
                                                   std::string_view kind, std::string_view title);
[[nodiscard]] std::string rejected_draft(EventHead const& head, WorkspaceId const& workspace,
                                         std::vector<RuleViolation> const& violations);
[[nodiscard]] std::string policy_reverted_draft(EventHead const& head, WorkspaceId const& workspace,
                                                std::vector<std::string> const& paths);
[[nodiscard]] std::string commit_failed_draft(EventHead const& head, WorkspaceId const& workspace,
                                              std::string_view error);
// `which` is a member of Limits, such as "timeout_s".
[[nodiscard]] std::string limit_draft(EventHead const& head, std::string_view which);
// A connection that the unit asked for, and what came of it.
struct EgressAttempt {
  enum class Outcome : std::uint8_t { opened, refused, failed };
  std::string host;
  std::uint16_t port = 0;
  std::string address;  // connected to; empty where it was not
  Outcome outcome = Outcome::opened;
  std::string reason;  // of the others
};
[[nodiscard]] std::string egress_draft(EventHead const& head, EgressAttempt const& attempt);
// `decision` is approved, rejected or expired.
[[nodiscard]] std::string approval_resolved_draft(EventHead const& head, std::string_view id,
                                                  std::string_view decision, std::string_view note);
// A call of a tool of an MCP server outside, as the gateway saw it: first that it is sent, then
// what came of it; or only that it was refused.
struct McpCallNote {
  enum class Outcome : std::uint8_t { sent, answered, failed, refused };
  std::string id;  // of the call, in its run
  std::string server;
  std::string tool;
  Outcome outcome = Outcome::sent;
  std::string digest;    // of its arguments
  std::string approval;  // that it was made by; empty: it needed none
  std::int64_t ms = 0;   // of the call, once it is over
  std::string reason;    // where it failed or was refused
};
[[nodiscard]] std::string mcp_call_draft(EventHead const& head, McpCallNote const& note);
[[nodiscard]] std::string error_draft(EventHead const& head, std::string_view message);
[[nodiscard]] std::string retry_draft(EventHead const& head, std::int64_t attempt,
                                      std::int64_t wait_ms, std::string_view reason);
[[nodiscard]] std::string turn_complete_draft(EventHead const& head, TurnComplete const& end);

// JSON of the parts, for the API's answers too.
[[nodiscard]] std::string print(Usage const& usage);
[[nodiscard]] std::string print(Phases const& phases);
[[nodiscard]] std::string print(CommitSummary const& commit);
[[nodiscard]] std::string print(std::vector<CommitSummary> const& commits);
// Of what print() wrote, as kept in the store.
[[nodiscard]] Result<Usage> parse_usage(std::string_view text);
[[nodiscard]] Result<Phases> parse_phases(std::string_view text);
[[nodiscard]] Result<std::vector<CommitSummary>> parse_commits(std::string_view text);

}  // namespace drover::contract
