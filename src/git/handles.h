#pragma once
// libgit2's objects owned, and its errors turned into ours. Internal: no header of the API
// includes this.
#include <git2.h>
#include <git2/sys/repository.h>

#include <cstring>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "base/freed.h"
#include "git/oid.h"

namespace drover::git {

using RepositoryHandle = std::unique_ptr<git_repository, Freed<git_repository_free>>;
using ReferenceHandle = std::unique_ptr<git_reference, Freed<git_reference_free>>;
using CommitHandle = std::unique_ptr<git_commit, Freed<git_commit_free>>;
using TreeHandle = std::unique_ptr<git_tree, Freed<git_tree_free>>;
using BlobHandle = std::unique_ptr<git_blob, Freed<git_blob_free>>;
using IndexHandle = std::unique_ptr<git_index, Freed<git_index_free>>;
using DiffHandle = std::unique_ptr<git_diff, Freed<git_diff_free>>;
using OdbHandle = std::unique_ptr<git_odb, Freed<git_odb_free>>;
using OdbObjectHandle = std::unique_ptr<git_odb_object, Freed<git_odb_object_free>>;
using ConfigHandle = std::unique_ptr<git_config, Freed<git_config_free>>;
using SignatureHandle = std::unique_ptr<git_signature, Freed<git_signature_free>>;
using WorktreeHandle = std::unique_ptr<git_worktree, Freed<git_worktree_free>>;
using ConflictsHandle =
    std::unique_ptr<git_index_conflict_iterator, Freed<git_index_conflict_iterator_free>>;

inline git_oid to_git(Oid const& oid) {
  git_oid out{};
  std::memcpy(out.id, oid.bytes.data(), kOidBytes);
  return out;
}

inline Oid from_git(git_oid const& oid) {
  return Oid::from_raw(reinterpret_cast<char const*>(oid.id));
}

// The last error of this thread in libgit2, for what was attempted on which thing.
[[nodiscard]] std::unexpected<Error> fail_git(int status, std::string_view operation,
                                              std::string_view subject);

}  // namespace drover::git
