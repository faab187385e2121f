#include "redis/client.h"

#include <chrono>
#include <utility>

#include <boost/asio/co_spawn.hpp>

#include "base/check.h"
#include "base/log.h"
#include "redis/failure.h"

namespace drover::redis {

namespace {

using Steady = std::chrono::steady_clock;

// A connection that lasted this long was a good one: after its end the waits start small again.
constexpr Millis kGoodLife{5'000};

}  // namespace

Client::Client(boost::asio::any_io_executor loop, Random& random, Endpoint endpoint,
               ClientOptions options)
    : loop_(std::move(loop)),
      random_(random),
      endpoint_(std::move(endpoint)),
      options_(options),
      changed_(loop_) {}

Client::~Client() {
  DROVER_CHECK(!running_);
}

void Client::start() {
  DROVER_CHECK(!running_);
  running_ = true;
  boost::asio::co_spawn(loop_, maintain(), [this](std::exception_ptr const& thrown) {
    running_ = false;
    changed_.notify();
    if (thrown) std::rethrow_exception(thrown);
  });
}

Task<void> Client::stop() {
  stopping_ = true;
  if (connection_) connection_->close({ErrorCode::cancelled, "drover is stopping", {}});
  changed_.notify();
  while (running_) {
    auto const seen = changed_.version();
    co_await changed_.wait(seen);
  }
}

Task<void> Client::maintain() {
  Backoff backoff{options_.backoff};
  while (!stopping_) {
    auto opened = co_await Connection::open(loop_, endpoint_, options_.connection);
    auto const since = Steady::now();
    if (opened && !stopping_) {
      connection_ = *std::move(opened);
      problem_.reset();
      ++generation_;
      log::info("redis-connected", {{"at", endpoint_.shown()}});
      changed_.notify();
      for (auto const& handler : connected_handlers_)
        handler();
      co_await watch();
    } else if (!opened) {
      if (!problem_ || problem_->message != opened.error().message)
        log::warn("redis-unreachable", {{"reason", opened.error().text()}});
      problem_ = opened.error();
      changed_.notify();
    }
    if (Steady::now() - since >= kGoodLife) backoff.reset();
    auto const until = Steady::now() + backoff.next(random_);
    while (!stopping_ && Steady::now() < until) {
      auto const seen = changed_.version();
      co_await changed_.wait(seen, until);
    }
  }
}

// Returns when the connection has ended.
Task<void> Client::watch() {
  auto const connection = connection_;
  while (connection->is_open() && !stopping_) {
    co_await connection->wait_closed(Steady::now() + options_.ping_every);
    if (!connection->is_open() || connection->in_flight() > 0) continue;
    Command ping{"PING"};
    auto const pong = co_await connection->call(std::move(ping), "answer", options_.call_timeout);
    if (!pong) connection->close(pong.error());
  }
  connection->close({ErrorCode::cancelled, "drover is stopping", {}});
  problem_ = *connection->closed_because();
  connection_.reset();
  if (!stopping_) log::warn("redis-lost", {{"reason", problem_->text()}});
  changed_.notify();
}

Error Client::no_connection() const {
  if (problem_) return {ErrorCode::unavailable, problem_->message, problem_->next};
  return {ErrorCode::unavailable, "there is no connection to Redis yet", {}};
}

Task<Result<std::vector<Reply>>> Client::pipeline(std::vector<Command> commands) {
  if (!connection_) co_return std::unexpected(no_connection());
  co_return co_await connection_->pipeline(std::move(commands), options_.call_timeout);
}

Task<Result<Reply>> Client::call(Command command, std::string what) {
  if (!connection_) co_return std::unexpected(no_connection());
  co_return co_await connection_->call(std::move(command), std::move(what), options_.call_timeout);
}

Task<Result<Reply>> Client::run(Script const& script, Script::Call call, std::string what) {
  std::vector<Script::Call> calls;
  calls.push_back(std::move(call));
  auto replies = co_await run_all(script, std::move(calls));
  if (!replies) co_return std::unexpected(replies.error());
  if (replies->front().is_error()) co_return std::unexpected(to_error(replies->front(), what));
  co_return std::move(replies->front());
}

Task<Result<std::vector<Reply>>> Client::run_all(Script const& script,
                                                 std::vector<Script::Call> calls) {
  std::vector<Command> commands;
  for (Script::Call const& call : calls)
    commands.push_back(script.by_digest(call));
  auto replies = co_await pipeline(std::move(commands));
  if (!replies) co_return replies;
  std::vector<Command> unknown;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < replies->size(); ++i) {
    if (error_kind((*replies)[i]) != "NOSCRIPT") continue;
    places.push_back(i);
    unknown.push_back(unknown.empty() ? script.whole(calls[i]) : script.by_digest(calls[i]));
  }
  auto again = co_await pipeline(std::move(unknown));
  if (!again) co_return again;
  for (std::size_t i = 0; i < places.size(); ++i)
    (*replies)[places[i]] = std::move((*again)[i]);
  co_return replies;
}

Task<Result<std::shared_ptr<Connection>>> Client::open_own() {
  co_return co_await Connection::open(loop_, endpoint_, options_.connection);
}

}  // namespace drover::redis
