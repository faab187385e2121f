#include "sandbox/plan.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "base/text.h"
#include "os/files.h"
#include "sandbox/etc_files.h"
#include "sandbox/landlock_abi.h"
#include "sandbox/probe.h"
#include "sandbox/rootfs.h"

namespace drover::sandbox {

namespace {

constexpr std::uint64_t kSafe = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
constexpr std::uint64_t kSafeRo = kSafe | MOUNT_ATTR_RDONLY;
constexpr std::string_view kPrivateFolder = "/.drover";  // sources of file mounts and covers

bool is_at_or_below(std::string_view path, std::string_view folder) {
  return path == folder ||
         (path.starts_with(folder) && path.size() > folder.size() && path[folder.size()] == '/');
}

std::string relative(std::string_view absolute) {
  return std::string{absolute.substr(1)};
}

// An inode of the host for a mount: its kind decides the mount point, its owner the idmap.
Result<struct stat> inspect(std::string const& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0)
    return std::unexpected(system_error(errno, "find the mount source", printable(path)));
  if (S_ISLNK(info.st_mode))
    return fail(ErrorCode::invalid_argument,
                "the mount source {} is a symbolic link; only the path it leads to can be mounted",
                printable(path));
  return info;
}

template <class T>
ChildList<T> list_of(std::vector<T>& items) {
  return {items.data(), items.size()};
}

}  // namespace

Result<os::Fd> raise_fd(int fd) {
  os::Fd raised{::fcntl(fd, F_DUPFD_CLOEXEC, kPlanFdMin)};
  if (!raised.valid()) return fail_errno("copy", "a descriptor for the sandbox");
  return raised;
}

char const* PreparedPlan::keep(std::string text) {
  return texts_.emplace_back(std::move(text)).c_str();
}

bool PreparedPlan::covered_by_mount(std::string const& target) const {
  return std::ranges::any_of(
      mount_targets_, [&](std::string const& mount) { return is_at_or_below(target, mount); });
}

bool PreparedPlan::covered_by_tmpfs(std::string const& target) const {
  return std::ranges::any_of(
      tmpfs_targets_, [&](std::string const& tmpfs) { return is_at_or_below(target, tmpfs); });
}

void PreparedPlan::add_entry(EntryKind kind, std::string const& path, std::string content) {
  for (auto slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1))
    add_entry(EntryKind::folder, path.substr(0, slash));
  if (std::ranges::find(made_, path) != made_.end()) return;
  made_.push_back(path);
  std::size_t const size = content.size();
  ChildEntry const entry{kind, keep(relative(path)), keep(std::move(content)), size, 0};
  (covered_by_tmpfs(path) ? late_entries_ : entries_).push_back(entry);
}

Status PreparedPlan::add_mount_point(std::string const& target, bool folder) {
  if (covered_by_mount(target))
    return {};  // exists in that mount, or the launch says that it does not
  for (auto const* const reserved : {"/proc", "/dev"})
    if (is_at_or_below(target, reserved))
      return fail(ErrorCode::invalid_argument, "nothing can be mounted on {} of a sandbox",
                  printable(target));
  add_entry(folder ? EntryKind::folder : EntryKind::file, target);
  return {};
}

// A descriptor of the namespace for an idmapped mount, or -1 where none is needed.
Result<int> PreparedPlan::owner_map(Mount const& mount, uid_t uid, gid_t gid) {
  if (mount.ownership == Ownership::as_on_disk) return -1;
  if (context_.privilege == Privilege::unprivileged) {
    if (uid == ::geteuid()) return -1;
    return std::unexpected(
        Error{ErrorCode::unsupported,
              fmt::format("{} belongs to uid {}, and drover runs as uid {} without root",
                          printable(mount.source), uid, ::geteuid()),
              "run drover as the owner of the folder, or as root"});
  }
  if (uid == session_uid_ && gid == session_uid_) return -1;
  auto map = context_.namespaces->get({.inside_uid = uid,
                                       .outside_uid = session_uid_,
                                       .inside_gid = gid,
                                       .outside_gid = session_uid_});
  if (!map) return std::unexpected(map.error());
  shared_fds_.push_back(*map);
  return (*map)->get();
}

