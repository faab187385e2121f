#include "git/repository.h"

#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include "base/check.h"
#include "base/text.h"
#include "git/commit.h"
#include "git/head_lock.h"
#include "git/index_file.h"
#include "git/index_lock.h"
#include "git/objects.h"
#include "git/repository_impl.h"
#include "git/stage.h"
#include "git/tree_delta.h"
#include "os/files.h"

namespace drover::git {

// commit.cc
Result<CommitOutcome> commit_on(Repository const& repository, CommitRequest const& request,
                                Head const& head);

namespace {

std::string& user_home() {
  static std::string home;
  return home;
}

void set_search_path(git_config_level_t level, std::string const& path) {
  DROVER_CHECK(git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, static_cast<int>(level), path.c_str()) ==
               0);
}

std::string without_final_slash(std::string path) {
  while (path.size() > 1 && path.ends_with('/'))
    path.pop_back();
  return path;
}

std::optional<std::string> config_text(git_config* config, char const* name) {
  git_buf buffer = GIT_BUF_INIT;
  if (git_config_get_string_buf(&buffer, config, name) != 0) return std::nullopt;
  std::string text{buffer.ptr, buffer.size};
  git_buf_dispose(&buffer);
  return text;
}

bool config_flag(git_config* config, char const* name, bool fallback) {
  int value = 0;
  return git_config_get_bool(&value, config, name) == 0 ? value != 0 : fallback;
}

// A path from the configuration: `~/` is the user's home; other relative ones are not followed.
std::string config_path(git_config* config, char const* name, std::string_view default_below_home) {
  auto path = config_text(config, name);
  std::string const& home = user_home();
  if (!path) return home.empty() ? "" : home + std::string{default_below_home};
  if (path->starts_with("~/")) return home.empty() ? "" : home + path->substr(1);
  return path->starts_with('/') ? *path : "";
}

ConvertConfig convert_config(git_config* config) {
  ConvertConfig convert;
  auto const auto_crlf = config_text(config, "core.autocrlf");
  if (auto_crlf && iequals(*auto_crlf, "input"))
    convert.auto_crlf = AutoCrlf::input;
  else if (config_flag(config, "core.autocrlf", false))
    convert.auto_crlf = AutoCrlf::on;
  auto const eol = config_text(config, "core.eol");
  if (eol && iequals(*eol, "crlf")) convert.eol = CoreEol::crlf;
  if (eol && iequals(*eol, "lf")) convert.eol = CoreEol::lf;
  return convert;
}

std::string_view state_sentence(int state) {
  switch (state) {
    case GIT_REPOSITORY_STATE_MERGE:
      return "a merge";
    case GIT_REPOSITORY_STATE_REVERT:
    case GIT_REPOSITORY_STATE_REVERT_SEQUENCE:
      return "a revert";
    case GIT_REPOSITORY_STATE_CHERRYPICK:
    case GIT_REPOSITORY_STATE_CHERRYPICK_SEQUENCE:
      return "a cherry-pick";
    case GIT_REPOSITORY_STATE_BISECT:
      return "a bisect";
    case GIT_REPOSITORY_STATE_REBASE:
    case GIT_REPOSITORY_STATE_REBASE_INTERACTIVE:
    case GIT_REPOSITORY_STATE_REBASE_MERGE:
      return "a rebase";
    case GIT_REPOSITORY_STATE_APPLY_MAILBOX:
    case GIT_REPOSITORY_STATE_APPLY_MAILBOX_OR_REBASE:
      return "a `git am`";
    default:
      return "an operation";
  }
}

Status require_folder(std::string const& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR)
      return fail(ErrorCode::not_found, "there is no folder {}", printable(path, 300));
    return fail_errno("inspect", path);
  }
  if (!S_ISDIR(info.st_mode))
    return fail(ErrorCode::invalid_argument, "{} is not a folder", printable(path, 300));
  return {};
}

Result<struct stat> owner_of(std::string const& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return fail_errno("inspect", path);
  return info;
}

std::unexpected<Error> not_a_repository(std::string const& path) {
  return fail_next(ErrorCode::not_found,
                   fmt::format("{} is not the top of a git work tree", printable(path, 300)),
                   "run `git init` and commit there, or let drover do it with --init");
}

