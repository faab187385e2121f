#include "git/checkout_move.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "git/checkout.h"
#include "git/head_lock.h"
#include "git/index_lock.h"
#include "git/objects.h"
#include "git/repository_impl.h"
#include "git/stage.h"

namespace drover::git {

namespace {

std::string join_some(std::vector<std::string> const& paths) {
  constexpr std::size_t kShown = 5;
  std::string text;
  for (std::size_t i = 0; i < std::min(paths.size(), kShown); ++i)
    text += (i == 0 ? "" : ", ") + printable(paths[i]);
  if (paths.size() > kShown) text += fmt::format(" and {} more", paths.size() - kShown);
  return text;
}

void restore(Repository::Impl const& impl, std::vector<TreeDelta> deltas) {
  for (auto& delta : deltas)
    std::swap(delta.before, delta.after);
  IndexFile scratch;
  if (auto const restored = apply_deltas(impl, scratch, deltas); !restored)
    log::error("checkout-restore-failed", {{"error", restored.error().text()}});
}

Status finish(Repository::Impl const& impl, CheckoutMove const& move, IndexFile& index,
              IndexLock& lock, HeadLock& head_lock) {
  auto const built = build_tree(
      index, [](std::string_view content) { return hash_object(GIT_OBJECT_TREE, content); });
  if (!built) return std::unexpected(built.error());
  SyncSet contents;
  DROVER_TRY(lock.stage(index.serialize(), contents));
  DROVER_TRY(head_lock.stage(move.target, contents));
  DROVER_TRY(contents.sync(impl.git_folder));
  // The branch before the index: should the second fail, the work tree is right and `git reset`
  // repairs the rest, while the other order would leave a staged reversal.
  SyncSet names;
  DROVER_TRY(head_lock.publish(move.who, move.when, move.reflog, names));
  Status published = lock.publish(names);
  if (published) published = names.sync(impl.git_folder);
  if (!published) log::error("checkout-index-failed", {{"error", published.error().text()}});
  return {};
}

}  // namespace

Status require_clean(Repository& repository, std::vector<std::string> const& excluded,
                     std::string const& again) {
  auto const status = repository.status(excluded);
  if (!status) return std::unexpected(status.error());
  if (status->dirty)
    return fail_next(ErrorCode::conflict,
                     fmt::format("{} has uncommitted changes: {}", repository.work_tree(),
                                 join_some(status->paths)),
                     "commit or stash them, then " + again);
  if (!status->odd_attribute_files.empty())
    return fail_next(ErrorCode::conflict,
                     fmt::format("{}/{} is no regular file", repository.work_tree(),
                                 printable(status->odd_attribute_files.front())),
                     "remove it, then " + again);
  return {};
}

Status move_checkout(Repository& repository, CheckoutMove const& move) {
  Repository::Impl const& impl = repository.impl();
  DROVER_TRY(require_clean(repository, move.excluded, move.again));
  auto const from = tree_of(impl, move.head.oid);
  if (!from) return std::unexpected(from.error());
  auto const to = tree_of(impl, move.target);
  if (!to) return std::unexpected(to.error());
  auto const deltas = tree_deltas(impl, *from, *to);
  if (!deltas) return std::unexpected(deltas.error());
  auto lock = IndexLock::acquire(impl.git_folder, head_lock_path(impl, move.head));
  if (!lock) return std::unexpected(std::move(lock).error());
  auto index = IndexFile::read(impl.index_path());
  if (!index) return std::unexpected(std::move(index).error());
  auto const obstacles = find_obstacles(impl, *index, *deltas);
  if (!obstacles) return std::unexpected(obstacles.error());
  if (!obstacles->empty())
    return fail_next(ErrorCode::conflict,
                     fmt::format("in {} these paths are in the way (not tracked by git, or under a "
                                 "filter): {}",
                                 impl.work_tree, join_some(*obstacles)),
                     "move them away, then " + move.again);
  auto head_lock = HeadLock::acquire(impl, move.head, move.head.oid);
  if (!head_lock) return std::unexpected(std::move(head_lock).error());
  DROVER_TRY(apply_deltas(impl, *index, *deltas));
  Status status = finish(impl, move, *index, *lock, *head_lock);
  if (!status) restore(impl, *deltas);
  return status;
}

}  // namespace drover::git
