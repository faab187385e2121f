#include "sim/repositories.h"

#include <algorithm>
#include <utility>

namespace drover::sim {

std::string workspace_of(broker::QueueEntry const& entry) {
  // The session's group is always there, and behind those of workspaces.
  return entry.fifo_groups.front();
}

void Repositories::add(Repo& repo, std::string run, Changes changes) {
  for (std::string const& change : changes)
    repo.tree.erase(change);
  repo.branch.push_back({++last_id_, std::move(run), std::move(changes)});
}

Repositories::CommitId Repositories::check_out(std::string const& workspace, Begin begin) {
  Repo& repo = repos_[workspace];
  if (begin == Begin::anew && !repo.tree.empty()) {
    Changes left = repo.tree;
    add(repo, {}, std::move(left));
  }
  return repo.head();
}

void Repositories::change(std::string const& workspace, RunId const& run, std::string const& what) {
  repos_[workspace].tree.insert(what);
  changes_.emplace(what, run);
}

Repositories::CommitId Repositories::made_before(std::string const& workspace, RunId const& run) {
  Repo const& repo = repos_[workspace];
  bool const has = !repo.branch.empty() && repo.branch.back().run == run.str();
  return has && defect_ != Defect::no_trailer ? repo.head() : 0;
}

bool Repositories::lock(std::string const& workspace, WorkerId const& process) {
  Repo& repo = repos_[workspace];
  if (!repo.locked_by.empty()) return false;
  repo.locked_by = process.str();
  return true;
}

void Repositories::abandon(WorkerId const& process) {
  for (auto& [name, repo] : repos_)
    if (repo.locked_by == process.str()) repo.locked_by.clear();
}

Result<Repositories::CommitId> Repositories::commit(std::string const& workspace, RunId const& run,
                                                    CommitId base, Changes changes) {
  Repo& repo = repos_[workspace];
  if (repo.head() != base) return fail(ErrorCode::conflict, "the head of {} has moved", workspace);
  if (changes.empty()) return CommitId{0};
  add(repo, run.str(), std::move(changes));
  return repo.head();
}

void Repositories::set_aside(std::string const& workspace, CommitId commit) {
  Repo& repo = repos_[workspace];
  if (repo.head() != commit) return;
  if (defect_ != Defect::no_rescue) repo.rescued.push_back(repo.branch.back());
  repo.branch.pop_back();
}

Repositories::Place Repositories::find(std::string const& change) const {
  Place place = Place::nowhere;
  for (auto const& [name, repo] : repos_) {
    auto const has = [&](Commit const& commit) { return commit.changes.contains(change); };
    if (std::ranges::any_of(repo.branch, has) || std::ranges::any_of(repo.rescued, has))
      return Place::ref;
    if (repo.tree.contains(change)) place = Place::tree;
  }
  return place;
}

std::map<Repositories::CommitId, std::string> Repositories::commits() const {
  std::map<CommitId, std::string> all;
  for (auto const& [name, repo] : repos_)
    for (Commit const& commit : repo.branch)
      if (!commit.run.empty()) all.emplace(commit.id, commit.run);
  return all;
}

bool Repositories::reachable(CommitId commit) const {
  return std::ranges::any_of(repos_, [&](auto const& named) {
    auto const is = [&](Commit const& one) { return one.id == commit; };
    return std::ranges::any_of(named.second.branch, is) ||
           std::ranges::any_of(named.second.rescued, is);
  });
}

}  // namespace drover::sim
