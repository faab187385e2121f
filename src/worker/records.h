#pragma once
// What is stored of sessions and runs, as values.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/time.h"
#include "contract/event.h"
#include "contract/invocation.h"
#include "contract/run.h"
#include "model/messages.h"

namespace drover::worker {

inline constexpr std::string_view kNativeRunner = "native";

struct SessionRecord {
  SessionId id;
  std::int64_t number = 0;  // counts sessions from 1; the sandbox uid derives from it
  std::string subject;
  std::string launcher;
  std::string tenant;  // whose share of the workers its runs take; empty: the subject's
  // What a message's run is, where nobody says otherwise: that of the session's first run.
  std::string task_type;
  AgentId agent;
  std::string model;                  // as the user named it: "anthropic/…", "scripted:…"
  std::string runner{kNativeRunner};  // what drives it; others are third-party workers'
  std::vector<contract::WorkspaceGrant> workspaces;
  std::vector<std::string> tools;  // names that the agent may use
  std::string worktree;            // path of the session's linked worktree; empty: works in place
  std::string branch;              // of that worktree
  // What the next turn must be told before its prompt, such as changes that were set aside.
  std::string note;
  WallTime created_at;
  WallTime updated_at;
  bool removed = false;  // takes no further message
};

struct CommitRecord {
  contract::CommitSummary summary;
  std::string parent;
};

struct RunRecord {
  RunId id;
  SessionId session;
  AgentId agent;
  std::string task_type;
  std::string model;
  std::vector<contract::WorkspaceGrant> workspaces;
  contract::RunState state = contract::RunState::queued;
  std::optional<contract::RunReason> reason;  // why it is in its state, where that says more
  std::string detail;
  std::string prompt;
  contract::Limits limits;
  std::string idempotency_key;
  std::string body_digest;  // of the request that made it, to tell the same request from another
  std::int64_t epoch = 0;
  std::int64_t attempts = 0;  // that reached a unit
  std::int64_t turns = 0;     // model calls
  std::string reply;
  std::vector<CommitRecord> commits;
  model::Usage usage;
  std::int64_t cost_microdollars = 0;
  // What model calls under way may cost at the most. Whoever takes the run over, or ends it, counts
  // it as spent: nobody can know better any more.
  std::int64_t reserved_microdollars = 0;
  bool cancel_requested = false;
  std::optional<RunId> replay_of;  // the run whose dead letter became this one
  contract::Phases phases;
  WallTime created_at;
  std::optional<WallTime> started_at;
  std::optional<WallTime> answer_by;  // while it waits for its user
  std::optional<WallTime> finished_at;
};

}  // namespace drover::worker