Result<RepositoryHandle> open_handle(std::string const& path) {
  if (!os::exists(path + "/.git")) {
    // A bare repository has these at its top.
    if (os::exists(path + "/HEAD") && os::exists(path + "/objects") && os::exists(path + "/refs"))
      return fail_next(
          ErrorCode::unsupported,
          fmt::format("{} is a bare repository: it has no work tree", printable(path, 300)),
          "clone it, and use the clone");
    return not_a_repository(path);
  }
  git_repository* raw = nullptr;
  int const status =
      git_repository_open_ext(&raw, path.c_str(), GIT_REPOSITORY_OPEN_NO_SEARCH, nullptr);
  if (status == GIT_ENOTFOUND) return not_a_repository(path);
  if (status < 0) return fail_git(status, "open the repository", path);
  return RepositoryHandle{raw};
}

Status check_work_tree(git_repository* handle, std::string const& path) {
  if (git_repository_is_bare(handle) != 0)
    return fail_next(ErrorCode::unsupported, fmt::format("{} is a bare repository", path),
                     "clone it, and use the clone");
  // core.worktree may point anywhere.
  auto const actual = os::real_path(without_final_slash(git_repository_workdir(handle)));
  if (actual && *actual == path) return {};
  return fail_next(ErrorCode::unsupported,
                   fmt::format("the repository in {} has its work tree elsewhere", path),
                   "unset core.worktree, or use that folder");
}

void load_config(Repository::Impl& impl) {
  git_config* const config = impl.config.get();
  impl.convert = convert_config(config);
  impl.trust_executable_bit = config_flag(config, "core.filemode", true);
  impl.excludes_file = config_path(config, "core.excludesfile", "/.config/git/ignore");
  impl.attributes_file = config_path(config, "core.attributesfile", "/.config/git/attributes");
}

Status load(Repository::Impl& impl) {
  git_repository* const handle = impl.handle.get();
  impl.git_folder = without_final_slash(git_repository_path(handle));
  impl.common_folder = without_final_slash(git_repository_commondir(handle));
  impl.linked = git_repository_is_worktree(handle) != 0;
  git_config* config = nullptr;
  int status = git_repository_config_snapshot(&config, handle);
  if (status < 0) return fail_git(status, "read the git configuration of", impl.work_tree);
  impl.config.reset(config);
  git_odb* odb = nullptr;
  status = git_repository_odb(&odb, handle);
  if (status < 0) return fail_git(status, "open the objects of", impl.work_tree);
  impl.odb.reset(odb);
  auto root = os::open_folder(impl.work_tree);
  if (!root) return std::unexpected(std::move(root).error());
  impl.root = std::move(*root);
  load_config(impl);
  return {};
}

// Paths of the index that differ from the tree of HEAD. Rare: only when something is staged.
Result<std::vector<std::string>> staged_paths(Repository::Impl const& impl, Oid const& head_tree) {
  git_oid const wanted = to_git(head_tree);
  git_tree* raw_tree = nullptr;
  if (int const status = git_tree_lookup(&raw_tree, impl.handle.get(), &wanted); status < 0)
    return fail_git(status, "read the tree", head_tree.hex());
  TreeHandle const tree{raw_tree};
  git_index* raw_index = nullptr;
  if (int const status = git_repository_index(&raw_index, impl.handle.get()); status < 0)
    return fail_git(status, "read the index of", impl.work_tree);
  IndexHandle const index{raw_index};
  git_index_read(raw_index, 0);
  git_diff* raw_diff = nullptr;
  if (int const status =
          git_diff_tree_to_index(&raw_diff, impl.handle.get(), raw_tree, raw_index, nullptr);
      status < 0)
    return fail_git(status, "compare the index of", impl.work_tree);
  DiffHandle const diff{raw_diff};
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < git_diff_num_deltas(raw_diff); ++i)
    paths.emplace_back(git_diff_get_delta(raw_diff, i)->new_file.path);
  return paths;
}

std::string find_enclosing(std::string path) {
  for (;;) {
    std::size_t const slash = path.rfind('/');
    if (slash == std::string::npos || slash == 0) return {};
    path.resize(slash);
    if (os::exists(path + "/.git")) return path;
  }
}

bool holds_nothing(std::string const& path) {
  std::error_code error;
  return std::filesystem::is_empty(path, error) && !error;
}

}  // namespace

