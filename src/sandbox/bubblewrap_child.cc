#include "sandbox/bubblewrap_child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <set>

#include "base/text.h"
#include "os/files.h"
#include "os/process.h"
#include "sandbox/bubblewrap.h"
#include "sandbox/plan.h"

namespace drover::sandbox {

namespace {

constexpr std::size_t kInfoBytesMax = 4096;
constexpr Millis kLookPause{1};
// What is passed on comes to lie side by side from kPlanFdMin on, and is taken from above all that.
constexpr int kSourceFdMin = 400;
static_assert(kPlanFdMin + kMountsMax + 16 < kSourceFdMin);

Result<os::Fd> raise_source(int fd) {
  os::Fd raised{::fcntl(fd, F_DUPFD_CLOEXEC, kSourceFdMin)};
  if (!raised.valid()) return fail_errno("copy", "a descriptor for bubblewrap");
  return raised;
}

Result<os::Fd> memory_file(std::string_view content) {
  os::Fd const file{::memfd_create("drover", MFD_CLOEXEC)};
  if (!file.valid()) return fail_errno("create", "a memory file for bubblewrap");
  DROVER_TRY(os::write_all(file.get(), content, "a memory file for bubblewrap"));
  if (::lseek(file.get(), 0, SEEK_SET) < 0) return fail_errno("rewind", "a memory file");
  return raise_source(file.get());
}

// What it passes on, by the numbers that it has there, and our ends.
class Descriptors {
 public:
  Status prepare(SandboxSpec const& spec, std::vector<sock_filter> const& filter) {
    auto program = memory_file(
        {reinterpret_cast<char const*>(filter.data()), filter.size() * sizeof(sock_filter)});
    if (!program) return std::unexpected(program.error());
    fds.filter = keep(*std::move(program));
    for (auto const& file : bubblewrap_files(spec)) {
      auto content = memory_file(file.content);
      if (!content) return std::unexpected(content.error());
      fds.files.push_back(keep(*std::move(content)));
    }
    DROVER_TRY(make_pipe(gate, fds.gate, 1));
    return make_pipe(info, fds.info, 0);
  }

  BubblewrapFds fds;
  os::Fd gate;  // our end
  os::Fd info;
  std::vector<os::Fd> passed;

