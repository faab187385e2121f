#pragma once
// A small HTTP/1.1 server on loopback with canned runs, for the tests of the command line: it
// speaks the API of docs/http-api.md over real sockets, and can cut a connection in the middle of
// an event, which a well-behaved server cannot be asked to do. One thread a connection.
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "os/fd.h"

namespace drover::cli {

struct FakeRequest {
  std::string method;
  std::string target;
  std::map<std::string, std::string, std::less<>> headers;  // lower-case names
  std::string body;
};

// What a dispatched prompt does: "succeed", "fail", "slow" (goes on until it is cancelled), "cut"
// (each connection is lost behind two further events, in the middle of the next), "wait" (for an
// approval, for ever), "ask" (a question, likewise), "dirty" (the dispatch is refused with 409).
class FakeApiServer {
 public:
  explicit FakeApiServer(std::string token);
  ~FakeApiServer();
  FakeApiServer(FakeApiServer const&) = delete;
  FakeApiServer& operator=(FakeApiServer const&) = delete;

  [[nodiscard]] std::string url() const;
  // Writes server.json into the folder as a server does.
  void publish(std::string const& state_folder) const;
  // Closes the listener and every connection; the runs stay, and resume() listens on a new port.
  void pause();
  void resume();
  [[nodiscard]] std::vector<FakeRequest> requests() const;
  // Waits up to ten seconds until so many events were sent over all connections.
  [[nodiscard]] bool wait_for_events(int count) const;

 private:
  void listen_on_free_port();
  void accept_loop(int listener);
  void serve(int fd);
  void answer(int fd, FakeRequest const& request);
  void dispatch(int fd, FakeRequest const& request, std::string const& prompt);
  void stream(int fd, FakeRequest const& request);
  [[nodiscard]] std::vector<std::string> events_of(std::string const& prompt) const;

  std::string const token_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  os::Fd listener_;
  std::uint16_t port_ = 0;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
  std::vector<FakeRequest> requests_;
  std::string prompt_ = "succeed";
  int events_sent_ = 0;
  bool cancelled_ = false;
  bool closing_ = false;
};

}  // namespace drover::cli
