#include "git/worktree.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/log.h"
#include "base/text.h"
#include "git/checkout.h"
#include "git/head_lock.h"
#include "git/index_lock.h"
#include "git/objects.h"
#include "git/repository_impl.h"
#include "git/stage.h"
#include "os/files.h"

namespace drover::git {

namespace {

constexpr std::string_view kBranches = "refs/heads/";

std::string admin_root(Repository::Impl const& impl) {
  return impl.common_folder + "/worktrees";
}

// The names of the administrative folders.
std::vector<std::string> admin_names(Repository::Impl const& impl) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry{admin_root(impl), error}, end;
       !error && entry != end; entry.increment(error))
    names.push_back(entry->path().filename());
  std::ranges::sort(names);
  return names;
}

std::string first_line(Result<std::string> const& text) {
  return text ? std::string{trim(*text)} : std::string{};
}

std::string branch_of(std::string const& head_text) {
  static constexpr std::string_view kSymbolic = "ref: refs/heads/";
  return head_text.starts_with(kSymbolic) ? head_text.substr(kSymbolic.size()) : "";
}

Worktree describe(Repository::Impl const& impl, std::string const& name) {
  std::string const admin = admin_root(impl) + "/" + name;
  Worktree worktree{.name = name,
                    .path = first_line(read_small_file(admin + "/gitdir")),
                    .branch = branch_of(first_line(read_small_file(admin + "/HEAD")))};
  static constexpr std::string_view kDotGit = "/.git";
  if (worktree.path.ends_with(kDotGit)) worktree.path.resize(worktree.path.size() - kDotGit.size());
  worktree.missing = worktree.path.empty() || !os::exists(worktree.path + "/.git");
  return worktree;
}

// The branch that the main checkout has, which no Worktree describes.
std::string main_branch(Repository::Impl const& impl) {
  return branch_of(first_line(read_small_file(impl.common_folder + "/HEAD")));
}

std::string checked_out_at(Repository::Impl const& impl, std::string const& branch) {
  if (main_branch(impl) == branch)
    return impl.common_folder.ends_with("/.git")
               ? impl.common_folder.substr(0, impl.common_folder.size() - 5)
               : impl.common_folder;
  for (auto const& name : admin_names(impl)) {
    auto const worktree = describe(impl, name);
    if (worktree.branch == branch && !worktree.missing) return worktree.path;
  }
  return {};
}

Status make_branch(Repository::Impl const& impl, std::string const& branch, Oid const& start) {
  std::string const name = std::string{kBranches} + branch;
  int valid = 0;
  if (git_reference_name_is_valid(&valid, name.c_str()) != 0 || valid == 0)
    return fail(ErrorCode::invalid_argument, "'{}' is no name for a branch", printable(branch));
  git_oid existing{};
  if (git_reference_name_to_id(&existing, impl.handle.get(), name.c_str()) == 0) return {};
  git_oid const target = to_git(start);
  git_reference* raw = nullptr;
  int const status = git_reference_create(&raw, impl.handle.get(), name.c_str(), &target, 0,
                                          "branch: Created by drover");
  ReferenceHandle const owned{raw};
  if (status < 0) return fail_git(status, "make the branch", branch);
  return {};
}

// The administrative folder of a new work tree and the file that points to it.
Result<std::string> write_admin(Repository::Impl const& impl, std::string const& path,
                                std::string const& branch) {
  std::size_t const slash = path.rfind('/');
  std::string const base = slash == std::string::npos ? path : path.substr(slash + 1);
  DROVER_TRY(os::make_folders(admin_root(impl)));
  std::string admin;
  for (int i = 0;; ++i) {
    admin = fmt::format("{}/{}{}", admin_root(impl), base, i == 0 ? "" : std::to_string(i));
    if (::mkdir(admin.c_str(), 0777) == 0) break;
    if (errno != EEXIST || i > 1000) return fail_errno("make the folder", admin);
  }
  DROVER_TRY(os::write_file_atomic(admin + "/commondir", "../..\n"));
  DROVER_TRY(os::write_file_atomic(admin + "/gitdir", path + "/.git\n"));
  DROVER_TRY(os::write_file_atomic(admin + "/HEAD", fmt::format("ref: {}{}\n", kBranches, branch)));
  if (::mkdir(path.c_str(), 0777) != 0) return fail_errno("make the folder", path);
  DROVER_TRY(os::write_file_atomic(path + "/.git", fmt::format("gitdir: {}\n", admin)));
  return admin;
}

// Its making was cut off. One with a reflog was whole once, whatever became of its index.
bool is_unfinished(std::string const& admin) {
  return !os::exists(admin + "/index") && !os::exists(admin + "/logs");
}

