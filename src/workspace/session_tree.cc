#include "workspace/session_tree.h"

#include <fmt/format.h>

#include "base/text.h"
#include "git/land.h"
#include "git/worktree.h"
#include "os/files.h"
#include "workspace/private_paths.h"

namespace drover::workspace {

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
