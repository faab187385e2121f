#include "runtime/bind_sources.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/text.h"
#include "os/fd.h"
#include "os/files.h"
#include "sandbox/mount_calls.h"

namespace drover::runtime {

namespace {

using sandbox::MountMode;
using sandbox::Ownership;
namespace calls = sandbox::mount_calls;

constexpr char const* kFolderOptions = "size=16m,nr_inodes=65536,mode=0700";

std::unexpected<Error> link_in(std::string const& path) {
  return fail_next(
      ErrorCode::invalid_argument,
      fmt::format("the mount source {} is, or goes through, a symbolic link", printable(path)),
      "give its real path");
}

// The source's kind and owner.
Result<struct stat> inspect(int source, std::string const& path) {
  struct stat info{};
  if (::fstatat(source, "", &info, AT_EMPTY_PATH) != 0) return fail_errno("look at", path);
  if (S_ISLNK(info.st_mode)) return link_in(path);
  return info;
}

Result<os::Fd> open_source(std::string const& path) {
  os::Fd source{calls::open_source(path.c_str())};
  if (source.valid()) return source;
  if (errno == ELOOP) return link_in(path);
  return fail_errno("open the mount source", printable(path));
}

Status make_mount_point(std::string const& path, bool folder) {
  if (folder) {
    if (::mkdir(path.c_str(), 0700) != 0) return fail_errno("create", path);
    return {};
  }
  os::Fd const file{::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
  if (!file.valid()) return fail_errno("create", path);
  return {};
}

// The mount and the empty place below it. Files are removed, for here they are empty places or the
// content of a FileMount; a folder that is not empty stays and is the error.
Status remove_place(std::string const& path) {
  while (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
  // Without root nothing was mounted.
  bool const nothing = errno == EINVAL || errno == ENOENT || (errno == EPERM && ::geteuid() != 0);
  if (!nothing) return fail_errno("unmount", path);
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM) return fail_errno("remove", path);
  if (::rmdir(path.c_str()) != 0 && errno != ENOENT) return fail_errno("remove", path);
  return {};
}

Status remove_places(std::string const& folder) {
  std::vector<std::string> names;
  {
    std::unique_ptr<DIR, int (*)(DIR*)> const entries{::opendir(folder.c_str()), ::closedir};
    if (!entries && errno == ENOENT) return {};
    if (!entries) return fail_errno("read the folder", folder);
    while (dirent const* const entry = ::readdir(entries.get()))
      if (std::string_view const name = entry->d_name; name != "." && name != "..")
        names.emplace_back(name);
  }
  for (auto const& name : names)
    DROVER_TRY(remove_place(folder + "/" + name));
  if (::rmdir(folder.c_str()) != 0 && errno != ENOENT) return fail_errno("remove", folder);
  return {};
}

bool is_below(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && path.size() > folder.size() && path[folder.size()] == '/';
}

// An engine makes a mount point where there is none. Inside another mount that would be a new file
// in somebody's workspace.
Status require_target(std::string const& target, sandbox::SandboxSpec const& spec) {
  sandbox::Mount const* around = nullptr;
  for (auto const& mount : spec.mounts)
    if (is_below(target, mount.target) &&
        (around == nullptr || mount.target.size() > around->target.size()))
      around = &mount;
  if (around == nullptr) return {};
  std::string const place = around->source + target.substr(around->target.size());
  struct stat info{};
  if (::lstat(place.c_str(), &info) == 0 && !S_ISLNK(info.st_mode)) return {};
  return fail(ErrorCode::invalid_argument,
              "nothing can be mounted on {}: it is in the mount of {} and does not exist there",
              printable(target), printable(around->source));
}

Status attach(int mount, std::string const& place, std::string const& source) {
  os::Fd const where{::open(place.c_str(), O_PATH | O_CLOEXEC | O_NOFOLLOW)};
  if (!where.valid()) return fail_errno("open", place);
  if (!calls::move(mount, where.get())) return fail_errno("mount", source);
  return {};
}

std::string idmap_fix(std::string const& source, uid_t agent) {
  return fmt::format(
      "keep {0} on a file system with idmapped mounts (ext4, xfs, btrfs; tmpfs since Linux 6.3), "
      "or give it to the session: chown -R {1}:{1} {0}",
      source, agent);
}

}  // namespace

Status BindSources::open_folder() {
  auto open = open_.lock();
  if (*open) return {};
  DROVER_TRY(os::make_folders(folder_, 0700));
  if (::geteuid() == 0 && ::mount("drover", folder_.c_str(), "tmpfs",
                                  MS_NOSUID | MS_NODEV | MS_NOEXEC, kFolderOptions) != 0)
    return fail_errno("mount a tmpfs on", folder_);
  *open = true;
  return {};
}

Status BindSources::add_mount(sandbox::Mount const& mount, uid_t agent, std::string const& place,
                              std::vector<BoundSource>& binds) {
  auto const source = open_source(mount.source);
  if (!source) return std::unexpected(source.error());
  auto const info = inspect(source->get(), mount.source);
  if (!info) return std::unexpected(info.error());
  bool const own = info->st_uid == agent && (::geteuid() != 0 || info->st_gid == agent);
  if (mount.ownership == Ownership::as_on_disk || own) {
    binds.push_back({mount.source, mount.target, mount.mode});
    return {};
  }
  if (::geteuid() != 0)
    return fail_next(ErrorCode::unsupported,
                     fmt::format("{} belongs to uid {}, and drover runs as uid {} without root",
                                 printable(mount.source), info->st_uid, ::geteuid()),
                     "run drover as the owner of the folder, or as root");
  auto const map = namespaces_.get({.inside_uid = info->st_uid,
                                    .outside_uid = agent,
                                    .inside_gid = info->st_gid,
                                    .outside_gid = agent});
  if (!map) return std::unexpected(map.error());
  os::Fd const clone{calls::clone(source->get())};
  if (!clone.valid()) return fail_errno("clone the mount of", mount.source);
  std::uint64_t const attributes =
      MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (mount.mode == MountMode::ro ? MOUNT_ATTR_RDONLY : 0);
  if (!calls::set_attributes(clone.get(), attributes, (*map)->get())) {
    auto error = system_error(errno, "set the owner of the mount", mount.source);
    if (errno == EINVAL) error.next = idmap_fix(mount.source, agent);
    return std::unexpected(std::move(error));
  }
  DROVER_TRY(make_mount_point(place, S_ISDIR(info->st_mode)));
  DROVER_TRY(attach(clone.get(), place, mount.source));
  binds.push_back({place, mount.target, mount.mode});
  return {};
}

Status BindSources::add_file(sandbox::FileMount const& file, uid_t agent, std::string const& place,
                             std::vector<BoundSource>& binds) {
  os::Fd const made{::open(place.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444)};
  if (!made.valid()) return fail_errno("create", place);
  DROVER_TRY(os::write_all(made.get(), file.content, place));
  // git trusts a `.git` file only of the user that runs it.
  if (::geteuid() == 0 && ::fchown(made.get(), agent, agent) != 0)
    return fail_errno("give away", place);
  binds.push_back({place, file.target, MountMode::ro});
  return {};
}

Result<std::vector<BoundSource>> BindSources::make(WorkloadId const& id,
                                                   sandbox::SandboxSpec const& spec, uid_t agent) {
  DROVER_TRY(open_folder());
  std::string const folder = fmt::format("{}/{}", folder_, id);
  // Of a try that was cut off.
  DROVER_TRY(remove_places(folder));
  DROVER_TRY(os::make_folders(folder, 0700));
  std::vector<BoundSource> binds;
  auto const add_all = [&]() -> Status {
    for (auto const& path : spec.extra_ro_paths)
      binds.push_back({path, path, MountMode::ro});
    int number = 0;
    for (auto const& mount : spec.mounts) {
      DROVER_TRY(require_target(mount.target, spec));
      DROVER_TRY(add_mount(mount, agent, fmt::format("{}/{}", folder, number++), binds));
    }
    for (auto const& file : spec.files) {
      DROVER_TRY(require_target(file.target, spec));
      DROVER_TRY(add_file(file, agent, fmt::format("{}/{}", folder, number++), binds));
    }
    return {};
  };
  auto const added = add_all();
  if (added) return binds;
  auto error = added.error();
  if (auto const removed = remove_places(folder); !removed)
    error.message += fmt::format("; and {}", removed.error().message);
  return std::unexpected(std::move(error));
}

Status BindSources::release(WorkloadId const& id) {
  return remove_places(fmt::format("{}/{}", folder_, id));
}

Status BindSources::clear() {
  auto open = open_.lock();
  *open = false;
  // With the tmpfs goes what is mounted in it.
  while (::umount2(folder_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
  if (errno == ENOENT) return {};
  if (errno != EINVAL && (errno != EPERM || ::geteuid() == 0))
    return fail_errno("unmount", folder_);
  std::vector<std::string> left;
  {
    std::unique_ptr<DIR, int (*)(DIR*)> const entries{::opendir(folder_.c_str()), ::closedir};
    if (!entries) return fail_errno("read the folder", folder_);
    while (dirent const* const entry = ::readdir(entries.get()))
      if (std::string_view const name = entry->d_name; name != "." && name != "..")
        left.push_back(fmt::format("{}/{}", folder_, name));
  }
  for (auto const& folder : left)
    DROVER_TRY(remove_places(folder));
  return {};
}

}  // namespace drover::runtime
