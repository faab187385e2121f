#include "git/land.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "git/checkout_move.h"
#include "git/commit_object.h"
#include "git/objects.h"
#include "git/repository_impl.h"

namespace drover::git {

namespace {

constexpr std::string_view kAgain = "land again";

Result<CommitHandle> load_commit(Repository::Impl const& impl, Oid const& oid) {
  git_commit* raw = nullptr;
  git_oid const wanted = to_git(oid);
  if (int const status = git_commit_lookup(&raw, impl.handle.get(), &wanted); status < 0)
    return fail_git(status, "read the commit", oid.hex());
  return CommitHandle{raw};
}

struct Merged {
  Oid tree;
  std::vector<std::string> conflicts;
};

std::vector<std::string> conflicting_paths(git_index* index) {
  std::set<std::string> paths;
  git_index_conflict_iterator* raw = nullptr;
  if (git_index_conflict_iterator_new(&raw, index) != 0) return {"(unknown)"};
  ConflictsHandle const iterator{raw};
  git_index_entry const* ancestor = nullptr;
  git_index_entry const* ours = nullptr;
  git_index_entry const* theirs = nullptr;
  while (git_index_conflict_next(&ancestor, &ours, &theirs, raw) == 0) {
    for (auto const* entry : {ancestor, ours, theirs}) {
      if (entry != nullptr) paths.insert(entry->path);
    }
  }
  return {paths.begin(), paths.end()};
}

// In memory; only new blobs and trees are written to the object store.
Result<Merged> merge_trees(Repository::Impl const& impl, Oid const& ours, Oid const& theirs) {
  auto const our_commit = load_commit(impl, ours);
  if (!our_commit) return std::unexpected(our_commit.error());
  auto const their_commit = load_commit(impl, theirs);
  if (!their_commit) return std::unexpected(their_commit.error());
  git_merge_options options{};
  git_merge_options_init(&options, GIT_MERGE_OPTIONS_VERSION);
  options.flags = GIT_MERGE_FIND_RENAMES;
  git_index* raw = nullptr;
  int status =
      git_merge_commits(&raw, impl.handle.get(), our_commit->get(), their_commit->get(), &options);
  if (status < 0) return fail_git(status, "merge in", impl.work_tree);
  IndexHandle const index{raw};
  Merged merged;
  if (git_index_has_conflicts(raw) != 0) {
    merged.conflicts = conflicting_paths(raw);
    return merged;
  }
  git_oid tree{};
  status = git_index_write_tree_to(&tree, raw, impl.handle.get());
  if (status < 0) return fail_git(status, "write the merged tree of", impl.work_tree);
  merged.tree = from_git(tree);
  return merged;
}

class Lander {
 public:
  Lander(Repository& repository, LandRequest const& request)
      : repository_(repository), impl_(repository.impl()), request_(request) {}

  Result<LandOutcome> run() {
    DROVER_TRY(prepare());
    if (base_ == theirs_) return LandOutcome{.commit = head_.oid, .branch = head_.branch};
    bool const can_fast_forward = base_ == head_.oid;
    if (!can_fast_forward && request_.strategy == LandStrategy::fast_forward)
      return fail_next(ErrorCode::conflict,
                       fmt::format("{} cannot be fast-forwarded to {}: both have new commits",
                                   head_.branch.empty() ? "HEAD" : head_.branch, request_.branch),
                       "land with the strategy auto or merge");
    bool const fast = can_fast_forward && request_.strategy != LandStrategy::merge;
    return fast ? fast_forward() : merge();
  }

 private:
  Status prepare() {
    DROVER_TRY(repository_.require_quiet());
    auto head = repository_.head();
    if (!head) return std::unexpected(std::move(head).error());
    head_ = std::move(*head);
    if (head_.unborn) return no_commits(impl_);
    auto const theirs = repository_.resolve_commit("refs/heads/" + request_.branch);
    if (!theirs)
      return fail(ErrorCode::not_found, "there is no branch {} in {}", printable(request_.branch),
                  impl_.work_tree);
    theirs_ = *theirs;
    git_oid base{};
    git_oid const left = to_git(head_.oid);
    git_oid const right = to_git(theirs_);
    int const status = git_merge_base(&base, impl_.handle.get(), &left, &right);
    if (status == GIT_ENOTFOUND)
      return fail(ErrorCode::conflict, "{} and {} have no commit in common",
                  head_.branch.empty() ? "HEAD" : head_.branch, request_.branch);
    if (status < 0) return fail_git(status, "find the common commit in", impl_.work_tree);
    base_ = from_git(base);
    return {};
  }

