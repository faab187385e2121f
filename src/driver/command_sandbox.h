#pragma once
// The sandbox of a command: where its program works, what it sees of the run, what it is told.
// Pure; the paths are canonical already.
//
// It sees the host's /usr read-only, the run's working folder at its own path, as its definition
// says, and nothing of the run but a folder of its own: `inputs.json` is there, and a node leaves
// its result in `output.json`. Runs that lie in the working folder are read-only.
#include <string>
#include <vector>

#include "base/error.h"
#include "base/paths.h"
#include "driver/effect_work.h"
#include "sandbox/spec.h"

namespace drover::driver {

inline constexpr std::string_view kExchangeInside = "/run/drover/effect";
inline constexpr std::string_view kHeartbeatFile = "heartbeat";  // in there

struct CommandPlace {
  std::string id;          // of the sandbox: a slug
  std::string folder;      // the run's working folder; empty: it has none
  std::string git;         // its .git, where it has one
  std::string runs_root;   // that holds the run
  std::string run_folder;  //
  std::string exchange;    // of this effect alone
  std::string node;        // the program, for a node
  std::string run_id;
  std::string effect_id;
  std::vector<std::string> extra_ro_paths{};  // where node is, if not in /usr
};

// invalid_argument: a folder that the sandbox does not have.
[[nodiscard]] Result<sandbox::SandboxSpec> command_spec(CommandWork const& work,
                                                        CommandPlace const& place);

}  // namespace drover::driver
