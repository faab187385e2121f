#include "sandbox/launcher.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <iterator>
#include <thread>

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "os/files.h"
#include "sandbox/bubblewrap.h"
#include "sandbox/bubblewrap_child.h"
#include "sandbox/child.h"
#include "sandbox/growth_watch.h"
#include "sandbox/landlock_abi.h"
#include "sandbox/members.h"
#include "sandbox/probe.h"
#include "sandbox/seccomp_filter.h"

namespace drover::sandbox {

namespace {

constexpr std::string_view kFullIdMap = "4294967295";  // a namespace in which every id is mapped
constexpr Millis kSweepPause{1};
constexpr int kSignalBase = 128;

bool is_initial_user_namespace() {
  auto const map = os::read_file("/proc/self/uid_map", 4096);
  return map && map->find(kFullIdMap) != std::string::npos;
}

bool has_sys_admin() {
  auto const status = os::read_file("/proc/self/status", 65536).value_or("");
  auto const at = status.find("CapEff:");
  if (at == std::string::npos) return false;
  constexpr unsigned kSysAdmin = 21;
  return ((std::strtoull(status.c_str() + at + 7, nullptr, 16) >> kSysAdmin) & 1U) != 0;
}

Result<Privilege> find_privilege() {
  if (::geteuid() != 0) return Privilege::unprivileged;
  if (!is_initial_user_namespace()) {
    // Root of somebody's user namespace is not the host's root; a nested single id will do.
    return Privilege::unprivileged;
  }
  if (has_sys_admin()) return Privilege::root;
  return fail_next(ErrorCode::unsupported,
                   "drover runs as the host's root but without CAP_SYS_ADMIN, so it can only make "
                   "sandboxes that would run as root",
                   "run drover as an ordinary user, or as root with CAP_SYS_ADMIN");
}

struct Pipe {
  os::Fd read;
  os::Fd write;
};

// Both ends above every number that the program may ask for.
Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("create", "a pipe for the sandbox");
  os::Fd const read{ends[0]};
  os::Fd const write{ends[1]};
  auto raised_read = raise_fd(read.get());
  if (!raised_read) return std::unexpected(raised_read.error());
  auto raised_write = raise_fd(write.get());
  if (!raised_write) return std::unexpected(raised_write.error());
  return Pipe{std::move(*raised_read), std::move(*raised_write)};
}

// nullopt when execve closed the pipe without a report: the program runs.
Result<std::optional<ChildReport>> read_report(int fd, Millis timeout) {
  auto const deadline = std::chrono::steady_clock::now() + timeout;
  ChildReport report;
  std::size_t have = 0;
  for (;;) {
    auto const left = std::chrono::ceil<Millis>(deadline - std::chrono::steady_clock::now());
    pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
    int const ready = left.count() > 0 ? ::poll(&entry, 1, static_cast<int>(left.count())) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return fail_errno("wait for", "the sandbox");
    if (ready == 0)
      return fail(ErrorCode::timeout, "cannot start the sandbox: set-up took over {} ms",
                  timeout.count());
    ssize_t const got = ::read(fd, reinterpret_cast<char*>(&report) + have, sizeof report - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read the report of", "the sandbox");
    if (got == 0 && have == 0) return std::nullopt;
    if (got == 0) return fail(ErrorCode::internal, "the sandbox's set-up reported half an error");
    have += static_cast<std::size_t>(got);
    if (have == sizeof report) return report;
  }
}

// All signals are blocked around clone3, so that no handler of the server runs in its copy.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(BlockedSignals const&) = delete;
  BlockedSignals& operator=(BlockedSignals const&) = delete;

 private:
  sigset_t before_{};
};

// 'R', 'S', 'T', 'Z', … of /proc/<pid>/stat.
char state_of(pid_t pid) {
  auto const stat = os::read_file(fmt::format("/proc/{}/stat", pid), 4096).value_or("");
  auto const bracket = stat.rfind(')');
  return bracket == std::string::npos || bracket + 2 >= stat.size() ? 'X' : stat[bracket + 2];
}

// Signals every member until none is in the other state; a process that forks while it is being
// stopped leaves a child that the next round finds.
Status sweep(pid_t init, int number, Millis timeout) {
  auto const deadline = std::chrono::steady_clock::now() + timeout;
  auto const pid_namespace = pid_namespace_of(init);
  if (!pid_namespace) return {};  // has ended
  bool const stopping = number == SIGSTOP;
  for (;;) {
    bool settled = true;
    for (pid_t const member : members_of(*pid_namespace)) {
      char const state = state_of(member);
      if (state == 'Z' || state == 'X' || (state == 'T') == stopping) continue;
      settled = false;
      ::kill(member, number);
    }
    if (settled) return {};
    if (std::chrono::steady_clock::now() >= deadline)
      return fail(ErrorCode::timeout, "the processes of a sandbox did not {} within {} ms",
                  stopping ? "stop" : "continue", timeout.count());
    std::this_thread::sleep_for(kSweepPause);
  }
}

Error with_fix(Error error, std::string fix) {
  if (error.next.empty()) error.next = std::move(fix);
  return error;
}

std::string limit_fix(os::CgroupDuty duty) {
  return fmt::format(
      "start drover where the {} controller is its own to use: systemd-run {}--scope -p "
      "Delegate=yes "
      "drover up, or as root; or leave the limit at its default",
      os::to_string(duty), ::geteuid() == 0 ? "" : "--user ");
}

}  // namespace

