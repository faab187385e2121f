#pragma once
// One attempt at one run, from its claim to its end: prepares the workspaces, drives a unit,
// freezes it, has the change governed, and writes exactly one terminal event or puts the run back.
//
// On the event loop.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/dispatch_queue.h"
#include "worker/control.h"
#include "worker/outcome.h"
#include "worker/turn.h"
#include "worker/unit_host.h"
#include "worker/worker_parts.h"
#include "workspace/governor.h"

namespace drover::worker {

class Supervisor {
 public:
  Supervisor(WorkerParts const& parts, UnitHost& units, Assignment assignment);
  ~Supervisor();
  Supervisor(Supervisor const&) = delete;
  Supervisor& operator=(Supervisor const&) = delete;

  // Returns when the run has ended or is back in the queue.
  Task<void> work();

  // The run is to end, cancelled.
  void cancel();
  // The server goes down: the run is to be left for the next one.
  void abandon();
  // The claim is lost.
  void fence();
  [[nodiscard]] RunRecord const& run() const { return run_; }

 private:
  Task<TurnEnd> drive();
  Task<Status> check_folders();
  Task<Result<std::vector<workspace::CheckedOut>>> check_out();
  Task<void> take_back();
  Task<bool> disk_is_full();
  Task<TurnEnd> no_start(Error error);
  Task<TurnEnd> wait_for_end();
  Task<TurnEnd> end_in_order(TurnEnd end);
  Task<void> conclude(Outcome outcome);
  Task<void> govern(Outcome& outcome, std::vector<broker::EventDraft>& events);
  Task<Status> record_committing(Outcome outcome);
  Task<void> leave_to_next();
  Task<void> leave_committing(Outcome outcome);
  Task<void> finish(Outcome outcome, std::vector<broker::EventDraft> events);
  Task<void> put_back(Outcome outcome, std::vector<broker::EventDraft> events);
  void take_account();
  void wake();

  WorkerParts const& parts_;
  UnitHost& units_;
  broker::Claim claim_;
  RunRecord run_;
  SessionRecord session_;
  std::map<WorkspaceId, std::string> folders_;
  Result<gateway::ReadyModel> model_;
  Result<contract::AgentSpec> agent_;
  bool served_last_;
  bool resumed_;  // an earlier attempt had reached a unit
  int starts_left_ = 3;
  TurnPtr turn_;
  std::vector<workspace::CheckedOut> checkouts_;
  model::Usage usage_before_;
  bool cancel_ = false;
  bool abandon_ = false;
  bool fenced_ = false;
};

}  // namespace drover::worker
