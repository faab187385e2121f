#include "worker/session_removal.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "os/files.h"
#include "worker/approval.h"
#include "worker/run_store.h"

namespace drover::worker {

namespace {

// From here on no message is taken; that there is no run is seen in the same transaction.
Status mark_removed(store::Transaction& transaction, SessionId const& id, WallTime now) {
  auto const unfinished = unfinished_runs(transaction.db());
  if (!unfinished) return std::unexpected(unfinished.error());
  auto const run = std::ranges::find(*unfinished, id, &RunRecord::session);
  if (run != unfinished->end())
    return fail_next(ErrorCode::conflict,
                     fmt::format("the run {} of the session {} has not ended", run->id, id),
                     "wait until it has ended, or cancel it");
  DROVER_TRY(drop_approvals(transaction.db(), id));
  return set_removed(transaction.db(), id, now);
}

}  // namespace

Result<std::optional<workspace::SessionTree>> session_tree(Services const& services,
                                                           SessionRecord const& session) {
  if (session.worktree.empty()) return std::nullopt;
  auto const grant = std::ranges::find(session.workspaces, contract::Checkout::worktree,
                                       &contract::WorkspaceGrant::checkout);
  if (grant == session.workspaces.end()) return std::nullopt;
  auto const workspace = services.workspaces.find(grant->id);
  if (!workspace) return std::unexpected(workspace.error());
  return workspace::SessionTree{workspace->path, session.worktree, session.branch};
}

Task<Status> remove_session(Services const& services, Workforce& workforce, SessionId id,
                            Removal removal) {
  auto found = co_await services.readers.run(
      [id](store::Database& database) { return find_session(database, id); });
  if (!found) co_return std::unexpected(found.error());
  SessionRecord session = *std::move(found);
  auto const tree = session_tree(services, session);
  if (!tree) co_return std::unexpected(tree.error());
  if (*tree && !session.removed && removal == Removal::landed_only) {
    auto const landed =
        co_await services.pool.run([place = **tree] { return workspace::require_landed(place); });
    if (!landed) co_return landed;
  }
  auto const marked = co_await services.writer.run(
      [id, now = services.clock.now()](store::Transaction& transaction) {
        return mark_removed(transaction, id, now);
      });
  if (!marked) co_return marked;
  co_await workforce.release(id);
  auto const removed = co_await services.sync_pool.run(
      [place = *tree, folder = fmt::format("{}/sessions/{}", services.options.state_folder, id)] {
        if (place) {
          if (auto done = workspace::remove(*place); !done) return done;
        }
        return os::remove_tree(folder);
      });
  if (!removed) co_return removed;
  session.worktree.clear();
  session.branch.clear();
  co_return co_await services.writer.run([session](store::Transaction& transaction) {
    return update_session(transaction.db(), session);
  });
}

}  // namespace drover::worker