int landlock_abi() {
  constexpr int kVersionFlag = 1;
  long const abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kVersionFlag);
  return abi < 0 ? 0 : static_cast<int>(abi);
}

std::string cgroup_name(std::string const& id) {
  return "drover-" + id;
}

Result<Maker> parse_maker(std::string_view text) {
  if (text.empty() || text == "drover") return Maker::drover;
  if (text == "bubblewrap") return Maker::bubblewrap;
  return fail(ErrorCode::invalid_argument,
              "DROVER_SANDBOX takes drover or bubblewrap, and '{}' is neither",
              printable(text, 40));
}

struct Sandbox::State {
  std::string id;
  pid_t pid = -1;
  os::Fd pidfd;
  os::Fd monitor;  // bubblewrap's own pidfd, which ends after all of the sandbox; else none
  os::Fd gate;     // of bubblewrap: closed, it would let the program run
  os::Cgroup cgroup;
  // Readable once every process of the sandbox has ended.
  [[nodiscard]] int end_fd() const { return monitor.valid() ? monitor.get() : pidfd.get(); }
  std::vector<std::string> unenforced;
  std::optional<SandboxExit> exit;
  bool killed = false;  // by us: then out of memory is not the reason
  std::shared_ptr<GrowthWatch> watch;
  std::shared_ptr<GrowthWatch::Watched> growth;  // null without such a limit
};

struct Launcher::State {
  Maker maker = Maker::drover;
  Privilege privilege = Privilege::unprivileged;
  int landlock_abi = 0;
  os::CgroupHost cgroups;
  std::vector<sock_filter> filter;
  UserNamespaces namespaces;
  // Shared with the sandboxes, which may outlive their launcher.
  std::shared_ptr<GrowthWatch> growth = std::make_shared<GrowthWatch>();
};

Launcher::Launcher(std::unique_ptr<State> state) : state_(std::move(state)) {}
Launcher::~Launcher() = default;

Result<std::shared_ptr<Launcher>> Launcher::create(Maker maker) {
  auto state = std::make_unique<State>();
  state->maker = maker;
  auto const privilege = find_privilege();
  if (!privilege) return std::unexpected(privilege.error());
  state->privilege = *privilege;
  state->landlock_abi = sandbox::landlock_abi();
  state->cgroups = os::CgroupHost::detect();
  auto filter = compile_seccomp_filter();
  if (!filter) return std::unexpected(filter.error());
  state->filter = std::move(*filter);
  return std::shared_ptr<Launcher>{new Launcher{std::move(state)}};
}

