#include "broker/redis_broker.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "broker/redis_check.h"
#include "redis/failure.h"

namespace drover::broker {

namespace {

std::string random_text(Random& random) {
  std::string bytes(16, '\0');
  random.fill(std::as_writable_bytes(std::span{bytes}));
  return to_hex(bytes);
}

// Notices that Redis lost its data while the connection lasted.
class StampDuty final : public RedisDuty {
 public:
  StampDuty(redis::Client& client, std::string stamp, std::function<void()> on_loss)
      : client_(client), stamp_(std::move(stamp)), on_loss_(std::move(on_loss)) {}

  Task<Status> round(RedisData data) override {
    redis::Command exchange{"SET", std::string{kStampKey}, stamp_, "GET"};
    auto const before = co_await client_.call(std::move(exchange), "keep the server's stamp");
    if (!before) co_return std::unexpected(before.error());
    if (data == RedisData::kept && before->text != stamp_) {
      // Another server on this database takes this one's work for its own.
      log::warn(before->is_nil() ? "redis-flushed" : "redis-shared", {{"key", kStampKey}});
      on_loss_();
    }
    co_return Status{};
  }

 private:
  redis::Client& client_;
  std::string stamp_;
  std::function<void()> on_loss_;
};

ClaimerOptions with_name(ClaimerOptions options, std::string const& name) {
  if (options.consumer.empty()) options.consumer = "serve-" + name;
  return options;
}

}  // namespace

struct RedisBroker::Impl {
  Impl(Parts given, redis::Endpoint endpoint, RedisBrokerOptions wanted)
      : parts(std::move(given)),
        options(std::move(wanted)),
        name(random_text(parts.random)),
        client(parts.loop, parts.random, std::move(endpoint), options.client),
        relay(client, parts.queue, options.relay),
        mirror(client, parts.streams, parts.readers, parts.clock, parts.second_stream,
               options.mirror),
        heartbeats(
            client, name, parts.sessions ? parts.sessions : [] { return std::set<SessionId>{}; }),
        stamp(client, name, [this] { doubt(); }),
        units(parts.loop, client, parts.clock, options.unit_key),
        claimer(
            parts.loop, client, parts.random, [this] { return lanes(); },
            with_name(options.claimer, name)),
        queue(
            parts.queue, relay, claimer, [this] { return usable(); }, options.labels),
        relay_loop(parts.loop, client, parts.random, relay, "offers", options.relay.check_every,
                   [this] { duty_changed(); }),
        mirror_loop(parts.loop, client, parts.random, mirror, "events", kHeartbeatEvery, [] {}),
        heartbeat_loop(parts.loop, client, parts.random, heartbeats, "heartbeats", kHeartbeatEvery,
                       [] {}),
        stamp_loop(parts.loop, client, parts.random, stamp, "stamp", options.look_every, [] {}),
        units_loop(parts.loop, client, parts.random, units, "units", kHeartbeatEvery, [] {}) {}

  [[nodiscard]] bool usable() const { return claimer.usable() && !relay_loop.problem(); }
  void doubt() {
    relay_loop.doubt();
    mirror_loop.doubt();
    heartbeat_loop.doubt();
    if (has_units()) units_loop.doubt();
  }
  [[nodiscard]] bool has_units() const { return !options.unit_key.empty(); }
  void duty_changed() {
    if (relay_loop.problem()) claimer.release_waiters();
    if (offers_changed) offers_changed();
  }
  // What asks for labels that this process's worker lacks is read by others.
  [[nodiscard]] std::vector<QueueLane> lanes() const {
    std::set<QueueLane> all = relay.lanes();
    all.insert(options.lanes.begin(), options.lanes.end());
    std::erase_if(all,
                  [&](QueueLane const& lane) { return !has_labels(options.labels, lane.labels); });
    return {all.begin(), all.end()};
  }

