#pragma once
// What the scheduler needs of the worker: dispatch a run, learn of its end, stop it.
//
// On the event loop. Life: stop() ends every wait; the waits must have ended before it is
// destroyed.
#include <set>
#include <string>

#include "base/error.h"
#include "base/id.h"
#include "broker/stream.h"
#include "contract/invocation.h"
#include "contract/run.h"
#include "os/blocking_pool.h"

namespace drover::worker {
class Dispatcher;
class Workforce;
struct Services;
}  // namespace drover::worker

namespace drover::schedule {

struct RunEnd {
  contract::RunState state = contract::RunState::succeeded;
  std::string detail;  // of a run that did not succeed
};

class Runs {
 public:
  virtual ~Runs() = default;
  // The run of the invocation's idempotency key: a new one, or the one there is.
  [[nodiscard]] virtual Task<Result<RunId>> dispatch(contract::Invocation invocation) = 0;
  // Once the run has ended. cancelled after stop().
  [[nodiscard]] virtual Task<Result<RunEnd>> wait_end(RunId run) = 0;
  [[nodiscard]] virtual Task<Status> cancel(RunId run) = 0;
  virtual void stop() = 0;
};

// The server's own.
class WorkerRuns final : public Runs {
 public:
  WorkerRuns(worker::Services const& services, worker::Dispatcher& dispatcher,
             worker::Workforce& workforce);
  Task<Result<RunId>> dispatch(contract::Invocation invocation) override;
  Task<Result<RunEnd>> wait_end(RunId run) override;
  Task<Status> cancel(RunId run) override;
  void stop() override;

 private:
  Task<Result<std::optional<RunEnd>>> end_of(RunId run);

  worker::Services const& services_;
  worker::Dispatcher& dispatcher_;
  worker::Workforce& workforce_;
  std::set<broker::StreamReader*> reading_;  // owned by their waits
  bool stopping_ = false;
};

}  // namespace drover::schedule
