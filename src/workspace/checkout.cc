#include "workspace/checkout.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "git/worktree.h"
#include "os/files.h"
#include "workspace/private_paths.h"

namespace drover::workspace {

namespace {

constexpr std::size_t kPathsNamed = 5;

Status commit_for_user(git::Repository& repository, CheckoutRequest const& request,
                       CheckedOut& result) {
  auto const user = repository.user_identity();
  if (!user) return std::unexpected(user.error());
  git::CommitRequest commit;
  commit.subject = fmt::format("Uncommitted changes before drover session {}", request.session);
  commit.author = *user;
  commit.committer = *user;
  commit.when = request.now;
  commit.excluded = private_paths();
  auto outcome = git::commit_changes(repository, commit);
  if (!outcome) return std::unexpected(outcome.error());
  if (outcome->committed) result.users_changes = *std::move(outcome);
  return {};
}

// A tree that the run may change has to start from a commit.
Status settle(git::Repository& repository, CheckoutRequest const& request, CheckedOut& result) {
  DROVER_TRY(repository.require_quiet());
  // A lock that somebody left is told before the work is done, not when it is to be committed.
  DROVER_TRY(repository.require_unlocked());
  if (request.resumed) return {};
  auto const status = repository.status(private_paths());
  if (!status) return std::unexpected(status.error());
  if (!status->dirty) return {};
  if (request.grant.checkout == contract::Checkout::allow_dirty)
    return commit_for_user(repository, request, result);
  return std::unexpected(uncommitted_changes(repository.work_tree(), *status));
}

Result<git::Repository> open_worktree(CheckoutRequest const& request) {
  auto main = git::Repository::open(request.path);
  if (!main) return main;
  // The session is this run's alone, so whatever is half-done is of an attempt that was killed.
  DROVER_TRY(git::clear_unfinished_worktree(*main, request.worktree, request.branch));
  if (os::exists(request.worktree)) return git::Repository::open(request.worktree);
  auto const head = main->head();
  if (!head) return std::unexpected(head.error());
  if (head->unborn)
    return fail_next(ErrorCode::conflict,
                     fmt::format("the repository {} has no commit yet", request.path),
                     "make a first commit: a worktree starts from one");
  DROVER_TRY(os::make_folders(request.worktree.substr(0, request.worktree.rfind('/')), 0700));
  return git::add_worktree(*main, request.worktree, request.branch, head->oid);
}

}  // namespace

Error uncommitted_changes(std::string const& path, git::TreeStatus const& status) {
  std::string paths;
  std::size_t const named = std::min(status.paths.size(), kPathsNamed);
  for (std::size_t i = 0; i < named; ++i)
    paths += (i == 0 ? "" : ", ") + printable(status.paths[i], 60);
  if (status.count > named) paths += fmt::format(" and {} more", status.count - named);
  return {ErrorCode::conflict, fmt::format("{} has uncommitted changes: {}", path, paths),
          "commit or stash them, or add --worktree (the session works beside your checkout on its "
          "own branch) or --allow-dirty (your changes are committed first, as yours)"};
}

Result<CheckedOut> check_out(CheckoutRequest const& request) {
  bool const worktree = request.grant.checkout == contract::Checkout::worktree;
  auto repository = worktree ? open_worktree(request) : git::Repository::open(request.path);
  if (!repository) return std::unexpected(repository.error());
  CheckedOut result;
  result.id = request.grant.id;
  result.mode = request.grant.mode;
  result.path = repository->work_tree();
  result.git_folder = repository->git_folder();
  result.common_folder = repository->common_folder();
  result.linked = repository->is_linked_worktree();
  if (contract::writes(request.grant.mode)) DROVER_TRY(settle(*repository, request, result));
  auto const head = repository->head();
  if (!head) return std::unexpected(head.error());
  if (head->unborn)
    return fail_next(ErrorCode::conflict,
                     fmt::format("the repository {} has no commit yet", result.path),
                     "make a first commit, or add --init to let drover make it");
  result.base = head->oid;
  result.branch = head->branch;
  return result;
}

}  // namespace drover::workspace
