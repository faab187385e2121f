#pragma once
// The command of one effect, from its definition to its result: its sandbox is made for it,
// recorded in the run while it lives, and cleared away. Blocking.
#include <optional>
#include <string>

#include "base/error.h"
#include "driver/effect_work.h"
#include "sandbox/launcher.h"
#include "workflow/iterate.h"
#include "workflow/run_folder.h"
#include "workflow/run_record.h"
#include "workflow/task_files.h"

namespace drover::driver {

struct CommandJob {
  workflow::RunFolder run{""};
  workflow::RunRecord record;
  workflow::Effect effect;
  CommandWork work;
};

// What is to become of a command's effect that nobody here is at work on.
struct CommandStep {
  enum class Act : std::uint8_t {
    leave,   // it is for somebody else
    begin,   // note that it begins, and carry it out
    settle,  // it ends with `result`
  };
  Act act = Act::leave;
  CommandWork work{};
  workflow::TaskResult result{};
};
// Pure.
[[nodiscard]] CommandStep decide_command(workflow::NextAction const& action);

struct CommandTools {
  sandbox::Launcher& launcher;
  std::string node;  // a path, or searched in PATH
};
// What could not be begun is an error of the effect too: EffectStartError. nullopt: it was killed,
// for `stop_fd` was readable.
[[nodiscard]] std::optional<workflow::TaskResult> carry_out(CommandTools const& tools,
                                                            CommandJob const& job, int stop_fd,
                                                            Clock const& clock);

// Ends what a driver of this run that died has left. Only for whoever drives the run.
[[nodiscard]] Status reap_commands(workflow::RunFolder const& run);

}  // namespace drover::driver
