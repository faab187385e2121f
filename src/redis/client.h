#pragma once
// A Redis server over a connection that is opened anew when it breaks, with growing, jittered
// waits. While there is none every call fails at once with `unavailable`: whoever calls keeps what
// it has to say, waits for changed(), and says it again.
//
// On the loop's thread only. Life: start, stop; the Random must outlive it.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "os/async_event.h"
#include "redis/backoff.h"
#include "redis/connection.h"
#include "redis/script.h"

namespace drover::redis {

struct ClientOptions {
  ConnectionOptions connection;
  BackoffOptions backoff;
  Millis call_timeout{2'000};
  Millis ping_every{10'000};  // so that a connection that hangs is noticed while nobody uses it
};

class Client {
 public:
  Client(boost::asio::any_io_executor loop, Random& random, Endpoint endpoint,
         ClientOptions options = {});
  ~Client();
  Client(Client const&) = delete;
  Client& operator=(Client const&) = delete;

  void start();
  Task<void> stop();

  [[nodiscard]] bool is_connected() const { return connection_ != nullptr; }
  // Counts the connections there were. Redis may have lost data between two of them.
  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  // Why there is no connection.
  [[nodiscard]] std::optional<Error> const& problem() const { return problem_; }
  // Notified when a connection comes or goes.
  [[nodiscard]] os::AsyncEvent& changed() { return changed_; }
  // Called with each new connection, until the client is stopped.
  void on_connected(std::function<void()> handler) {
    connected_handlers_.push_back(std::move(handler));
  }
  [[nodiscard]] Endpoint const& endpoint() const { return endpoint_; }

  // As of Connection.
  [[nodiscard]] Task<Result<std::vector<Reply>>> pipeline(std::vector<Command> commands);
  [[nodiscard]] Task<Result<Reply>> call(Command command, std::string what);
  [[nodiscard]] Task<Result<Reply>> run(Script const& script, Script::Call call, std::string what);
  // Each call of the script on its own; an error reply is a reply.
  [[nodiscard]] Task<Result<std::vector<Reply>>> run_all(Script const& script,
                                                         std::vector<Script::Call> calls);
  // A connection of the caller's own, for commands that block. The caller closes it.
  [[nodiscard]] Task<Result<std::shared_ptr<Connection>>> open_own();

 private:
  Task<void> maintain();
  Task<void> watch();
  [[nodiscard]] Error no_connection() const;

  boost::asio::any_io_executor loop_;
  Random& random_;
  Endpoint endpoint_;
  ClientOptions options_;
  std::shared_ptr<Connection> connection_;  // shared with calls under way
  std::optional<Error> problem_;
  std::uint64_t generation_ = 0;
  bool stopping_ = false;
  bool running_ = false;
  os::AsyncEvent changed_;
  std::vector<std::function<void()>> connected_handlers_;
};

}  // namespace drover::redis
