#pragma once
// What a joined worker and its server say to each other, as JSON: an assignment to the worker, and
// the steps of a run to the server. Pure. What the store knows better (times, usage, cost) does not
// come back from the worker.
#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "broker/redis_reader.h"
#include "worker/control.h"

namespace drover::worker {

// What a worker may say of a run.
struct RunChange {
  contract::RunState state = contract::RunState::claimed;
  std::optional<contract::RunReason> reason;
  std::string detail;
  std::string reply;
  std::int64_t attempts = 0;
  std::int64_t turns = 0;
  std::vector<CommitRecord> commits;
  contract::Phases phases;  // start, tool and commit
};
[[nodiscard]] RunChange change_of(RunRecord const& run);
void apply(RunChange const& change, RunRecord& run);

struct WireStep {
  enum class Kind : std::uint8_t { append, record, finish, put_back };
  Kind kind = Kind::append;
  Epoch epoch{0};
  std::int64_t number = 0;  // rises from 1 with each step of the claim, also past one that got lost
  Room room = Room::of_work;
  RunChange change;
  std::vector<broker::EventDraft> events;
  std::string note;                    // finish: what the session's next turn is told
  std::optional<std::string> failure;  // put_back: an attempt was used, and why
  Millis delay{0};                     // put_back
};
[[nodiscard]] json::object print(WireStep const& step);
// invalid_argument; also for events that are not the run's and epoch's, or the server's to write.
[[nodiscard]] Result<WireStep> parse_step(json::value const& value, RunId const& run);

[[nodiscard]] json::object print(Assignment const& assignment);
[[nodiscard]] Result<Assignment> parse_assignment(json::value const& value, WorkerId const& worker);

// What the server asks of a worker. Complete each time; `version` changes with it.
struct Orders {
  std::uint64_t version = 0;
  std::vector<RunId> lost;
  std::vector<RunId> cancelled;
  std::vector<SessionId> released;            // whose warm units are to go
  std::optional<broker::RedisOffers> offers;  // where they go; nullopt: not by Redis
};
[[nodiscard]] json::object print(Orders const& orders);
[[nodiscard]] Result<Orders> parse_orders(json::value const& value);
[[nodiscard]] json::object print(broker::RedisOffers const& offers);
// The member "offers" of an answer; nullopt where it has none.
[[nodiscard]] Result<std::optional<broker::RedisOffers>> offers_in(json::value const& value);

}  // namespace drover::worker