 private:
  int keep(os::Fd fd) {
    passed.push_back(std::move(fd));
    return kPlanFdMin + static_cast<int>(passed.size()) - 1;
  }
  Status make_pipe(os::Fd& ours, int& theirs, int our_end) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("create", "a pipe for bubblewrap");
    ours = os::Fd{ends[our_end]};
    os::Fd const other{ends[1 - our_end]};
    auto raised = raise_source(other.get());
    if (!raised) return std::unexpected(raised.error());
    theirs = keep(*std::move(raised));
    return {};
  }
};

struct Actions {
  posix_spawn_file_actions_t files{};
  posix_spawnattr_t attributes{};
  Actions() {
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~Actions() {
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
  }
  Actions(Actions const&) = delete;
  Actions& operator=(Actions const&) = delete;
  void place(int fd, int number) { posix_spawn_file_actions_adddup2(&files, fd, number); }
  void stream(int fd, int number) {
    if (fd < 0)
      posix_spawn_file_actions_addopen(&files, number, "/dev/null", O_RDWR, 0);
    else
      posix_spawn_file_actions_adddup2(&files, fd, number);
  }
};

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (auto& text : texts)
    pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// {"child-pid": 123, …}
Result<pid_t> read_init(int info) {
  auto const text = os::read_all(info, "bubblewrap's information", kInfoBytesMax);
  if (!text) return std::unexpected(text.error());
  constexpr std::string_view kKey = "\"child-pid\":";
  auto at = text->find(kKey);
  if (at == std::string::npos)
    return fail_next(ErrorCode::unsupported,
                     "cannot start the sandbox: bubblewrap ended before it made one",
                     "run drover doctor, or bwrap --unshare-user --ro-bind / / true by hand");
  at = text->find_first_not_of(' ', at + kKey.size());
  pid_t pid = -1;
  auto const [end, error] =
      std::from_chars(text->data() + std::min(at, text->size()), text->data() + text->size(), pid);
  if (error != std::errc{} || pid <= 1)
    return fail(ErrorCode::internal, "bubblewrap names no process of its own");
  return pid;
}

std::string program_of(pid_t pid) {
  return os::real_path(fmt::format("/proc/{}/exe", pid)).value_or("");
}

}  // namespace

Result<std::string> find_bubblewrap() {
  for (std::string const path : {"/usr/bin/bwrap", "/usr/local/bin/bwrap"})
    if (::access(path.c_str(), X_OK) == 0) return path;
  return fail_next(ErrorCode::unsupported, "there is no bubblewrap at /usr/bin/bwrap",
                   "install it (apt-get install bubblewrap), or unset DROVER_SANDBOX");
}

Result<BubblewrapChild> start_bubblewrap(SandboxSpec const& spec,
                                         std::vector<sock_filter> const& filter) {
  DROVER_TRY(fits_bubblewrap(spec, ::geteuid()));
  auto const program = find_bubblewrap();
  if (!program) return std::unexpected(program.error());
  Descriptors own;
  DROVER_TRY(own.prepare(spec, filter));
  auto words = bubblewrap_arguments(spec, host_layout(), own.fds);
  words.insert(words.begin(), *program);
  // Its environment is the program's: what --clearenv would leave in its own is not there at all.
  auto environment = spec.env;
  Actions actions;
  actions.stream(spec.in, 0);
  actions.stream(spec.out, 1);
  actions.stream(spec.err, 2);
  std::vector<os::Fd> inherited;
  std::set<int> numbers;
  for (auto const& one : spec.inherited) {
    auto raised = raise_source(one.fd);
    if (!raised) return std::unexpected(raised.error());
    actions.place(raised->get(), one.number);
    numbers.insert(one.number);
    inherited.push_back(*std::move(raised));
  }
  int number = kPlanFdMin;
  for (auto const& fd : own.passed)
    actions.place(fd.get(), number++);
  // Whatever else this process has open, close-on-exec or not.
  for (int other = 3; other < kPlanFdMin; ++other)
    if (!numbers.contains(other)) posix_spawn_file_actions_addclose(&actions.files, other);
  posix_spawn_file_actions_addclosefrom_np(&actions.files, number);
  BubblewrapChild child;
  int const error =
      ::posix_spawn(&child.monitor, program->c_str(), &actions.files, &actions.attributes,
                    pointers_to(words).data(), pointers_to(environment).data());
  if (error != 0) return std::unexpected(system_error(error, "start", *program));
  own.passed.clear();
  auto monitor = os::open_process(child.monitor);
  if (!monitor) return std::unexpected(monitor.error());
  child.monitor_fd = *std::move(monitor);
  auto const init = read_init(own.info.get());
  auto init_fd = init ? os::open_process(*init) : std::unexpected(init.error());
  if (!init_fd) {
    (void)os::send_signal(child.monitor_fd.get(), SIGKILL);
    (void)::waitpid(child.monitor, nullptr, 0);
    return std::unexpected(init_fd.error());
  }
  child.init = *init;
  child.init_fd = *std::move(init_fd);
  child.gate = std::move(own.gate);
  return child;
}

Status open_gate_of(BubblewrapChild& child, Millis timeout) {
  auto const before = program_of(child.init);
  DROVER_TRY(os::write_all(child.gate.get(), "g", "bubblewrap's gate"));
  child.gate.reset();
  auto const deadline = std::chrono::steady_clock::now() + timeout;
  while (program_of(child.init) == before) {
    auto const ended = os::wait_gone(child.monitor_fd.get(), kLookPause);
    if (!ended) return std::unexpected(ended.error());
    if (*ended) return {};  // a program of a moment; its status says how it went
    if (std::chrono::steady_clock::now() >= deadline)
      return fail(ErrorCode::timeout, "cannot start the sandbox: bubblewrap took over {} ms",
                  timeout.count());
  }
  return {};
}

Status limit_process(pid_t init, Limits const& limits, bool pids) {
  auto const set = [init](__rlimit_resource resource, std::uint64_t value) -> Status {
    rlimit current{};
    if (::prlimit(init, resource, nullptr, &current) != 0)
      return fail_errno("read a limit of", "the sandbox");
    rlim_t const bound = std::min<rlim_t>(value, current.rlim_max);
    rlimit const next{bound, bound};
    if (::prlimit(init, resource, &next, nullptr) != 0)
      return fail_errno("set a limit of", "the sandbox");
    return {};
  };
  DROVER_TRY(set(RLIMIT_CORE, 0));
  DROVER_TRY(set(RLIMIT_RTPRIO, 0));
  DROVER_TRY(set(RLIMIT_NICE, 0));
  if (limits.file_size_mb != 0) DROVER_TRY(set(RLIMIT_FSIZE, limits.file_size_mb << 20U));
  if (limits.open_files != 0) DROVER_TRY(set(RLIMIT_NOFILE, limits.open_files));
  if (pids && limits.pids.value != 0) DROVER_TRY(set(RLIMIT_NPROC, limits.pids.value));
  return {};
}

}  // namespace drover::sandbox
