#include "sandbox/child.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "sandbox/landlock_abi.h"
#include "sandbox/mount_calls.h"

// glibc 2.36 has these calls in <sys/mount.h> but clashes with <linux/mount.h>; only the numbers of
// the former are used.

namespace drover::sandbox {

namespace {

// The kernel's own layout of a signal action, for the raw call: glibc's keeps two signals to
// itself.
struct KernelSigaction {
  void* handler;
  unsigned long flags;
  void* restorer;
  std::uint64_t mask;
};

class Child {
 public:
  explicit Child(ChildPlan& plan) noexcept : plan_(plan) {}

  [[noreturn]] void run() noexcept {
    reset_signals();
    if (plan_.uid_map != nullptr) map_user();
    enter_cgroups();
    clone_sources();
    build_root();
    change_root();
    set_hostname();
    raise_loopback();
    set_limits();
    if (plan_.user_namespace_fd >= 0) become_agent();
    if (::setsid() < 0 && errno != EPERM) die(ChildStep::session);
    if (::chdir(plan_.cwd) != 0) die(ChildStep::working_directory);
    // Landlock opens its paths, so it comes before the streams take their numbers and after the
    // ids, so that it needs no capability.
    drop_capabilities();
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) die(ChildStep::no_new_privileges);
    if (plan_.landlock_access != 0) wall_in();
    place_streams();
    // After the ids and capabilities, whose change would take it back, and before the gate, which
    // tells of a parent that died earlier.
    if (plan_.dies_with_parent && ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
      die(ChildStep::signals);
    wait_at_gate();
    filter_calls();
    ::execve(plan_.argv[0], plan_.argv, plan_.env);
    die(ChildStep::execute);
  }

 private:
  [[noreturn]] void die(ChildStep step, std::size_t index = SIZE_MAX) noexcept {
    ChildReport report;
    report.step = step;
    report.index = index == SIZE_MAX ? -1 : static_cast<std::int32_t>(index);
    report.error = errno;
    ssize_t const ignored = ::write(plan_.report_fd, &report, sizeof report);
    (void)ignored;  // the parent also sees the end of the pipe
    ::_exit(127);
  }

  void reset_signals() noexcept {
    // The parent blocked all signals before the clone, so no handler of its ran in this copy.
    KernelSigaction standard{};
    for (int number = 1; number <= 64; ++number)
      if (number != SIGKILL && number != SIGSTOP)
        ::syscall(SYS_rt_sigaction, number, &standard, nullptr, sizeof standard.mask);
  }

  void write_map(char const* path, char const* content) noexcept {
    int const fd = ::open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) die(ChildStep::map_user);
    auto const size = std::strlen(content);
    if (::write(fd, content, size) != static_cast<ssize_t>(size)) die(ChildStep::map_user);
    ::close(fd);
  }

  void map_user() noexcept {
    // Without privilege a gid map needs setgroups off first.
    write_map("/proc/self/setgroups", "deny");
    write_map("/proc/self/uid_map", plan_.uid_map);
    write_map("/proc/self/gid_map", plan_.gid_map);
  }

  void enter_cgroups() noexcept {
    for (std::size_t i = 0; i < plan_.cgroup_fds.count; ++i)
      if (::write(plan_.cgroup_fds.items[i], "0", 1) != 1) die(ChildStep::enter_cgroup, i);
  }

  // All sources are cloned before the new root covers part of the old one.
  void clone_sources() noexcept {
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      die(ChildStep::private_mounts);
    for (std::size_t i = 0; i < plan_.binds.count; ++i) {
      ChildBind& bind = plan_.binds.items[i];
      int const source = mount_calls::open_source(bind.source);
      if (source < 0) die(ChildStep::open_source, i);
      bind.mount_fd = mount_calls::clone(source);
      if (bind.mount_fd < 0) die(ChildStep::open_source, i);
      ::close(source);
      if (!mount_calls::set_attributes(bind.mount_fd, bind.attributes, bind.idmap_fd))
        die(ChildStep::own_source, i);
    }
  }

  // A path inside the new root, without following any link in it.
  int open_inside(char const* path) const noexcept {
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    return static_cast<int>(::syscall(SYS_openat2, root_, path, &how, sizeof how));
  }

  bool attach(int mount, char const* target) const noexcept {
    int const where = open_inside(target);
    if (where < 0) return false;
    bool const moved = mount_calls::move(mount, where);
    int const error = errno;
    ::close(where);
    ::close(mount);
    errno = error;
    return moved;
  }

