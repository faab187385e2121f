#pragma once
// What benchmarks ask of the machine: time, a folder, other processes' use of CPU and memory, and
// whether the person at the keyboard has had enough. One thread.
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace drover::bench {

// Monotonic, and the same in every process of the machine.
[[nodiscard]] std::int64_t monotonic_ns();
[[nodiscard]] inline double ms_between(std::int64_t from_ns, std::int64_t to_ns) {
  return static_cast<double>(to_ns - from_ns) / 1e6;
}

// Set by SIGINT and SIGTERM, so that every way out takes down what was started.
[[nodiscard]] std::atomic<bool>& interrupted();
void catch_interrupts();
// cancelled once interrupted.
[[nodiscard]] Status check_interrupt();

// CPU time of a process and of its threads, also ended ones; not of its children.
[[nodiscard]] Result<std::int64_t> cpu_ns(pid_t pid);
// A line of /proc/<pid>/status in bytes: "VmHWM" (the peak), "VmRSS".
[[nodiscard]] Result<std::int64_t> memory_bytes(pid_t pid, std::string const& line);

// A thousand sockets need more descriptors than the usual soft limit.
void raise_descriptor_limit();

// A folder of one's own in $TMPDIR or /tmp; removed with the object. Says on stderr when it is in
// memory, where a sync costs nothing.
class Scratch {
 public:
  [[nodiscard]] static Result<Scratch> create();
  Scratch(Scratch&& other) noexcept;
  Scratch& operator=(Scratch&&) = delete;
  ~Scratch();
  [[nodiscard]] std::string path(std::string const& name) const { return folder_ + "/" + name; }
  [[nodiscard]] std::string const& folder() const { return folder_; }
  // Leaves it, for somebody to look at.
  void keep() { folder_.clear(); }

 private:
  explicit Scratch(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_;
};

// 4 KB over bytes that are there, and fdatasync: the least that something durable costs here. In
// ms.
[[nodiscard]] Result<double> disk_sync_ms(Scratch const& scratch);

// Where a program of $PATH is.
[[nodiscard]] std::optional<std::string> find_program(std::string const& name);
// The environment for programs that are measured: PATH, LANG, and HOME in the given folder.
[[nodiscard]] std::vector<std::string> plain_environment(std::string const& home);

}  // namespace drover::bench
