#include "workspace/governor.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "git/rewind.h"
#include "workspace/private_paths.h"

namespace drover::workspace {

namespace {

constexpr std::size_t kSubjectCharactersMax = 72;
constexpr std::size_t kLeftOutNamed = 20;
constexpr std::string_view kRunTrailer = "Drover-Run";

git::Identity const kDrover{"drover", "drover@localhost"};

// A user of this machine commits under the name that their git has for them.
git::Identity author_of(git::Repository const& repository, TurnChange const& change) {
  if (change.launcher.starts_with("user:")) {
    auto const user = repository.user_identity();
    if (user) return *user;
  }
  return {change.subject, make_slug(change.subject) + "@localhost"};
}

git::CommitRequest request_of(git::Repository const& repository, TurnChange const& change) {
  git::CommitRequest request;
  request.subject = commit_subject(change.reply, change.fallback);
  request.author = author_of(repository, change);
  request.committer = kDrover;
  request.when = change.now;
  request.trailers = {{"Drover-Session", change.session},
                      {std::string{kRunTrailer}, change.run},
                      {"Drover-Model", change.model}};
  request.excluded = private_paths();
  return request;
}

Governed governed_of(TurnChange const& change, git::CommitOutcome const& outcome) {
  Governed governed;
  for (git::Skipped const& skipped : outcome.skipped) {
    if (governed.left_out.size() == kLeftOutNamed) {
      governed.left_out.push_back(fmt::format("{} more paths were left out of the commit",
                                              outcome.skipped.size() - kLeftOutNamed));
      break;
    }
    governed.left_out.push_back(fmt::format("{} was left out of the commit: {}",
                                            printable(skipped.path),
                                            git::to_string(skipped.reason)));
  }
  governed.changed = outcome.committed;
  if (!outcome.committed) return governed;
  governed.parent = outcome.parent.hex();
  governed.commit.workspace = change.checkout.id;
  governed.commit.sha = outcome.commit.hex();
  governed.commit.branch = outcome.branch;
  governed.commit.subject = to_utf8(outcome.subject);
  governed.commit.files = static_cast<std::int64_t>(outcome.files.size());
  governed.commit.insertions = static_cast<std::int64_t>(outcome.insertions);
  governed.commit.deletions = static_cast<std::int64_t>(outcome.deletions);
  return governed;
}

git::Trailer trailer_of(TurnChange const& change) {
  return {std::string{kRunTrailer}, change.run};
}

// The commit that an earlier attempt made before it could say so, which may be while this one waits
// for the index.
Result<git::CommitOutcome> commit_or_find(git::Repository& repository, TurnChange const& change) {
  auto before = git::head_commit_with(repository, trailer_of(change));
  if (!before) return std::unexpected(before.error());
  if (*before) return std::move(**before);
  git::CommitRequest request = request_of(repository, change);
  request.expected_head = change.checkout.base;
  auto made = git::commit_changes(repository, request);
  if (made || made.error().code != ErrorCode::conflict) return made;
  auto meanwhile = git::head_commit_with(repository, trailer_of(change));
  if (meanwhile && *meanwhile) return std::move(**meanwhile);
  return made;
}

// What an earlier attempt has set aside already: the commit is kept, and HEAD is not at it any
// more.
Result<std::optional<git::CommitOutcome>> kept_before(git::Repository& repository,
                                                      TurnChange const& change,
                                                      std::string const& ref) {
  auto kept = git::commit_of_ref_with(repository, ref, trailer_of(change));
  if (!kept || !*kept) return kept;
  auto const head = repository.head();
  if (!head) return std::unexpected(head.error());
  if (!head->unborn && head->oid == (*kept)->commit) return std::nullopt;
  return kept;
}

}  // namespace

std::string commit_subject(std::string_view reply, std::string_view fallback) {
  std::string_view line = trim(reply);
  if (line.empty()) line = trim(fallback);
  line = trim(line.substr(0, line.find('\n')));
  // Headings and list marks of a reply in Markdown say nothing in a log.
  while (!line.empty() && (line.front() == '#' || line.front() == '*' || line.front() == ' '))
    line.remove_prefix(1);
  std::string subject = terminal_safe(line, Lines::flatten);
  std::size_t characters = 0;
  std::size_t end = 0;
  while (end < subject.size() && characters < kSubjectCharactersMax) {
    ++end;
    while (end < subject.size() && (static_cast<unsigned char>(subject[end]) & 0xC0U) == 0x80U)
      ++end;
    ++characters;
  }
  if (end < subject.size()) {
    auto const space = subject.rfind(' ', end);
    subject.resize(space != std::string::npos && space > end / 2 ? space : end);
  }
  return subject.empty() ? "drover run" : subject;
}

Result<Governed> commit_turn(TurnChange const& change) {
  auto repository = git::Repository::open(change.checkout.path);
  if (!repository) return std::unexpected(repository.error());
  auto const outcome = commit_or_find(*repository, change);
  if (!outcome) return std::unexpected(outcome.error());
  return governed_of(change, *outcome);
}

Result<Governed> set_aside(TurnChange const& change) {
  auto repository = git::Repository::open(change.checkout.path);
  if (!repository) return std::unexpected(repository.error());
  std::string const ref = std::string{kRescueRefs} + change.run;
  auto const kept = kept_before(*repository, change, ref);
  if (!kept) return std::unexpected(kept.error());
  if (*kept) return governed_of(change, **kept);
  auto const outcome = commit_or_find(*repository, change);
  if (!outcome) return std::unexpected(outcome.error());
  Governed governed = governed_of(change, *outcome);
  if (!governed.changed) return governed;
  DROVER_TRY(git::set_ref(*repository, ref, outcome->commit));
  DROVER_TRY(git::rewind(*repository, outcome->commit, outcome->parent,
                         fmt::format("drover: set aside the changes of {}", change.run), change.now,
                         private_paths()));
  governed.commit.branch = ref;
  return governed;
}

}  // namespace drover::workspace