  void build_root() noexcept {
    if (::mount("drover", plan_.staging, "tmpfs", MS_NOSUID | MS_NODEV, plan_.root_options) != 0)
      die(ChildStep::new_root);
    root_ = ::open(plan_.staging, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root_ < 0 || ::fchdir(root_) != 0) die(ChildStep::new_root);
    ::umask(0);
    for (std::size_t i = 0; i < plan_.entries.count; ++i)
      make_entry(plan_.entries.items[i], ChildStep::make_entry, i);
    for (std::size_t i = 0; i < plan_.tmpfs.count; ++i)
      if (::mount("drover", plan_.tmpfs.items[i].target, "tmpfs", MS_NOSUID | MS_NODEV,
                  plan_.tmpfs.items[i].options) != 0)
        die(ChildStep::mount_tmpfs, i);
    for (std::size_t i = 0; i < plan_.late_entries.count; ++i)
      make_entry(plan_.late_entries.items[i], ChildStep::make_late_entry, i);
    if (::mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
      die(ChildStep::mount_proc);
    for (std::size_t i = 0; i < plan_.binds.count; ++i)
      if (!attach(plan_.binds.items[i].mount_fd, plan_.binds.items[i].target))
        die(ChildStep::attach, i);
    for (std::size_t i = 0; i < plan_.covers.count; ++i)
      cover(i);
    // The root itself only: what is mounted on it has its own attributes.
    struct mount_attr read_only{};
    read_only.attr_set = MOUNT_ATTR_RDONLY;
    if (::syscall(SYS_mount_setattr, root_, "", AT_EMPTY_PATH, &read_only, sizeof read_only) != 0)
      die(ChildStep::seal_root);
    ::umask(022);
  }

  void make_entry(ChildEntry const& entry, ChildStep step, std::size_t i) noexcept {
    if (entry.kind == EntryKind::folder) {
      if (::mkdirat(root_, entry.path, 0755) != 0 && errno != EEXIST) die(step, i);
      return;
    }
    if (entry.kind == EntryKind::link) {
      if (::symlinkat(entry.content, root_, entry.path) != 0) die(step, i);
      return;
    }
    int const fd = ::openat(root_, entry.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    if (fd < 0 && errno == EEXIST && entry.size == 0) return;  // a mount point named twice
    if (fd < 0) die(step, i);
    for (std::size_t done = 0; done < entry.size;) {
      ssize_t const written = ::write(fd, entry.content + done, entry.size - done);
      if (written < 0) die(step, i);
      done += static_cast<std::size_t>(written);
    }
    if (entry.owner != 0 && ::fchown(fd, entry.owner, entry.owner) != 0) die(step, i);
    ::close(fd);
  }

  void cover(std::size_t i) noexcept {
    ChildCover const& cover = plan_.covers.items[i];
    int const source = open_inside(cover.source);
    if (source < 0 && cover.optional && errno == ENOENT) return;
    if (source < 0) die(ChildStep::cover, i);
    int const mount = mount_calls::clone(source);
    ::close(source);
    if (mount < 0 || !mount_calls::set_attributes(mount, cover.attributes, -1))
      die(ChildStep::cover, i);
    if (attach(mount, cover.target)) return;
    if (!cover.optional || errno != ENOENT) die(ChildStep::cover, i);
  }

  void change_root() noexcept {
    // With both at ".", the old root lands on top of the new one and is taken off at once.
    if (::syscall(SYS_pivot_root, ".", ".") != 0) die(ChildStep::change_root);
    if (::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0) die(ChildStep::change_root);
    ::close(root_);
  }

  void set_hostname() noexcept {
    if (::sethostname(plan_.hostname, plan_.hostname_size) != 0) die(ChildStep::hostname);
  }

  void raise_loopback() noexcept {
    int const fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) die(ChildStep::loopback);
    ifreq request{};
    request.ifr_name[0] = 'l';
    request.ifr_name[1] = 'o';
    request.ifr_flags = IFF_UP;
    if (::ioctl(fd, SIOCSIFFLAGS, &request) != 0) die(ChildStep::loopback);
    ::close(fd);
  }

  void set_limits() noexcept {
    for (std::size_t i = 0; i < plan_.rlimits.count; ++i) {
      ChildRlimit const& wanted = plan_.rlimits.items[i];
      rlimit current{};
      // glibc's enum in C++ is not an int.
      auto const resource = static_cast<__rlimit_resource>(wanted.resource);
      if (::getrlimit(resource, &current) != 0) die(ChildStep::limits, i);
      rlim_t const value =
          current.rlim_max < wanted.value ? current.rlim_max : static_cast<rlim_t>(wanted.value);
      rlimit const next{value, value};
      if (::setrlimit(resource, &next) != 0) die(ChildStep::limits, i);
    }
  }

  void become_agent() noexcept {
    // Root's groups go while this is still the host's root: inside, setgroups is denied.
    if (::syscall(SYS_setgroups, 0, nullptr) != 0) die(ChildStep::become_agent);
    if (::setns(plan_.user_namespace_fd, CLONE_NEWUSER) != 0) die(ChildStep::user_namespace);
    // Raw calls: glibc's wrappers would signal threads that exist only in the parent.
    if (::syscall(SYS_setresgid, plan_.agent, plan_.agent, plan_.agent) != 0 ||
        ::syscall(SYS_setresuid, plan_.agent, plan_.agent, plan_.agent) != 0)
      die(ChildStep::become_agent);
  }

  void drop_capabilities() noexcept {
    for (unsigned long capability = 0; capability < 64; ++capability)
      if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
        if (errno == EINVAL && capability > CAP_AUDIT_READ) break;  // past this kernel's last
        die(ChildStep::drop_capabilities, capability);
      }
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
      die(ChildStep::drop_capabilities);
    // No uid regains capabilities by being 0, and the setting is locked.
    constexpr unsigned long kBits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                    SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                                    SECBIT_NO_CAP_AMBIENT_RAISE |
                                    SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
    if (::prctl(PR_SET_SECUREBITS, kBits, 0, 0, 0) != 0) die(ChildStep::drop_capabilities);
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
    if (::syscall(SYS_capset, &header, none) != 0) die(ChildStep::drop_capabilities);
  }

