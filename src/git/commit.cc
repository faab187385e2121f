#include "git/commit.h"

#include <algorithm>

#include "base/text.h"
#include "git/commit_object.h"
#include "git/diff.h"
#include "git/head_lock.h"
#include "git/index_lock.h"
#include "git/objects.h"
#include "git/repository_impl.h"
#include "git/stage.h"

namespace drover::git {

namespace {

// So many entries with a stale lstat are worth a rewrite of the index, or every walk pays for them.
constexpr std::size_t kRefreshWorthWriting = 32;

StageRequest stage_request(std::vector<std::string> const& excluded, CommitLimits const& limits) {
  return {.excluded = excluded,
          .limits = {.files_max = limits.files_max,
                     .file_bytes_max = limits.file_bytes_max,
                     .total_bytes_max = limits.total_bytes_max},
          .time_max = limits.time_max};
}

Result<IndexFile> read_index(Repository::Impl const& impl) {
  auto index = IndexFile::read(impl.index_path());
  if (index && index->has_conflicts())
    return fail_next(ErrorCode::conflict,
                     fmt::format("the index of {} has unresolved conflicts", impl.work_tree),
                     "resolve them and commit, or run `git merge --abort`");
  return index;
}

struct StagedTree {
  Staged staged;
  Oid head_tree;  // zero when unborn
  Oid tree;
};

Result<StagedTree> stage_tree(Repository::Impl const& impl, Head const& head, IndexFile& index,
                              StageRequest const& request, ObjectBatch& batch) {
  StagedTree result;
  if (!head.unborn) {
    auto const tree = tree_of(impl, head.oid);
    if (!tree) return std::unexpected(tree.error());
    result.head_tree = *tree;
  }
  auto staged = stage_all(impl, index, request, [&](std::string_view content) {
    return batch.put(GIT_OBJECT_BLOB, content);
  });
  if (!staged) return std::unexpected(std::move(staged).error());
  result.staged = std::move(*staged);
  auto const tree = build_tree(
      index, [&](std::string_view content) { return batch.put(GIT_OBJECT_TREE, content); });
  if (!tree) return std::unexpected(tree.error());
  result.tree = *tree;
  return result;
}

Status check_expected(Repository::Impl const& impl, Head const& head,
                      std::optional<Oid> const& expected) {
  if (!expected || (!head.unborn && head.oid == *expected)) return {};
  return fail_next(ErrorCode::conflict,
                   fmt::format("HEAD of {} is at {}, not at {} as expected", impl.work_tree,
                               head.unborn ? "no commit" : head.oid.hex(), expected->hex()),
                   "somebody committed meanwhile; look at `git log`, then try again");
}

// The parts of commit_changes() that follow once there is something to commit.
class Committer {
 public:
  Committer(Repository::Impl const& impl, CommitRequest const& request, Head head)
      : impl_(impl), request_(request), head_(std::move(head)) {}

  Result<CommitOutcome> run() {
    DROVER_TRY(check_expected(impl_, head_, request_.expected_head));
    auto const message = format_message({request_.subject, request_.body, request_.trailers});
    if (!message) return std::unexpected(message.error());
    auto lock = IndexLock::acquire(impl_.git_folder, head_lock_path(impl_, head_));
    if (!lock) return std::unexpected(std::move(lock).error());
    auto index = read_index(impl_);
    if (!index) return std::unexpected(std::move(index).error());
    ObjectBatch batch{impl_.odb.get(), impl_.objects_folder()};
    auto staged =
        stage_tree(impl_, head_, *index, stage_request(request_.excluded, request_.limits), batch);
    if (!staged) return std::unexpected(std::move(staged).error());

    outcome_.parent = head_.oid;
    outcome_.tree = staged->tree;
    outcome_.branch = head_.branch;
    outcome_.subject = clean_subject(request_.subject);
    outcome_.skipped = std::move(staged->staged.skipped);
    if (!head_.unborn && staged->tree == staged->head_tree) {
      outcome_.commit = head_.oid;
      if (staged->staged.refreshed >= kRefreshWorthWriting || !staged->staged.changed.empty()) {
        SyncSet contents;
        DROVER_TRY(lock->stage(index->serialize(), contents));
        DROVER_TRY(contents.sync(impl_.index_path()));
        SyncSet names;
        DROVER_TRY(lock->publish(names));
      }
      return std::move(outcome_);
    }
    DROVER_TRY(write(*staged, *message, *index, *lock, batch));
    return std::move(outcome_);
  }

