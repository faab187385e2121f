#include "redis/connection.h"

#include <charconv>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/check.h"
#include "base/text.h"
#include "redis/failure.h"

namespace drover::redis {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t kReadBytes = std::size_t{64} << 10U;

Command hello(Endpoint const& endpoint) {
  Command command{"HELLO", "2"};
  if (!endpoint.password.empty()) {
    command.emplace_back("AUTH");
    command.push_back(endpoint.user.empty() ? "default" : endpoint.user);
    command.push_back(endpoint.password.reveal());
  }
  return command;
}

// Of HELLO's reply, which is a list of names and values.
Result<std::string> version_of(Reply const& reply) {
  for (std::size_t i = 0; i + 1 < reply.items.size(); i += 2)
    if (reply.items[i].text == "version") return reply.items[i + 1].text;
  return fail_next(ErrorCode::upstream, "what answers there is no Redis server",
                   "check the broker's address");
}

Status check_version(Reply const& reply) {
  auto const version = version_of(reply);
  if (!version) return std::unexpected(version.error());
  int major = 0;
  std::from_chars(version->data(), version->data() + version->size(), major);
  if (major >= kServerVersionMin) return {};
  return fail_next(ErrorCode::unsupported,
                   fmt::format("the Redis server there has version {}", printable(*version, 40)),
                   fmt::format("use Redis {} or newer", kServerVersionMin));
}

}  // namespace

// A call whose replies are still coming.
struct Connection::Waiting {
  Waiting(asio::any_io_executor const& loop, std::size_t count) : expected(count), timer(loop) {
    replies.reserve(count);
  }
  std::size_t expected;
  std::vector<Reply> replies;
  std::optional<Error> failed;
  asio::steady_timer timer;
  [[nodiscard]] bool done() const { return failed || replies.size() == expected; }
};

Connection::Connection(Private, asio::any_io_executor const& loop, std::shared_ptr<Socket> socket,
                       ConnectionOptions options)
    : loop_(loop),
      socket_(std::move(socket)),
      options_(options),
      parser_(options.reply),
      closed_event_(loop) {}

Task<Result<std::shared_ptr<Connection>>> Connection::open(asio::any_io_executor loop,
                                                           Endpoint endpoint,
                                                           ConnectionOptions options) {
  auto socket = Socket::create(loop, endpoint);
  if (!socket) co_return std::unexpected(socket.error());
  asio::steady_timer timer{loop, options.connect_timeout};
  auto const expired = std::make_shared<bool>(false);
  timer.async_wait([expired, weak = std::weak_ptr{*socket}](error_code cancelled) {
    auto const late = weak.lock();
    if (cancelled || !late) return;
    *expired = true;
    late->close();
  });
  auto const connection = std::make_shared<Connection>(Private{}, loop, *socket, options);
  auto connected = co_await (*socket)->connect();
  if (connected) {
    asio::co_spawn(loop, read_loop(connection), asio::detached);
    connected = co_await connection->greet(endpoint);
  }
  timer.cancel();
  if (connected) co_return connection;
  Error error = connected.error();
  if (*expired)
    error = {ErrorCode::timeout,
             fmt::format("no answer within {} ms", options.connect_timeout.count()),
             {}};
  error.message = fmt::format("Redis at {}: {}", endpoint.shown(), error.message);
  connection->close(error);
  co_return std::unexpected(std::move(error));
}

Task<Status> Connection::greet(Endpoint endpoint) {
  auto const greeted = co_await call(hello(endpoint), "let drover in", options_.connect_timeout);
  if (!greeted) co_return std::unexpected(greeted.error());
  auto const fits = check_version(*greeted);
  if (!fits || endpoint.db == 0) co_return fits;
  Command command{"SELECT", fmt::to_string(endpoint.db)};
  auto const selected =
      co_await call(std::move(command), "select the database", options_.connect_timeout);
  if (!selected) co_return std::unexpected(selected.error());
  co_return Status{};
}

