#include "git/rewind.h"

#include <fmt/format.h>
#include <git2.h>

#include <utility>

#include "base/text.h"
#include "git/checkout_move.h"
#include "git/diff.h"
#include "git/handles.h"
#include "git/repository_impl.h"

namespace drover::git {

namespace {

Result<CommitHandle> load_commit(Repository::Impl const& impl, Oid const& oid) {
  git_commit* raw = nullptr;
  git_oid const wanted = to_git(oid);
  if (int const status = git_commit_lookup(&raw, impl.handle.get(), &wanted); status < 0)
    return fail_git(status, "read the commit", oid.hex());
  return CommitHandle{raw};
}

// Trailers are the last paragraph of a message.
bool has_trailer(std::string_view message, std::string const& line) {
  auto const paragraph = trim(message).rfind("\n\n");
  if (paragraph == std::string_view::npos) return false;
  for (std::string_view const part : split(trim(message).substr(paragraph), '\n'))
    if (trim(part) == line) return true;
  return false;
}

}  // namespace

Status set_ref(Repository& repository, std::string const& name, Oid const& commit) {
  OwnerScope const scope{repository.impl()};
  git_reference* raw = nullptr;
  git_oid const target = to_git(commit);
  constexpr int kForce = 1;
  int const status = git_reference_create(&raw, repository.impl().handle.get(), name.c_str(),
                                          &target, kForce, "drover: keep");
  git_reference_free(raw);
  if (status < 0) return fail_git(status, "write the reference", name);
  return {};
}

Status rewind(Repository& repository, Oid const& from, Oid const& target, std::string const& reflog,
              WallTime when, std::vector<std::string> const& excluded) {
  OwnerScope const scope{repository.impl()};
  auto head = repository.head();
  if (!head) return std::unexpected(std::move(head).error());
  if (head->unborn || head->oid != from)
    return fail(ErrorCode::conflict, "{} was to be taken back from {}, but HEAD is at {}",
                repository.work_tree(), from.hex(), head->oid.hex());
  CheckoutMove move;
  move.head = *std::move(head);
  move.target = target;
  move.who = {"drover", "drover@localhost"};
  move.when = when;
  move.reflog = reflog;
  move.excluded = excluded;
  move.again = "try again";
  return move_checkout(repository, move);
}

namespace {

Result<std::optional<CommitOutcome>> outcome_of(Repository& repository, Oid const& oid,
                                                Trailer const& trailer) {
  auto const commit = load_commit(repository.impl(), oid);
  if (!commit) return std::unexpected(commit.error());
  char const* const message = git_commit_message(commit->get());
  if (message == nullptr ||
      !has_trailer(message, fmt::format("{}: {}", trailer.name, trailer.value)))
    return std::nullopt;
  CommitOutcome outcome;
  outcome.committed = true;
  outcome.commit = oid;
  outcome.tree = from_git(*git_commit_tree_id(commit->get()));
  if (git_commit_parentcount(commit->get()) > 0)
    outcome.parent = from_git(*git_commit_parent_id(commit->get(), 0));
  char const* const summary = git_commit_summary(commit->get());
  if (summary != nullptr) outcome.subject = summary;
  auto changes = diff(repository, outcome.parent, outcome.commit, {});
  if (!changes) return std::unexpected(changes.error());
  outcome.files = std::move(changes->files);
  outcome.insertions = changes->insertions;
  outcome.deletions = changes->deletions;
  return outcome;
}

}  // namespace

Result<std::optional<CommitOutcome>> head_commit_with(Repository& repository,
                                                      Trailer const& trailer) {
  OwnerScope const scope{repository.impl()};
  auto const head = repository.head();
  if (!head) return std::unexpected(head.error());
  if (head->unborn) return std::nullopt;
  auto outcome = outcome_of(repository, head->oid, trailer);
  if (outcome && *outcome) (*outcome)->branch = head->branch;
  return outcome;
}

Result<std::optional<CommitOutcome>> commit_of_ref_with(Repository& repository,
                                                        std::string const& ref,
                                                        Trailer const& trailer) {
  OwnerScope const scope{repository.impl()};
  git_oid found{};
  int const status = git_reference_name_to_id(&found, repository.impl().handle.get(), ref.c_str());
  if (status == GIT_ENOTFOUND) return std::nullopt;
  if (status < 0) return fail_git(status, "read the reference", ref);
  auto outcome = outcome_of(repository, from_git(found), trailer);
  if (outcome && *outcome) (*outcome)->branch = ref;
  return outcome;
}

}  // namespace drover::git
