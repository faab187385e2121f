// Bash: each command in a session of its own, so that all of it can be ended together.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <set>
#include <vector>

#include "agent/output.h"
#include "agent/tool.h"
#include "base/text.h"
#include "os/fd.h"
#include "os/files.h"

extern char** environ;

namespace drover::agent {

namespace {

constexpr std::int64_t kTimeoutMsDefault = 120'000;
constexpr std::int64_t kTimeoutMsMax = 600'000;
constexpr std::size_t kReadBytes = std::size_t{64} << 10U;
// The descriptor on which the shell tells where it ended up. High, so that no script uses it.
constexpr int kCwdFd = 198;
constexpr int kKillRounds = 20;

// The command runs in the shell itself, so that `cd` counts; the trap also sees `exit`.
constexpr char const* kScript = "trap 'pwd -P >&198' EXIT\neval \"$1\"\n";

struct Process {
  pid_t pid = -1;
  os::Fd pidfd;
  os::Fd output;
  os::Fd cwd;
};

struct Pipe {
  os::Fd read;
  os::Fd write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno("make a pipe for", "the command");
  Pipe made{os::Fd{ends[0]}, os::Fd{ends[1]}};
  if (::fcntl(made.read.get(), F_SETFL, O_NONBLOCK) != 0)
    return fail_errno("prepare the pipe of", "the command");
  return made;
}

class SpawnActions {
 public:
  SpawnActions() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  ~SpawnActions() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnActions(SpawnActions const&) = delete;
  SpawnActions& operator=(SpawnActions const&) = delete;

