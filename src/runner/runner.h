#pragma once
// What drives the model in a unit, behind one interface. A runner serves one session; it runs one
// turn at a time, on the unit's thread, and tells the sink. An interrupt reaches it through the
// Waiter of its ports.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/loop.h"
#include "agent/ports.h"
#include "base/error.h"

namespace drover::runner {

struct RunnerOptions {
  std::string runner = "native";
  std::string session;
  std::string session_dir;
  std::string cwd;
  std::string system;
  std::string model;
  std::vector<std::string> tools;
  agent::Tools more_tools;  // beside those that `tools` names
  std::int64_t tokens_max = 8192;
};

class Runner {
 public:
  virtual ~Runner() = default;
  // Ends with exactly one `done` to the sink, and gives the same outcome.
  virtual agent::TurnOutcome run_turn(agent::TurnRequest const& request) = 0;
};

// Loads the session. unsupported for a runner that this unit does not have; otherwise the errors of
// agent::Transcript::open.
[[nodiscard]] Result<std::unique_ptr<Runner>> make_runner(RunnerOptions options,
                                                          agent::Loop::Ports ports);

}  // namespace drover::runner
