#include "sandbox/bubblewrap.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <initializer_list>

#include "base/check.h"
#include "base/text.h"
#include "sandbox/etc_files.h"

namespace drover::sandbox {

namespace {

Status cannot(std::string const& what) {
  return fail_next(ErrorCode::unsupported, fmt::format("bubblewrap cannot {}", what),
                   "let drover make its sandboxes itself (unset DROVER_SANDBOX; drover doctor says "
                   "what that needs), or leave it out");
}

class Arguments {
 public:
  void add(std::initializer_list<std::string> words) {
    list_.insert(list_.end(), words.begin(), words.end());
  }
  void add_bind(Mount const& mount) {
    add({mount.mode == MountMode::ro ? "--ro-bind" : "--bind", mount.source, mount.target});
  }
  std::vector<std::string> take() { return std::move(list_); }

 private:
  std::vector<std::string> list_;
};

void add_walls(Arguments& to, SandboxSpec const& spec, BubblewrapFds const& fds) {
  to.add({"--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts",
          "--unshare-cgroup", "--disable-userns", "--cap-drop", "ALL", "--new-session",
          "--as-pid-1"});
  to.add({"--uid", fmt::to_string(kAgentUid), "--gid", fmt::to_string(kAgentUid)});
  to.add({"--hostname", spec.hostname});
  to.add({"--seccomp", fmt::to_string(fds.filter), "--block-fd", fmt::to_string(fds.gate),
          "--info-fd", fmt::to_string(fds.info)});
}

void add_system(Arguments& to, SandboxSpec const& spec, std::vector<HostEntry> const& host) {
  for (auto const& entry : host)
    if (entry.link.empty())
      to.add({"--ro-bind", entry.path, entry.path});
    else
      to.add({"--symlink", entry.link, entry.path});
  to.add({"--proc", "/proc", "--perms", "0755", "--dir", "/dev"});
  for (std::string const name : {"null", "zero", "full", "random", "urandom"})
    to.add({"--dev-bind", "/dev/" + name, "/dev/" + name});
  to.add({"--symlink", "/proc/self/fd", "/dev/fd", "--symlink", "/proc/self/fd/0", "/dev/stdin",
          "--symlink", "/proc/self/fd/1", "/dev/stdout", "--symlink", "/proc/self/fd/2",
          "/dev/stderr"});
  for (auto const& path : spec.extra_ro_paths)
    to.add({"--ro-bind", path, path});
}

void add_tmpfs(Arguments& to, SandboxSpec const& spec) {
  for (auto const& one : spec.tmpfs)
    to.add({"--perms", one.target.starts_with("/home/") ? "0755" : "1777", "--size",
            fmt::to_string(one.size_mb << 20U), "--tmpfs", one.target});
}

}  // namespace

std::vector<HostEntry> host_layout() {
  std::vector<HostEntry> entries{{"/usr", ""}};
  for (std::string const path : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) continue;
    char link[PATH_MAX];
    ssize_t const size = S_ISLNK(info.st_mode) ? ::readlink(path.c_str(), link, sizeof link) : 0;
    entries.push_back({path, size > 0 ? std::string{link, static_cast<std::size_t>(size)} : ""});
  }
  for (std::string const path : {"/etc/ld.so.cache", "/etc/ssl/certs", "/etc/alternatives"}) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) == 0 && !S_ISLNK(info.st_mode)) entries.push_back({path, ""});
  }
  entries.push_back({"/etc/mtab", "/proc/self/mounts"});
  if (auto zone = zone_link(); !zone.empty())
    entries.push_back({"/etc/localtime", std::move(zone)});
  return entries;
}

std::vector<FileMount> bubblewrap_files(SandboxSpec const& spec) {
  auto files = etc_files(spec.hostname);
  files.insert(files.end(), spec.files.begin(), spec.files.end());
  return files;
}

Status fits_bubblewrap(SandboxSpec const& spec, uid_t user) {
  if (user == 0)
    return cannot(
        "give each session a uid of its own, and drover runs as root, which never needs it");
  if (!spec.places.empty()) return cannot("make mounts in a sandbox that runs");
  if (spec.landlock == SecondWall::by_program)
    return cannot("let a program put its children behind Landlock");
  if (!spec.rootfs.empty())
    return cannot("show a root file system beside the sandbox's own places");
  for (auto const& mount : spec.mounts) {
    struct stat info{};
    // It follows links, as this looks at where they lead.
    char resolved[PATH_MAX];
    if (::realpath(mount.source.c_str(), resolved) == nullptr)
      return fail_errno("find the mount source", printable(mount.source));
    if (mount.source != resolved)
      return fail(ErrorCode::invalid_argument,
                  "the mount source {} leads through a symbolic link; give its real path",
                  printable(mount.source));
    if (::lstat(mount.source.c_str(), &info) != 0)
      return fail_errno("find the mount source", printable(mount.source));
    if (mount.ownership == Ownership::owner_is_agent && info.st_uid != user)
      return cannot(fmt::format("map the owner of {}, uid {}, to this user",
                                printable(mount.source), info.st_uid));
  }
  return {};
}

std::vector<std::string> lost_with_bubblewrap() {
  return {"landlock", "inodes"};
}

std::vector<std::string> bubblewrap_arguments(SandboxSpec const& spec,
                                              std::vector<HostEntry> const& host,
                                              BubblewrapFds const& fds) {
  Arguments arguments;
  add_walls(arguments, spec, fds);
  add_system(arguments, spec, host);
  add_tmpfs(arguments, spec);
  arguments.add({"--symlink", "/tmp", "/var/tmp"});
  auto const files = bubblewrap_files(spec);
  DROVER_CHECK(files.size() == fds.files.size());
  auto const own = files.size() - spec.files.size();
  for (std::size_t i = 0; i < own; ++i)
    arguments.add(
        {"--perms", "0444", "--ro-bind-data", fmt::to_string(fds.files[i]), files[i].target});
  for (auto const& mount : spec.mounts)
    arguments.add_bind(mount);
  for (std::size_t i = own; i < files.size(); ++i)
    arguments.add(
        {"--perms", "0444", "--ro-bind-data", fmt::to_string(fds.files[i]), files[i].target});
  // The root and what was made on it; what is mounted there has its own mode.
  arguments.add({"--remount-ro", "/", "--chdir", spec.cwd, "--"});
  auto all = arguments.take();
  all.insert(all.end(), spec.argv.begin(), spec.argv.end());
  return all;
}

}  // namespace drover::sandbox
