#pragma once
// The floor under `events`: a process that sends the same bytes to the same clients with one send()
// each and does nothing else. What it uses is the kernel's.
#include <sys/types.h>

#include <cstdint>

#include "base/error.h"
#include "base/time.h"
#include "os/fd.h"

namespace drover::bench {

// One thread. Start it before the process has others.
class BareServer {
 public:
  // Takes exactly `readers` connections.
  [[nodiscard]] static Result<BareServer> start(int readers);
  BareServer(BareServer&& other) noexcept;
  BareServer& operator=(BareServer&&) = delete;
  ~BareServer();

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  // Sends `events` to each reader, one every `pace`. Returns at once.
  [[nodiscard]] Status send(int events, Micros pace);

 private:
  BareServer(pid_t pid, std::uint16_t port, os::Fd orders)
      : pid_(pid), port_(port), orders_(std::move(orders)) {}
  pid_t pid_;
  std::uint16_t port_;
  os::Fd orders_;
};

}  // namespace drover::bench
