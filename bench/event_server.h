#pragma once
// The server's own way of events (store, streams, HTTP server, SSE) in a process of its own, so
// that its CPU and memory are apart from those of a thousand clients. One thread; start it before
// the process has others.
#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/error.h"
#include "machine.h"
#include "net/blocking_http.h"

namespace drover::bench {

class EventServer {
 public:
  // The store is made in `scratch`, which must outlive the server.
  [[nodiscard]] static Result<EventServer> start(Scratch const& scratch);
  EventServer(EventServer&& other) noexcept;
  EventServer& operator=(EventServer&&) = delete;
  ~EventServer();

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

  // Where the events of a stream are served.
  [[nodiscard]] static std::string events_path(std::string const& stream);
  // Who appends, and how. Each event holds `"t":` and the monotonic ns at which it was handed in.
  struct Load {
    int events = 0;   // of each writer
    int writers = 1;  // each waits until its event is durable before the next
    Micros pace{0};   // from one event of a writer to its next; zero is as soon as it can
  };
  // Starts it and returns at once.
  [[nodiscard]] Status append(std::string const& stream, Load const& load);

 private:
  EventServer(pid_t pid, std::uint16_t port) : pid_(pid), port_(port) {}
  pid_t pid_;
  std::uint16_t port_;
};

}  // namespace drover::bench
