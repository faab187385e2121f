#include "machine.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "figures.h"
#include "os/files.h"

namespace drover::bench {

namespace {

std::int64_t to_ns(timespec const& time) {
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

void on_signal(int) {
  interrupted() = true;
}

std::string variable(char const* name, char const* fallback) {
  char const* const value = std::getenv(name);
  return value == nullptr || *value == '\0' ? fallback : value;
}

}  // namespace

std::int64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return to_ns(now);
}

std::atomic<bool>& interrupted() {
  static std::atomic<bool> flag{false};
  return flag;
}

void catch_interrupts() {
  struct sigaction action{};
  action.sa_handler = on_signal;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

Status check_interrupt() {
  if (interrupted()) return fail(ErrorCode::cancelled, "interrupted");
  return {};
}

Result<std::int64_t> cpu_ns(pid_t pid) {
  clockid_t clock{};
  if (int const error = ::clock_getcpuclockid(pid, &clock); error != 0)
    return std::unexpected(
        system_error(error, "read the CPU time of", fmt::format("process {}", pid)));
  timespec used{};
  if (::clock_gettime(clock, &used) != 0)
    return fail_errno("read the CPU time of", fmt::format("process {}", pid));
  return to_ns(used);
}

Result<std::int64_t> memory_bytes(pid_t pid, std::string const& line) {
  auto const status = os::read_file(fmt::format("/proc/{}/status", pid));
  if (!status) return std::unexpected(status.error());
  auto const at = status->find(line + ":");
  if (at == std::string::npos)
    return fail(ErrorCode::not_found, "/proc/{}/status has no line {}", pid, line);
  auto const digits = status->find_first_of("0123456789", at);
  std::int64_t kib = 0;
  std::from_chars(status->data() + digits, status->data() + status->size(), kib);
  return kib * 1024;
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

Result<Scratch> Scratch::create() {
  std::string path = variable("TMPDIR", "/tmp") + "/drover-bench-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return fail_errno("make a folder", path);
  struct statfs about{};
  if (::statfs(path.c_str(), &about) == 0 && about.f_type == TMPFS_MAGIC)
    note(path + " is in memory, where a sync costs nothing: set TMPDIR to a folder on a disk");
  return Scratch{std::move(path)};
}

Scratch::Scratch(Scratch&& other) noexcept : folder_(std::exchange(other.folder_, {})) {}

Scratch::~Scratch() {
  if (folder_.empty()) return;
  if (auto const removed = os::remove_tree(folder_); !removed) note(removed.error().text());
}

Result<double> disk_sync_ms(Scratch const& scratch) {
  constexpr int kSyncs = 50;
  std::string const path = scratch.path("disk");
  os::Fd const fd{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  if (!fd.valid()) return fail_errno("make", path);
  std::string const block(4096, 'x');
  Samples took;
  for (int i = 0; i < kSyncs; ++i) {
    std::int64_t const start = monotonic_ns();
    if (::pwrite(fd.get(), block.data(), block.size(), 0) < 0 || ::fdatasync(fd.get()) != 0)
      return fail_errno("sync", path);
    took.add(ms_between(start, monotonic_ns()));
  }
  return took.median();
}

std::optional<std::string> find_program(std::string const& name) {
  std::string const path = variable("PATH", "/usr/bin:/bin");
  for (std::string_view const folder : split(path, ':')) {
    std::string whole = fmt::format("{}/{}", folder, name);
    if (::access(whole.c_str(), X_OK) == 0) return whole;
  }
  return std::nullopt;
}

std::vector<std::string> plain_environment(std::string const& home) {
  return {"PATH=" + variable("PATH", "/usr/bin:/bin"), "LANG=C.UTF-8", "HOME=" + home};
}

}  // namespace drover::bench