  void wall_in() noexcept {
    LandlockRuleset attribute{};
    attribute.handled_fs = plan_.landlock_access;
    attribute.scoped = plan_.landlock_scopes;
    long const ruleset =
        ::syscall(SYS_landlock_create_ruleset, &attribute, plan_.landlock_attribute_size, 0);
    if (ruleset < 0) die(ChildStep::landlock);
    for (std::size_t i = 0; i < plan_.rules.count; ++i) {
      LandlockPathRule rule{};
      rule.allowed = plan_.rules.items[i].access;
      rule.parent_fd = ::open(plan_.rules.items[i].path, O_PATH | O_CLOEXEC);
      if (rule.parent_fd < 0) die(ChildStep::landlock, i);
      if (::syscall(SYS_landlock_add_rule, ruleset, kLandlockRulePathBeneath, &rule, 0) != 0)
        die(ChildStep::landlock, i);
      ::close(rule.parent_fd);
    }
    if (::syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) die(ChildStep::landlock);
    ::close(static_cast<int>(ruleset));
  }

  void place_streams() noexcept {
    // The sources are above every number, so no move overwrites a later one's source.
    for (std::size_t i = 0; i < plan_.moves.count; ++i)
      if (::dup3(plan_.moves.items[i].from, plan_.moves.items[i].number, 0) < 0)
        die(ChildStep::streams, i);
    if (::syscall(SYS_close_range, 3U, UINT_MAX, CLOSE_RANGE_CLOEXEC) != 0) die(ChildStep::streams);
    for (std::size_t i = 0; i < plan_.moves.count; ++i)
      if (plan_.moves.items[i].number >= 3 && ::fcntl(plan_.moves.items[i].number, F_SETFD, 0) != 0)
        die(ChildStep::streams, i);
  }

  void wait_at_gate() noexcept {
    char go = 0;
    ssize_t got = 0;
    do
      got = ::read(plan_.gate_fd, &go, 1);
    while (got < 0 && errno == EINTR);
    if (got != 1) die(ChildStep::gate);
  }

  void filter_calls() noexcept {
    std::uint64_t const none = 0;
    if (::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, sizeof none) != 0)
      die(ChildStep::signals);
    if (::syscall(SYS_seccomp, 1U /* SECCOMP_SET_MODE_FILTER */, 0U, &plan_.filter) != 0)
      die(ChildStep::seccomp);
  }

  ChildPlan& plan_;
  int root_ = -1;
};

}  // namespace

void run_child(ChildPlan& plan) noexcept {
  Child{plan}.run();
}

}  // namespace drover::sandbox
