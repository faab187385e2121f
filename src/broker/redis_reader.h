#pragma once
// Offers for a worker elsewhere: read from the server's Redis over this process's own connection.
// What there is to read, and from which Redis, is the server's to say; while it says nothing, or
// while this is another Redis or none, offers do not come this way, and the worker has to ask the
// server itself.
//
// On the event loop. Life: start, stop.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/redis_claimer.h"
#include "redis/client.h"

namespace drover::broker {

// What a server says of its offers.
struct RedisOffers {
  std::string stamp;  // what its Redis holds under kStampKey
  std::vector<QueueLane> lanes;
  friend bool operator==(RedisOffers const&, RedisOffers const&) = default;
};

// Holds something that only the server knows: where it is gone, so may be everything else.
inline constexpr std::string_view kStampKey = "task:server";

struct ReaderOptions {
  redis::ClientOptions client;
  ClaimerOptions claimer;
  Millis look_again{1'000};  // whether it is the server's Redis, where it was not
};

class RedisReader {
 public:
  RedisReader(boost::asio::any_io_executor const& loop, Random& random, redis::Endpoint endpoint,
              ReaderOptions options);
  ~RedisReader();
  RedisReader(RedisReader const&) = delete;
  RedisReader& operator=(RedisReader const&) = delete;

  void start();
  // Gives out nothing more.
  void close();
  Task<void> stop();

  // nullopt: the server offers nothing by Redis now.
  void set_offers(std::optional<RedisOffers> offers);
  // Whether offers come this way.
  [[nodiscard]] bool usable() const;
  // As of RedisClaimer.
  [[nodiscard]] Task<std::optional<RedisClaimer::Held>> next(os::AsyncEvent::TimePoint deadline);
  void done(RedisClaimer::Held const& held) { claimer_.done(held); }
  // Nobody could be asked about it: it is for others, or for later.
  void give_back(RedisClaimer::Held held) { claimer_.give_back(std::move(held)); }

 private:
  Task<void> watch();
  Task<Status> look();

  redis::Client client_;
  RedisClaimer claimer_;
  ReaderOptions options_;
  std::optional<RedisOffers> offers_;
  // The connection over which the server's stamp was seen.
  std::uint64_t seen_over_ = 0;
  std::string seen_;
  bool warned_ = false;
  bool stopping_ = false;
  bool watching_ = false;
};

}  // namespace drover::broker
