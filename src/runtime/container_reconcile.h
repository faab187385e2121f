#pragma once
// What the engine has against what this server knows, compared whenever the stream of events
// begins: what happened while nobody listened is found, and what nobody knows of goes. Pure.
#include <string>
#include <vector>

#include "base/id.h"
#include "runtime/engine_replies.h"

namespace drover::runtime {

// How far a live workload of this server has come.
enum class ContainerPhase : std::uint8_t {
  creating,  // its container is being made right now, by this process
  started,
  adopting,  // of an earlier process; its container is looked for
};

struct KnownContainer {
  WorkloadId workload{};
  std::string container{};  // its id; empty unless it has started
  std::string spec{};       // its digest
  ContainerPhase phase = ContainerPhase::creating;
};

struct ReconcileStep {
  enum class Kind : std::uint8_t {
    adopt,   // the workload has this container
    finish,  // the container has ended or is gone: look how, and end the workload
    lose,    // the workload has no container any more
    remove,  // a container that belongs to nothing
  };
  Kind kind = Kind::remove;
  WorkloadId workload{};    // empty for remove
  std::string container{};  // empty for lose

  friend bool operator==(ReconcileStep const&, ReconcileStep const&) = default;
};

// Containers without this server's label are somebody else's and never in a step. Once its steps
// are done, a second look has none.
[[nodiscard]] std::vector<ReconcileStep> reconcile_containers(
    std::string const& server, std::vector<KnownContainer> const& known,
    std::vector<Container> const& seen);

}  // namespace drover::runtime
