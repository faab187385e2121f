#include "runtime/container_reset.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <set>
#include <thread>

#include "base/paths.h"
#include "base/text.h"
#include "os/files.h"
#include "os/process.h"
#include "sandbox/members.h"

namespace drover::runtime {

namespace {

using std::chrono::steady_clock;

constexpr Millis kLook{2};
constexpr std::size_t kMountInfoMax = std::size_t{4} << 20U;

// The kernel writes space, tab, newline and backslash as three octal digits.
std::string unescaped(std::string_view text) {
  std::string plain;
  auto const digit = [&](std::size_t at) {
    return at < text.size() && text[at] >= '0' && text[at] <= '7' ? text[at] - '0' : -1;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool const octal =
        text[i] == '\\' && digit(i + 1) >= 0 && digit(i + 2) >= 0 && digit(i + 3) >= 0;
    if (!octal) {
      plain += text[i];
      continue;
    }
    plain += static_cast<char>(digit(i + 1) * 64 + digit(i + 2) * 8 + digit(i + 3));
    i += 3;
  }
  return plain;
}

// "29 28 0:25 / /tmp rw - tmpfs …": the fifth word.
std::string target_of(std::string_view line) {
  for (int skipped = 0; skipped < 4; ++skipped) {
    auto const space = line.find(' ');
    if (space == std::string_view::npos) return {};
    line.remove_prefix(space + 1);
  }
  return unescaped(line.substr(0, line.find(' ')));
}

Status end_others(pid_t program, steady_clock::time_point deadline) {
  for (;;) {
    auto others = sandbox::members_of_init(program);
    if (std::ranges::find(others, program) == others.end())
      return fail(ErrorCode::not_found, "the program of the container has ended");
    std::erase(others, program);
    if (others.empty()) return {};
    if (steady_clock::now() > deadline)
      return fail(ErrorCode::timeout, "{} processes of the container do not end", others.size());
    for (pid_t const pid : others) {
      auto const process = os::open_process(pid);
      if (!process) continue;  // gone meanwhile
      // Its number may be another's by now.
      auto const members = sandbox::members_of_init(program);
      if (std::ranges::find(members, pid) == members.end()) continue;
      DROVER_TRY(os::send_signal(process->get(), SIGKILL));
    }
    std::this_thread::sleep_for(kLook);
  }
}

Status take_away(int process, std::vector<std::string> const& targets) {
  if (::unshare(CLONE_FS) != 0) return fail_errno("prepare to enter", "the container");
  if (::setns(process, CLONE_NEWNS) != 0) return fail_errno("enter", "the container");
  for (std::string const& target : targets)
    if (::umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL &&
        errno != ENOENT)
      return fail_errno("unmount in the container", printable(target));
  return {};
}

}  // namespace

std::vector<std::string> later_mounts(std::string_view mountinfo,
                                      std::vector<std::string> const& places,
                                      std::vector<std::string> const& kept) {
  std::vector<std::string> later;
  std::set<std::string> own;
  for (std::string_view const line : split(mountinfo, '\n')) {
    std::string const target = target_of(line);
    bool const inside = std::ranges::any_of(
        places, [&](std::string const& place) { return is_within(target, place); });
    if (!inside || std::ranges::find(kept, target) != kept.end()) continue;
    bool const place = std::ranges::find(places, target) != places.end();
    if (place && own.insert(target).second) continue;
    later.push_back(target);
  }
  std::ranges::reverse(later);
  return later;
}

Status reset_container(ResetTerms const& terms, Millis timeout) {
  DROVER_TRY(end_others(terms.program, steady_clock::now() + timeout));
  auto const mounts =
      os::read_file(fmt::format("/proc/{}/mountinfo", terms.program), kMountInfoMax);
  if (!mounts) return std::unexpected(mounts.error());
  auto const targets = later_mounts(*mounts, terms.places, terms.kept);
  if (targets.empty()) return {};
  Status taken;
  std::thread{[&] { taken = take_away(terms.process, targets); }}.join();
  return taken;
}

}  // namespace drover::runtime
