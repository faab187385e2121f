#pragma once
// Child effects as workflows of their own: one run for one effect, driven beside its parent, whose
// commands work where the parent's do.
//
// On the event loop.
#include <string>

#include "driver/driver.h"
#include "driver/effect_carrier.h"
#include "os/task_group.h"

namespace drover::driver {

class ChildCarrier final : public EffectCarrier {
 public:
  ChildCarrier(boost::asio::any_io_executor const& executor, Driver& driver)
      : driver_(driver), tasks_(executor, "workflow-children") {}

  Task<std::optional<workflow::TaskResult>> carry_out(EffectJob job) override;
  void stop(std::string const& workflow, std::string const& effect_id) override;
  void close() override { closing_ = true; }
  Task<void> join() override;

 private:
  Task<Result<NewWorkflow>> wanted(EffectJob job);
  Task<void> cancel(std::string child);

  Driver& driver_;
  os::TaskGroup tasks_;
  bool closing_ = false;
};

// The id of the run of this effect. Pure.
[[nodiscard]] std::string child_of(std::string_view workflow, std::string_view effect);

}  // namespace drover::driver