Maker Launcher::maker() const {
  return state_->maker;
}
Privilege Launcher::privilege() const {
  return state_->privilege;
}
int Launcher::landlock_abi() const {
  return state_->landlock_abi;
}
os::CgroupHost const& Launcher::cgroups() const {
  return state_->cgroups;
}
UserNamespaces& Launcher::user_namespaces() {
  return state_->namespaces;
}

namespace {

struct GroupPlan {
  os::CgroupLimits limits;
  std::vector<std::string> unenforced;
  bool pids_by_rlimit = false;
};

// Asked limits must hold; defaults that cannot are named.
Result<GroupPlan> plan_group(Limits const& limits, os::CgroupHost const& host,
                             Privilege privilege) {
  GroupPlan plan;
  auto const place = [&](Limit const& limit, os::CgroupDuty duty) -> Result<bool> {
    if (limit.value == 0) return false;
    if (host.place(duty) != nullptr) return true;
    if (limit.origin == LimitOrigin::asked)
      return fail_next(ErrorCode::unsupported,
                       fmt::format("the {} limit cannot be enforced here: {}", os::to_string(duty),
                                   host.why_not(duty)),
                       limit_fix(duty));
    plan.unenforced.emplace_back(os::to_string(duty));
    return false;
  };
  auto const memory = place(limits.memory_mb, os::CgroupDuty::memory);
  if (!memory) return std::unexpected(memory.error());
  if (*memory) plan.limits.memory_bytes = limits.memory_mb.value << 20U;
  auto const cpu = place(limits.cpu_milli, os::CgroupDuty::cpu);
  if (!cpu) return std::unexpected(cpu.error());
  if (*cpu) plan.limits.cpu_milli = limits.cpu_milli.value;
  // A user namespace of the sandbox's own counts its processes by itself.
  if (host.place(os::CgroupDuty::pids) == nullptr && privilege == Privilege::unprivileged) {
    plan.pids_by_rlimit = true;
    return plan;
  }
  auto const pids = place(limits.pids, os::CgroupDuty::pids);
  if (!pids) return std::unexpected(pids.error());
  if (*pids) plan.limits.pids = limits.pids.value;
  return plan;
}

// Writes the byte that lets the child go on, without the SIGPIPE of a child that is gone.
void open_gate(int fd) {
  BlockedSignals const blocked;
  if (::write(fd, "g", 1) == 1 || errno != EPIPE) return;
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  timespec const now{};
  (void)::sigtimedwait(&pipe, nullptr, &now);
}

Error clone_error(int error) {
  std::string next = namespace_fix();
  if (next.empty() && error == EAGAIN) next = "too many processes run as this user; see ulimit -u";
  // What clone() calls "no space" is a limit on the number of namespaces.
  if (next.empty() && error == ENOSPC)
    next =
        "raise it: sysctl -w user.max_user_namespaces=15000, or run drover outside the container "
        "that disables user namespaces";
  if (next.empty())
    next =
        "allow namespaces: in a container, run it with --privileged or with a seccomp profile "
        "that permits clone";
  std::string_view const why =
      error == ENOSPC ? "the limit of user namespaces is reached" : strerrordesc_np(error);
  return Error{ErrorCode::unsupported,
               fmt::format("cannot start the sandbox: create its namespaces: {}", why), next};
}

}  // namespace

