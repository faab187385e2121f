#pragma once
// Agent effects as runs: one run for one effect, found again by its key whatever died in between,
// and a bounded number of further turns of its session where its reply does not fit the schema.
//
// On the event loop.
#include <set>
#include <string>

#include "driver/agent_work.h"
#include "driver/effect_carrier.h"
#include "os/task_group.h"
#include "schedule/runs.h"
#include "worker/dispatcher.h"
#include "worker/services.h"

namespace drover::driver {

class AgentCarrier final : public EffectCarrier {
 public:
  // `runs` is this carrier's alone, for close() ends all waits of it.
  AgentCarrier(worker::Services const& services, worker::Dispatcher& dispatcher,
               schedule::Runs& runs);

  Task<std::optional<workflow::TaskResult>> carry_out(EffectJob job) override;
  void stop(std::string const& workflow, std::string const& effect_id) override;
  void close() override;
  Task<void> join() override;

 private:
  Task<std::optional<workflow::TaskResult>> converse(AgentWork work, EffectJob job);
  Task<Result<RunId>> dispatch(contract::Invocation invocation);
  Task<Result<RunId>> correct(SessionId session, std::string why, std::string key);
  Task<void> cancel(std::string workflow, std::string effect_id);
  Task<void> pause(Millis time);

  worker::Services const& services_;
  worker::Dispatcher& dispatcher_;
  schedule::Runs& runs_;
  os::AsyncEvent changed_;
  os::TaskGroup tasks_;
  std::set<std::string> at_work_;  // keys of effects
  std::set<std::string> stopped_;  // of those, that nobody waits for any more
  bool closing_ = false;
};

}  // namespace drover::driver
