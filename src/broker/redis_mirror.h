#pragma once
// Copies event streams to Redis once they are durable: `task:run:<run>` in the store becomes the
// Redis stream of that name, one entry an event, field `event`, its id the event's number. So a
// copy that is sent twice stays single, and a reader's place holds over every loss of Redis.
//
// The store is the outbox: nothing is written for the copy, and an event waits for nobody. What
// Redis lost (a flush, its tail) is copied again from the store as long as that has it.
//
// On the event loop.
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/embedded_streams.h"
#include "broker/mirror_book.h"
#include "broker/redis_duty.h"
#include "store/reader.h"

namespace drover::broker {

struct MirrorOptions {
  std::int64_t events_max = 10'000;          // of each stream that Redis keeps, about
  Millis keep{60LL * 60 * 1000};             // a stream after its last event
  Millis keep_open{7LL * 24 * 3600 * 1000};  // one that is open, after its newest event
  std::size_t batch_events = 256;            // of one stream at a time
  std::size_t batch_streams = 32;
  // That wait to be copied; above that they are looked up in the store when Redis takes them again.
  std::size_t behind_max = 50'000;
};

class RedisMirror final : public RedisDuty {
 public:
  // The stream of a unit that gets the same events, `unit:<id>:out`, where there is one. May be
  // empty. Asked once for each stream that is being copied.
  using SecondStream = std::function<Task<Result<std::optional<std::string>>>(std::string name)>;

  RedisMirror(redis::Client& client, OutputStreams& streams, store::Readers& readers,
              Clock const& clock, SecondStream second, MirrorOptions options = {});

  Task<Status> round(RedisData data) override;
  void published(EmbeddedStreams::Published const& events);
  // At least so many, after an overrun.
  [[nodiscard]] std::size_t streams_behind() const {
    return overrun_ ? options_.behind_max : book_.behind();
  }

 private:
  Task<Status> doubt_all();
  Task<Status> copy_some();
  Task<Result<std::vector<EventPtr>>> read(MirrorBook::Next const& next, std::int64_t after);
  Task<Result<redis::Script::Call>> call_of(MirrorBook::Next next);
  [[nodiscard]] Status note(MirrorBook::Next const& next, redis::Reply const& reply);
  Task<Status> remove_foreign();
  Task<Result<std::optional<std::string>>> second_of(std::string name);

  redis::Client& client_;
  OutputStreams& streams_;
  store::Readers& readers_;
  Clock const& clock_;
  SecondStream second_;
  MirrorOptions options_;
  MirrorBook book_;
  bool overrun_ = false;  // more was published than the book holds: the store is to be looked at
  std::map<std::string, std::optional<std::string>> seconds_;
  std::vector<std::string> foreign_;  // streams of which Redis has more than the store
};

}  // namespace drover::broker