Status PreparedPlan::add_bind(Mount const& mount, std::uint64_t attributes) {
  auto const info = inspect(mount.source);
  if (!info) return std::unexpected(info.error());
  bool const folder = S_ISDIR(info->st_mode);
  DROVER_TRY(add_mount_point(mount.target, folder));
  auto const map = owner_map(mount, info->st_uid, info->st_gid);
  if (!map) return std::unexpected(map.error());
  binds_.push_back({.source = keep(mount.source),
                    .target = keep(relative(mount.target)),
                    .attributes = attributes,
                    .idmap_fd = *map,
                    .mount_fd = -1});
  mount_targets_.push_back(mount.target);
  if (mount.mode == MountMode::rw) writable_.push_back({mount.target, folder, MountMode::rw});
  return {};
}

// /usr, and the folders beside it as they are on this host: links on a merged one, else folders.
Status PreparedPlan::add_system(SandboxSpec const& spec) {
  if (!spec.rootfs.empty()) return add_rootfs(spec);
  DROVER_TRY(add_bind({.source = "/usr", .target = "/usr"}, kSafeRo));
  for (std::string const path : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) continue;
    if (S_ISDIR(info.st_mode)) {
      DROVER_TRY(add_bind({.source = path, .target = path}, kSafeRo));
      continue;
    }
    char link[PATH_MAX];
    ssize_t const size = ::readlink(path.c_str(), link, sizeof link);
    if (size > 0)
      add_entry(EntryKind::link, path, std::string{link, static_cast<std::size_t>(size)});
  }
  for (std::string const path : {"/etc/ld.so.cache", "/etc/ssl/certs", "/etc/alternatives"}) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) == 0 && !S_ISLNK(info.st_mode))
      DROVER_TRY(add_bind({.source = path, .target = path}, kSafeRo));
  }
  for (auto const& path : spec.extra_ro_paths)
    if (!covered_by_mount(path)) DROVER_TRY(add_bind({.source = path, .target = path}, kSafeRo));
  return {};
}

Status PreparedPlan::add_devices() {
  for (std::string const name : {"null", "zero", "full", "random", "urandom"}) {
    std::string const path = "/dev/" + name;
    add_entry(EntryKind::file, path);
    // Not nodev, or they could not be opened; read-only keeps their modes and times.
    binds_.push_back({.source = keep(path),
                      .target = keep(relative(path)),
                      .attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY,
                      .idmap_fd = -1,
                      .mount_fd = -1});
  }
  add_entry(EntryKind::link, "/dev/fd", "/proc/self/fd");
  add_entry(EntryKind::link, "/dev/stdin", "/proc/self/fd/0");
  add_entry(EntryKind::link, "/dev/stdout", "/proc/self/fd/1");
  add_entry(EntryKind::link, "/dev/stderr", "/proc/self/fd/2");
  return {};
}

// What of /etc is a matter of the sandbox is the same with a root file system: over its own file,
// where it has one.
void PreparedPlan::add_etc_file(SandboxSpec const& spec, std::string const& path,
                                std::string content) {
  if (!covered_by_mount(path)) {
    add_entry(EntryKind::file, path, std::move(content));
    return;
  }
  auto const info = inspect(spec.rootfs + path);
  if (!info || !S_ISREG(info->st_mode)) return;
  std::string const source = fmt::format("{}/{}", kPrivateFolder, path.substr(path.rfind('/') + 1));
  add_entry(EntryKind::file, source, std::move(content));
  covers_.push_back({keep(relative(source)), keep(relative(path)), kSafeRo, false});
}

