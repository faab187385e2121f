#include "worker/placement.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"
#include "os/files.h"

namespace drover::worker {

namespace {

constexpr std::size_t kSlugMax = 63;
constexpr std::size_t kSaltDigits = 8;

Status require(std::string const& folder, std::string const& what) {
  if (os::exists(folder)) return {};
  return fail_next(ErrorCode::unavailable,
                   fmt::format("{} is not on this worker's machine: {}", what, folder),
                   "share it at the same path, or give the worker other pools or task types");
}

}  // namespace

std::string session_root(WorkerOptions const& options) {
  return options.session_folder.empty() ? options.state_folder + "/sessions"
                                        : options.session_folder;
}

std::string workload_name(std::string const& unit, WorkerOptions const& options) {
  if (!options.joined) return unit;
  std::string const salt =
      sha256_hex(fmt::format("{}\n{}", options.state_folder, unit)).substr(0, kSaltDigits);
  return fmt::format("{}-{}", unit.substr(0, kSlugMax - kSaltDigits - 1), salt);
}

Status require_folders(SessionRecord const& session,
                       std::map<WorkspaceId, std::string> const& folders,
                       WorkerOptions const& options) {
  if (!options.joined) return {};
  if (session.runner != kNativeRunner)
    return fail_next(ErrorCode::unavailable,
                     fmt::format("the runner {} is a third-party worker's, which only the server's "
                                 "own worker lets in",
                                 session.runner),
                     "give this worker other pools or task types");
  for (auto const& [workspace, folder] : folders)
    DROVER_TRY(require(folder, fmt::format("the workspace {}", workspace)));
  if (!session.worktree.empty())
    DROVER_TRY(require(session.worktree.substr(0, session.worktree.rfind('/')),
                       "the server's folder of worktrees"));
  bool const writes =
      !session.workspaces.empty() && contract::writes(session.workspaces.front().mode);
  if (!writes) DROVER_TRY(require(session_root(options), "the server's folder of sessions"));
  return {};
}

}  // namespace drover::worker
