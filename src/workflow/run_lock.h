#pragma once
// One writer of a run directory at a time, also beside other tools.
//
// Two locks, in this order: the kernel's (flock) on the directory itself, which dies with its
// holder and keeps drover's processes apart; then the file run.lock, {pid, owner, acquiredAt} and
// where that pid is, which other tools go by. With the kernel's lock held, a run.lock that drover
// wrote on this machine is one of a dead process, whatever its pid means now. Of another tool it is
// stale when its process is gone, or when it stays empty (killed between making and writing it).
// Blocking; waiters wake when the file goes.
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "os/fd.h"
#include "workflow/run_folder.h"

namespace drover::workflow {

class RunLock {
 public:
  static constexpr Millis kWait{10'000};

  // `owner` says what for, as "runtime:orchestrateIteration". conflict, with the holder, after
  // `wait`. not_found: no such directory.
  [[nodiscard]] static Result<RunLock> acquire(RunFolder const& run, std::string_view owner,
                                               Clock const& clock, Millis wait = kWait);
  RunLock(RunLock&&) noexcept = default;
  RunLock& operator=(RunLock&&) noexcept = default;
  ~RunLock();

 private:
  RunLock(os::Fd folder, std::string file) : folder_(std::move(folder)), file_(std::move(file)) {}

  os::Fd folder_;
  std::string file_;
};

}  // namespace drover::workflow
