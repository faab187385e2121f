#pragma once
// Keeps the engines as the agents want them: looks at both, plans (plan.h) and carries the steps
// out (engine_pass.h). Level-triggered: at the start, on each change of an agent, on what an engine
// says, from time to time, and when somebody asks. One pass at a time; triggers that come meanwhile
// are one more.
//
// What fails is tried again, each instance by itself, after a wait that doubles up to five minutes.
// On the event loop. Life: load, watch, any calls, stop.
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "base/random.h"
#include "base/time.h"
#include "fleet/engine.h"
#include "fleet/instance_book.h"
#include "fleet/instance_states.h"
#include "fleet/live.h"
#include "fleet/log_follow.h"
#include "fleet/pass_terms.h"
#include "fleet/usage_round.h"
#include "fleet/wanted.h"
#include "os/async_event.h"
#include "os/task_group.h"
#include "redis/backoff.h"
#include "store/writer.h"

namespace drover::fleet {

struct ReconcilerParts {
  boost::asio::any_io_executor executor;
  Clock const& clock;
  Random& random;
  store::Writer& writer;
  std::function<std::vector<contract::AgentSpec>()> agents;
  std::vector<FleetEngine*> engines;
  // Makes what an instance needs on the host before its container; `wipe` takes it away again.
  InstanceStates::OnHost prepare_host;
  InstanceStates::OnHost wipe_host;
};

struct ReconcilerOptions {
  FleetPlaces places{};
  Millis period{60'000};
  Millis grace{15'000};     // between SIGTERM and SIGKILL
  std::size_t at_once = 4;  // instances that are worked on
  UserRange users{};
  redis::BackoffOptions backoff{.first = Millis{1'000}, .longest = Millis{300'000}};
};

class Reconciler {
 public:
  Reconciler(ReconcilerParts parts, ReconcilerOptions options);
  Reconciler(Reconciler const&) = delete;
  Reconciler& operator=(Reconciler const&) = delete;

  // Fills the memory: once, before anything else.
  [[nodiscard]] Status load(store::Database& database);
  // Listens to the engines. Then run() does what is triggered, until stop().
  void watch();
  Task<void> run();
  Task<void> stop();
  // Until the first pass is over, or the deadline.
  Task<void> looked(std::chrono::steady_clock::time_point deadline);

  // Whatever waits to be tried again is tried now.
  Task<Summary> reconcile_all();
  // One without an instance, now or before, is unchanged, and no engine is asked.
  Task<Summary> reconcile_one(std::string agent);
  void trigger();
  void trigger(std::string agent);

  [[nodiscard]] std::vector<InstanceStatus> status() const { return book_.status(); }
  // Of one agent, with what its engine says of restarts and image now.
  Task<std::vector<InstanceStatus>> status_of(std::string agent);
  Task<Result<Usage>> usage(std::string instance);
  // Of all that have a container. Those whose engine does not say within the time are not in it.
  Task<UsageByInstance> usage_of_all(Millis within);
  Task<Result<std::string>> logs(std::string instance, int lines);
  // Goes on by itself until it is cancelled, or all are gone.
  [[nodiscard]] std::shared_ptr<LogFollow> follow_logs(LogWish wish);
  // Takes the state of the agent's instances, or of one of them, for good. conflict while it is
  // wanted.
  Task<Status> wipe(std::string agent, std::optional<std::string> instance);

  // For whoever gives them turns. Listeners are told after the list has changed.
  [[nodiscard]] std::vector<LiveInstance> live() const { return book_.live(); }
  void on_live(LiveListener listener) { book_.on_live(std::move(listener)); }
  // The pid of its program on this machine.
  Task<Result<int>> program(std::string instance);
  // For the one who gives it turns: nothing runs in it, and a pass leaves it so until it is thawed.
  Task<Status> freeze(std::string instance);
  Task<Status> thaw(std::string instance);
  // What ran as `program` is of no use any more: its container is made anew.
  void replace(std::string const& instance, pid_t program);
  // Its program says that it is there.
  void beat(std::string const& instance, Busy busy);

  [[nodiscard]] FleetPlaces const& places() const { return options_.places; }

 private:
  // Where an instance's container is.
  struct Place {
    FleetEngine* engine = nullptr;
    std::string container{};
  };

  Task<void> begin_alone();
  void end_alone();
  Task<Summary> pass(Scope scope);
  Task<Summary> pass_alone(Scope scope);
  Task<void> pass_engines(Scope scope, Wanted const& wanted, Summary& summary);
  [[nodiscard]] bool concerns(FleetEngine const& engine, Scope const& scope,
                              Wanted const& wanted) const;
  void fail_without_engine(Scope const& scope, Wanted const& wanted, Summary& summary);
  [[nodiscard]] Wanted wanted_now() const;

  void hear(FleetEngine const& engine, EngineNews const& news);
  Task<void> look_after(std::string instance);
  Task<void> look_after_all(std::string backend);
  [[nodiscard]] FleetEngine* engine_of(std::string_view backend) const;
  [[nodiscard]] Result<Place> place_of(std::string const& instance) const;
  [[nodiscard]] std::optional<LogPlace> log_place_of(std::string const& instance) const;
  [[nodiscard]] std::chrono::steady_clock::time_point next_look() const;
  [[nodiscard]] Result<std::vector<std::string>> unwanted_states(
      std::string const& agent, std::optional<std::string> const& instance) const;
  Task<Status> wipe_alone(std::vector<std::string> names);

  ReconcilerParts parts_;
  ReconcilerOptions options_;
  InstanceStates states_;
  InstanceBook book_;
  bool all_dirty_ = false;
  std::set<std::string> dirty_;  // agents
  bool busy_ = false;            // a pass or a wipe is under way
  bool looked_ = false;          // one is over
  bool stopping_ = false;
  os::AsyncEvent changed_;
  os::TaskGroup tasks_;
};

}  // namespace drover::fleet
