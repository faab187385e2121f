#pragma once
// The text of a commit, and moving a reference to it. Internal to the layer.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "git/repository_impl.h"

namespace drover::git {

// One line of at most kSubjectBytesMax; control characters become blanks.
inline constexpr std::size_t kSubjectBytesMax = 1000;
inline constexpr std::size_t kBodyBytesMax = std::size_t{1} << 20U;
[[nodiscard]] std::string clean_subject(std::string_view subject);

struct Message {
  std::string subject, body;
  std::vector<std::pair<std::string, std::string>> trailers;
};
// Subject, body and trailers so that `git interpret-trailers --parse` finds exactly ours. Refuses
// an empty subject and a trailer key that is no token.
[[nodiscard]] Result<std::string> format_message(Message const& message);

struct CommitParts {
  Oid tree;
  std::vector<Oid> parents;
  Identity author, committer;
  WallTime when;
  std::string message;
};
[[nodiscard]] Result<std::string> format_commit(CommitParts const& parts);

// The lock file of the reference that HEAD stands for.
[[nodiscard]] std::string head_lock_path(Repository::Impl const& impl, Head const& head);

// HEAD's reference, locked: nobody moves it while this lives.
class HeadLock {
 public:
  // conflict when HEAD is not at `expected` (nullopt: unborn).
  [[nodiscard]] static Result<HeadLock> acquire(Repository::Impl const& impl, Head const& head,
                                                std::optional<Oid> const& expected);
  // Moves it, with an entry in the reflogs.
  [[nodiscard]] Status move_to(Oid const& commit, Identity const& who, WallTime when,
                               std::string const& reflog_message);

 private:
  HeadLock(TransactionHandle transaction, std::string name)
      : transaction_(std::move(transaction)), name_(std::move(name)) {}
  TransactionHandle transaction_;
  std::string name_;
};

}  // namespace drover::git
