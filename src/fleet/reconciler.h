#pragma once
// Keeps the engines as the agents want them: looks at both, plans (plan.h) and carries the steps
// out. Level-triggered: at the start, on each change of an agent, on what an engine says, from time
// to time, and when somebody asks. One pass at a time; triggers that come meanwhile are one more.
//
// What fails is tried again, each instance by itself, after a wait that doubles up to five minutes.
// On the event loop. Life: load, watch, any calls, stop.
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "base/random.h"
#include "base/time.h"
#include "fleet/engine.h"
#include "fleet/health.h"
#include "fleet/live.h"
#include "fleet/plan.h"
#include "fleet/rows.h"
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
  std::function<Task<Status>(Instance)> prepare_host;
  std::function<Task<Status>(Instance)> wipe_host;
};

struct ReconcilerOptions {
  FleetPlaces places{};
  Millis period{60'000};
  Millis grace{15'000};       // between SIGTERM and SIGKILL
  std::size_t at_once = 4;    // instances that are worked on
  uid_t uid_first = 400'000;  // of the host; each instance has one of its own, for good
  uid_t uid_count = 65'536;
  redis::BackoffOptions backoff{.first = Millis{1'000}, .longest = Millis{300'000}};
};

struct Failure {
  std::string instance{};
  Error error{};
};
// The instances, by what became of them.
struct Summary {
  std::vector<std::string> created{};
  std::vector<std::string> removed{};
  std::vector<std::string> unchanged{};
  std::vector<std::string> updated{};
  std::vector<Failure> failed{};
};

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

  [[nodiscard]] std::vector<InstanceStatus> status() const;
  // Of one agent, with what its engine says of restarts and image now.
  Task<std::vector<InstanceStatus>> status_of(std::string agent);
  Task<Result<Usage>> usage(std::string instance);
  Task<Result<std::string>> logs(std::string instance, int lines);
  // Takes the state of the agent's instances, or of one of them, for good. conflict while it is
  // wanted.
  Task<Status> wipe(std::string agent, std::optional<std::string> instance);

  // For whoever gives them turns. Listeners are told after the list has changed.
  [[nodiscard]] std::vector<LiveInstance> live() const;
  void on_live(LiveListener listener) { live_listeners_.push_back(std::move(listener)); }
  // The pid of its program on this machine.
  Task<Result<int>> program(std::string instance);
  // For the one who gives it turns: nothing runs in it, and a pass leaves it so until it is thawed.
  Task<Status> freeze(std::string instance);
  Task<Status> thaw(std::string instance);
  // Its program says that it is there.
  void beat(std::string const& instance, Busy busy);

  [[nodiscard]] FleetPlaces const& places() const { return options_.places; }

 private:
  // All that is known of one name.
  struct Record {
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
    bool live = false;     // listeners were told
    bool held = false;     // frozen by freeze()
    bool put_off = false;  // what is to be done to it waits for the end of its turn
  };
  enum class Waits : std::uint8_t { respected, ignored };
  struct Scope {
    std::optional<std::string> agent;  // none: all
    Waits waits = Waits::respected;
  };
  struct Job;
  struct Round;

  Task<Summary> pass(Scope scope);
  Task<Summary> pass_locked(Scope scope);
  Task<Result<std::size_t>> remember(Wanted const& wanted);
  Task<void> pass_engine(FleetEngine& engine, Scope scope, Wanted const& wanted, Summary& summary);
  Task<Result<std::vector<Actual>>> look(FleetEngine& engine, Scope scope);
  [[nodiscard]] std::vector<InstancePlan> plans_for(FleetEngine const& engine, Scope const& scope,
                                                    Wanted const& wanted,
                                                    std::vector<Actual> const& actual) const;
  Task<void> carry_out_all(std::shared_ptr<Round> round);
  Task<void> work_off(std::shared_ptr<Round> round);
  Task<Status> carry_out(FleetEngine& engine, InstancePlan plan, Instance const* instance);
  Task<Status> make_state(FleetEngine& engine, Instance instance);
  [[nodiscard]] bool in_scope(Scope const& scope, std::string const& agent) const;
  [[nodiscard]] bool concerns(FleetEngine const& engine, Scope const& scope,
                              Wanted const& wanted) const;
  void take_in(std::vector<Actual> const& actual, FleetEngine const& engine, Scope const& scope);
  void note_wanted(Wanted const& wanted);
  [[nodiscard]] Record& record_of(std::string const& name);
  [[nodiscard]] bool waits(std::string const& instance) const;
  // Whether the plan would end a turn that is under way; then it is for later.
  [[nodiscard]] bool put_off(InstancePlan const& plan);
  [[nodiscard]] Health health_of(Record const& record) const;
  void note_failure(std::string const& instance, Error error);
  void note_success(std::string const& instance);
  void report(Summary const& summary, Scope const& scope) const;

  void hear(FleetEngine& engine, EngineNews const& news);
  void set_live(Record& record, bool live);
  void tell_states();
  Task<void> look_after(std::string instance);
  [[nodiscard]] Record* find_by_container(std::string const& container);
  [[nodiscard]] FleetEngine* engine_of(std::string_view backend) const;
  [[nodiscard]] Result<Record const*> running(std::string const& instance) const;
  [[nodiscard]] InstanceStatus status_of(Record const& record) const;
  [[nodiscard]] std::chrono::steady_clock::time_point next_look() const;
  Task<Status> wipe_one(std::string instance);
  [[nodiscard]] Wanted wanted_now() const;

  ReconcilerParts parts_;
  ReconcilerOptions options_;
  KnownInstances known_;
  std::map<std::string, Record, std::less<>> records_;
  std::vector<LiveListener> live_listeners_;
  bool all_dirty_ = false;
  std::set<std::string> dirty_;  // agents
  bool busy_ = false;            // a pass is under way
  bool looked_ = false;          // one is over
  bool stopping_ = false;
  os::AsyncEvent changed_;
  os::TaskGroup tasks_;
};

}  // namespace drover::fleet
