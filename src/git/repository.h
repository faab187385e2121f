#pragma once
// A repository on the host, whose work tree an agent wrote: hostile. Nothing of it is ever executed
// (no hooks, filters, fsmonitor, textconv, submodules, no `git` program), nothing of it is followed
// out of it, and no FIFO or device blocks us. libgit2 reads and writes objects and references; the
// walk, the index, the rules files and the checkout are our own.
//
// Everything blocks: call from the BlockingPool. A Repository is used by one thread at a time; open
// one a job, it costs less than a millisecond. When we are root and the repository belongs to
// somebody else, files are read and written with that user's file-system identity.
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "git/oid.h"
#include "git/skip.h"

namespace drover::git {

struct LibraryOptions {
  // Whose ~/.gitconfig, ~/.config/git/{config,ignore,attributes} count; empty: nobody's.
  std::string user_home;
};

// Process-wide set-up of libgit2. Make one in main before any thread uses this layer, and keep it.
class Library {
 public:
  explicit Library(LibraryOptions const& options = {});
  ~Library();
  Library(Library const&) = delete;
  Library& operator=(Library const&) = delete;
};

struct Identity {
  std::string name;
  std::string email;
};

struct Head {
  Oid oid;             // zero when unborn
  std::string branch;  // short name; empty when detached
  bool unborn = false;
};

struct InitRequest {
  std::string subject = "seed";
  Identity author, committer;
  WallTime when;
  // Written first where they do not exist: path and content.
  std::vector<std::pair<std::string, std::string>> files;
  std::vector<std::string> excluded;
};

enum class FolderKind { empty_folder, plain_files, repository };

struct WorkspaceState {
  FolderKind kind = FolderKind::empty_folder;
  Head head;
  bool is_linked_worktree = false;
  bool dirty = false;
  std::vector<std::string> dirty_paths;  // the first kDirtyPathsMax, sorted
  std::size_t dirty_count = 0;
  // Set when the folder lies inside the work tree of another repository.
  std::string enclosing_repository;
};
inline constexpr std::size_t kDirtyPathsMax = 20;

struct TreeStatus {
  bool dirty = false;
  std::vector<std::string> paths;  // the first kDirtyPathsMax, sorted
  std::size_t count = 0;
  std::vector<Skipped> skipped;
  // No regular files: libgit2 must not be asked for attributes while they are there.
  std::vector<std::string> odd_attribute_files;
};

class Repository {
 public:
  struct OpenOptions {
    // Where .git was when the workspace was registered; another place is refused. Empty: any.
    std::string git_folder;
  };
  // `path` is the top of a work tree, also of a linked one. not_found: no folder, or no repository;
  // unsupported: bare, or of a format that is not known. An unborn HEAD is allowed here and refused
  // where a commit is needed.
  [[nodiscard]] static Result<Repository> open(std::string const& path, OpenOptions const& options);
  [[nodiscard]] static Result<Repository> open(std::string const& path);
  // Makes `path` a repository (unless it is one without commits) and commits what is in it.
  [[nodiscard]] static Result<Repository> init(std::string const& path, InitRequest const& request);

  Repository(Repository&&) noexcept;
  Repository& operator=(Repository&&) noexcept;
  ~Repository();

  [[nodiscard]] std::string const& work_tree() const;   // absolute, without a final slash
  [[nodiscard]] std::string const& git_folder() const;  // of this work tree
  [[nodiscard]] std::string const& common_folder() const;
  [[nodiscard]] bool is_linked_worktree() const;

  [[nodiscard]] Result<Head> head() const;
  // conflict while a merge, rebase, cherry-pick, revert or bisect is under way.
  [[nodiscard]] Status require_quiet() const;
  // conflict names the index lock that somebody has or left; those of a killed drover are removed.
  [[nodiscard]] Status require_unlocked() const;
  // user.name and user.email of the repository or the user's own configuration; not_found says how
  // to set them.
  [[nodiscard]] Result<Identity> user_identity() const;
  // Does the work tree or the index differ from HEAD? Ignored files do not count. Writes nothing.
  [[nodiscard]] Result<TreeStatus> status(std::vector<std::string> const& excluded = {}) const;
  // Adds patterns to info/exclude, each once.
  [[nodiscard]] Status exclude_locally(std::vector<std::string> const& patterns) const;
  // A commit by its 40 digits, branch or other name; not_found.
  [[nodiscard]] Result<Oid> resolve_commit(std::string const& name) const;

  struct Impl;
  [[nodiscard]] Impl& impl() const { return *impl_; }

 private:
  explicit Repository(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// What a folder is, without changing it.
[[nodiscard]] Result<WorkspaceState> inspect(std::string const& path,
                                             std::vector<std::string> const& excluded = {});

}  // namespace drover::git
