#pragma once
// What a server with a broker does beside its queue and its streams: keeps the offers in Redis and
// the copies of event streams true, as broker/redis_relay and redis_mirror do, by the same books.
//
// Its coroutines live in the loop and go with that.
#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "broker/embedded_queue.h"
#include "broker/embedded_streams.h"
#include "broker/mirror_book.h"
#include "broker/offer_book.h"
#include "sim/redis.h"
#include "store/reader.h"

namespace drover::sim {

struct MessengerParts {
  boost::asio::io_context& io;
  Redis& redis;
  Trace& trace;
  broker::EmbeddedQueue& queue;
  broker::EmbeddedStreams& streams;
  store::Readers& readers;
  Defect defect = Defect::none;
};

class Messenger {
 public:
  explicit Messenger(MessengerParts parts);
  ~Messenger();
  Messenger(Messenger const&) = delete;
  Messenger& operator=(Messenger const&) = delete;

  void start();
  void taken_up(broker::OfferedRun const& offered);
  // Nothing that is left to be copied.
  [[nodiscard]] bool copied() const {
    return mirror_.done() && copied_to_ == parts_.redis.generation();
  }

 private:
  using Timer = std::shared_ptr<boost::asio::steady_timer>;  // of a loop and of what wakes it
  template <class Op>
  Task<Result<std::invoke_result_t<Op&, Redis&>>> call(Op op);
  Task<void> offer_all();
  Task<void> copy_all();
  Task<Status> offer_round(bool doubtful);
  Task<Status> reconcile();
  Task<Status> copy_round(bool doubtful);
  Task<Status> doubt_copies();

  MessengerParts parts_;
  broker::OfferBook book_;
  broker::MirrorBook mirror_;
  std::set<broker::OfferLane> lanes_;
  std::set<RunId> taken_while_sent_;
  std::chrono::steady_clock::time_point checked_at_;
  Timer offer_timer_;
  Timer copy_timer_;
  bool offers_change_ = false;
  std::uint64_t copied_to_ = 0;  // the generation of Redis that has all copies
};

}  // namespace drover::sim
