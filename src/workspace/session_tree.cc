#include "workspace/session_tree.h"

#include <fmt/format.h>

#include "base/text.h"
#include "git/land.h"
#include "git/rewind.h"
#include "git/worktree.h"
#include "os/files.h"
#include "workspace/private_paths.h"

namespace drover::workspace {

namespace {

Error moved_on(SessionTree const& tree, git::Oid const& from) {
  return {ErrorCode::conflict,
          fmt::format("the branch {} is no longer at {}", tree.branch, from.hex().substr(0, 12)),
          "look at what is there now, and decide on that"};
}

}  // namespace

Status require_landed(SessionTree const& tree) {
  auto const repository = git::Repository::open(tree.path);
  if (!repository) return std::unexpected(repository.error());
  auto const landed = git::is_landed(*repository, tree.branch);
  if (!landed) return std::unexpected(landed.error());
  if (!*landed)
    return fail_next(ErrorCode::conflict,
                     fmt::format("the branch {} has commits that are not merged", tree.branch),
                     "land the session first, or remove it with --force and lose them");
  if (!os::exists(tree.worktree)) return {};
  auto const worktree = git::Repository::open(tree.worktree);
  if (!worktree) return std::unexpected(worktree.error());
  auto const status = worktree->status(private_paths());
  if (!status) return std::unexpected(status.error());
  if (!status->dirty) return {};
  return fail_next(ErrorCode::conflict,
                   fmt::format("the worktree {} has changes that are not committed, such as {}",
                               tree.worktree, printable(status->paths.front(), 200)),
                   "commit them there, or remove the session with --force and lose them");
}

Result<git::LandOutcome> land(SessionTree const& tree, LandTerms const& terms) {
  auto repository = git::Repository::open(tree.path);
  if (!repository) return std::unexpected(repository.error());
  if (terms.at) {
    auto const worktree = git::Repository::open(tree.worktree);
    if (!worktree) return std::unexpected(worktree.error());
    auto const head = worktree->head();
    if (!head) return std::unexpected(head.error());
    if (head->oid != *terms.at) return std::unexpected(moved_on(tree, *terms.at));
  }
  git::LandRequest request;
  request.branch = tree.branch;
  request.strategy = terms.strategy;
  auto const user = repository->user_identity();
  request.identity = user ? *user : git::Identity{"drover", "drover@localhost"};
  request.when = terms.now;
  request.trailers = {{"Drover-Session", terms.session}};
  request.excluded = private_paths();
  return git::land(*repository, request);
}

Error land_conflict(SessionTree const& tree, git::LandOutcome const& outcome) {
  std::string const files =
      outcome.conflicts.size() == 1 ? "1 file" : fmt::format("{} files", outcome.conflicts.size());
  return {ErrorCode::conflict,
          fmt::format("{} and {} conflict in {}, and nothing was touched", tree.branch,
                      outcome.branch, files),
          fmt::format("merge by hand: git merge {}", tree.branch)};
}

Status discard(SessionTree const& tree, Discard const& terms) {
  auto worktree = git::Repository::open(tree.worktree);
  if (!worktree) return std::unexpected(worktree.error());
  auto const head = worktree->head();
  if (!head) return std::unexpected(head.error());
  if (head->oid == terms.base) return {};
  if (head->oid != terms.from) return std::unexpected(moved_on(tree, terms.from));
  DROVER_TRY(git::set_ref(*worktree, std::string{kRescueRefs} + terms.run, terms.from));
  return git::rewind(*worktree, terms.from, terms.base,
                     fmt::format("drover: discarded the proposal of {}", terms.run), terms.now,
                     private_paths());
}

Status remove(SessionTree const& tree) {
  auto repository = git::Repository::open(tree.path);
  // A repository that is gone took the branch and the worktree's administration with it.
  if (!repository && repository.error().code == ErrorCode::not_found)
    return os::remove_tree(tree.worktree);
  if (!repository) return std::unexpected(repository.error());
  DROVER_TRY(git::remove_worktree(*repository, tree.worktree, git::WorktreeRemoval::discard));
  // One that git worktree prune has forgotten still has its folder.
  DROVER_TRY(os::remove_tree(tree.worktree));
  return git::delete_branch(*repository, tree.branch);
}

}  // namespace drover::workspace
