#include "fleet/mount_sources.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/text.h"
#include "os/files.h"

namespace drover::fleet {

namespace {

using sandbox::MountMode;

Status check_source(sandbox::Mount const& mount, uid_t user) {
  struct stat info{};
  if (::lstat(mount.source.c_str(), &info) != 0)
    return fail_errno("look at the mount source", printable(mount.source));
  auto const real = os::real_path(mount.source);
  if (!real || *real != mount.source)
    return fail_next(ErrorCode::invalid_argument,
                     fmt::format("the mount source {} is, or goes through, a symbolic link",
                                 printable(mount.source)),
                     "give its real path");
  bool const own = info.st_uid == user;
  if (mount.mode == MountMode::rw) {
    if (own || (info.st_mode & S_IWOTH) != 0) return {};
    return fail_next(ErrorCode::forbidden,
                     fmt::format("the program of the container is uid {} and cannot write to {}",
                                 user, printable(mount.source)),
                     fmt::format("chown -R {} {}", user, printable(mount.source)));
  }
  mode_t const needed = S_ISDIR(info.st_mode) ? S_IROTH | S_IXOTH : S_IROTH;
  if (own || S_ISSOCK(info.st_mode) || (info.st_mode & needed) == needed) return {};
  return fail_next(ErrorCode::forbidden,
                   fmt::format("the program of the container is uid {} and cannot read {}", user,
                               printable(mount.source)),
                   fmt::format("chmod -R o+rX {}", printable(mount.source)));
}

}  // namespace

Result<std::vector<runtime::BoundSource>> mount_sources(sandbox::SandboxSpec const& spec,
                                                        uid_t user) {
  std::vector<runtime::BoundSource> sources;
  for (auto const& path : spec.extra_ro_paths)
    sources.push_back({path, path, MountMode::ro});
  for (auto const& mount : spec.mounts) {
    DROVER_TRY(check_source(mount, user));
    sources.push_back({mount.source, mount.target, mount.mode});
  }
  return sources;
}

}  // namespace drover::fleet
