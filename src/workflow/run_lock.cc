#include "workflow/run_lock.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "base/text.h"
#include "os/files.h"
#include "os/folder_watch.h"
#include "os/new_file.h"
#include "os/process.h"
#include "workflow/js_text.h"

namespace drover::workflow {

namespace {

// A holder that is killed leaves no trace in the folder, so waiters look now and then all the same.
constexpr Millis kLook{250};
// What other tools take at most from making the file to writing it.
constexpr Millis kEmptyGrace{2'000};

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "";
  return name.data();
}

std::string lock_text(std::string_view owner, Clock const& clock) {
  json::object lock;
  lock.emplace("pid", ::getpid());
  lock.emplace("owner", owner);
  lock.emplace("acquiredAt", to_rfc3339(clock.now()));
  lock.emplace("host", host_name());
  lock.emplace("bootId", os::boot_id().value_or(""));
  if (auto const ticks = os::start_ticks(::getpid())) lock.emplace("startTicks", *ticks);
  return file_text(lock);
}

enum class Holder { alive, gone };

struct Found {
  Holder holder = Holder::alive;
  std::string who;
};

bool is_running(std::int64_t pid) {
  return ::kill(static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH;
}

// Of a file that another tool made and has not written yet, or never will.
Found of_unreadable(std::string const& file, Clock const& clock) {
  struct stat info{};
  if (::stat(file.c_str(), &info) != 0) return {Holder::gone, ""};
  auto const age_ms = to_unix_ms(clock.now()) - std::int64_t{info.st_mtim.tv_sec} * 1000;
  return {age_ms > kEmptyGrace.count() ? Holder::gone : Holder::alive, "a lock that names nobody"};
}

Found look(std::string const& file, Clock const& clock) {
  auto const text = os::read_file(file, 65536);
  if (!text)
    return {text.error().code == ErrorCode::not_found ? Holder::gone : Holder::alive,
            text.error().message};
  auto const value = parse_json(*text);
  if (!value || !value->is_object()) return of_unreadable(file, clock);
  auto const& lock = value->get_object();
  auto const pid = integer_or(lock, "pid", 0);
  auto const host = string_or(lock, "host", "");
  std::string who = fmt::format("pid {} ({}){}", pid, printable(string_or(lock, "owner", "?")),
                                host.empty() ? "" : " on " + printable(host));
  if (pid <= 0) return of_unreadable(file, clock);
  // The kernel's lock is ours, so no process of drover on this machine holds the run.
  if (!host.empty()) return {host == host_name() ? Holder::gone : Holder::alive, std::move(who)};
  return {is_running(pid) ? Holder::alive : Holder::gone, std::move(who)};
}

}  // namespace

Result<RunLock> RunLock::acquire(RunFolder const& run, std::string_view owner, Clock const& clock,
                                 Millis wait) {
  auto folder = os::open_folder(run.path());
  if (!folder) return std::unexpected(folder.error());
  // Only for who has to wait: the kernel takes milliseconds to let a watch go.
  std::optional<os::FolderWatch> watch;
  std::string const file = run.at("run.lock");
  auto const deadline = clock.boot_now() + wait;
  for (;;) {
    Found found{Holder::alive, "another process of drover"};
    if (::flock(folder->get(), LOCK_EX | LOCK_NB) == 0) {
      // One that a power cut leaves empty is that of nobody.
      auto const made = os::create_passing_file(file, lock_text(owner, clock));
      if (made) return RunLock{*std::move(folder), file};
      if (made.error().code != ErrorCode::conflict) return std::unexpected(made.error());
      found = look(file, clock);
      if (found.holder == Holder::gone) {
        if (::unlink(file.c_str()) != 0 && errno != ENOENT) return fail_errno("remove", file);
        continue;
      }
      ::flock(folder->get(), LOCK_UN);
    } else if (errno != EWOULDBLOCK && errno != EINTR) {
      return fail_errno("lock", run.path());
    }
    auto const left = std::chrono::duration_cast<Millis>(deadline - clock.boot_now());
    if (left <= Millis{0})
      return fail(ErrorCode::conflict, "run.lock already held by {}", found.who);
    if (!watch) {
      auto made = os::FolderWatch::on(run.path());
      if (!made) return std::unexpected(made.error());
      watch.emplace(*std::move(made));
      // It may have been let go before somebody watched.
      continue;
    }
    auto const seen = watch->wait(std::min(left, kLook));
    if (!seen) return std::unexpected(seen.error());
  }
}

RunLock::~RunLock() {
  // First the file: whoever gets the kernel's lock next finds none, or one that is not ours.
  if (folder_.valid()) ::unlink(file_.c_str());
}

}  // namespace drover::workflow