std::unexpected<Error> fail_git(int status, std::string_view operation, std::string_view subject) {
  git_error const* const last = git_error_last();
  std::string const why = last != nullptr && last->message != nullptr
                              ? printable(last->message, 400)
                              : fmt::format("libgit2 error {}", status);
  ErrorCode code = ErrorCode::internal;
  if (status == GIT_ENOTFOUND) code = ErrorCode::not_found;
  if (status == GIT_ELOCKED || status == GIT_EEXISTS || status == GIT_EMODIFIED ||
      status == GIT_ECONFLICT)
    code = ErrorCode::conflict;
  if (last != nullptr && last->klass == GIT_ERROR_OS && errno == ENOSPC) code = ErrorCode::no_space;
  return fail(code, "could not {} {}: {}", operation, printable(subject, 300), why);
}

Library::Library(LibraryOptions const& options) {
  DROVER_CHECK(git_libgit2_init() > 0);
  user_home() = without_final_slash(options.user_home);
  std::string const& home = user_home();
  set_search_path(GIT_CONFIG_LEVEL_PROGRAMDATA, "");
  set_search_path(GIT_CONFIG_LEVEL_SYSTEM, "");
  set_search_path(GIT_CONFIG_LEVEL_GLOBAL, home);
  set_search_path(GIT_CONFIG_LEVEL_XDG, home.empty() ? "" : home + "/.config/git");
  // We run as root over repositories of users. What the check protects from is the execution of
  // hooks and filters of a foreign repository, and nothing is executed here.
  git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
  git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
  // `git sparse-checkout` and `git config --worktree` set it; what config.worktree may hold is not
  // read by us.
  std::array<char const*, 1> extensions{"worktreeconfig"};
  git_libgit2_opts(GIT_OPT_SET_EXTENSIONS, extensions.data(), extensions.size());
}

Library::~Library() {
  git_libgit2_shutdown();
}

OwnerScope::OwnerScope(uid_t owner, gid_t group) {
  if (::geteuid() != 0 || owner == 0) return;
  // Per thread by the kernel's definition. The group first: afterwards we may not.
  previous_group_ = ::setfsgid(group);
  previous_owner_ = ::setfsuid(owner);
  active_ = true;
  // The calls report no failure; an invalid id reads the current one.
  DROVER_CHECK(static_cast<uid_t>(::setfsuid(static_cast<uid_t>(-1))) == owner);
}

OwnerScope::~OwnerScope() {
  if (!active_) return;
  ::setfsuid(static_cast<uid_t>(previous_owner_));
  ::setfsgid(static_cast<gid_t>(previous_group_));
}

Result<Oid> tree_of(Repository::Impl const& impl, Oid const& commit) {
  git_oid const wanted = to_git(commit);
  git_commit* raw = nullptr;
  if (int const status = git_commit_lookup(&raw, impl.handle.get(), &wanted); status < 0)
    return fail_git(status, "read the commit", commit.hex());
  CommitHandle const handle{raw};
  return from_git(*git_commit_tree_id(raw));
}

Result<std::string> read_small_file(std::string const& path) {
  auto text = os::read_file(path, kRulesFileBytesMax);
  if (!text && text.error().code == ErrorCode::not_found) return std::string{};
  return text;
}

std::unexpected<Error> no_commits(Repository::Impl const& impl) {
  return fail_next(ErrorCode::conflict,
                   fmt::format("the repository {} has no commit yet", impl.work_tree),
                   "make a first one with `git commit`, or let drover do it with --init");
}

