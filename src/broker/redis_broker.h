#pragma once
// Redis as the messenger of the dispatch queue and the event streams: one connection, and what is
// kept true over it: offers, copies of event streams, heartbeats. The store stays the truth about
// all of it; docs/decisions/0006-redis-carries-the-store-decides.md says why.
//
// On the event loop. Life: check() before the server begins, start() after the queue is loaded,
// stop(). Queue, streams and readers must outlive it.
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/secret.h"
#include "broker/embedded_queue.h"
#include "broker/embedded_streams.h"
#include "broker/redis_check.h"
#include "broker/redis_claimer.h"
#include "broker/redis_heartbeats.h"
#include "broker/redis_mirror.h"
#include "broker/redis_queue.h"
#include "broker/redis_reader.h"
#include "broker/redis_relay.h"
#include "broker/redis_units.h"
#include "redis/client.h"

namespace drover::broker {

struct RedisBrokerOptions {
  redis::ClientOptions client;
  RelayOptions relay;
  MirrorOptions mirror;
  ClaimerOptions claimer;
  // To read from the start; others are added as they are first offered.
  std::vector<QueueLane> lanes;
  Labels labels;             // of this process's worker
  Millis look_every{2'000};  // whether Redis still has what it had
  Secret unit_key;           // passwords of third-party units derive from it; empty: there are none
};

struct RedisBrokerStatus {
  std::string at;                // the URL without credentials
  std::optional<Error> problem;  // nullopt: all is well. Nothing is lost where there is one
  std::size_t offers_out = 0;
  std::size_t streams_behind = 0;  // whose copies are not complete
};

class RedisBroker {
 public:
  struct Parts {
    boost::asio::any_io_executor loop;
    Clock const& clock;
    Random& random;
    EmbeddedQueue& queue;
    EmbeddedStreams& streams;
    store::Readers& readers;
    RedisMirror::SecondStream second_stream;  // may be empty
    RedisHeartbeats::Sessions sessions;       // those at work; may be empty
  };
  RedisBroker(Parts parts, redis::Endpoint endpoint, RedisBrokerOptions options);
  ~RedisBroker();
  RedisBroker(RedisBroker const&) = delete;
  RedisBroker& operator=(RedisBroker const&) = delete;

  // Connects, and tries every command that is needed on keys of its own. An error that time alone
  // may mend (nobody answers) has the code unavailable or timeout.
  [[nodiscard]] static Task<Status> check(boost::asio::any_io_executor loop,
                                          redis::Endpoint endpoint,
                                          RedisNeeds needs = RedisNeeds::broker,
                                          redis::ConnectionOptions options = {});

  void start();
  // Claims by Redis end, those of the embedded queue go on; so that workers can be stopped first.
  void close_claims();
  Task<void> stop();

  // What workers of this process claim from.
  [[nodiscard]] RedisQueue& queue();
  // null without a key for them.
  [[nodiscard]] RedisUnits* units() const;
  [[nodiscard]] RedisBrokerStatus status() const;
  // A session was begun or ended.
  void sessions_changed();
  // For workers elsewhere that read Redis; nullopt while offers do not get there.
  [[nodiscard]] std::optional<RedisOffers> offers() const;
  void on_offers_changed(std::function<void()> handler);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace drover::broker
