#pragma once
// A worker: claims runs, says what their units would say, heartbeats, and concludes them as the
// real supervisor does, by the same decisions (worker/outcome.h) and the same durable steps
// (worker/run_journal.h). It may be killed, stopped for a while, or cut off the network.
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "sim/network.h"
#include "sim/redis.h"
#include "worker/outcome.h"

namespace drover::sim {

struct WorkerParts {
  Agenda& agenda;
  Dice& dice;
  Network& network;
  Trace& trace;
  Audit& audit;
  Repositories& repositories;
  Redis* redis;  // where it hears of work; null: it asks the server
  Clock const& clock;
  Defect defect = Defect::none;
};

class SimWorker {
 public:
  static constexpr std::size_t kSlots = 2;

  SimWorker(WorkerParts parts, int node) : parts_(parts), node_(node) {}

  // A new process, which knows nothing of earlier ones.
  void start();
  void kill();
  // Whatever it would do until then it does then.
  void pause_until(Nanos time) { paused_until_ = time; }
  void cancel(RunId const& run);
  [[nodiscard]] std::size_t working() const { return attempts_.size(); }

 private:
  struct Attempt {
    GivenRun given;
    contract::RunState from{};  // as the store last had it
    std::string workspace;
    Repositories::CommitId base = 0;  // its head at the beginning
    std::int64_t said = 0;
    std::int64_t to_say = 0;
    bool called = false;  // its model, since it last said something
    int tries = 0;
    bool cancel = false;
    bool over = false;
  };
  using AttemptPtr = std::shared_ptr<Attempt>;  // of this worker and of what it waits for

  void in(Nanos delay, std::function<void()> what);
  void resume(std::uint64_t process, std::function<void()> what);
  template <class T>
  void ask(Ask<T> ask, Done<T> done, Millis timeout = Millis{3'000});
  // For a step of an attempt that may be repeated.
  void step(AttemptPtr const& attempt, Ask<bool> ask, std::function<void()> next,
            std::function<void()> again);

  void look_for_work();
  void look_for_offers();
  void ask_for(std::optional<Redis::Held> held);
  void begin(GivenRun given);
  void heartbeat(AttemptPtr const& attempt);
  void say(AttemptPtr const& attempt);
  void fall_silent(AttemptPtr const& attempt);
  void call_model(AttemptPtr const& attempt);
  void end_turn(AttemptPtr const& attempt, worker::TurnEnd::Kind kind);
  void conclude(AttemptPtr const& attempt, worker::Outcome const& outcome);
  void record_committing(AttemptPtr const& attempt, worker::Outcome const& outcome);
  void govern(AttemptPtr const& attempt, worker::Outcome const& outcome);
  void commit(AttemptPtr const& attempt, worker::Outcome const& outcome, int tries);
  void committed(AttemptPtr const& attempt, worker::Outcome outcome,
                 Result<Repositories::CommitId> const& made);
  void governed(AttemptPtr const& attempt, worker::Outcome const& outcome,
                Repositories::CommitId commit);
  void finish(AttemptPtr const& attempt, worker::Outcome const& outcome);
  void leave(AttemptPtr const& attempt, std::string_view why);

  WorkerParts parts_;
  int node_;
  WorkerId id_;
  std::uint64_t process_ = 0;
  Nanos paused_until_{0};
  std::list<AttemptPtr> attempts_;
  std::size_t asking_ = 0;
};

}  // namespace drover::sim
