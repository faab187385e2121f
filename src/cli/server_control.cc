#include "cli/server_control.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <vector>

#include "base/text.h"
#include "cli/api_client.h"
#include "os/fd.h"
#include "os/files.h"

namespace drover::cli {

namespace {

constexpr Millis kReadyDeadline{2'000};
constexpr Millis kLook{10};
constexpr std::size_t kLogTailBytes = 4096;

void pause_for(Millis duration) {
  timespec const step{duration.count() / 1000, duration.count() % 1000 * 1'000'000};
  ::nanosleep(&step, nullptr);
}

// The last line of the log from `offset` on: what the server said before it ended.
std::string last_log_line(std::string const& log, off_t offset) {
  os::Fd const fd{::open(log.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!fd.valid()) return {};
  off_t const end = ::lseek(fd.get(), 0, SEEK_END);
  off_t const from = std::max(offset, end - static_cast<off_t>(kLogTailBytes));
  std::array<char, kLogTailBytes> buffer{};
  ssize_t const got = ::pread(fd.get(), buffer.data(), buffer.size(), from);
  if (got <= 0) return {};
  std::string_view text = trim({buffer.data(), static_cast<std::size_t>(got)});
  auto const line = text.rfind('\n');
  if (line != std::string_view::npos) text.remove_prefix(line + 1);
  if (text.starts_with("drover: ")) text.remove_prefix(8);
  return printable(text, 500);
}

// The broker's URL may hold a password, which arguments would show to everybody.
std::vector<std::string> server_environment(std::string const& state_folder,
                                            std::string const& broker) {
  constexpr std::string_view kFolder = "DROVER_STATE_DIR=";
  constexpr std::string_view kBroker = "DROVER_BROKER=";
  std::vector<std::string> variables;
  for (char** at = environ; *at != nullptr; ++at) {
    std::string_view const variable{*at};
    if (variable.starts_with(kFolder)) continue;
    if (variable.starts_with(kBroker) && !broker.empty()) continue;
    variables.emplace_back(variable);
  }
  variables.push_back(std::string{kFolder} + state_folder);
  if (!broker.empty()) variables.push_back(std::string{kBroker} + broker);
  return variables;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts)
    out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// Owns what posix_spawn needs.
class Spawn {
 public:
  Spawn() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  ~Spawn() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  Spawn(Spawn const&) = delete;
  Spawn& operator=(Spawn const&) = delete;

  Result<pid_t> start(std::string const& program, std::vector<std::string> arguments,
                      std::vector<std::string> variables, int log_fd) {
    sigset_t none;
    ::sigemptyset(&none);
    sigset_t defaults;
    ::sigemptyset(&defaults);
    for (int const signal : {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE})
      ::sigaddset(&defaults, signal);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &defaults);
    // A session of its own: no Ctrl-C and no hang-up of this terminal reaches it.
    ::posix_spawnattr_setflags(&attributes_,
                               POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    ::posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, log_fd, 1);
    ::posix_spawn_file_actions_adddup2(&actions_, log_fd, 2);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, 3);
    // The server must not pin the folder that the user happened to stand in.
    ::posix_spawn_file_actions_addchdir_np(&actions_, "/");
    pid_t pid = 0;
    int const error = ::posix_spawn(&pid, program.c_str(), &actions_, &attributes_,
                                    pointers(arguments).data(), pointers(variables).data());
    if (error != 0) return std::unexpected(system_error(error, "start the server", program));
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

bool has_ended(pid_t pid) {
  int status = 0;
  return ::waitpid(pid, &status, WNOHANG) == pid;
}

Error start_failed(std::string_view how, std::string const& log, off_t offset) {
  std::string const line = last_log_line(log, offset);
  return {ErrorCode::unavailable,
          fmt::format("the server {}{}{}", how, line.empty() ? "" : ": ", line),
          fmt::format("its log is {}", printable(log))};
}

Result<Endpoint> wait_until_ready(std::string const& state_folder, pid_t pid, off_t offset,
                                  Clock const& clock) {
  std::string const log = fmt::format("{}/{}", state_folder, kServerLog);
  BootTime const deadline = clock.boot_now() + kStartDeadline;
  bool ended = false;
  for (;;) {
    if (auto endpoint = running_server(state_folder)) return endpoint;
    // It may have ended because another one was a moment faster: that one gets the time left.
    if (ended && !os::exists(fmt::format("{}/{}", state_folder, kServerFile)))
      return std::unexpected(start_failed("ended at once", log, offset));
    if (clock.boot_now() > deadline)
      return std::unexpected(start_failed(
          ended ? "ended at once"
                : fmt::format("is not ready after {} s", kStartDeadline.count() / 1000),
          log, offset));
    if (!ended) ended = has_ended(pid);
    pause_for(kLook);
  }
}

bool ends_within(int pidfd, Millis duration) {
  pollfd ended{.fd = pidfd, .events = POLLIN, .revents = 0};
  return ::poll(&ended, 1, static_cast<int>(duration.count())) > 0;
}

// Whether /proc says that this process is a drover server of this user.
Status check_is_server(pid_t pid) {
  std::string const folder = fmt::format("/proc/{}", pid);
  std::error_code error;
  std::string program = std::filesystem::read_symlink(folder + "/exe", error).string();
  // An upgrade replaces the file under a running server.
  if (program.ends_with(" (deleted)")) program.resize(program.size() - 10);
  std::string const own = std::filesystem::read_symlink("/proc/self/exe").string();
  bool const same = !error && (program == own || program.ends_with("/drover"));
  os::Fd const fd{::open((folder + "/cmdline").c_str(), O_RDONLY | O_CLOEXEC)};
  auto const words = fd.valid() ? os::read_all(fd.get(), "cmdline", std::size_t{1} << 20U)
                                : Result<std::string>{""};
  bool serves = false;
  if (words)
    for (std::string_view const word : split(*words, '\0'))
      serves = serves || word == "serve" || word == "up";
  if (same && serves) return {};
  return fail_next(ErrorCode::conflict,
                   fmt::format("process {} is no drover server, so it is left alone", pid),
                   "the server has ended already; start it with: drover up");
}

}  // namespace

Result<Endpoint> running_server(std::string const& state_folder) {
  auto endpoint = read_server_file(state_folder);
  if (!endpoint) return endpoint;
  ApiClient client{*endpoint};
  DROVER_TRY(client.ready(kReadyDeadline));
  return endpoint;
}

Result<Endpoint> start_server(std::string const& state_folder, ServerStart const& start,
                              Clock const& clock) {
  auto const with_next = [](Error error) {
    if (error.next.empty())
      error.next = "give drover a state folder of your own with DROVER_STATE_DIR";
    return std::unexpected(std::move(error));
  };
  if (auto made = os::make_folders(state_folder, 0700); !made) return with_next(made.error());
  std::string const log = fmt::format("{}/{}", state_folder, kServerLog);
  os::Fd const log_fd{
      ::open(log.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!log_fd.valid()) return with_next(system_error(errno, "open the server's log", log));
  off_t const offset = ::lseek(log_fd.get(), 0, SEEK_END);
  std::error_code error;
  std::string const program = std::filesystem::read_symlink("/proc/self/exe", error).string();
  if (error)
    return fail(ErrorCode::internal, "cannot find drover's own program: {}", error.message());
  std::vector<std::string> arguments = {program, "serve"};
  if (start.port != 0) arguments.push_back(fmt::format("--port={}", start.port));
  if (start.dispatch == Dispatch::paused) arguments.emplace_back("--paused");
  auto const pid = Spawn{}.start("/proc/self/exe", arguments,
                                 server_environment(state_folder, start.broker), log_fd.get());
  if (!pid) return std::unexpected(pid.error());
  return wait_until_ready(state_folder, *pid, offset, clock);
}

Status stop_server(Endpoint const& endpoint, Clock const& clock) {
  os::Fd const process{static_cast<int>(::syscall(SYS_pidfd_open, endpoint.pid, 0))};
  bool const gone = !process.valid() && errno == ESRCH;
  // One that has ended but that its parent has not reaped still has its number.
  if (gone || (process.valid() && ends_within(process.get(), Millis{0})))
    return fail_next(ErrorCode::unavailable,
                     fmt::format("the drover server (process {}) has ended already", endpoint.pid),
                     "start it with: drover up");
  if (!process.valid())
    return fail_errno("watch the server's process", fmt::to_string(endpoint.pid));
  // The pidfd holds the process that is looked at now; its number cannot change hands in between.
  DROVER_TRY(check_is_server(endpoint.pid));
  if (::syscall(SYS_pidfd_send_signal, process.get(), SIGTERM, nullptr, 0) != 0)
    return fail_errno("stop the server's process", fmt::to_string(endpoint.pid));
  BootTime const deadline = clock.boot_now() + kStopDeadline;
  for (;;) {
    auto const left = std::chrono::duration_cast<Millis>(deadline - clock.boot_now());
    if (left <= Millis{0})
      return fail_next(ErrorCode::timeout,
                       fmt::format("the drover server (process {}) still runs {} s after SIGTERM",
                                   endpoint.pid, kStopDeadline.count() / 1000),
                       fmt::format("see server.log, or end it with: kill -9 {}", endpoint.pid));
    if (ends_within(process.get(), left)) return {};
  }
}

}  // namespace drover::cli
