#include "broker/redis_reader.h"

#include <chrono>
#include <utility>

#include <boost/asio/co_spawn.hpp>

#include "base/check.h"
#include "base/log.h"

namespace drover::broker {

using Steady = std::chrono::steady_clock;

RedisReader::RedisReader(boost::asio::any_io_executor const& loop, Random& random,
                         redis::Endpoint endpoint, ReaderOptions options)
    : client_(loop, random, std::move(endpoint), options.client),
      claimer_(
          loop, client_, random,
          [this] { return offers_ ? offers_->lanes : std::vector<QueueLane>{}; }, options.claimer),
      options_(std::move(options)) {}

RedisReader::~RedisReader() {
  DROVER_CHECK(!watching_);
}

void RedisReader::start() {
  client_.start();
  claimer_.start();
  watching_ = true;
  auto const loop = client_.changed().executor();
  boost::asio::co_spawn(loop, watch(), [this](std::exception_ptr const& thrown) {
    watching_ = false;
    client_.changed().notify();
    if (thrown) std::rethrow_exception(thrown);
  });
}

void RedisReader::close() {
  stopping_ = true;
  claimer_.close();
  client_.changed().notify();
}

Task<void> RedisReader::stop() {
  close();
  while (watching_) {
    auto const seen = client_.changed().version();
    if (watching_) co_await client_.changed().wait(seen);
  }
  co_await claimer_.stop();
  co_await client_.stop();
}

void RedisReader::set_offers(std::optional<RedisOffers> offers) {
  if (offers == offers_) return;
  bool const others = !offers || !offers_ || offers->lanes != offers_->lanes;
  offers_ = std::move(offers);
  if (!offers_) claimer_.release_waiters();
  if (others) claimer_.lanes_changed();
  client_.changed().notify();
}

bool RedisReader::usable() const {
  return !stopping_ && offers_ && seen_ == offers_->stamp && seen_over_ == client_.generation() &&
         client_.is_connected() && claimer_.usable();
}

Task<std::optional<RedisClaimer::Held>> RedisReader::next(os::AsyncEvent::TimePoint deadline) {
  if (!usable()) co_return std::nullopt;
  co_return co_await claimer_.next(deadline);
}

// A Redis without the server's stamp has none of its offers, or has lost them.
Task<void> RedisReader::watch() {
  while (!stopping_) {
    auto const version = client_.changed().version();
    bool const wanted = client_.is_connected() && offers_ &&
                        (seen_over_ != client_.generation() || seen_ != offers_->stamp);
    if (!wanted) {
      co_await client_.changed().wait(version);
      continue;
    }
    auto const looked = co_await look();
    if (looked || stopping_) continue;
    if (!std::exchange(warned_, true))
      log::warn("redis-not-the-servers", {{"reason", looked.error().text()}});
    co_await client_.changed().wait(version, Steady::now() + options_.look_again);
  }
}

Task<Status> RedisReader::look() {
  std::uint64_t const generation = client_.generation();
  redis::Command get{"GET", std::string{kStampKey}};
  auto const stamp = co_await client_.call(std::move(get), "show the server's stamp");
  if (!stamp) co_return std::unexpected(stamp.error());
  if (!offers_) co_return Status{};
  if (stamp->text != offers_->stamp)
    co_return fail_next(ErrorCode::conflict,
                        fmt::format("the Redis at {} is not the one that the server uses",
                                    client_.endpoint().shown()),
                        "give both the same --broker; until then the server is asked for work");
  seen_ = stamp->text;
  seen_over_ = generation;
  warned_ = false;
  log::info("offers-by-redis", {{"at", client_.endpoint().shown()}});
  co_return Status{};
}

}  // namespace drover::broker
