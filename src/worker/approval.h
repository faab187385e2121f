#pragma once
// One pending human decision, and its rows: plain functions on a connection, inside a job of the
// Writer or of a Reader. What is approved is named by a digest of its subject, so that nobody can
// exchange it between the question and the answer; a decision is made once.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "base/json.h"
#include "base/time.h"
#include "store/database.h"
#include "store/migrations.h"
#include "worker/records.h"

namespace drover::worker {

struct ApprovalTag {
  static constexpr std::string_view kKind = "approval", kPrefix = "apr";
};
using ApprovalId = Id<ApprovalTag>;

// A further kind is a line here and one in the table of names.
enum class ApprovalKind : std::uint8_t {
  change,  // of a workspace that is granted `propose`; a later one of the session takes its place
  tool,    // one call of a tool, whose run goes on meanwhile and waits for it
  breakpoint,  // of a workflow; without a run and a session
};
enum class ApprovalState : std::uint8_t {
  pending,
  approved,
  rejected,
  superseded,  // another one stands in its place
  expired,     // nobody decided in time, or nothing waits for the decision any more
};
[[nodiscard]] std::string_view to_string(ApprovalKind kind);
[[nodiscard]] std::string_view to_string(ApprovalState state);
[[nodiscard]] Result<ApprovalState> parse_approval_state(std::string_view text);

struct Approval {
  ApprovalId id;
  ApprovalKind kind = ApprovalKind::change;
  ApprovalState state = ApprovalState::pending;
  RunId run;
  SessionId session;
  std::string title;
  json::object subject;  // what is decided on
  std::string digest;    // of kind, run and subject; 64 hexadecimal digits
  WallTime created_at;
  std::optional<WallTime> expires_at;  // nullopt: it waits for as long as it takes
  std::optional<WallTime> decided_at;
  std::string comment;
};

// The members of `subject` count in their order.
[[nodiscard]] std::string approval_digest(ApprovalKind kind, RunId const& run,
                                          json::object const& subject);

[[nodiscard]] std::vector<store::Migration> approval_migrations();

// A change supersedes the pending ones of its session.
[[nodiscard]] Status insert_approval(store::Database& database, Approval const& approval);
[[nodiscard]] Result<Approval> find_approval(store::Database& database, ApprovalId const& id);
struct ApprovalFilter {
  std::optional<ApprovalState> state;
  std::optional<SessionId> session;
  std::optional<ApprovalKind> kind{};
  std::string before{};  // older than this one; empty: from the newest on
  std::size_t most = 100;
};
// The newest first.
[[nodiscard]] Result<std::vector<Approval>> list_approvals(store::Database& database,
                                                           ApprovalFilter const& filter);
// By an index, for each step of a run asks.
[[nodiscard]] Result<std::vector<Approval>> pending_approvals(store::Database& database,
                                                              RunId const& run, ApprovalKind kind);
// conflict, saying what it is, when it is no longer pending.
[[nodiscard]] Status decide_approval(store::Database& database, Approval const& decided);
[[nodiscard]] Error already_decided(Approval const& approval);
// The session is removed, and its branch with it.
[[nodiscard]] Status drop_approvals(store::Database& database, SessionId const& session);

[[nodiscard]] json::object to_json(Approval const& approval);

}  // namespace drover::worker
