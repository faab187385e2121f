#pragma once
// unit.v1: the dispatch of one piece of work, as a typed value. parse_invocation() checks the text
// against the published schema first, then what a schema cannot say.
// Plain values; thread-safe as such.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "base/json.h"
#include "base/secret.h"
#include "base/time.h"
#include "contract/task_retry.h"

namespace drover::contract {

enum class Trigger : std::uint8_t { message, scheduled, event, transcription };
enum class WorkspaceMode : std::uint8_t { ro, rw, propose };
// What to do with a tree that has uncommitted changes: refuse, use a worktree, commit them first.
enum class Checkout : std::uint8_t { in_place, worktree, allow_dirty };

// `propose` writes too: beside the user's checkout, and a person decides what becomes of it.
[[nodiscard]] constexpr bool writes(WorkspaceMode mode) {
  return mode != WorkspaceMode::ro;
}

struct Launcher {
  enum class Kind : std::uint8_t { user, schedule, integration };
  Kind kind = Kind::user;
  std::string name;

  [[nodiscard]] std::string text() const;  // "user:dev"
};

struct Identity {
  std::string subject;
  Launcher launcher;
  std::optional<Secret> token;  // null on the wire is the same as absent
};

struct WorkspaceGrant {
  WorkspaceId id;
  WorkspaceMode mode = WorkspaceMode::ro;
  Checkout checkout = Checkout::in_place;
};

// As an invocation asks for it.
struct WorkspaceRequest {
  WorkspaceId id;
  std::optional<WorkspaceMode> mode;
  Checkout checkout = Checkout::in_place;
};
// With `usual` where the request names no mode.
[[nodiscard]] std::vector<WorkspaceGrant> granted(std::vector<WorkspaceRequest> const& requests,
                                                  WorkspaceMode usual);

// A first turn; at least one of the two is there, or a task type.
struct Entrypoint {
  std::optional<std::string> inline_prompt;
  std::optional<std::string> path;

  // The words for the model; a path becomes "Read and execute the plan at <path>."
  [[nodiscard]] std::string prompt() const;
};
// No first turn: only serve the session's inbox.
struct ServeSession {
  std::string ref;
};
using Start = std::variant<Entrypoint, ServeSession>;

struct Meeting {
  std::string meeting_id;
  std::string session_uid;
  std::optional<std::string> platform;
};
struct Reference {
  std::string uri;
  std::optional<std::string> etag;
};
enum class ContextKind : std::uint8_t { none, meeting, email, generic };
struct Context {
  ContextKind kind = ContextKind::none;
  std::optional<Meeting> meeting;
  std::optional<Reference> ref;
};

// Absent members take the agent's value, then the server's.
struct Limits {
  std::optional<std::int64_t> max_turns;
  std::optional<double> max_budget_usd;
  std::optional<std::int64_t> timeout_s;
  std::optional<std::int64_t> queue_s;
  std::optional<std::int64_t> step_s;
  std::optional<std::int64_t> idle_s;
  std::optional<std::int64_t> wait_s;  // for the answer to a question
  std::optional<double> cpu;
  std::optional<std::int64_t> memory_mb;
  std::optional<std::int64_t> pids;
  std::optional<std::int64_t> disk_mb;