 private:
  // Everything is written and synced under names that nobody reads; then it gets its names, objects
  // first, the branch last, and those are synced. After a kill in between the index holds the
  // change as staged, and the next commit takes it. After a power cut the order of the names is the
  // file system's: kept by those that journal metadata, on which git itself relies.
  Status write(StagedTree const& staged, std::string const& message, IndexFile const& index,
               IndexLock& lock, ObjectBatch& batch) {
    CommitParts parts{.tree = staged.tree,
                      .parents = {},
                      .author = request_.author,
                      .committer = request_.committer,
                      .when = request_.when,
                      .message = message};
    if (!head_.unborn) parts.parents.push_back(head_.oid);
    auto const text = format_commit(parts);
    if (!text) return std::unexpected(text.error());
    auto const commit = batch.put(GIT_OBJECT_COMMIT, *text);
    if (!commit) return std::unexpected(commit.error());
    std::optional<Oid> const expected = head_.unborn ? std::nullopt : std::optional<Oid>{head_.oid};
    auto head_lock = HeadLock::acquire(impl_, head_, expected);
    if (!head_lock) return std::unexpected(std::move(head_lock).error());
    SyncSet contents;
    batch.collect(contents);
    DROVER_TRY(lock.stage(index.serialize(), contents));
    DROVER_TRY(head_lock->stage(*commit, contents));
    DROVER_TRY(contents.sync(impl_.git_folder));

    SyncSet names;
    DROVER_TRY(batch.publish(names));
    auto files = diff_trees(impl_, staged.head_tree, staged.tree);
    if (!files) return std::unexpected(std::move(files).error());
    DROVER_TRY(lock.publish(names));
    std::string const reflog =
        fmt::format("commit{}: {}", head_.unborn ? " (initial)" : "", outcome_.subject);
    DROVER_TRY(head_lock->publish(request_.committer, request_.when, reflog, names));
    DROVER_TRY(names.sync(impl_.git_folder));
    outcome_.committed = true;
    outcome_.commit = *commit;
    outcome_.files = std::move(*files);
    for (auto const& file : outcome_.files) {
      outcome_.insertions += file.insertions;
      outcome_.deletions += file.deletions;
    }
    return {};
  }

  Repository::Impl const& impl_;
  CommitRequest const& request_;
  Head head_;
  CommitOutcome outcome_;
};

}  // namespace

// Also used by Repository::init, which is the only one to commit on an unborn HEAD.
Result<CommitOutcome> commit_on(Repository const& repository, CommitRequest const& request,
                                Head const& head) {
  auto const& impl = repository.impl();
  OwnerScope const scope{impl};
  return Committer{impl, request, head}.run();
}

Result<CommitOutcome> commit_changes(Repository& repository, CommitRequest const& request) {
  DROVER_TRY(repository.require_quiet());
  auto const head = repository.head();
  if (!head) return std::unexpected(head.error());
  if (head->unborn) return no_commits(repository.impl());
  return commit_on(repository, request, *head);
}

Result<Preview> preview_changes(Repository& repository, std::vector<std::string> const& excluded,
                                CommitLimits const& limits) {
  auto const& impl = repository.impl();
  auto const head = repository.head();
  if (!head) return std::unexpected(head.error());
  if (head->unborn) return no_commits(impl);
  OwnerScope const scope{impl};
  auto index = read_index(impl);
  if (!index) return std::unexpected(std::move(index).error());
  ObjectBatch batch{impl.odb.get(), impl.objects_folder()};
  auto staged = stage_tree(impl, *head, *index, stage_request(excluded, limits), batch);
  if (!staged) return std::unexpected(std::move(staged).error());
  DROVER_TRY(batch.flush());
  auto files = diff_trees(impl, staged->head_tree, staged->tree);
  if (!files) return std::unexpected(std::move(files).error());
  return Preview{.dirty = staged->tree != staged->head_tree,
                 .head = head->oid,
                 .tree = staged->tree,
                 .files = std::move(*files),
                 .skipped = std::move(staged->staged.skipped)};
}

}  // namespace drover::git
