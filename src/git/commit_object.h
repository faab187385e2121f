#pragma once
// The text of a commit. Internal to the layer.
#include <string>
#include <utility>
#include <vector>

#include "git/repository.h"

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

// `name <email> seconds +0000`, of a commit and of a reflog. Refuses an empty name.
[[nodiscard]] Result<std::string> format_identity(Identity const& identity, WallTime when);

}  // namespace drover::git
