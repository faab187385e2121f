#pragma once
// Units that third-party workers serve over Redis: docs/third-party-workers.md. Each has a user of
// its own, which may read `unit:<unit>:in` and write `unit:<unit>:out` and nothing else. A turn is
// put on the one, and what comes back on the other is read here, bounded, and deleted once it is
// done with.
//
// Level-triggered: users and turns that Redis lost are put back, users that nobody wants are
// removed, those that an earlier server left among them.
//
// On the event loop. A unit is read by one caller at a time.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "base/time.h"
#include "broker/redis_duty.h"
#include "redis/client.h"

namespace drover::broker {

struct UnitEntry {
  enum class Kind : std::uint8_t {
    event,
    too_large,  // left in Redis and deleted there; `text` is empty
    no_event,   // has no field `event`
  };
  Kind kind = Kind::event;
  std::string id;
  std::string text;
  std::size_t bytes = 0;
};

struct UnitBacklog {
  std::vector<UnitEntry> entries;
  std::size_t waiting = 0;   // entries of the stream, these included
  std::uint64_t losses = 0;  // how often Redis was found to have lost this turn's streams
};

struct UnitStreamBounds {
  std::size_t entries_max = 200;  // of one read
  std::size_t entry_bytes_max = std::size_t{512} << 10U;
  std::size_t read_bytes_max = std::size_t{768} << 10U;  // of one read
};

class RedisUnits final : public RedisDuty {
 public:
  // `key` is what passwords are derived from; the same after a restart.
  RedisUnits(boost::asio::any_io_executor loop, redis::Client& client, Clock const& clock,
             Secret key, UnitStreamBounds bounds = {});
  Task<Status> round(RedisData data) override;
  // Called when there is something for a round to do.
  void on_change(std::function<void()> handler) { on_change_ = std::move(handler); }

  // REDIS_URL for the unit's program, whether or not its user is there now.
  [[nodiscard]] Secret url(std::string const& unit) const;

  void let_in(std::string const& unit);
  // The one turn that is wanted: both streams are emptied before it. Put back when Redis loses it,
  // until taken() says that a program has it.
  void offer(std::string const& unit, std::string turn);
  void taken(std::string const& unit);
  // Behind the turn: an interrupt, a stop. Lost where Redis is lost.
  void tell(std::string const& unit, std::string turn);
  // The user and both streams go. Returns when they have, or at the deadline; they go all the same.
  Task<void> shut_out(std::string unit, os::AsyncEvent::TimePoint deadline);

  // What is behind the last entry that was done with; waits for it, and is empty at the deadline.
  // cancelled after stop_reading().
  Task<Result<UnitBacklog>> read(std::string unit, os::AsyncEvent::TimePoint deadline);
  // Entries up to this one will not be read again.
  void done_with(std::string const& unit, std::string const& id);
  void stop_reading(std::string const& unit);
  // Why Redis cannot be reached now.
  [[nodiscard]] std::optional<Error> problem() const;

 private:
  struct Unit;
  using UnitPtr = std::shared_ptr<Unit>;  // shared with a round or a read under way
  Task<Status> sweep_users();
  Task<Status> make_true(UnitPtr unit);
  Task<Status> make_user(UnitPtr unit);
  Task<Status> send_notes(UnitPtr unit);
  Task<Status> deliver(UnitPtr unit);
  Task<Status> remove(UnitPtr unit);
  Task<Result<UnitBacklog>> read_now(UnitPtr unit);
  Task<Status> wait_for_entry(UnitPtr unit, Millis wait);
  [[nodiscard]] redis::Command new_user(std::string const& unit) const;
  [[nodiscard]] std::string user_prefix() const;
  [[nodiscard]] Secret password(std::string const& unit) const;
  [[nodiscard]] UnitPtr find(std::string const& unit) const;
  void changed();

  boost::asio::any_io_executor loop_;
  redis::Client& client_;
  Clock const& clock_;
  Secret key_;
  UnitStreamBounds bounds_;
  std::function<void()> on_change_;
  std::map<std::string, UnitPtr> units_;
  bool swept_ = false;
  os::AsyncEvent removed_;  // a unit was
};

}  // namespace drover::broker