  friend bool operator==(Limits const&, Limits const&) = default;
};

// In one invocation.
inline constexpr std::size_t kConcurrencyKeysMax = 8;

// So many runs with the key may be claimed at once.
struct ConcurrencyShare {
  std::string key;
  std::int64_t max = 1;
  friend bool operator==(ConcurrencyShare const&, ConcurrencyShare const&) = default;
};

// While it lives, another invocation with the key starts nothing.
struct Dedup {
  std::string key;
  std::chrono::seconds life{std::chrono::hours{24}};
};

struct Invocation {
  Identity identity;
  std::string runner;  // as given; see canonical_runner()
  std::vector<WorkspaceRequest> workspaces;
  Trigger trigger = Trigger::message;
  Start start;
  std::optional<std::vector<std::string>> tools;  // absent: the agent's own; empty: none
  std::optional<Context> context;
  std::optional<AgentId> agent;
  std::optional<SessionId> session;
  std::optional<std::string> model;
  std::optional<std::string> task_type;
  std::optional<json::value> payload;
  std::optional<std::string> idempotency_key;
  std::optional<std::string> tenant;  // absent: the session's, of a new one the subject's
  std::optional<int> priority;        // higher is claimed first; absent: the task type's
  std::optional<std::string> fifo_group;
  std::optional<std::string> concurrency_key;  // a key in `concurrency` with a limit of 1
  std::vector<ConcurrencyShare> concurrency;
  std::optional<Dedup> dedup;
  std::optional<TaskRetry> retry;  // in place of the task type's
  // At most one of the two.
  std::optional<WallTime> delay_until;
  std::optional<std::chrono::seconds> delay;
  Limits limits;
};

// A further message to a session.
struct Message {
  std::string prompt;
  std::optional<std::string> model;
  Limits limits;
  std::optional<std::string> idempotency_key;
};

// invalid_argument; the message starts with the JSON pointer of what does not fit, where there is
// one (error_pointer() of base/schema.h takes it out again).
[[nodiscard]] Result<Invocation> parse_invocation(std::string_view text);
[[nodiscard]] Result<Invocation> parse_invocation(json::value const& value);
[[nodiscard]] Result<Message> parse_message(std::string_view text);
[[nodiscard]] Result<Limits> parse_limits(json::value const& value);

// A token is for the wire only; what is stored or shown leaves it out.
enum class Tokens { omit, keep };
// Members with their default value are left out, so that equal requests print the same.
[[nodiscard]] json::value to_json(Invocation const& invocation, Tokens tokens = Tokens::omit);
[[nodiscard]] std::string print(Invocation const& invocation, Tokens tokens = Tokens::omit);
[[nodiscard]] json::value to_json(Message const& message);
[[nodiscard]] json::value to_json(Limits const& limits);

// The same text for the same work, whatever the order of members, the key or the token: for
// comparing two requests with one idempotency key. 64 hexadecimal digits.
[[nodiscard]] std::string fingerprint(Invocation const& invocation);

// What a trigger may do where nothing else is said: message and scheduled rw, the others propose.
[[nodiscard]] WorkspaceMode default_mode(Trigger trigger);
// One of unit.v1: "native", "codex", "command:<name>", …
[[nodiscard]] bool is_runner(std::string_view text);
// "claude" is "claude-code"; the rest is itself.
[[nodiscard]] std::string_view canonical_runner(std::string_view runner);

// The unit that serves `session` for this invocation; a slug, so also a workload id.
//   meeting: agent-meet-<session_uid>; message: agent-<subject>-chat-<session, or main>;
//   else agent-<subject>-<trigger>-<10 hex>
// The digest covers the start, the context and the session. Parts that are no slugs, too long, or
// could be read in two ways are shortened and told apart by a digest. An empty id means no session.
[[nodiscard]] std::string unit_id(Invocation const& invocation, SessionId const& session);
[[nodiscard]] std::string input_topic(std::string_view unit);   // unit:<id>:in
[[nodiscard]] std::string output_topic(std::string_view unit);  // unit:<id>:out

[[nodiscard]] std::string_view to_string(Trigger trigger);
[[nodiscard]] std::string_view to_string(WorkspaceMode mode);
[[nodiscard]] std::string_view to_string(Checkout checkout);
[[nodiscard]] std::string_view to_string(ContextKind kind);
[[nodiscard]] Result<Trigger> parse_trigger(std::string_view text);
[[nodiscard]] Result<WorkspaceMode> parse_workspace_mode(std::string_view text);
[[nodiscard]] Result<Checkout> parse_checkout(std::string_view text);
[[nodiscard]] Result<Launcher> parse_launcher(std::string_view text);

}  // namespace drover::contract