Status PreparedPlan::add_rootfs(SandboxSpec const& spec) {
  // /etc is shown whole, so nothing below it is a place of its own.
  std::vector<std::string> places{
      "/proc", "/sys", "/dev", "/run", "/tmp", "/var/tmp", std::string{kPrivateFolder}};
  auto const add = [&](std::string const& place) {
    if (!is_at_or_below(place, "/etc")) places.push_back(place);
  };
  for (auto const& one : spec.tmpfs)
    add(one.target);
  for (auto const& place : spec.places)
    add(place);
  for (auto const& one : spec.mounts)
    add(one.target);
  for (auto const& one : spec.files)
    add(one.target);
  for (auto const& path : spec.extra_ro_paths)
    add(path);
  auto const entries = root_entries(spec.rootfs, places);
  if (!entries) return std::unexpected(entries.error());
  for (auto const& entry : *entries) {
    if (entry.kind == RootEntry::Kind::link)
      add_entry(EntryKind::link, entry.path, entry.link);
    else
      DROVER_TRY(add_bind({.source = spec.rootfs + entry.path, .target = entry.path}, kSafeRo));
  }
  for (auto const& path : spec.extra_ro_paths)
    DROVER_TRY(add_bind({.source = path, .target = path}, kSafeRo));
  return {};
}

void PreparedPlan::add_etc(SandboxSpec const& spec) {
  for (auto& file : etc_files(spec.hostname))
    add_etc_file(spec, file.target, std::move(file.content));
  if (!spec.rootfs.empty()) return;
  add_entry(EntryKind::link, "/etc/mtab", "/proc/self/mounts");
  if (auto zone = zone_link(); !zone.empty())
    add_entry(EntryKind::link, "/etc/localtime", std::move(zone));
}

void PreparedPlan::add_tmpfs(SandboxSpec const& spec) {
  uid_t const owner = context_.privilege == Privilege::root ? session_uid_ : kAgentUid;
  for (auto const& one : spec.tmpfs) {
    add_entry(EntryKind::folder, one.target);
    // A shared one like /tmp is sticky; a home is its owner's.
    bool const home = one.target.starts_with("/home/");
    tmpfs_.push_back({keep(relative(one.target)),
                      keep(fmt::format("size={}m,nr_inodes={},mode={},uid={},gid={}", one.size_mb,
                                       one.size_mb * 256, home ? "0755" : "1777", owner, owner))});
    writable_.push_back({one.target, true, MountMode::rw});
  }
  for (auto const& one : spec.tmpfs)
    tmpfs_targets_.push_back(one.target);
  for (auto const& place : spec.places) {
    add_entry(EntryKind::folder, place);
    tmpfs_.push_back({keep(relative(place)), "size=1m,nr_inodes=1024,mode=0755,uid=0,gid=0"});
    tmpfs_targets_.push_back(place);
  }
  if (covered_by_tmpfs("/tmp") && !covered_by_tmpfs("/var/tmp"))
    add_entry(EntryKind::link, "/var/tmp", "/tmp");
}

Status PreparedPlan::add_mounts(SandboxSpec const& spec) {
  for (auto const& mount : spec.mounts)
    DROVER_TRY(add_bind(mount, mount.mode == MountMode::ro ? kSafeRo : kSafe));
  return {};
}

Status PreparedPlan::add_files(SandboxSpec const& spec) {
  for (std::size_t i = 0; i < spec.files.size(); ++i) {
    auto const& file = spec.files[i];
    std::string const source = fmt::format("{}/file-{}", kPrivateFolder, i);
    add_entry(EntryKind::file, source, file.content);
    // git trusts a `.git` file only of the user that runs it.
    if (context_.privilege == Privilege::root) entries_.back().owner = session_uid_;
    DROVER_TRY(add_mount_point(file.target, false));
    covers_.push_back({keep(relative(source)), keep(relative(file.target)), kSafeRo, false});
  }
  return {};
}