Status Connection::check_room(std::vector<Command> const& commands) const {
  if (closed_) return std::unexpected(*closed_);
  if (in_flight_ + commands.size() > options_.in_flight_max)
    return fail(ErrorCode::unavailable, "{} commands to Redis are in flight, which is the limit",
                in_flight_);
  std::size_t bytes = unsent_.size();
  for (Command const& command : commands)
    bytes += encoded_size(command);
  if (bytes > options_.unsent_bytes_max)
    return fail(ErrorCode::unavailable, "{} bytes wait to be sent to Redis; the limit is {}", bytes,
                options_.unsent_bytes_max);
  return {};
}

Task<Result<std::vector<Reply>>> Connection::pipeline(std::vector<Command> commands,
                                                      Millis timeout) {
  auto const self = shared_from_this();
  auto const room = check_room(commands);
  if (!room) co_return std::unexpected(room.error());
  if (commands.empty()) co_return std::vector<Reply>{};
  auto const waiting = std::make_shared<Waiting>(loop_, commands.size());
  waiting_.push_back(waiting);
  in_flight_ += commands.size();
  for (Command const& command : commands)
    append_command(unsent_, command);
  if (!writing_) {
    writing_ = true;
    asio::co_spawn(loop_, write_loop(self), asio::detached);
  }
  waiting->timer.expires_after(timeout);
  while (!waiting->done()) {
    auto const [woken] = co_await waiting->timer.async_wait(asio::as_tuple(asio::use_awaitable));
    if (!woken && !waiting->done())
      close({ErrorCode::timeout,
             fmt::format("Redis did not answer within {} ms", timeout.count()),
             {}});
    auto const cancelled = co_await asio::this_coro::cancellation_state;
    if (cancelled.cancelled() != asio::cancellation_type::none)
      co_return fail(ErrorCode::cancelled, "the call to Redis was cancelled");
  }
  if (waiting->failed) co_return std::unexpected(*waiting->failed);
  co_return std::move(waiting->replies);
}

Task<Result<Reply>> Connection::call(Command command, std::string what, Millis timeout) {
  std::vector<Command> commands;
  commands.push_back(std::move(command));
  auto replies = co_await pipeline(std::move(commands), timeout);
  if (!replies) co_return std::unexpected(replies.error());
  if (replies->front().is_error()) co_return std::unexpected(to_error(replies->front(), what));
  co_return std::move(replies->front());
}

void Connection::close(Error why) {
  if (closed_) return;
  closed_ = std::move(why);
  socket_->close();
  for (auto const& waiting : waiting_) {
    waiting->failed = closed_;
    waiting->timer.cancel();
  }
  waiting_.clear();
  in_flight_ = 0;
  unsent_.clear();
  closed_event_.notify();
}

Task<void> Connection::wait_closed(os::AsyncEvent::TimePoint deadline) {
  auto const self = shared_from_this();
  auto const seen = closed_event_.version();
  if (!closed_) co_await closed_event_.wait(seen, deadline);
}

void Connection::deliver(Reply reply) {
  auto const& waiting = waiting_.front();
  waiting->replies.push_back(std::move(reply));
  --in_flight_;
  if (!waiting->done()) return;
  waiting->timer.cancel();
  waiting_.pop_front();
}

Task<void> Connection::read_loop(std::shared_ptr<Connection> self) {
  std::vector<char> buffer(kReadBytes);
  while (self->is_open()) {
    auto const size = co_await self->socket_->read(buffer);
    if (!size) {
      self->close(size.error());
      co_return;
    }
    if (*size == 0) {
      self->close({ErrorCode::unavailable, "Redis closed the connection", {}});
      co_return;
    }
    self->parser_.feed({buffer.data(), *size});
    while (self->is_open()) {
      auto reply = self->parser_.next();
      if (reply && !*reply) break;
      if (reply && self->waiting_.empty())
        reply = fail(ErrorCode::upstream, "Redis sent a reply that nobody asked for");
      if (!reply) {
        self->close(reply.error());
      } else {
        self->deliver(std::move(**reply));
      }
    }
  }
}

Task<void> Connection::write_loop(std::shared_ptr<Connection> self) {
  while (self->is_open() && !self->unsent_.empty()) {
    std::string const bytes = std::exchange(self->unsent_, {});
    auto const written = co_await self->socket_->write(bytes);
    if (!written) self->close(written.error());
  }
  self->writing_ = false;
}

}  // namespace drover::redis
