#pragma once
// Makes known in Redis what the queue has to give: keeps its offers and the streams' entries the
// same, whatever Redis loses and whoever dies with an offer in hand.
//
// On the event loop.
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "broker/offer_book.h"
#include "broker/redis_duty.h"

namespace drover::broker {

struct RelayOptions {
  std::size_t window = 64;     // offers of each lane that are out at most
  Millis check_every{30'000};  // the streams are compared with the book
  Millis stuck_after{
      60'000};  // a worker that holds an offer so long without beginning is passed over
};

class RedisRelay final : public RedisDuty {
 public:
  RedisRelay(redis::Client& client, OfferSource& source, RelayOptions options = {});

  Task<Status> round(RedisData data) override;

  // A worker has taken up the offer, and takes its entry off the stream.
  void taken_up(OfferedRun const& offered) {
    book_.forget(offered);
    taken_while_sent_.insert(offered.run);
  }
  // Where runs were ever offered, for workers that take whatever there is.
  [[nodiscard]] std::set<QueueLane> const& lanes() const { return offered_in_; }
  void on_new_lane(std::function<void()> handler) { new_lane_ = std::move(handler); }
  [[nodiscard]] std::size_t offers_out() const { return book_.size(); }

 private:
  Task<Status> open_lanes(std::vector<Offer> const& offers);
  Task<Status> reconcile(std::vector<OfferLane> lanes);
  Task<Status> pass_on_stuck(std::vector<OfferLane> lanes);
  Task<Status> send(std::vector<Offer> offers, std::vector<OfferBook::Placed> withdrawn);
  [[nodiscard]] Status note_sent(std::vector<Offer> const& offers,
                                 std::vector<redis::Reply> const& replies, std::size_t first);

  redis::Client& client_;
  OfferSource& source_;
  RelayOptions options_;
  OfferBook book_;
  OfferBook::Stands stands_;
  std::function<void()> new_lane_;
  // A worker may have an offer before its sender knows that it is out.
  std::set<RunId> taken_while_sent_;
  std::set<OfferLane> lanes_;  // whose group is there
  std::set<QueueLane> offered_in_;
  os::AsyncEvent::TimePoint checked_at_{};
};

}  // namespace drover::broker