Result<Sandbox> Launcher::launch(SandboxSpec const& spec, Created const& created) {
  DROVER_TRY(validate(spec));
  if (state_->maker == Maker::bubblewrap) return launch_with_bubblewrap(spec, created);
  if (state_->landlock_abi == 0 && spec.landlock != SecondWall::if_available)
    return fail_next(ErrorCode::unsupported,
                     "cannot start the sandbox: this kernel has no Landlock",
                     "boot a kernel from 5.13 on with landlock in its lsm= list");
  if (!spec.places.empty() && state_->privilege != Privilege::root)
    return fail_next(ErrorCode::unsupported, "a sandbox gets mounts while it runs from root alone",
                     "run drover as root");
  auto group = plan_group(spec.limits, state_->cgroups, state_->privilege);
  if (!group) return std::unexpected(group.error());
  auto plan = PreparedPlan::make(spec, {.privilege = state_->privilege,
                                        .landlock_abi = state_->landlock_abi,
                                        .filter = &state_->filter,
                                        .namespaces = &state_->namespaces,
                                        .pids_by_rlimit = group->pids_by_rlimit});
  if (!plan)
    return std::unexpected(
        with_fix(plan.error(), plan.error().code == ErrorCode::unsupported ? namespace_fix() : ""));

  auto sandbox = std::make_unique<Sandbox::State>();
  sandbox->id = spec.id;
  sandbox->unenforced = std::move(group->unenforced);
  auto cgroup = os::Cgroup::create(state_->cgroups, cgroup_name(spec.id), group->limits);
  if (!cgroup) return std::unexpected(cgroup.error());
  sandbox->cgroup = std::move(*cgroup);
  // From here on the owner cleans up on every way out.
  Sandbox owner{std::move(sandbox)};

  auto entries = owner.state_->cgroup.open_entries();
  if (!entries) return std::unexpected(entries.error());
  std::vector<int> entry_fds;
  for (auto& entry : *entries) {
    auto raised = raise_fd(entry.get());
    if (!raised) return std::unexpected(raised.error());
    entry = std::move(*raised);
    entry_fds.push_back(entry.get());
  }
  auto const tree = owner.state_->cgroup.open_tree_folder();
  if (!tree) return std::unexpected(tree.error());
  auto report = make_pipe();
  if (!report) return std::unexpected(report.error());
  auto gate = make_pipe();
  if (!gate) return std::unexpected(gate.error());

  ChildPlan child = plan->child(entry_fds, report->write.get(), gate->read.get());
  int pidfd = -1;
  clone_args arguments{};
  arguments.flags = CLONE_PIDFD | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
                    CLONE_NEWCGROUP | CLONE_NEWNET;
  if (state_->privilege == Privilege::unprivileged) arguments.flags |= CLONE_NEWUSER;
  if (tree->valid()) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<std::uint64_t>(tree->get());
  }
  arguments.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  long pid = -1;
  int error = 0;
  int const gate_write = gate->write.get();
  {
    BlockedSignals const blocked;
    pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) {
      ::close(gate_write);  // else the gate would stay open when the server dies
      run_child(child);
    }
    error = errno;
  }
  if (pid < 0) return std::unexpected(clone_error(error));
  owner.state_->pid = static_cast<pid_t>(pid);
  owner.state_->pidfd = os::Fd{pidfd};
  report->write.reset();
  gate->read.reset();

  if (created) {
    // Our own child that nobody reaped: its entry in /proc is there even if it has failed already.
    auto const started = os::start_ticks(static_cast<pid_t>(pid));
    if (!started) return std::unexpected(started.error());
    SandboxTrace const trace{.id = spec.id,
                             .pid = static_cast<pid_t>(pid),
                             .start_ticks = *started,
                             .cgroup_folders = owner.cgroup_folders()};
    DROVER_TRY(created(trace));
  }
  // A child that has failed already closed its end; its report says why.
  open_gate(gate_write);
  auto const outcome = read_report(report->read.get(), kSetUpWait);
  if (!outcome) return std::unexpected(outcome.error());
  if (*outcome) return std::unexpected(plan->explain(**outcome));
  if (auto const watched = owner.watch_growth(spec, state_->growth); !watched)
    return std::unexpected(watched.error());
  return owner;
}

