#include "harness/processes.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <optional>
#include <set>
#include <thread>

#include "base/text.h"
#include "os/files.h"

namespace drover::harness {

namespace {

// Read by the signal handler.
std::array<std::atomic<pid_t>, 16> followers{};

void pass_on(int signal) {
  for (auto& pid : followers)
    if (pid_t const value = pid.load(); value > 0) ::kill(value, SIGTERM);
  ::_exit(128 + signal);
}

std::optional<ProcessLine> read_line(pid_t pid) {
  auto const stat = os::read_file(fmt::format("/proc/{}/stat", pid), 4096);
  if (!stat) return std::nullopt;  // it ended meanwhile
  // "pid (name) state ppid …"; the name may hold anything, so look behind it.
  auto const close = stat->rfind(')');
  if (close == std::string::npos) return std::nullopt;
  auto const fields = split(std::string_view{*stat}.substr(close + 1), ' ');
  if (fields.size() < 3 || fields[1] == "Z" || fields[1] == "X") return std::nullopt;
  ProcessLine line;
  line.pid = pid;
  std::from_chars(fields[2].data(), fields[2].data() + fields[2].size(), line.parent);
  auto const words = os::read_file(fmt::format("/proc/{}/cmdline", pid));
  if (words) line.command = *words;
  std::ranges::replace(line.command, '\0', ' ');
  return line;
}

std::vector<ProcessLine> all_processes() {
  std::vector<ProcessLine> all;
  std::error_code error;
  for (auto const& entry : std::filesystem::directory_iterator("/proc", error)) {
    std::string const name = entry.path().filename().string();
    pid_t pid = 0;
    auto const [end, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (bad != std::errc{} || end != name.data() + name.size()) continue;
    if (auto line = read_line(pid)) all.push_back(*std::move(line));
  }
  return all;
}

}  // namespace

void adopt_orphans() {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::signal(SIGTERM, pass_on);
  ::signal(SIGINT, pass_on);
}

std::vector<ProcessLine> processes_below(pid_t root) {
  auto const all = all_processes();
  std::set<pid_t> family{root};
  std::vector<ProcessLine> below;
  for (bool grew = true; grew;) {
    grew = false;
    for (ProcessLine const& line : all) {
      if (!family.contains(line.parent) || !family.insert(line.pid).second) continue;
      below.push_back(line);
      grew = true;
    }
  }
  return below;
}

void kill_everything_below_this() {
  for (int round = 0; round < 100; ++round) {
    auto const left = processes_below(::getpid());
    if (left.empty()) break;
    for (ProcessLine const& line : left)
      ::kill(line.pid, SIGKILL);
    pause(Millis{5});
  }
  reap_orphans();
}

void reap_orphans() {
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

void stop_with_this_process(pid_t pid) {
  for (auto& place : followers) {
    pid_t none = 0;
    if (place.compare_exchange_strong(none, pid)) return;
  }
}

void forget_process(pid_t pid) {
  for (auto& place : followers) {
    pid_t expected = pid;
    place.compare_exchange_strong(expected, 0);
  }
}

void pause(Micros duration) {
  std::this_thread::sleep_for(duration);
}

Millis uptime() {
  return std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace drover::harness