  posix_spawn_file_actions_t* actions() { return &actions_; }
  posix_spawnattr_t* attributes() { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

void prepare(SpawnActions& spawn, std::string const& cwd, int output, int cwd_out) {
  auto* const actions = spawn.actions();
  ::posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(actions, output, STDERR_FILENO);
  ::posix_spawn_file_actions_adddup2(actions, cwd_out, kCwdFd);
  ::posix_spawn_file_actions_addchdir_np(actions, cwd.c_str());
  // The unit blocks and ignores signals for its own purposes; a command starts with none of that.
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  ::posix_spawnattr_setsigmask(spawn.attributes(), &none);
  ::posix_spawnattr_setsigdefault(spawn.attributes(), &all);
  ::posix_spawnattr_setflags(spawn.attributes(),
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

Result<Process> start(std::string const& command, std::string const& cwd) {
  auto output = make_pipe();
  if (!output) return std::unexpected(output.error());
  auto cwd_pipe = make_pipe();
  if (!cwd_pipe) return std::unexpected(cwd_pipe.error());
  SpawnActions spawn;
  prepare(spawn, cwd, output->write.get(), cwd_pipe->write.get());
  std::string shell = "bash";
  std::string option = "-c";
  std::string script = kScript;
  std::string argument = command;
  std::array<char*, 6> argv{shell.data(), option.data(),   script.data(),
                            shell.data(), argument.data(), nullptr};
  Process process;
  int const error = ::posix_spawnp(&process.pid, shell.c_str(), spawn.actions(), spawn.attributes(),
                                   argv.data(), environ);
  if (error != 0) return std::unexpected(system_error(error, "start bash in", cwd));
  process.pidfd = os::Fd{static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0))};
  process.output = std::move(output->read);
  process.cwd = std::move(cwd_pipe->read);
  return process;
}

struct ProcessLine {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t session = 0;
};

std::vector<ProcessLine> all_processes() {
  std::vector<ProcessLine> out;
  DIR* const handle = ::opendir("/proc");
  if (handle == nullptr) return out;
  while (dirent const* const entry = ::readdir(handle)) {
    std::string_view const name = entry->d_name;
    pid_t pid = 0;
    auto const [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc{} || end != name.data() + name.size()) continue;
    auto const stat = os::read_file(fmt::format("/proc/{}/stat", pid), 4096);
    if (!stat) continue;
    // "pid (name) state ppid pgrp session …"; the name may hold anything, so look behind it.
    auto const close = stat->rfind(')');
    if (close == std::string::npos) continue;
    auto const fields = split(std::string_view{*stat}.substr(close + 1), ' ');
    if (fields.size() < 5 || fields[1] == "Z") continue;
    auto const number = [](std::string_view text) {
      pid_t value = 0;
      std::from_chars(text.data(), text.data() + text.size(), value);
      return value;
    };
    out.push_back({pid, number(fields[2]), number(fields[4])});
  }
  ::closedir(handle);
  return out;
}

// The command's processes: those of its session, and descendants that left it.
std::vector<pid_t> family(pid_t leader, std::set<pid_t>& known) {
  known.insert(leader);
  auto const processes = all_processes();
  std::vector<pid_t> alive;
  bool grew = true;
  while (grew) {
    grew = false;
    for (ProcessLine const& line : processes) {
      if (line.session != leader && !known.contains(line.parent)) continue;
      grew = known.insert(line.pid).second || grew;
    }
  }
  for (ProcessLine const& line : processes)
    if (known.contains(line.pid)) alive.push_back(line.pid);
  return alive;
}

// Kills until a look finds none left: a process may fork while it is being counted.
void kill_family(pid_t leader) {
  std::set<pid_t> known;
  for (int round = 0; round < kKillRounds; ++round) {
    auto const alive = family(leader, known);
    ::kill(-leader, SIGKILL);
    for (pid_t const pid : alive)
      ::kill(pid, SIGKILL);
    if (alive.empty()) return;
    ::usleep(1000);
  }
}

enum class Ending : std::uint8_t { exited, timed_out, interrupted };

// Takes what is there, and at least all that fits a pipe, but not for ever: a writer may be faster.
// False at the end of the stream.
bool drain(int fd, OutputCapture& capture) {
  constexpr int kReadsMax = 16;
  std::array<char, kReadBytes> buffer;
  for (int reads = 0; reads < kReadsMax; ++reads) {
    ssize_t const got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return false;
    capture.append({buffer.data(), static_cast<std::size_t>(got)});
    if (static_cast<std::size_t>(got) < buffer.size()) return true;
  }
  return true;
}

Ending follow(Process const& process, OutputCapture& capture, BootTime deadline, Waiter& waiter) {
  bool open = true;
  for (;;) {
    std::array<pollfd, 2> descriptors{
        pollfd{process.pidfd.get(), POLLIN, 0},
        pollfd{open ? process.output.get() : -1, POLLIN, 0},
    };
    Wake const wake = waiter.wait(descriptors, deadline);
    if (wake == Wake::interrupted) return Ending::interrupted;
    if (wake == Wake::deadline) return Ending::timed_out;
    if (descriptors[1].revents != 0) open = drain(process.output.get(), capture);
    if (descriptors[0].revents == 0) continue;
    return Ending::exited;
  }
}

int reap(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

std::string told_cwd(int fd) {
  std::array<char, 4096> buffer{};
  ssize_t const got = ::read(fd, buffer.data(), buffer.size());
  if (got <= 0) return {};
  std::string_view const text{buffer.data(), static_cast<std::size_t>(got)};
  std::string_view const path = text.substr(0, text.find('\n'));
  return path.starts_with('/') ? std::string{path} : std::string{};
}

std::string describe(int status) {
  if (WIFSIGNALED(status))
    return fmt::format("Killed by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  return fmt::format("Exit code {}", WEXITSTATUS(status));
}

class BashTool final : public Tool {
 public:
  [[nodiscard]] model::ToolSpec const& spec() const override {
    static model::ToolSpec const kSpec{
        "Bash",
        "Runs a command with bash and returns its output and exit code. The working folder "
        "persists between calls, other shell state does not. There is no input and no terminal. "
        "Redirect the output of background processes to a file.",
        R"json({"type":"object","additionalProperties":false,"required":["command"],"properties":{
  "command":{"type":"string","description":"The command"},
  "timeout":{"type":"integer","minimum":1,"maximum":600000,"description":"Milliseconds; default 120000"},
  "description":{"type":"string","description":"What the command does, in a few words"}}})json"};
    return kSpec;
  }
  [[nodiscard]] ToolKind kind() const override { return ToolKind::with_effects; }

  [[nodiscard]] ToolReply run(JsonObject const& input, ToolScope& scope) override {
    auto const command = input.string("command");
    if (!command) return bad_arguments(command.error());
    auto const timeout = input.optional_integer("timeout");
    if (!timeout) return bad_arguments(timeout.error());
    std::int64_t const timeout_ms = timeout->value_or(kTimeoutMsDefault);
    if (timeout_ms < 1 || timeout_ms > kTimeoutMsMax)
      return tool_error(
          fmt::format("timeout is {}; it takes 1 to {} milliseconds", timeout_ms, kTimeoutMsMax));
    if (command->find('\0') != std::string::npos)
      return tool_error("The command holds a NUL byte, which no shell takes.");
    auto const process = start(*command, *scope.cwd);
    if (!process) return tool_error(process.error().message);
    if (!process->pidfd.valid()) {
      kill_family(process->pid);
      reap(process->pid);
      return tool_error("This kernel cannot watch processes (pidfd_open is missing).");
    }
    return follow_to_end(*process, Millis{timeout_ms}, scope);
  }

 private:
  static ToolReply follow_to_end(Process const& process, Millis timeout, ToolScope& scope) {
    OutputCapture capture{scope.spill_path};
    Ending const ending =
        follow(process, capture, scope.clock->boot_now() + timeout, *scope.waiter);
    if (ending != Ending::exited) kill_family(process.pid);
    int const status = reap(process.pid);
    if (ending == Ending::exited) scope.new_cwd = told_cwd(process.cwd.get());
    // What it wrote before it ended is in the pipe; a background process may hold it open longer.
    drain(process.output.get(), capture);
    std::string text = capture.finish();
    if (!text.empty() && !text.ends_with('\n')) text += '\n';
    if (ending == Ending::timed_out)
      return tool_error(
          fmt::format("{}Command timed out after {} ms; it and all that it started "
                      "were killed.",
                      text, timeout.count()));
    if (ending == Ending::interrupted)
      return tool_error(fmt::format("{}Interrupted: the command was killed.", text));
    if (status != 0) return tool_error(fmt::format("{}{}", text, describe(status)));
    return tool_ok(text.empty() ? "(no output; exit code 0)" : text + "Exit code 0");
  }
};

}  // namespace

std::unique_ptr<Tool> make_bash_tool() {
  return std::make_unique<BashTool>();
}

}  // namespace drover::agent
