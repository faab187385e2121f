#pragma once
// How a command ended, as the result of its effect. Pure.
//
// A shell: {success, exitCode, stdout, stderr, error?, timedOut?, outOfMemory?}, also where it
// failed, as the SDK has it. A node: what it left in output.json, else what it printed as JSON,
// else {exitCode, stdout, stderr}; one that failed is an error.
#include <optional>
#include <string>

#include "driver/command_run.h"
#include "driver/effect_work.h"
#include "workflow/task_files.h"

namespace drover::driver {

// `output`: the text of output.json; nullopt: there is none.
[[nodiscard]] workflow::TaskResult command_result(CommandWork const& work, CommandEnd const& end,
                                                  std::optional<std::string> const& output);

// An effect that ended without being carried out: thrown, also for a shell.
[[nodiscard]] workflow::TaskResult thrown_result(std::string_view name, std::string_view message);
inline constexpr std::string_view kLostName = "EffectLostError";
inline constexpr std::string_view kDefinitionName = "EffectDefinitionError";
inline constexpr std::string_view kStartName = "EffectStartError";
inline constexpr std::string_view kTimeoutName = "EffectTimeoutError";
// It had begun, and nobody knows how it ended.
[[nodiscard]] workflow::TaskResult lost_result();

}  // namespace drover::driver