// As launch(), but for who makes the namespaces, and for what that cannot do.
Result<Sandbox> Launcher::launch_with_bubblewrap(SandboxSpec const& spec, Created const& created) {
  auto group = plan_group(spec.limits, state_->cgroups, state_->privilege);
  if (!group) return std::unexpected(group.error());
  auto sandbox = std::make_unique<Sandbox::State>();
  sandbox->id = spec.id;
  sandbox->unenforced = std::move(group->unenforced);
  std::ranges::copy(lost_with_bubblewrap(), std::back_inserter(sandbox->unenforced));
  auto cgroup = os::Cgroup::create(state_->cgroups, cgroup_name(spec.id), group->limits);
  if (!cgroup) return std::unexpected(cgroup.error());
  sandbox->cgroup = std::move(*cgroup);
  Sandbox owner{std::move(sandbox)};
  auto child = start_bubblewrap(spec, state_->filter);
  if (!child) return std::unexpected(child.error());
  owner.state_->pid = child->init;
  owner.state_->pidfd = std::move(child->init_fd);
  owner.state_->monitor = std::move(child->monitor_fd);
  child->monitor_fd = os::Fd{::fcntl(owner.state_->end_fd(), F_DUPFD_CLOEXEC, 3)};
  // Closed with the owner, which kills before that.
  owner.state_->gate = os::Fd{::fcntl(child->gate.get(), F_DUPFD_CLOEXEC, 3)};
  // The program waits at the gate, so it is in its groups and under its limits from the start.
  DROVER_TRY(owner.state_->cgroup.take_in(child->init));
  DROVER_TRY(limit_process(child->init, spec.limits, group->pids_by_rlimit));
  if (created) {
    auto const started = os::start_ticks(child->init);
    if (!started) return std::unexpected(started.error());
    SandboxTrace const trace{.id = spec.id,
                             .pid = child->init,
                             .start_ticks = *started,
                             .cgroup_folders = owner.cgroup_folders()};
    DROVER_TRY(created(trace));
  }
  DROVER_TRY(open_gate_of(*child, kSetUpWait));
  owner.state_->gate.reset();
  DROVER_TRY(owner.watch_growth(spec, state_->growth));
  return owner;
}

Status Launcher::reap_orphan(SandboxTrace const& trace) {
  if (trace.pid > 1) {
    auto const pidfd = os::open_process(trace.pid);
    // Checked after the pidfd is open: from then on it cannot come to mean another process.
    auto const started = os::start_ticks(trace.pid);
    if (pidfd && started && *started == trace.start_ticks) {
      DROVER_TRY(os::send_signal(pidfd->get(), SIGKILL));
      auto const gone = os::wait_gone(pidfd->get(), Sandbox::kKillWait);
      if (!gone) return std::unexpected(gone.error());
      if (!*gone)
        return fail(ErrorCode::timeout, "process {} of sandbox {} does not die", trace.pid,
                    trace.id);
    }
  }
  // Only groups that carry the sandbox's own name, whatever the trace says.
  std::vector<std::string> folders;
  for (auto const& folder : trace.cgroup_folders)
    if (folder.ends_with("/" + cgroup_name(trace.id))) folders.push_back(folder);
  auto cgroup = os::Cgroup::from_folders(std::move(folders));
  DROVER_TRY(cgroup.kill());
  return cgroup.remove(Sandbox::kKillWait);
}

Sandbox::Sandbox(std::unique_ptr<State> state) : state_(std::move(state)) {}
Sandbox::Sandbox(Sandbox&&) noexcept = default;

