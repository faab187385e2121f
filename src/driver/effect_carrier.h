#pragma once
// The seam between the driver and who carries out effects that are not commands: agents, people,
// other workflows.
#include <optional>
#include <string>

#include "driver/workflow_store.h"
#include "os/blocking_pool.h"
#include "workflow/iterate.h"
#include "workflow/task_files.h"

namespace drover::driver {

struct EffectJob {
  WorkflowRecord workflow;
  workflow::Effect effect;
  json::value definition;
};

// On the event loop. Level-triggered: after a restart an effect that is still open is given to its
// carrier again, which finds what it had begun by the effect's id.
class EffectCarrier {
 public:
  virtual ~EffectCarrier() = default;
  // nullopt: it was stopped, or the server stops; the driver asks again where that is of use.
  virtual Task<std::optional<workflow::TaskResult>> carry_out(EffectJob job) = 0;
  // Nobody waits for this effect any more. One that it is not at work on is looked up: a server
  // that died may have left it.
  virtual void stop(std::string const& workflow, std::string const& effect_id) = 0;
  // The server stops: every carry_out() ends soon, and what was begun is left as it is.
  virtual void close() = 0;
  // After close(), until nothing of it is under way.
  virtual Task<void> join() = 0;
};

}  // namespace drover::driver