Repository::Repository(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Repository::Repository(Repository&&) noexcept = default;
Repository& Repository::operator=(Repository&&) noexcept = default;
Repository::~Repository() = default;

Result<Repository> Repository::open(std::string const& path) {
  return open(path, OpenOptions{});
}

Result<Repository> Repository::open(std::string const& path, OpenOptions const& options) {
  DROVER_TRY(require_folder(path));
  auto real = os::real_path(path);
  if (!real) return std::unexpected(std::move(real).error());
  auto impl = std::make_unique<Impl>();
  impl->work_tree = std::move(*real);
  auto const owner =
      owner_of(os::exists(impl->work_tree + "/.git") ? impl->work_tree + "/.git" : impl->work_tree);
  if (!owner) return std::unexpected(owner.error());
  impl->owner = owner->st_uid;
  impl->owner_group = owner->st_gid;
  OwnerScope const scope{*impl};
  auto handle = open_handle(impl->work_tree);
  if (!handle) return std::unexpected(std::move(handle).error());
  impl->handle = std::move(*handle);
  DROVER_TRY(check_work_tree(impl->handle.get(), impl->work_tree));
  DROVER_TRY(load(*impl));
  if (!options.git_folder.empty() && options.git_folder != impl->git_folder)
    return fail_next(ErrorCode::conflict,
                     fmt::format("{} points to another repository ({}) than when it was registered",
                                 impl->work_tree, printable(impl->git_folder, 300)),
                     "register the workspace anew if that is wanted");
  return Repository{std::move(impl)};
}

Result<Repository> Repository::init(std::string const& path, InitRequest const& request) {
  DROVER_TRY(require_folder(path));
  auto const real = os::real_path(path);
  if (!real) return std::unexpected(real.error());
  auto const owner = owner_of(*real);
  if (!owner) return std::unexpected(owner.error());
  OwnerScope const scope{owner->st_uid, owner->st_gid};
  if (!os::exists(*real + "/.git")) {
    git_repository_init_options options{};
    git_repository_init_options_init(&options, GIT_REPOSITORY_INIT_OPTIONS_VERSION);
    options.flags = GIT_REPOSITORY_INIT_MKDIR | GIT_REPOSITORY_INIT_NO_REINIT;
    options.initial_head = "main";
    git_repository* raw = nullptr;
    if (int const status = git_repository_init_ext(&raw, real->c_str(), &options); status < 0)
      return fail_git(status, "make a repository of", *real);
    git_repository_free(raw);
  }
  auto repository = open(*real);
  if (!repository) return repository;
  auto const head = repository->head();
  if (!head) return std::unexpected(head.error());
  if (!head->unborn)
    return fail(ErrorCode::conflict, "{} is a repository with commits already", *real);
  for (auto const& [name, content] : request.files) {
    if (os::exists(*real + "/" + name)) continue;
    DROVER_TRY(os::write_file_atomic(*real + "/" + name, content));
  }
  CommitRequest const seed{.subject = request.subject,
                           .body = {},
                           .author = request.author,
                           .committer = request.committer,
                           .when = request.when,
                           .trailers = {},
                           .excluded = request.excluded,
                           .limits = {},
                           .expected_head = {}};
  auto const committed = commit_on(*repository, seed, *head);
  if (!committed) return std::unexpected(committed.error());
  return repository;
}

std::string const& Repository::work_tree() const {
  return impl_->work_tree;
}
std::string const& Repository::git_folder() const {
  return impl_->git_folder;
}
std::string const& Repository::common_folder() const {
  return impl_->common_folder;
}
bool Repository::is_linked_worktree() const {
  return impl_->linked;
}

Result<Head> Repository::head() const {
  OwnerScope const scope{*impl_};
  git_reference* raw = nullptr;
  int status = git_reference_lookup(&raw, impl_->handle.get(), "HEAD");
  if (status < 0) return fail_git(status, "read HEAD of", impl_->work_tree);
  ReferenceHandle const reference{raw};
  Head head;
  if (git_reference_type(raw) == GIT_REFERENCE_DIRECT) {
    head.oid = from_git(*git_reference_target(raw));
    return head;
  }
  std::string const target = git_reference_symbolic_target(raw);
  static constexpr std::string_view kBranches = "refs/heads/";
  if (!target.starts_with(kBranches))
    return fail_next(
        ErrorCode::unsupported,
        fmt::format("HEAD of {} is at {}, which is no branch", impl_->work_tree, printable(target)),
        "check out a branch");
  head.branch = target.substr(kBranches.size());
  git_oid oid{};
  status = git_reference_name_to_id(&oid, impl_->handle.get(), target.c_str());
  if (status == GIT_ENOTFOUND)
    head.unborn = true;
  else if (status < 0)
    return fail_git(status, "read the branch", target);
  else
    head.oid = from_git(oid);
  return head;
}

Status Repository::require_quiet() const {
  OwnerScope const scope{*impl_};
  int const state = git_repository_state(impl_->handle.get());
  if (state == GIT_REPOSITORY_STATE_NONE) return {};
  return fail_next(ErrorCode::conflict,
                   fmt::format("{} is under way in {}", state_sentence(state), impl_->work_tree),
                   "finish or abort it with git first (see `git status`)");
}

Status Repository::require_unlocked() const {
  OwnerScope const scope{*impl_};
  auto const at = head();
  if (!at) return std::unexpected(at.error());
  DROVER_TRY(IndexLock::acquire(impl_->git_folder, head_lock_path(*impl_, *at)));
  return {};
}

Result<Identity> Repository::user_identity() const {
  auto const name = config_text(impl_->config.get(), "user.name");
  auto const email = config_text(impl_->config.get(), "user.email");
  if (name && email && !trim(*name).empty()) return Identity{*name, *email};
  return fail_next(ErrorCode::not_found,
                   fmt::format("git does not know who you are in {}: {} is not set",
                               impl_->work_tree, name ? "user.email" : "user.name"),
                   "run `git config --global user.name \"Your Name\"` and "
                   "`git config --global user.email you@example.com`");
}

Result<TreeStatus> Repository::status(std::vector<std::string> const& excluded) const {
  auto const at = head();
  if (!at) return std::unexpected(at.error());
  OwnerScope const scope{*impl_};
  auto index = IndexFile::read(impl_->index_path());
  if (!index) return std::unexpected(std::move(index).error());
  StageRequest request;
  request.excluded = excluded;
  auto looked = look(*impl_, *index, request);
  if (!looked) return std::unexpected(std::move(looked).error());
  std::vector<std::string> paths = std::move(looked->changed);
  if (!at->unborn) {
    auto const head_tree = tree_of(*impl_, at->oid);
    if (!head_tree) return std::unexpected(head_tree.error());
    bool const known_equal = index->tree().entries >= 0 && index->tree().oid == *head_tree;
    if (!known_equal) {
      auto staged = staged_paths(*impl_, *head_tree);
      if (!staged) return std::unexpected(std::move(staged).error());
      std::ranges::move(*staged, std::back_inserter(paths));
    }
  } else {
    for (auto const& entry : index->entries())
      paths.emplace_back(entry.path);
  }
  std::ranges::sort(paths);
  paths.erase(std::ranges::unique(paths).begin(), paths.end());
  TreeStatus result{.dirty = !paths.empty(),
                    .paths = {},
                    .count = paths.size(),
                    .skipped = std::move(looked->skipped),
                    .odd_attribute_files = std::move(looked->odd_attribute_files)};
  paths.resize(std::min(paths.size(), kDirtyPathsMax));
  result.paths = std::move(paths);
  return result;
}

Status Repository::exclude_locally(std::vector<std::string> const& patterns) const {
  OwnerScope const scope{*impl_};
  std::string const path = impl_->common_folder + "/info/exclude";
  auto text = read_small_file(path);
  if (!text) return std::unexpected(std::move(text).error());
  std::string added = *text;
  for (auto const& pattern : patterns) {
    auto const lines = split(added, '\n');
    if (std::ranges::find(lines, pattern) != lines.end()) continue;
    if (!added.empty() && !added.ends_with('\n')) added += '\n';
    added += pattern + "\n";
  }
  if (added == *text) return {};
  DROVER_TRY(os::make_folders(impl_->common_folder + "/info"));
  return os::write_file_atomic(path, added);
}

Result<Oid> Repository::resolve_commit(std::string const& name) const {
  OwnerScope const scope{*impl_};
  git_object* raw = nullptr;
  int const status = git_revparse_single(&raw, impl_->handle.get(), name.c_str());
  if (status < 0)
    return fail(ErrorCode::not_found, "there is no commit '{}' in {}", printable(name),
                impl_->work_tree);
  std::unique_ptr<git_object, Freed<git_object_free>> const object{raw};
  git_object* peeled = nullptr;
  if (git_object_peel(&peeled, raw, GIT_OBJECT_COMMIT) != 0)
    return fail(ErrorCode::not_found, "'{}' in {} is no commit", printable(name), impl_->work_tree);
  std::unique_ptr<git_object, Freed<git_object_free>> const commit{peeled};
  return from_git(*git_object_id(peeled));
}

Result<WorkspaceState> inspect(std::string const& path, std::vector<std::string> const& excluded) {
  DROVER_TRY(require_folder(path));
  auto const real = os::real_path(path);
  if (!real) return std::unexpected(real.error());
  WorkspaceState state;
  if (!os::exists(*real + "/.git")) {
    state.kind = holds_nothing(*real) ? FolderKind::empty_folder : FolderKind::plain_files;
    state.enclosing_repository = find_enclosing(*real);
    return state;
  }
  auto const repository = Repository::open(*real);
  if (!repository) return std::unexpected(repository.error());
  state.kind = FolderKind::repository;
  state.is_linked_worktree = repository->is_linked_worktree();
  auto head = repository->head();
  if (!head) return std::unexpected(std::move(head).error());
  state.head = std::move(*head);
  auto status = repository->status(excluded);
  if (!status) return std::unexpected(std::move(status).error());
  state.dirty = status->dirty;
  state.dirty_paths = std::move(status->paths);
  state.dirty_count = status->count;
  return state;
}

}  // namespace drover::git
