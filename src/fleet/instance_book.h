#pragma once
// What is known of each instance at this moment: what was seen of it and heard from it, what was
// tried and when it is tried again, and who is told that it runs. Memory alone, so nothing here
// waits; on the event loop.
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "fleet/engine.h"
#include "fleet/health.h"
#include "fleet/live.h"
#include "fleet/pass_terms.h"
#include "fleet/plan.h"
#include "fleet/wanted.h"
#include "redis/backoff.h"

namespace drover::fleet {

struct InstanceStatus {
  LiveInstance instance{};  // its container is empty where there is none
  Health health{};
  WallTime since{};  // in this state
  bool wanted = false;
  std::int64_t restarts = 0;
  std::string image{};
  std::optional<WallTime> heartbeat{};
  std::optional<Busy> busy{};
  Millis retry_in{0};  // 0: nothing is waited for
};

// All that is known of one name.
struct InstanceRecord {
  LiveInstance instance;
  Seen seen;
  State state = State::stopped;  // as last told
  WallTime since{};
  Vitals vitals;
  std::string image;
  std::optional<Busy> busy;
  std::optional<WallTime> heartbeat;
  redis::Backoff backoff;
  std::chrono::steady_clock::time_point retry_at{};
  int program = 0;  // its pid, as it was told to whoever gives it turns
  std::uint64_t comings = 0;
  std::uint64_t spoiled = 0;  // in which of its comings it was; 0: in none
  bool live = false;          // listeners were told
  bool held = false;          // frozen for its turn
  bool put_off = false;       // what is to be done to it waits for the end of its turn
};

class InstanceBook {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;

  InstanceBook(Clock const& clock, Random& random, redis::BackoffOptions backoff)
      : clock_(clock), random_(random), backoff_(backoff) {}

  // Listeners are told after the book has changed.
  void on_live(LiveListener listener) { listeners_.push_back(std::move(listener)); }

  // Which there are to be. Those that are neither wanted nor known are forgotten once they are
  // gone.
  void note_wanted(Wanted const& wanted, KnownInstances const& known);
  // What an engine has of those in the scope.
  void take_in(std::vector<Actual> const& actual, std::string_view backend, Scope const& scope);

  void note_failure(std::string const& instance, Error error);
  void note_success(std::string const& instance);
  void note_foreign(std::string const& instance, bool foreign);
  [[nodiscard]] bool waits(std::string const& instance) const;
  // What was waited for has been looked at.
  void end_waits(Scope const& scope);
  [[nodiscard]] SteadyTime next_try(SteadyTime latest) const;

  // Whether the plan would end a turn that is under way; then it is for later.
  [[nodiscard]] bool put_off(InstancePlan const& plan);
  // To be asked right before its container is ended, with no wait in between: false while a turn is
  // under way in it, and its end is waited for. Otherwise none begins in it from here on.
  [[nodiscard]] bool close_for_removal(std::string const& instance, std::string const& container);
  // Frozen for its turn: to everybody else it runs.
  void note_held(std::string const& instance, bool held);
  void note_thawed(std::string const& instance);
  [[nodiscard]] bool is_held(std::string const& instance) const;
  // Its container is of no use any more while this program runs in it: whether it does.
  [[nodiscard]] bool note_spoiled(std::string const& instance, int program);
  [[nodiscard]] bool is_spoiled(std::string const& instance, std::string const& container) const;

  // As engines tell it.
  void note_came(InstanceRecord& record);
  void note_ended(InstanceRecord& record, EngineNews const& news);
  // What an engine was asked at a moment of its life, `coming`, about its container. If it is still
  // that one, and its program is another than was told, it goes and comes anew: nobody told of its
  // end while the engine was not listened to.
  void note_vitals(std::string const& instance, std::string const& container, std::uint64_t coming,
                   Vitals vitals);
  void note_program(std::string const& instance, std::string const& container, int pid);
  // As its own program tells it. Whether something waits for this.
  [[nodiscard]] bool note_beat(std::string const& instance, Busy busy);

  [[nodiscard]] InstanceRecord* find(std::string const& instance);
  [[nodiscard]] InstanceRecord const* find(std::string const& instance) const;
  [[nodiscard]] InstanceRecord* find_by_container(std::string const& container);
  // not_found where there is no such instance, or no container of it.
  [[nodiscard]] Result<LiveInstance> with_container(std::string const& instance) const;
  [[nodiscard]] std::vector<LiveInstance> live() const;
  // Those that their engine starts again by itself, after a wait of its own.
  [[nodiscard]] std::vector<std::string> restarting() const;
  [[nodiscard]] std::vector<std::string> names_of(std::string const& agent) const;
  [[nodiscard]] InstanceStatus status_of(InstanceRecord const& record) const;
  [[nodiscard]] std::vector<InstanceStatus> status() const;
  // Logs each state that is another than was last told.
  void tell_states();

 private:
  [[nodiscard]] InstanceRecord& record_of(std::string const& name);
  [[nodiscard]] InstanceRecord& begin(std::string const& name, Replica const& of,
                                      std::string const& backend);
  void take_in_one(InstanceRecord& record, Actual const* best);
  void set_live(InstanceRecord& record, bool live);
  [[nodiscard]] bool works(InstanceRecord const& record) const;
  [[nodiscard]] Health health_of(InstanceRecord const& record) const;

  Clock const& clock_;
  Random& random_;
  redis::BackoffOptions backoff_;
  std::map<std::string, InstanceRecord, std::less<>> records_;
  std::vector<LiveListener> listeners_;
};

}  // namespace drover::fleet