// The second wall over the kernel's own files; the first is that the agent is nobody to the host.
void PreparedPlan::add_covers() {
  for (auto const* const path : {"proc/sys", "proc/bus", "proc/fs", "proc/irq"})
    covers_.push_back({path, path, kSafeRo | MOUNT_ATTR_NOEXEC, true});
  for (auto const* const path : {"proc/kcore", "proc/keys", "proc/kmsg", "proc/latency_stats",
                                 "proc/sched_debug", "proc/sysrq-trigger", "proc/timer_list"})
    covers_.push_back({"dev/null", path, kSafeRo | MOUNT_ATTR_NOEXEC, true});
  add_entry(EntryKind::folder, fmt::format("{}/empty", kPrivateFolder));
  for (auto const* const path : {"proc/acpi", "proc/asound", "proc/scsi"})
    covers_.push_back({keep(relative(fmt::format("{}/empty", kPrivateFolder))), path,
                       kSafeRo | MOUNT_ATTR_NOEXEC, true});
}

void PreparedPlan::add_rlimits(SandboxSpec const& spec) {
  rlimits_ = {{RLIMIT_CORE, 0}, {RLIMIT_RTPRIO, 0}, {RLIMIT_NICE, 0}};
  if (spec.limits.file_size_mb != 0)
    rlimits_.push_back({RLIMIT_FSIZE, spec.limits.file_size_mb << 20U});
  if (spec.limits.open_files != 0) rlimits_.push_back({RLIMIT_NOFILE, spec.limits.open_files});
  if (context_.pids_by_rlimit && spec.limits.pids.value != 0)
    rlimits_.push_back({RLIMIT_NPROC, spec.limits.pids.value});
}

void PreparedPlan::add_rules(SecondWall wall) {
  if (context_.landlock_abi == 0 || wall == SecondWall::by_program) return;
  std::uint64_t const all = landlock::all_rights(context_.landlock_abi);
  std::uint64_t const read = landlock::kExecute | landlock::kReadFile | landlock::kReadDir;
  std::uint64_t const file = (landlock::kExecute | landlock::kReadFile | landlock::kWriteFile |
                              landlock::kTruncate | landlock::kIoctlDevice) &
                             all;
  plan_.landlock_access = all;
  plan_.landlock_attribute_size = landlock::attribute_size(context_.landlock_abi);
  plan_.landlock_scopes = context_.landlock_abi >= 6 ? landlock::kScopes : 0;
  rules_.push_back({"/", read});
  rules_.push_back({"/dev", file});
  rules_.push_back({"/proc", landlock::kWriteFile});
  for (auto const& rule : writable_)
    rules_.push_back({keep(rule.path),
                      rule.folder ? all & ~(landlock::kMakeChar | landlock::kMakeBlock) : file});
}

