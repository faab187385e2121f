#pragma once
// One step of a run as a command makes it: take the lock, bring the process to where it waits,
// write down what it came to. Blocking.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "base/time.h"
#include "workflow/execution.h"
#include "workflow/open_run.h"

namespace drover::workflow {

enum class IterateState : std::uint8_t { waiting, completed, failed, halted };

struct NextAction {
  Effect effect;
  json::value definition;
  std::optional<WallTime> silent_at{};  // when it ends unless it is heard of, see heartbeat.h
};

struct Iterated {
  IterateState state = IterateState::waiting;
  std::string reason;
  std::vector<NextAction> actions{};  // of a waiting one
  json::value payload{};              // of a halted one
  json::value output{};               // of a completed one
  json::value error{};                // of a failed one
  std::string completion_proof{};     // of a completed one
  std::string continued_as{};         // the run that a continued one became
  std::int64_t count = 0;             // iterations before this one, as the format guesses them
  std::vector<std::string> warnings{};
  std::string run_id{};
  std::string process_id{};
};

// What a run that has ended says, without running anything; nullopt: it has not.
[[nodiscard]] std::optional<Iterated> ended_before(RunRecord const& record, History const& history);

// The earliest of the timers that a run waits for.
[[nodiscard]] std::optional<WallTime> next_timer(Iterated const& iterated);

// Ends those of the effects that nothing was heard of for too long, and notes of the others until
// when they are to be. Whether there were any, for which the run is to be stepped again.
[[nodiscard]] Result<bool> end_silent(OpenRun& run, std::vector<NextAction>& actions);

// Writes down what a pass came to.
[[nodiscard]] Result<Iterated> conclude(OpenRun& run, Pass pass);

// Brings a process that runs to where it waits, and writes that down.
[[nodiscard]] Result<Iterated> step(OpenRun& run, Execution& execution);

// What a run waits for whose process is known to rest where the journal ends: from its directory,
// without the process. nullopt: there is something for the process after all.
[[nodiscard]] Result<std::optional<Iterated>> resting(OpenRun& run);

// Makes a run ready for its process: bare runs are refused, a changed process is noted.
[[nodiscard]] Result<std::vector<std::string>> prepare(OpenRun& run);

// Lets a run go on whose process threw an error. A conflict: it did not.
[[nodiscard]] Status recover(OpenRun& run);

[[nodiscard]] Result<Iterated> iterate(RunFolder const& run, HostSpec const& host,
                                       Clock const& clock, Random& random);

// Loads the process and says whether it has the function, without running it.
[[nodiscard]] Status check_entry(std::string const& path, std::string const& export_name,
                                 HostSpec const& host);

// run:iterate's JSON. `iteration`: as the caller counts it, if he does.
[[nodiscard]] json::object iterated_view(Iterated const& iterated,
                                         std::optional<std::int64_t> iteration);

}  // namespace drover::workflow
