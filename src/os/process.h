#pragma once
// Processes of the host by pidfd: a pid may be reused, a pidfd always means the same process.
// Thread-safe functions; a Process has one owner. Errors name the operation and the pid or program.
// Every wait has a deadline and blocks: the event loop uses the BlockingPool, or polls the pidfd.
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "os/fd.h"

namespace drover::os {

struct ExitStatus {
  int code = 0;    // of exit(); 0 where a signal ended it
  int signal = 0;  // that ended it, or 0

  [[nodiscard]] bool ok() const { return code == 0 && signal == 0; }
  friend bool operator==(ExitStatus const&, ExitStatus const&) = default;
};

// not_found when there is no such process.
[[nodiscard]] Result<Fd> open_process(pid_t pid);
// A process that has exited already is no error.
[[nodiscard]] Status send_signal(int pidfd, int signal);
// Reaps a child of this process; nullopt when it still runs after `timeout`.
[[nodiscard]] Result<std::optional<ExitStatus>> wait_exit(int pidfd, Millis timeout);
// Any process, without reaping: has it ended within `timeout`?
[[nodiscard]] Result<bool> wait_gone(int pidfd, Millis timeout);

// What tells a process from a later one with the same pid: its start in clock ticks since boot.
[[nodiscard]] Result<std::uint64_t> start_ticks(pid_t pid);
// Changes with every boot of the kernel.
[[nodiscard]] Result<std::string> boot_id();
// Field 22 of /proc/<pid>/stat; the command in field 2 may hold spaces and brackets.
[[nodiscard]] std::optional<std::uint64_t> parse_start_ticks(std::string_view stat);

// A plain process of the host, not sandboxed: for programs that drover itself trusts.
struct ProcessSpec {
  std::vector<std::string> argv{};  // argv[0] is a path, or is searched in this process's PATH
  std::vector<std::string> env{};   // complete: "NAME=value"
  std::string cwd{};                // empty: this process's
  int in = -1;                      // -1 is /dev/null for each of the three
  int out = -1;
  int err = -1;
};

// Owns its process: the destructor kills and reaps it.
class Process {
 public:
  // Starts in a session of its own with no descriptor but the three.
  [[nodiscard]] static Result<Process> spawn(ProcessSpec const& spec);
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  ~Process();

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] int pidfd() const { return pidfd_.get(); }
  [[nodiscard]] Status signal(int number) { return send_signal(pidfd_.get(), number); }
  [[nodiscard]] Result<std::optional<ExitStatus>> wait(Millis timeout);

 private:
  Process(pid_t pid, Fd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  void end();
  pid_t pid_ = -1;
  Fd pidfd_;
  std::optional<ExitStatus> exit_;
};

}  // namespace drover::os
