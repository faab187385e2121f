#pragma once
// The workspaces' repositories, outside the store and durable at once, as workspace/checkout and
// workspace/governor treat them: a branch whose commits carry the run that made them, a tree, and
// refs for what was set aside.
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "broker/dispatch_queue.h"
#include "sim/faults.h"

namespace drover::sim {

// Where an attempt's changes go: what it writes in place, else its session's own worktree.
[[nodiscard]] std::string workspace_of(broker::QueueEntry const& entry);

class Repositories {
 public:
  using CommitId = std::int64_t;  // 0: there is none
  using Changes = std::set<std::string>;

  explicit Repositories(Defect defect) : defect_(defect) {}

  enum class Begin : std::uint8_t { anew, resumed };
  // The head. Anew, what lies in the tree is committed as the user's.
  [[nodiscard]] CommitId check_out(std::string const& workspace, Begin begin);
  void change(std::string const& workspace, RunId const& run, std::string const& what);

  // ---- the end of a turn, a step each
  // The commit that an earlier attempt made before it could say so, else 0.
  [[nodiscard]] CommitId made_before(std::string const& workspace, RunId const& run);
  // False while another process has it. From here to the commit nobody else commits.
  [[nodiscard]] bool lock(std::string const& workspace, WorkerId const& process);
  void unlock(std::string const& workspace) { repos_[workspace].locked_by.clear(); }
  // Those of a process that is gone are nobody's.
  void abandon(WorkerId const& process);
  [[nodiscard]] Changes snapshot(std::string const& workspace) { return repos_[workspace].tree; }
  // conflict when the head is not `base`. 0 where nothing has changed.
  [[nodiscard]] Result<CommitId> commit(std::string const& workspace, RunId const& run,
                                        CommitId base, Changes changes);
  // The run's commit becomes a ref of its own, and is taken out of branch and tree.
  void set_aside(std::string const& workspace, CommitId commit);

  // ---- for the audit
  [[nodiscard]] std::map<std::string, RunId> const& changes() const { return changes_; }
  enum class Place : std::uint8_t { nowhere, tree, ref };
  [[nodiscard]] Place find(std::string const& change) const;
  [[nodiscard]] bool reachable(CommitId commit) const;
  // On branches, and by which run.
  [[nodiscard]] std::map<CommitId, std::string> commits() const;

 private:
  struct Commit {
    CommitId id = 0;
    std::string run;  // empty: the user's
    Changes changes;
  };
  struct Repo {
    std::vector<Commit> branch;
    std::vector<Commit> rescued;
    Changes tree;
    std::string locked_by;
    [[nodiscard]] CommitId head() const { return branch.empty() ? 0 : branch.back().id; }
  };
  void add(Repo& repo, std::string run, Changes changes);

  Defect defect_;
  std::map<std::string, Repo> repos_;
  std::map<std::string, RunId> changes_;  // all that were ever made
  CommitId last_id_ = 0;
};

}  // namespace drover::sim
