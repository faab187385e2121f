#include "workspace/registry.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "base/text.h"
#include "os/files.h"
#include "workspace/private_paths.h"

namespace drover::workspace {

namespace {

constexpr std::size_t kPathBytesMax = 4096;

// Folders whose whole tree must never be handed to an agent.
bool is_system_folder(std::string_view path) {
  for (std::string_view const folder :
       {"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/proc", "/root", "/run", "/sbin",
        "/sys", "/tmp", "/usr", "/var"})
    if (path == folder) return true;
  return false;
}

Result<std::string> checked_folder(std::string const& path) {
  if (!path.starts_with('/') || path.size() > kPathBytesMax ||
      path.find('\0') != std::string::npos || !is_utf8(path))
    return fail(ErrorCode::invalid_argument, "/path: expected an absolute path, found '{}'",
                printable(path));
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR)
      return fail_next(ErrorCode::not_found, fmt::format("there is no folder {}", printable(path)),
                       "create it, or give another with -w DIR");
    return fail_errno("inspect", printable(path));
  }
  if (!S_ISDIR(info.st_mode))
    return fail_next(ErrorCode::invalid_argument,
                     fmt::format("{} is not a folder", printable(path)),
                     "a workspace is a folder under git");
  auto resolved = os::real_path(path);
  if (!resolved) return resolved;
  if (is_system_folder(*resolved))
    return fail_next(ErrorCode::forbidden,
                     fmt::format("{} is a folder of the system and no workspace", *resolved),
                     "give a project's own folder with -w DIR");
  if (::access(resolved->c_str(), R_OK | W_OK | X_OK) != 0)
    return fail_next(ErrorCode::forbidden,
                     fmt::format("the folder {} is not writable for drover", printable(*resolved)),
                     "run drover as its owner, or change its permissions");
  return resolved;
}

git::InitRequest seed_request(WallTime now) {
  git::Identity const drover{"drover", "drover@localhost"};
  git::InitRequest request;
  request.subject = "seed";
  request.author = drover;
  request.committer = drover;
  request.when = now;
  request.excluded = private_paths();
  return request;
}

// The folder as a repository with a commit, made so where `init` allows it.
Status ensure_repository(std::string const& path, Init init, WallTime now) {
  auto const state = git::inspect(path, private_paths());
  if (!state) return std::unexpected(state.error());
  bool const files = state->kind == git::FolderKind::plain_files;
  if (files && init == Init::empty_only)
    return fail_next(ErrorCode::conflict,
                     fmt::format("{} has files and is no git repository", printable(path)),
                     "add --init to make it one, with its files as the first commit");
  bool const unborn = state->kind == git::FolderKind::repository && state->head.unborn;
  if (unborn && state->dirty && init == Init::empty_only)
    return fail_next(ErrorCode::conflict,
                     fmt::format("the repository {} has files and no commit yet", printable(path)),
                     "commit them, or add --init to let drover make the first commit");
  if (state->kind == git::FolderKind::repository && !unborn) {
    auto const repository = git::Repository::open(path);
    if (!repository) return std::unexpected(repository.error());
    return repository->exclude_locally(private_patterns());
  }
  auto const made = git::Repository::init(path, seed_request(now));
  if (!made) return std::unexpected(made.error());
  return made->exclude_locally(private_patterns());
}

}  // namespace

Registry::Registry(store::Writer& writer, os::BlockingPool& pool, Clock const& clock)
    : writer_(writer), pool_(pool), clock_(clock) {}

std::vector<store::Migration> Registry::migrations() {
  return {{"workspace", 1, "workspaces",
           "CREATE TABLE workspaces(id TEXT PRIMARY KEY, path TEXT NOT NULL UNIQUE,"
           " created_ms INTEGER NOT NULL) STRICT"}};
}

Status Registry::load(store::Database& database) {
  auto rows = database.query("SELECT id, path, created_ms FROM workspaces");
  if (!rows) return std::unexpected(rows.error());
  for (;;) {
    auto const more = rows->step();
    if (!more) return std::unexpected(more.error());
    if (!*more) return {};
    auto id = WorkspaceId::trusted(std::string{rows->text(0)});
    all_.insert_or_assign(
        id, Workspace{id, std::string{rows->text(1)}, from_unix_ms(rows->integer(2))});
  }
}

Workspace const* Registry::by_path(std::string const& path) const {
  for (auto const& [id, workspace] : all_)
    if (workspace.path == path) return &workspace;
  return nullptr;
}

WorkspaceId Registry::free_id(std::string const& path) const {
  std::string const base = make_slug(path.substr(path.rfind('/') + 1)).substr(0, 50);
  std::string text = base;
  for (int number = 2; all_.contains(WorkspaceId::trusted(text)); ++number)
    text = fmt::format("{}-{}", base, number);
  return WorkspaceId::trusted(text);
}

Task<Result<Registry::Added>> Registry::add(std::string path, std::optional<WorkspaceId> wanted,
                                            Init init) {
  WallTime const now = clock_.now();
  auto prepared = co_await pool_.run([path, init, now]() -> Result<std::string> {
    auto folder = checked_folder(path);
    if (!folder) return folder;
    DROVER_TRY(ensure_repository(*folder, init, now));
    return folder;
  });
  if (!prepared) co_return std::unexpected(prepared.error());
  if (auto const* const known = by_path(*prepared); known != nullptr) {
    if (wanted && *wanted != known->id)
      co_return fail(ErrorCode::conflict, "{} is registered as the workspace {}", *prepared,
                     known->id);
    co_return Added{*known, false};
  }
  if (wanted && all_.contains(*wanted))
    co_return fail(ErrorCode::conflict, "the workspace {} is {}", *wanted, all_.at(*wanted).path);
  Workspace const workspace{wanted.value_or(free_id(*prepared)), *prepared, now};
  auto stored = co_await writer_.run([this, workspace](store::Transaction& transaction) -> Status {
    DROVER_TRY(transaction.db().run("INSERT INTO workspaces(id, path, created_ms) VALUES(?,?,?)",
                                    workspace.id.str(), workspace.path,
                                    to_unix_ms(workspace.created_at)));
    transaction.on_commit([this, workspace] { all_.insert_or_assign(workspace.id, workspace); });
    return {};
  });
  if (!stored) {
    // Somebody registered the same folder meanwhile.
    auto const* const known = by_path(*prepared);
    if (known != nullptr) co_return Added{*known, false};
    co_return std::unexpected(stored.error());
  }
  co_return Added{workspace, true};
}

Task<Status> Registry::forget(WorkspaceId id) {
  auto const known = find(id);
  if (!known) co_return std::unexpected(known.error());
  co_return co_await writer_.run([this, id](store::Transaction& transaction) -> Status {
    DROVER_TRY(transaction.db().run("DELETE FROM workspaces WHERE id=?", id.str()));
    transaction.on_commit([this, id] { all_.erase(id); });
    return {};
  });
}

Result<Workspace> Registry::find(WorkspaceId const& id) const {
  auto const found = all_.find(id);
  if (found == all_.end())
    return fail_next(ErrorCode::not_found, fmt::format("there is no workspace {}", id),
                     "drover workspaces lists them; drover workspaces add DIR adds one");
  return found->second;
}

std::vector<Workspace> Registry::list() const {
  std::vector<Workspace> result;
  for (auto const& [id, workspace] : all_)
    result.push_back(workspace);
  return result;
}

}  // namespace drover::workspace
