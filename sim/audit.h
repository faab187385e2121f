#pragma once
// What has to hold, watched from outside the code under test: of every answer, every durable step
// and every file that a restart finds. Anything else is a Violation.
//
//   accepted    (L1) what was answered with an id is there and ends exactly once; one key, one run
//   events      (L2) what was acknowledged or shown stays, in order and without a gap
//   kept        (L3) each change is in the tree or behind a ref; of a run that succeeded, and as a
//               commit that was recorded, behind a ref
//   effect      (L4) one a run, by an attempt that was the newest when it was let do it
//   spend       (L5) what a run has spent or may have is no less than its bill
//   fence       no attempt writes once a newer one has been claimed
//   group, key  one claim of a FIFO group at a time; of a concurrency key as many as it has slots
//   lease       only what was not renewed for its time is lost, whatever the wall clock does
//   answer      a message is the answer to its session's run that waits for one
//   fits        runs and queue are apart only where somebody took them apart
//   copy        in the end Redis has every event once, and nothing else
//   whole       no fault makes a store that does not hold together
//   storm, skip, run: schedule_audit.h
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/dispatch_queue.h"
#include "contract/run.h"
#include "sim/redis.h"
#include "sim/repositories.h"
#include "sim/trace.h"
#include "store/database.h"
#include "worker/reconcile.h"

namespace drover::sim {

class Audit {
 public:
  Audit(Machine const& machine, Trace& trace, Repositories const& repositories)
      : machine_(&machine), trace_(&trace), repositories_(&repositories) {}

  // ---- answers
  void accepted(std::string const& key, RunId const& run);
  void shown(RunId const& run, std::int64_t seq, std::string_view body);
  // An event whose text is `says`, which no other has, was acknowledged.
  void acknowledged(RunId const& run, std::string const& says) { said_[run].insert(says); }

  // ---- durable steps, on the loop, in the order of commit
  void claimed(broker::Claim const& claim, Nanos asked_at, Millis lease);
  void renewed(broker::Claim const& claim, Nanos asked_at, Millis lease);
  void wrote(RunId const& run, std::int64_t epoch);
  void left(RunId const& run, std::int64_t epoch);  // its claim is over
  void lost(broker::ExpiredLease const& lease);
  void server_gone() { holders_.clear(); }
  // Somebody changed what the store has of the run; it has to end all the same.
  void edited(RunId const& run) { edited_.insert(run); }
  // The watchdog found and settled it.
  void did_not_fit(worker::Mismatch const& mismatch);

  // ---- the outside
  void billed(RunId const& run, std::int64_t microdollars);
  void committing_answered(RunId const& run, std::int64_t epoch);
  void effect(RunId const& run, std::int64_t epoch);

  // What the store holds, when nothing is being written.
  void inspect(store::Database& database);
  // In the end Redis has what the store has.
  void inspect_copies(store::Database& database, Redis::Copies copies);
  [[nodiscard]] std::size_t accepted_runs() const { return by_key_.size(); }

 private:
  using Attempt = std::pair<RunId, std::int64_t>;
  struct Holder {
    std::int64_t epoch = 0;
    std::vector<std::string> groups;
    std::vector<broker::ConcurrencyKey> keys;
    Nanos lease_until{0};
  };
  void check_places(broker::Claim const& claim);
  void inspect_run(store::Database& database, RunId const& run, contract::RunState state);
  void inspect_stream(store::Database& database, RunId const& run, bool ended);
  void inspect_waiting(store::Database& database);
  void inspect_changes(store::Database& database);

  Machine const* machine_;
  Trace* trace_;
  Repositories const* repositories_;
  std::map<std::string, RunId> by_key_;
  std::map<RunId, std::map<std::int64_t, std::string>> shown_;
  std::map<RunId, std::set<std::string, std::less<>>> said_;
  std::map<RunId, Holder> holders_;
  std::map<RunId, std::int64_t> newest_epoch_;
  std::set<Attempt> lost_early_;
  std::set<Attempt> may_commit_;
  std::map<RunId, std::int64_t> effects_;
  std::map<RunId, contract::RunState> ended_;
  std::set<RunId> edited_;
  std::map<RunId, std::int64_t> bills_;
};

}  // namespace drover::sim
