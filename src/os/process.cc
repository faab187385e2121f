#include "os/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>

#include "base/text.h"
#include "os/files.h"

namespace drover::os {

namespace {

constexpr auto kKillWait = std::chrono::seconds{5};

std::string pid_text(pid_t pid) {
  return fmt::format("process {}", pid);
}

// Waits until the pidfd says that its process has ended.
Result<bool> poll_ended(int pidfd, Millis timeout) {
  auto const deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    auto const left = std::chrono::ceil<Millis>(deadline - std::chrono::steady_clock::now());
    auto const wait_ms = std::clamp<std::int64_t>(left.count(), 0, INT_MAX);
    pollfd entry{.fd = pidfd, .events = POLLIN, .revents = 0};
    int const ready = ::poll(&entry, 1, static_cast<int>(wait_ms));
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) return fail_errno("wait for", "a process");
  }
}

std::vector<char*> pointers(std::vector<std::string> const& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  // posix_spawn takes char* for history's sake and does not write through it.
  for (auto const& text : texts)
    result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

// Frees the two posix_spawn objects whichever way spawn() returns.
struct SpawnSettings {
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
  SpawnSettings() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSettings(SpawnSettings const&) = delete;
  SpawnSettings& operator=(SpawnSettings const&) = delete;
};

void set_stream(SpawnSettings& settings, int from, int to) {
  if (from < 0)
    posix_spawn_file_actions_addopen(&settings.actions, to, "/dev/null", O_RDWR, 0);
  else
    posix_spawn_file_actions_adddup2(&settings.actions, from, to);
}

}  // namespace

Result<Fd> open_process(pid_t pid) {
  long const fd = ::syscall(SYS_pidfd_open, pid, 0);
  if (fd >= 0) return Fd{static_cast<int>(fd)};
  if (errno == ESRCH) return fail(ErrorCode::not_found, "there is no process {}", pid);
  return fail_errno("open", pid_text(pid));
}

Status send_signal(int pidfd, int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0 || errno == ESRCH) return {};
  return fail_errno("send a signal to", "a process");
}

Result<std::optional<ExitStatus>> wait_exit(int pidfd, Millis timeout) {
  auto const ended = poll_ended(pidfd, timeout);
  if (!ended) return std::unexpected(ended.error());
  if (!*ended) return std::nullopt;
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED) != 0)
    if (errno != EINTR) return fail_errno("reap", "a process");
  if (info.si_code == CLD_EXITED) return ExitStatus{.code = info.si_status, .signal = 0};
  return ExitStatus{.code = 0, .signal = info.si_status};
}

Result<bool> wait_gone(int pidfd, Millis timeout) {
  return poll_ended(pidfd, timeout);
}

std::optional<std::uint64_t> parse_start_ticks(std::string_view stat) {
  auto const bracket = stat.rfind(')');
  if (bracket == std::string_view::npos) return std::nullopt;
  std::string_view rest = stat.substr(bracket + 1);
  for (int field = 3; field <= 22; ++field) {
    auto const space = rest.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(space + 1);
  }
  rest = rest.substr(0, rest.find(' '));
  std::uint64_t ticks = 0;
  auto const [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), ticks);
  if (error != std::errc{} || end != rest.data() + rest.size()) return std::nullopt;
  return ticks;
}

Result<std::uint64_t> start_ticks(pid_t pid) {
  auto const stat = read_file(fmt::format("/proc/{}/stat", pid), 4096);
  if (!stat) return fail(ErrorCode::not_found, "there is no process {}", pid);
  auto const ticks = parse_start_ticks(*stat);
  if (!ticks) return fail(ErrorCode::data_corrupt, "/proc/{}/stat has no start time", pid);
  return *ticks;
}

Result<std::string> boot_id() {
  auto id = read_file("/proc/sys/kernel/random/boot_id", 128);
  if (!id) return id;
  while (!id->empty() && id->back() == '\n')
    id->pop_back();
  return id;
}

Result<Process> Process::spawn(ProcessSpec const& spec) {
  if (spec.argv.empty())
    return fail(ErrorCode::invalid_argument, "a process needs a program to run");
  SpawnSettings settings;
  // Copies above the three first, so that `out = 0` or `err = 1` do not overwrite each other.
  std::array<Fd, 3> copies;
  std::array<int, 3> const given{spec.in, spec.out, spec.err};
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (given[i] < 0) continue;
    copies[i] = Fd{::fcntl(given[i], F_DUPFD_CLOEXEC, 3)};
    if (!copies[i].valid()) return fail_errno("copy a stream for", spec.argv[0]);
  }
  for (std::size_t i = 0; i < given.size(); ++i)
    set_stream(settings, copies[i].get(), static_cast<int>(i));
  posix_spawn_file_actions_addclosefrom_np(&settings.actions, 3);
  if (!spec.cwd.empty()) posix_spawn_file_actions_addchdir_np(&settings.actions, spec.cwd.c_str());
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&settings.attributes, &none);
  posix_spawnattr_setsigdefault(&settings.attributes, &all);
  posix_spawnattr_setflags(&settings.attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  auto argv = pointers(spec.argv);
  auto env = pointers(spec.env);
  pid_t pid = -1;
  int const error = ::posix_spawnp(&pid, spec.argv[0].c_str(), &settings.actions,
                                   &settings.attributes, argv.data(), env.data());
  if (error != 0) return std::unexpected(system_error(error, "start", printable(spec.argv[0])));
  // Our own child that nobody has reaped: the pid cannot have been reused.
  auto pidfd = open_process(pid);
  if (!pidfd) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return std::unexpected(pidfd.error());
  }
  return Process{pid, std::move(*pidfd)};
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)),
      exit_(std::exchange(other.exit_, std::nullopt)) {}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    end();
    pid_ = std::exchange(other.pid_, -1);
    pidfd_ = std::move(other.pidfd_);
    exit_ = std::exchange(other.exit_, std::nullopt);
  }
  return *this;
}

Process::~Process() {
  end();
}

void Process::end() {
  if (!pidfd_.valid() || exit_) return;
  (void)send_signal(pidfd_.get(), SIGKILL);
  (void)wait_exit(pidfd_.get(), kKillWait);
}

Result<std::optional<ExitStatus>> Process::wait(Millis timeout) {
  if (exit_) return exit_;
  auto ended = wait_exit(pidfd_.get(), timeout);
  if (ended && *ended) exit_ = **ended;
  return ended;
}

}  // namespace drover::os
