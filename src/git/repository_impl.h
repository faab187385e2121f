#pragma once
// What the parts of this layer share about an open repository. Internal.
#include <string>
#include <vector>

#include "git/convert.h"
#include "git/handles.h"
#include "git/repository.h"
#include "os/fd.h"

namespace drover::git {

struct Repository::Impl {
  RepositoryHandle handle;
  ConfigHandle config;
  OdbHandle odb;
  os::Fd root;  // the work tree
  std::string work_tree, git_folder, common_folder;
  bool linked = false;
  uid_t owner = 0;
  gid_t owner_group = 0;
  ConvertConfig convert;
  bool trust_executable_bit = true;
  std::string excludes_file, attributes_file;  // core.*File or its default; may be empty

  [[nodiscard]] std::string index_path() const { return git_folder + "/index"; }
  [[nodiscard]] std::string objects_folder() const { return common_folder + "/objects"; }
};

// While it lives, this thread touches files as the repository's owner: what we write stays theirs,
// and a planted link reaches no further than they do. Threads started meanwhile inherit it.
class OwnerScope {
 public:
  OwnerScope(uid_t owner, gid_t group);
  explicit OwnerScope(Repository::Impl const& impl) : OwnerScope(impl.owner, impl.owner_group) {}
  ~OwnerScope();
  OwnerScope(OwnerScope const&) = delete;
  OwnerScope& operator=(OwnerScope const&) = delete;

 private:
  bool active_ = false;
  int previous_owner_ = 0;
  int previous_group_ = 0;
};

// The tree of a commit.
[[nodiscard]] Result<Oid> tree_of(Repository::Impl const& impl, Oid const& commit);
[[nodiscard]] Result<std::string> read_small_file(std::string const& path);
[[nodiscard]] std::unexpected<Error> no_commits(Repository::Impl const& impl);

}  // namespace drover::git
