#pragma once
// The worker's end of a unit that a third-party worker serves over Redis. It waits for the program
// to take the turn, takes what the program says, and gives it up when it says nothing for too long:
// nobody here can see whether it lives.
//
// On the event loop. close() before it is destroyed.
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "broker/redis_units.h"
#include "os/task_group.h"
#include "worker/third_party_turn.h"
#include "worker/unit_line.h"
#include "worker/worker_parts.h"

namespace drover::worker {

class ThirdPartyLine final : public UnitLine {
 public:
  // `units` outlives it.
  ThirdPartyLine(WorkerParts const& parts, broker::RedisUnits& units, std::string unit);
  ~ThirdPartyLine() override;
  ThirdPartyLine(ThirdPartyLine const&) = delete;
  ThirdPartyLine& operator=(ThirdPartyLine const&) = delete;

  void begin(TurnPtr turn) override;
  void interrupt() override;
  void end() override;
  // Asks the program to stop, gives it a moment to hear that, and shuts it out.
  Task<void> close() override;

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  // shared: a read under way may outlast its turn
  struct Hearing;
  using HearingPtr = std::shared_ptr<Hearing>;

  Task<void> listen(HearingPtr hearing);
  Task<void> hear(HearingPtr hearing, broker::UnitBacklog backlog);
  Task<bool> store(HearingPtr hearing, UnitBatch batch);
  [[nodiscard]] bool hears(HearingPtr const& hearing) const;
  [[nodiscard]] static TimePoint deadline(Hearing const& hearing);
  void give_up_when_late(Hearing& hearing) const;
  Task<void> pause(Millis time);

  WorkerParts const& parts_;
  broker::RedisUnits& units_;
  std::string unit_;
  HearingPtr hearing_;     // null between turns
  bool answered_ = false;  // a program has ever been there
  os::TaskGroup tasks_;
};

}  // namespace drover::worker