  Result<LandOutcome> fast_forward() {
    DROVER_TRY(move_to(theirs_, fmt::format("merge {}: Fast-forward", request_.branch)));
    return LandOutcome{.kind = LandKind::fast_forward, .commit = theirs_, .branch = head_.branch};
  }

  Result<LandOutcome> merge() {
    // libgit2 asks .gitattributes for merge drivers; the look makes sure that it can be read.
    DROVER_TRY(require_clean(repository_, request_.excluded, std::string{kAgain}));
    auto merged = merge_trees(impl_, head_.oid, theirs_);
    if (!merged) return std::unexpected(std::move(merged).error());
    if (!merged->conflicts.empty())
      return LandOutcome{.kind = LandKind::conflicts,
                         .commit = head_.oid,
                         .branch = head_.branch,
                         .conflicts = std::move(merged->conflicts)};
    auto const message =
        format_message({fmt::format("Merge branch '{}'", request_.branch), "", request_.trailers});
    if (!message) return std::unexpected(message.error());
    CommitParts const parts{.tree = merged->tree,
                            .parents = {head_.oid, theirs_},
                            .author = request_.identity,
                            .committer = request_.identity,
                            .when = request_.when,
                            .message = *message};
    auto const text = format_commit(parts);
    if (!text) return std::unexpected(text.error());
    ObjectBatch batch{impl_.odb.get(), impl_.objects_folder()};
    auto const commit = batch.put(GIT_OBJECT_COMMIT, *text);
    if (!commit) return std::unexpected(commit.error());
    DROVER_TRY(batch.flush());
    DROVER_TRY(move_to(*commit, fmt::format("merge {}: Merge made by drover", request_.branch)));
    return LandOutcome{.kind = LandKind::merge, .commit = *commit, .branch = head_.branch};
  }

  // Index, work tree and branch from HEAD to `target`.
  Status move_to(Oid const& target, std::string const& reflog) {
    return move_checkout(repository_, {.head = head_,
                                       .target = target,
                                       .who = request_.identity,
                                       .when = request_.when,
                                       .reflog = reflog,
                                       .excluded = request_.excluded,
                                       .again = std::string{kAgain}});
  }

  Repository& repository_;
  Repository::Impl const& impl_;
  LandRequest const& request_;
  Head head_;
  Oid theirs_, base_;
};

}  // namespace

std::string_view to_string(LandKind kind) {
  switch (kind) {
    case LandKind::fast_forward:
      return "fast_forward";
    case LandKind::merge:
      return "merge";
    case LandKind::up_to_date:
      return "up_to_date";
    case LandKind::conflicts:
      return "conflicts";
  }
  return "unknown";
}

Result<bool> is_landed(Repository const& repository, std::string const& branch) {
  auto const& impl = repository.impl();
  OwnerScope const scope{impl};
  auto const tip = repository.resolve_commit("refs/heads/" + branch);
  if (!tip && tip.error().code == ErrorCode::not_found) return true;
  if (!tip) return std::unexpected(tip.error());
  auto const head = repository.head();
  if (!head) return std::unexpected(head.error());
  if (head->unborn) return false;
  if (head->oid == *tip) return true;
  git_oid const ours = to_git(head->oid);
  git_oid const theirs = to_git(*tip);
  int const descends = git_graph_descendant_of(impl.handle.get(), &ours, &theirs);
  if (descends < 0) return fail_git(descends, "compare the history with", branch);
  return descends == 1;
}

Result<LandOutcome> land(Repository& repository, LandRequest const& request) {
  OwnerScope const scope{repository.impl()};
  return Lander{repository, request}.run();
}

}  // namespace drover::git
