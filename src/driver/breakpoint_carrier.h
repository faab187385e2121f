#pragma once
// Breakpoints as approvals: asked once, answered by a person or by the approvals before it.
//
// On the event loop.
#include <map>
#include <set>
#include <string>

#include "driver/breakpoint_store.h"
#include "driver/effect_carrier.h"
#include "os/async_event.h"
#include "os/task_group.h"
#include "store/writer.h"

namespace drover::driver {

class BreakpointCarrier final : public EffectCarrier {
 public:
  BreakpointCarrier(boost::asio::any_io_executor const& executor, store::Writer& writer,
                    Clock const& clock);

  Task<std::optional<workflow::TaskResult>> carry_out(EffectJob job) override;
  void stop(std::string const& workflow, std::string const& effect_id) override;
  void close() override;
  Task<void> join() override;

  // conflict: it is decided. Durable when it returns; the workflow goes on after it.
  Task<Result<worker::Approval>> answer(worker::ApprovalId id, Verdict answer);

 private:
  Task<Result<Opened>> open(EffectJob job, Question question);
  Task<void> withdraw(worker::ApprovalId id);

  store::Writer& writer_;
  Clock const& clock_;
  os::AsyncEvent changed_;
  os::TaskGroup tasks_;
  std::set<worker::ApprovalId> waiting_;            // asked, and not answered
  std::map<worker::ApprovalId, Verdict> answered_;  // of those, since
  bool closing_ = false;
};

}  // namespace drover::driver
