#pragma once
// One connection to a Redis server: many commands in flight, one writer, replies in order.
//
// On the loop's thread only. A command whose reply does not come in time closes the connection,
// because replies are told apart by their order alone; everything in flight then fails with
// `unavailable`, and nobody knows which of it was carried out.
// Life: shared with the coroutines that read and write, which end when it is closed.
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/time.h"
#include "os/async_event.h"
#include "redis/endpoint.h"
#include "redis/reply.h"
#include "redis/socket.h"

namespace drover::redis {

inline constexpr int kServerVersionMin = 7;  // the major one

struct ConnectionOptions {
  Millis connect_timeout{3'000};                          // with TLS and HELLO
  std::size_t in_flight_max = 20'000;                     // commands
  std::size_t unsent_bytes_max = std::size_t{64} << 20U;  // of commands that wait to be written
  ReplyBounds reply;
};

class Connection final : public std::enable_shared_from_this<Connection> {
  struct Private {};

 public:
  // Connected, authenticated, its version checked, its database selected. unsupported for a Redis
  // that is too old; unauthenticated, forbidden, unavailable, timeout, upstream.
  [[nodiscard]] static Task<Result<std::shared_ptr<Connection>>> open(
      boost::asio::any_io_executor loop, Endpoint endpoint, ConnectionOptions options);
  Connection(Private, boost::asio::any_io_executor const& loop, std::shared_ptr<Socket> socket,
             ConnectionOptions options);

  // The replies, error replies among them, in the order of the commands.
  [[nodiscard]] Task<Result<std::vector<Reply>>> pipeline(std::vector<Command> commands,
                                                          Millis timeout);
  // One reply; an error reply is an Error that says that Redis did not `what`.
  [[nodiscard]] Task<Result<Reply>> call(Command command, std::string what, Millis timeout);

  // Fails what is in flight. Closing twice changes nothing.
  void close(Error why);
  [[nodiscard]] bool is_open() const { return !closed_; }
  [[nodiscard]] std::size_t in_flight() const { return in_flight_; }
  // Returns once it is closed, or at the deadline.
  [[nodiscard]] Task<void> wait_closed(os::AsyncEvent::TimePoint deadline);
  [[nodiscard]] std::optional<Error> const& closed_because() const { return closed_; }

 private:
  struct Waiting;
  static Task<void> read_loop(std::shared_ptr<Connection> self);
  static Task<void> write_loop(std::shared_ptr<Connection> self);
  [[nodiscard]] Task<Status> greet(Endpoint endpoint);
  [[nodiscard]] Status check_room(std::vector<Command> const& commands) const;
  void deliver(Reply reply);

  boost::asio::any_io_executor loop_;
  std::shared_ptr<Socket> socket_;  // shared with the timer that ends a connect
  ConnectionOptions options_;
  ReplyParser parser_;
  std::string unsent_;
  bool writing_ = false;
  std::deque<std::shared_ptr<Waiting>> waiting_;  // shared with their callers, who may give up
  std::size_t in_flight_ = 0;
  std::optional<Error> closed_;
  os::AsyncEvent closed_event_;
};

}  // namespace drover::redis
