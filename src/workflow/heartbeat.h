#pragma once
// Signs of life of whoever works on an effect. A definition with `heartbeatTimeoutMs` is to be
// heard of so often, else the effect ends with an EffectHeartbeatError, which `retry` of the call
// sees; what was said last is in the error, and given to the next try.
//
// The last one is in tasks/<effect>/heartbeat.json: {at, details}. It is no entry of the journal,
// for no replay needs it; that an effect fell silent is one.
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "workflow/history.h"
#include "workflow/open_run.h"
#include "workflow/run_folder.h"
#include "workflow/task_files.h"

namespace drover::workflow {

inline constexpr std::string_view kHeartbeatErrorName = "EffectHeartbeatError";
inline constexpr std::size_t kHeartbeatBytesMax = std::size_t{64} << 10U;

struct Heartbeat {
  WallTime at{};
  json::value details{};
};

// nullopt: nobody has said anything yet.
[[nodiscard]] Result<std::optional<Heartbeat>> read_heartbeat(RunFolder const& run,
                                                              std::string const& effect_id);
// Without the run's lock, and without its journal: the effect's own files tell whether it is open.
// conflict: it has ended, and whoever works on it may stop.
[[nodiscard]] Status write_heartbeat(RunFolder const& run, std::string const& effect_id,
                                     Heartbeat const& heartbeat);

// Pure. nullopt: the definition asks for no signs of life.
[[nodiscard]] std::optional<Millis> heartbeat_timeout(json::value const& definition);
// Pure. When an open effect has been silent for too long. Effects of kinds that drover carries out
// count from the first sign of somebody else's; others from when they were asked for.
[[nodiscard]] std::optional<WallTime> silent_at(Effect const& effect, json::value const& definition,
                                                std::optional<Heartbeat> const& last);
// Pure. How such an effect ends.
[[nodiscard]] TaskResult silent_result(Millis timeout, json::value details);

}  // namespace drover::workflow
