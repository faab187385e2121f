#pragma once
// SIGINT, SIGTERM and SIGHUP as a descriptor, for a command that has something to end in order.
// Blocked in the thread that takes them and in those that it makes afterwards.
#include <csignal>

#include "base/error.h"
#include "os/fd.h"

namespace drover::cli {

class StopSignals {
 public:
  [[nodiscard]] static Result<StopSignals> take();
  StopSignals(StopSignals&&) noexcept = default;
  StopSignals& operator=(StopSignals&&) = delete;
  ~StopSignals();

  // Readable once one has come.
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  StopSignals(os::Fd fd, sigset_t const& before) : fd_(std::move(fd)), before_(before) {}
  os::Fd fd_;
  sigset_t before_;
};

}  // namespace drover::cli
