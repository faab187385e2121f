#pragma once
// For tests: a store with queue and streams, a real Redis beside it, and runs that go through both.
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "broker/fixture.h"
#include "broker/redis_broker.h"
#include "redis/redis_server.h"

namespace drover::test {

inline constexpr std::string_view kType = "background-agent";

// Short times, so that a test need not wait.
[[nodiscard]] broker::RedisBrokerOptions quick_options();

class BrokerWorld {
 public:
  explicit BrokerWorld(std::string const& url,
                       broker::RedisBrokerOptions options = quick_options());
  ~BrokerWorld();
  BrokerWorld(BrokerWorld const&) = delete;
  BrokerWorld& operator=(BrokerWorld const&) = delete;

  // Enqueues a run that the workers below work on: it gets `events` events, the last one closing.
  void enqueue(std::string const& run, std::int64_t priority = 0);
  void enqueue_many(std::string const& prefix, int count);
  // Each claims, appends `events` events to the run's stream, and acknowledges.
  void start_workers(int count, int events);
  // Runs the loop until `done`; false when that takes too long.
  bool run_until(std::function<bool()> const& done, Millis limit = Millis{20'000});
  void run_for(Millis time) { engine.run_for(time); }
  bool run_until_well() {
    return run_until([this] { return !redis->status().problem; });
  }

  // What the store has of the run's events: their bodies.
  std::vector<std::string> stored_events(std::string const& run);
  // Runs that were worked on to their end, and how often.
  std::map<std::string, int> finished;

  store::Scratch scratch;
  broker::Engine engine;
  SystemClock clock;
  SystemRandom random;
  std::unique_ptr<broker::EmbeddedStreams> streams;
  std::unique_ptr<broker::EmbeddedQueue> queue;
  std::unique_ptr<broker::RedisBroker> redis;

 private:
  Task<void> work(int events);
  bool stopping_ = false;
  int working_ = 0;
};

// The events that Redis has of the run, by id: the ids are "1-0", "2-0" and so on.
struct MirroredEvent {
  std::string id;
  std::string body;
  friend bool operator==(MirroredEvent const&, MirroredEvent const&) = default;
};
[[nodiscard]] std::vector<MirroredEvent> mirrored_events(BrokerWorld& world,
                                                         redis::Endpoint const& endpoint,
                                                         std::string const& run);
// As they must be for what the store has.
[[nodiscard]] std::vector<MirroredEvent> as_mirrored(std::vector<std::string> const& bodies);

}  // namespace drover::test