Sandbox& Sandbox::operator=(Sandbox&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

namespace {

bool is_folder(std::string const& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

}  // namespace

Status Sandbox::watch_growth(SandboxSpec const& spec, std::shared_ptr<GrowthWatch> watch) {
  std::vector<std::string> folders;
  for (auto const& mount : spec.mounts)
    if (mount.mode == MountMode::rw && is_folder(mount.source)) folders.push_back(mount.source);
  if (spec.limits.disk_mb == 0 || folders.empty()) return {};
  auto growth =
      watch->add(std::move(folders), spec.limits.disk_mb, state_->pid, state_->pidfd.get());
  if (!growth) return std::unexpected(growth.error());
  state_->growth = *std::move(growth);
  state_->watch = std::move(watch);
  return {};
}

Sandbox::~Sandbox() {
  if (!state_) return;
  if (state_->growth) state_->watch->remove(state_->growth);
  if (auto const killed = kill(kKillWait); !killed)
    log::error("sandbox-kill-failed", {{"sandbox", state_->id}, {"error", killed.error().message}});
  (void)wait(kKillWait);
  if (auto const removed = state_->cgroup.remove(kKillWait); !removed)
    log::error("sandbox-cleanup-failed",
               {{"sandbox", state_->id}, {"error", removed.error().message}});
}

pid_t Sandbox::pid() const {
  return state_->pid;
}
int Sandbox::pidfd() const {
  return state_->end_fd();
}
std::string const& Sandbox::id() const {
  return state_->id;
}
std::vector<std::string> const& Sandbox::unenforced() const {
  return state_->unenforced;
}

Status Sandbox::signal(int number) {
  if (state_->exit) return {};
  return os::send_signal(state_->pidfd.get(), number);
}

bool Sandbox::handles(int number) const {
  DROVER_CHECK(number > 0 && number <= 64);
  auto const status =
      os::read_file(fmt::format("/proc/{}/status", state_->pid), 65536).value_or("");
  auto const at = status.find("SigCgt:");
  if (at == std::string::npos) return false;
  auto const caught = std::strtoull(status.c_str() + at + 7, nullptr, 16);
  return ((caught >> static_cast<unsigned>(number - 1)) & 1U) != 0;
}

Status Sandbox::freeze(Millis timeout) {
  if (state_->exit) return {};
  if (state_->growth) state_->growth->pause();
  if (state_->cgroup.can_freeze()) return state_->cgroup.freeze(timeout);
  return sweep(state_->pid, SIGSTOP, timeout);
}

Status Sandbox::thaw(Millis timeout) {
  if (state_->exit) return {};
  if (state_->growth) state_->growth->resume();
  if (state_->cgroup.can_freeze()) return state_->cgroup.thaw(timeout);
  return sweep(state_->pid, SIGCONT, timeout);
}

Status Sandbox::kill(Millis timeout) {
  if (!state_->pidfd.valid() || state_->exit) return {};
  // The kernel kills the whole pid namespace with its init, frozen or not, and lets the init's end
  // be seen only after every other process of it has gone.
  auto const ended = os::wait_gone(state_->end_fd(), Millis{0});
  if (ended && *ended) return {};
  state_->killed = true;
  DROVER_TRY(os::send_signal(state_->pidfd.get(), SIGKILL));
  if (!state_->cgroup.folders().empty()) (void)state_->cgroup.kill();
  auto const gone = os::wait_gone(state_->end_fd(), timeout);
  if (!gone) return std::unexpected(gone.error());
  if (*gone) return {};
  return fail(ErrorCode::timeout, "sandbox {} still has processes {} ms after it was killed",
              state_->id, timeout.count());
}

Result<std::optional<SandboxExit>> Sandbox::wait(Millis timeout) {
  if (state_->exit || !state_->pidfd.valid()) return state_->exit;
  auto ended = os::wait_exit(state_->end_fd(), timeout);
  if (!ended) return std::unexpected(ended.error());
  if (!*ended) return std::nullopt;
  // As a shell would, bubblewrap tells of a signal by a number.
  if (state_->monitor.valid() && (*ended)->code > kSignalBase)
    *ended = os::ExitStatus{.code = 0, .signal = (*ended)->code - kSignalBase};
  bool const starved = !(*ended)->ok() && !state_->killed && state_->cgroup.oom_kills() > 0;
  state_->exit = SandboxExit{.status = **ended,
                             .out_of_memory = starved,
                             .over_disk = state_->growth ? state_->growth->excess() : ""};
  return state_->exit;
}

os::CgroupUsage Sandbox::usage() const {
  return state_->cgroup.usage();
}
std::vector<std::string> Sandbox::cgroup_folders() const {
  return state_->cgroup.folders();
}

}  // namespace drover::sandbox