Status PreparedPlan::add_streams(SandboxSpec const& spec) {
  auto const move = [&](int fd, int number) -> Status {
    os::Fd null;
    if (fd < 0) null = os::Fd{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    auto raised = raise_fd(fd < 0 ? null.get() : fd);
    if (!raised) return std::unexpected(raised.error());
    moves_.push_back({raised->get(), number});
    fds_.push_back(std::move(*raised));
    return {};
  };
  DROVER_TRY(move(spec.in, 0));
  DROVER_TRY(move(spec.out, 1));
  DROVER_TRY(move(spec.err, 2));
  for (auto const& one : spec.inherited)
    DROVER_TRY(move(one.fd, one.number));
  return {};
}

Result<PreparedPlan> PreparedPlan::make(SandboxSpec const& spec, PlanContext const& context) {
  PreparedPlan plan;
  plan.context_ = context;
  plan.session_uid_ = spec.session_uid;
  for (auto const* const folder : {"/proc", "/dev", "/etc", "/run", "/var"})
    plan.add_entry(EntryKind::folder, folder);
  // The tmpfs first: an entry below one is made after it is mounted.
  plan.add_tmpfs(spec);
  DROVER_TRY(plan.add_system(spec));
  DROVER_TRY(plan.add_devices());
  plan.add_etc(spec);
  DROVER_TRY(plan.add_mounts(spec));
  DROVER_TRY(plan.add_files(spec));
  plan.add_covers();
  plan.add_rlimits(spec);
  plan.add_rules(spec.landlock);
  DROVER_TRY(plan.add_streams(spec));

  ChildPlan& child = plan.plan_;
  child.agent = kAgentUid;
  child.dies_with_parent = spec.lifetime == Lifetime::launching_thread;
  if (context.privilege == Privilege::root) {
    auto ids = context.namespaces->get({.inside_uid = kAgentUid,
                                        .outside_uid = spec.session_uid,
                                        .inside_gid = kAgentUid,
                                        .outside_gid = spec.session_uid});
    if (!ids) return std::unexpected(ids.error());
    plan.shared_fds_.push_back(*ids);
    child.user_namespace_fd = (*ids)->get();
  } else {
    child.uid_map = plan.keep(fmt::format("{} {} 1", kAgentUid, ::geteuid()));
    child.gid_map = plan.keep(fmt::format("{} {} 1", kAgentUid, ::getegid()));
  }
  for (auto const* const folder : {"/tmp", "/run", "/usr"})
    if (child.staging == nullptr && os::exists(folder)) child.staging = folder;
  child.root_options = "size=1m,nr_inodes=4096,mode=0755";
  child.hostname = plan.keep(spec.hostname);
  child.hostname_size = spec.hostname.size();
  child.cwd = plan.keep(spec.cwd);
  for (auto const& text : spec.argv)
    plan.argv_.push_back(const_cast<char*>(plan.keep(text)));
  for (auto const& text : spec.env)
    plan.env_.push_back(const_cast<char*>(plan.keep(text)));
  plan.argv_.push_back(nullptr);
  plan.env_.push_back(nullptr);
  return plan;
}

ChildPlan PreparedPlan::child(std::vector<int>& cgroup_fds, int report_fd, int gate_fd) {
  ChildPlan child = plan_;
  child.report_fd = report_fd;
  child.gate_fd = gate_fd;
  child.cgroup_fds = list_of(cgroup_fds);
  child.binds = list_of(binds_);
  child.entries = list_of(entries_);
  child.tmpfs = list_of(tmpfs_);
  child.late_entries = list_of(late_entries_);
  child.covers = list_of(covers_);
  child.rlimits = list_of(rlimits_);
  child.moves = list_of(moves_);
  child.rules = list_of(rules_);
  child.argv = argv_.data();
  child.env = env_.data();
  child.filter.len = static_cast<unsigned short>(context_.filter->size());
  // The kernel's structure is not const for history's sake.
  child.filter.filter = const_cast<sock_filter*>(context_.filter->data());
  return child;
}

namespace {

template <class T>
std::string name_at(std::vector<T> const& items, std::int32_t index, char const* T::* member) {
  if (index < 0 || static_cast<std::size_t>(index) >= items.size()) return "?";
  return printable(items[static_cast<std::size_t>(index)].*member);
}

std::string idmap_fix(std::string const& source, uid_t session_uid) {
  return fmt::format(
      "keep {} on a file system with idmapped mounts (ext4, xfs, btrfs; tmpfs since Linux 6.3), or "
      "give it to the session: chown -R {}:{} {}",
      source, session_uid, session_uid, source);
}

}  // namespace

Error PreparedPlan::explain(ChildReport const& report) const {
  std::string step;
  std::string next;
  std::string const name = name_at(binds_, report.index, &ChildBind::source);
  switch (report.step) {
    case ChildStep::signals:
      step = "reset the signals";
      break;
    case ChildStep::map_user:
      step = "map the user into its namespace";
      next = namespace_fix();
      break;
    case ChildStep::enter_cgroup:
      step = "enter its control group";
      break;
    case ChildStep::private_mounts:
      step = "take the mounts private";
      next = namespace_fix();
      break;
    case ChildStep::open_source:
      step = fmt::format("open the mount source {}", name);
      if (report.error == ELOOP)
        next = "no part of a mount source may be a symbolic link; give its real path";
      break;
    case ChildStep::own_source:
      step = fmt::format("set the mode and owner of the mount {}", name);
      if (report.error == EINVAL) next = idmap_fix(name, session_uid_);
      break;
    case ChildStep::new_root:
      step = "make an empty root";
      next = namespace_fix();
      break;
    case ChildStep::make_entry:
      step = "create /" + name_at(entries_, report.index, &ChildEntry::path);
      break;
    case ChildStep::make_late_entry:
      step = "create /" + name_at(late_entries_, report.index, &ChildEntry::path);
      break;
    case ChildStep::mount_tmpfs:
      step = "mount a tmpfs on /" + name_at(tmpfs_, report.index, &ChildTmpfs::target);
      break;
    case ChildStep::mount_proc:
      step = "mount /proc";
      if (report.error == EPERM)
        next =
            "parts of this host's /proc are masked, as in a container; run drover as root with "
            "CAP_SYS_ADMIN, or start the container with --security-opt systempaths=unconfined";
      break;
    case ChildStep::attach:
      step =
          fmt::format("mount {} on /{}", name, name_at(binds_, report.index, &ChildBind::target));
      if (report.error == ENOENT)
        next = "a target inside another mount must exist there, and be no symbolic link";
      break;
    case ChildStep::cover:
      step = "protect /" + name_at(covers_, report.index, &ChildCover::target);
      break;
    case ChildStep::seal_root:
      step = "make the root read-only";
      break;
    case ChildStep::change_root:
      step = "change the root";
      if (report.error == EINVAL)
        next =
            "the root of this process is not a mount point (chroot, or an initramfs); start "
            "drover in a mount namespace whose root is one";
      break;
    case ChildStep::hostname:
      step = "set the host name";
      break;
    case ChildStep::loopback:
      step = "raise its loopback interface";
      break;
    case ChildStep::limits:
      step = "set a resource limit";
      break;
    case ChildStep::streams:
      step = "place its descriptors";
      break;
    case ChildStep::user_namespace:
      step = "enter its user namespace";
      break;
    case ChildStep::become_agent:
      step = "take the agent's ids";
      break;
    case ChildStep::drop_capabilities:
      step = "drop the capabilities";
      break;
    case ChildStep::session:
      step = "start a session";
      break;
    case ChildStep::no_new_privileges:
      step = "give up new privileges";
      break;
    case ChildStep::landlock:
      step = "set up Landlock";
      break;
    case ChildStep::seccomp:
      step = "install the seccomp filter";
      next = "use a kernel with CONFIG_SECCOMP_FILTER";
      break;
    case ChildStep::working_directory:
      step = "enter the working directory " + printable(plan_.cwd);
      break;
    case ChildStep::gate:
      step = "wait for the server";
      break;
    case ChildStep::execute:
      step = "run " + printable(argv_.empty() || argv_[0] == nullptr ? "?" : argv_[0]);
      if (report.error == ENOENT)
        next = "the program, or the interpreter it names, is not inside the sandbox";
      break;
  }
  ErrorCode const code =
      report.error == ENOSPC ? ErrorCode::no_space
      : report.step == ChildStep::execute || report.step == ChildStep::working_directory ||
              report.step == ChildStep::open_source || report.step == ChildStep::attach
          ? ErrorCode::invalid_argument
          : ErrorCode::unsupported;
  return Error{code,
               fmt::format("cannot start the sandbox: {}: {}", step, strerrordesc_np(report.error)),
               next};
}

}  // namespace drover::sandbox