Status fill(Repository const& worktree) {
  auto const head = worktree.head();
  if (!head) return std::unexpected(head.error());
  auto const& impl = worktree.impl();
  auto lock = IndexLock::acquire(impl.git_folder, head_lock_path(impl, *head));
  if (!lock) return std::unexpected(std::move(lock).error());
  auto const tree = tree_of(impl, head->oid);
  if (!tree) return std::unexpected(tree.error());
  auto const deltas = tree_deltas(impl, Oid{}, *tree);
  if (!deltas) return std::unexpected(deltas.error());
  IndexFile index;
  DROVER_TRY(apply_deltas(impl, index, *deltas));
  // The trees exist; this only fills the cache that makes the next commit fast.
  auto const built = build_tree(
      index, [](std::string_view content) { return hash_object(GIT_OBJECT_TREE, content); });
  if (!built) return std::unexpected(built.error());
  SyncSet contents;
  DROVER_TRY(lock->stage(index.serialize(), contents));
  DROVER_TRY(contents.sync(impl.git_folder));
  SyncSet names;
  return lock->publish(names);
}

}  // namespace

Result<Repository> add_worktree(Repository& repository, std::string const& path,
                                std::string const& branch, Oid const& start) {
  auto const& impl = repository.impl();
  OwnerScope const scope{impl};
  if (path.empty() || path.front() != '/' || path.ends_with('/'))
    return fail(ErrorCode::invalid_argument, "'{}' is no absolute path for a work tree",
                printable(path, 300));
  if (os::exists(path)) return fail(ErrorCode::conflict, "{} exists already", printable(path, 300));
  if (auto const elsewhere = checked_out_at(impl, branch); !elsewhere.empty())
    return fail_next(ErrorCode::conflict,
                     fmt::format("the branch {} is checked out in {}", branch, elsewhere),
                     "use that work tree, or another branch");
  DROVER_TRY(make_branch(impl, branch, start));
  auto const admin = write_admin(impl, path, branch);
  if (!admin) return std::unexpected(admin.error());
  auto const abandon = [&](Error error) -> Result<Repository> {
    for (auto const& leftover : {path, *admin}) {
      if (auto const removed = os::remove_tree(leftover); !removed)
        log::warn("worktree-leftover", {{"path", leftover}, {"error", removed.error().text()}});
    }
    return std::unexpected(std::move(error));
  };
  auto worktree = Repository::open(path);
  if (!worktree) return abandon(std::move(worktree).error());
  if (auto filled = fill(*worktree); !filled) return abandon(std::move(filled).error());
  return worktree;
}

Status clear_unfinished_worktree(Repository& repository, std::string const& path,
                                 std::string const& branch) {
  auto const& impl = repository.impl();
  OwnerScope const scope{impl};
  std::string const base = path.substr(path.rfind('/') + 1);
  bool whole = false;
  for (auto const& name : admin_names(impl)) {
    std::string const admin = admin_root(impl) + "/" + name;
    auto const worktree = describe(impl, name);
    // Cut off before it said whose it is; the number behind the name is write_admin's.
    bool const nameless = worktree.path.empty() && name.starts_with(base);
    if (worktree.path != path && !nameless) continue;
    if (!is_unfinished(admin)) {
      whole = true;
      continue;
    }
    // Last what says that the folder is an unfinished one: this may be killed too.
    if (!nameless) DROVER_TRY(os::remove_tree(path));
    DROVER_TRY(os::remove_tree(admin));
  }
  if (whole) return {};
  std::string const lock = fmt::format("{}/{}{}.lock", impl.common_folder, kBranches, branch);
  if (::unlink(lock.c_str()) != 0 && errno != ENOENT) return fail_errno("remove", lock);
  return {};
}

Status remove_worktree(Repository& repository, std::string const& path, WorktreeRemoval removal) {
  auto const& impl = repository.impl();
  OwnerScope const scope{impl};
  for (auto const& name : admin_names(impl)) {
    auto const worktree = describe(impl, name);
    if (worktree.path != path) continue;
    if (removal == WorktreeRemoval::clean_only && !worktree.missing) {
      auto const opened = Repository::open(path);
      if (!opened) return std::unexpected(opened.error());
      auto const status = opened->status();
      if (!status) return std::unexpected(status.error());
      if (status->dirty)
        return fail(ErrorCode::conflict, "the work tree {} has uncommitted changes, such as {}",
                    path, printable(status->paths.front()));
    }
    DROVER_TRY(os::remove_tree(path));
    return os::remove_tree(admin_root(impl) + "/" + name);
  }
  return {};
}

Result<std::vector<Worktree>> list_worktrees(Repository const& repository) {
  auto const& impl = repository.impl();
  OwnerScope const scope{impl};
  std::vector<Worktree> worktrees;
  for (auto const& name : admin_names(impl))
    worktrees.push_back(describe(impl, name));
  return worktrees;
}

Status delete_branch(Repository& repository, std::string const& branch) {
  auto const& impl = repository.impl();
  OwnerScope const scope{impl};
  if (auto const elsewhere = checked_out_at(impl, branch); !elsewhere.empty())
    return fail(ErrorCode::forbidden, "the branch {} is checked out in {}", printable(branch),
                elsewhere);
  git_reference* raw = nullptr;
  std::string const name = std::string{kBranches} + branch;
  int status = git_reference_lookup(&raw, impl.handle.get(), name.c_str());
  if (status == GIT_ENOTFOUND) return {};
  if (status < 0) return fail_git(status, "find the branch", branch);
  ReferenceHandle const reference{raw};
  status = git_reference_delete(raw);
  if (status < 0) return fail_git(status, "delete the branch", branch);
  return {};
}

}  // namespace drover::git