  Parts parts;
  RedisBrokerOptions options;
  std::string name;
  std::function<void()> offers_changed;
  redis::Client client;
  RedisRelay relay;
  RedisMirror mirror;
  RedisHeartbeats heartbeats;
  StampDuty stamp;
  RedisUnits units;
  RedisClaimer claimer;
  RedisQueue queue;
  RedisDutyLoop relay_loop;
  RedisDutyLoop mirror_loop;
  RedisDutyLoop heartbeat_loop;
  RedisDutyLoop stamp_loop;
  RedisDutyLoop units_loop;
};

RedisBroker::RedisBroker(Parts parts, redis::Endpoint endpoint, RedisBrokerOptions options)
    : impl_(std::make_unique<Impl>(std::move(parts), std::move(endpoint), std::move(options))) {}

RedisBroker::~RedisBroker() {
  impl_->parts.queue.on_change(nullptr);
  impl_->parts.streams.on_publish(nullptr);
}

Task<Status> RedisBroker::check(boost::asio::any_io_executor loop, redis::Endpoint endpoint,
                                RedisNeeds needs, redis::ConnectionOptions options) {
  auto const connection = co_await redis::Connection::open(loop, endpoint, options);
  if (!connection) co_return std::unexpected(connection.error());
  auto checked = co_await check_rights(*connection, needs);
  (*connection)->close({ErrorCode::cancelled, "the check is over", {}});
  if (!checked) {
    Error error = checked.error();
    error.message = fmt::format("Redis at {}: {}", endpoint.shown(), error.message);
    co_return std::unexpected(std::move(error));
  }
  co_return checked;
}

void RedisBroker::start() {
  Impl* const impl = impl_.get();
  impl->parts.queue.on_change([impl] { impl->relay_loop.wake(); });
  impl->parts.streams.on_publish([impl](EmbeddedStreams::Published const& events) {
    impl->mirror.published(events);
    impl->mirror_loop.wake();
  });
  impl->relay.on_new_lane([impl] {
    impl->claimer.lanes_changed();
    if (impl->offers_changed) impl->offers_changed();
  });
  impl->client.start();
  impl->claimer.start();
  impl->relay_loop.start();
  impl->mirror_loop.start();
  impl->heartbeat_loop.start();
  impl->stamp_loop.start();
  if (!impl->has_units()) return;
  impl->units.on_change([impl] { impl->units_loop.wake(); });
  impl->units_loop.start();
}

void RedisBroker::close_claims() {
  impl_->claimer.close();
}

Task<void> RedisBroker::stop() {
  co_await impl_->claimer.stop();
  co_await impl_->relay_loop.stop();
  co_await impl_->mirror_loop.stop();
  co_await impl_->heartbeat_loop.stop();
  co_await impl_->stamp_loop.stop();
  if (impl_->has_units()) co_await impl_->units_loop.stop();
  co_await impl_->client.stop();
}

RedisQueue& RedisBroker::queue() {
  return impl_->queue;
}

RedisUnits* RedisBroker::units() const {
  return impl_->has_units() ? &impl_->units : nullptr;
}

RedisBrokerStatus RedisBroker::status() const {
  RedisBrokerStatus status;
  status.at = impl_->client.endpoint().shown();
  status.offers_out = impl_->relay.offers_out();
  status.streams_behind = impl_->mirror.streams_behind();
  for (RedisDutyLoop const* duty :
       {&impl_->relay_loop, &impl_->mirror_loop, &impl_->heartbeat_loop, &impl_->stamp_loop})
    if (duty->problem() && !status.problem) status.problem = duty->problem();
  if (impl_->has_units() && impl_->units_loop.problem() && !status.problem)
    status.problem = impl_->units_loop.problem();
  if (!impl_->client.is_connected() && impl_->client.problem())
    status.problem = impl_->client.problem();
  return status;
}

std::optional<RedisOffers> RedisBroker::offers() const {
  if (impl_->relay_loop.problem()) return std::nullopt;
  auto const& lanes = impl_->relay.lanes();
  return RedisOffers{.stamp = impl_->name, .lanes = {lanes.begin(), lanes.end()}};
}

void RedisBroker::on_offers_changed(std::function<void()> handler) {
  impl_->offers_changed = std::move(handler);
}

void RedisBroker::sessions_changed() {
  impl_->heartbeat_loop.wake();
}

}  // namespace drover::broker
