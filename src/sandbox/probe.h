#pragma once
// What of the sandbox this machine enforces, for people and for `drover doctor`. Blocks: it starts
// real sandboxes.
#include <string>
#include <vector>

#include "base/error.h"

namespace drover::sandbox {

class Launcher;
enum class Maker : std::uint8_t;

enum class LayerState : std::uint8_t { enforced, degraded, missing };
[[nodiscard]] std::string_view to_string(LayerState state);

struct Layer {
  std::string name;
  LayerState state = LayerState::missing;
  std::string how;  // by what it is enforced, or why it is not
  std::string fix;  // empty where enforced
};

// Every layer, in the order of their importance, each tried in a real sandbox. `folders` are those
// of workspaces, which are looked at and not written; canonical paths. Where nothing starts, the
// first layer says why and the rest is left out. Sweeps first.
[[nodiscard]] std::vector<Layer> probe(Launcher& launcher,
                                       std::vector<std::string> const& folders = {});

// The whole of it, where there may be no launcher either. The verdict is require_sandbox()'s: what
// a server would say at its start.
struct Examination {
  Status verdict{};
  std::vector<Layer> layers{};
};
[[nodiscard]] Examination examine(std::vector<std::string> const& folders, Maker maker);

// Starts a sandbox with every layer. unsupported where this machine has none, with the feature that
// is missing and the fix. Sweeps first.
[[nodiscard]] Status require_sandbox(Launcher& launcher);

// Control groups of processes that were killed while they tried a sandbox or ran a workflow's code
// in one, and what still runs in them. What is left of one that
// cannot be removed is the next process's to try.
void sweep_probes(Launcher const& launcher);

// The limits that cannot hold here: asked for they are refused, by default they are left out.
[[nodiscard]] std::vector<Layer> missing_limits(Launcher const& launcher);

// Why this host refuses namespaces, as an instruction; empty where nothing is known to be wrong.
[[nodiscard]] std::string namespace_fix();

}  // namespace drover::sandbox
