#pragma once
// The fleet of a server, put together: its engines, the reconciler over them, and what an instance
// needs on the host. On the event loop. Life: make, load, any calls, stop.
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "fleet/docker_fleet_engine.h"
#include "fleet/process_fleet_engine.h"
#include "fleet/reconciler.h"
#include "runtime/docker_backend.h"

namespace drover::fleet {

// All outlive the fleet, but for the process backend, which may go before it once the fleet has
// been stopped.
struct FleetParts {
  boost::asio::io_context& io;
  os::BlockingPool& pool;
  Clock const& clock;
  Random& random;
  store::Writer& writer;
  std::function<std::vector<contract::AgentSpec>()> agents;
  runtime::ProcessBackend* process = nullptr;  // null: there is none here
};

struct FleetSettings {
  std::string state_folder{};
  std::string unit_program{};
  std::string backend{};                    // of agents that name none
  runtime::DockerBackendSettings docker{};  // without its folder
  std::string prefix{kPrefixUsual};         // of containers and volumes
  Millis period{60'000};
};

class Fleet {
 public:
  // Blocks: before the loop runs.
  [[nodiscard]] static Result<std::unique_ptr<Fleet>> make(FleetParts const& parts,
                                                           FleetSettings settings);
  Fleet(Fleet const&) = delete;
  Fleet& operator=(Fleet const&) = delete;

  [[nodiscard]] Reconciler& reconciler() { return *reconciler_; }

 private:
  Fleet() = default;

  std::shared_ptr<DockerFleetEngine> docker_;
  std::unique_ptr<ProcessFleetEngine> process_;
  std::unique_ptr<Reconciler> reconciler_;
};

}  // namespace drover::fleet
