#pragma once
// The worker's end of the offers: reads them for whoever asks, in the order of take_script(), each
// for one worker alone, and takes over what a dead worker holds.
//
// On the event loop. An offer that was given out is finished with done(), whatever came of it;
// until then it is kept from being taken over. Life: start, stop.
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/offer.h"
#include "broker/redis_duty.h"

namespace drover::broker {

struct ClaimerOptions {
  std::string consumer;          // of the group: unique among those that live
  Millis block{5'000};           // a read waits so long at most
  Millis reclaim_after{30'000};  // an offer that somebody holds so long without beginning
  Millis reclaim_every{10'000};
  std::size_t takes_max = 64;  // offers at once
};

class RedisClaimer {
 public:
  // What it reads for whoever asks; asked before each read.
  using Lanes = std::function<std::vector<QueueLane>()>;

  RedisClaimer(boost::asio::any_io_executor loop, redis::Client& client, Random& random,
               Lanes lanes, ClaimerOptions options);
  ~RedisClaimer();
  RedisClaimer(RedisClaimer const&) = delete;
  RedisClaimer& operator=(RedisClaimer const&) = delete;

  void start();
  // Gives out nothing more.
  void close();
  // What is held goes back, for others.
  Task<void> stop();
  // There are others: a read that waits for the ones before is given up.
  void lanes_changed();

  struct Held {
    Offer offer;
    std::string stream;
    std::string id;
  };
  // nullopt when none came in time, when Redis cannot be used, or after stop(). Those who wait are
  // served in order.
  [[nodiscard]] Task<std::optional<Held>> next(os::AsyncEvent::TimePoint deadline);
  // It was taken up, or refused: its entry goes. Not waited for.
  void done(Held const& held);

  // Those who wait get nothing, and look for work elsewhere.
  void release_waiters();
  [[nodiscard]] bool usable() const { return usable_ && !stopping_; }

 private:
  struct Waiter;
  struct Entry {
    std::string stream;
    std::string id;
    std::vector<std::string> fields;
  };
  struct Work {                        // one round of the loop
    std::vector<std::string> streams;  // four of each lane, critical first
    std::vector<Entry> entries;
  };

  void spawn(Task<void> task);
  Task<void> run();
  Task<void> watch_link();
  Task<Status> round();
  Task<Status> make_groups(std::vector<std::string> streams);
  Task<Status> take(Work& work);
  Task<Status> wait_for_one(Work& work);
  Task<Status> reclaim(Work& work);
  Task<Status> keep_held();
  Task<Status> hand_back(std::vector<Held> held);
  Task<void> remove_done();
  [[nodiscard]] std::vector<std::string> streams() const;
  [[nodiscard]] std::vector<Held> give_out(std::vector<Entry> const& entries);
  void stop_reading(std::string why);

  boost::asio::any_io_executor loop_;
  redis::Client& client_;
  Random& random_;
  Lanes lanes_;
  ClaimerOptions options_;
  std::shared_ptr<redis::Connection> blocking_;  // shared with a read under way
  std::list<Waiter*> waiters_;                   // in the order in which they came
  std::map<std::string, Held> held_;             // by stream and id: given out, not done
  std::vector<Held> done_;                       // their entries are to go
  std::vector<std::string> grouped_;             // streams whose groups are there
  std::uint64_t taken_ = 0;
  std::uint64_t generation_ = 0;
  os::AsyncEvent::TimePoint reclaimed_at_{};
  bool usable_ = false;
  bool removing_ = false;
  bool stopping_ = false;
  int tasks_ = 0;  // coroutines that have not ended
  os::AsyncEvent changed_;
};

}  // namespace drover::broker
