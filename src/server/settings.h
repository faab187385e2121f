#pragma once
// What the environment sets for the server: docs/settings.md.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "broker/labels.h"
#include "broker/stream.h"
#include "driver/host_sandbox.h"
#include "gateway/upstream_set.h"
#include "net/address.h"
#include "runtime/docker_backend.h"
#include "worker/services.h"

namespace drover::server {

inline constexpr std::string_view kProcessBackend = "process";
inline constexpr std::string_view kDockerBackend = "docker";

struct BackendSettings {
  std::string backend{kProcessBackend};     // of agents and workloads that name none
  runtime::DockerBackendSettings docker{};  // without its folder
};

struct Settings {
  std::uint64_t reserve_bytes = 0;
  broker::TrimPolicy keep;
  gateway::UpstreamDefaults upstreams;
  net::Reach schedule_reach = net::Reach::public_only;  // of scheduled requests
  std::vector<std::string> third_party_runners;         // served by third-party workers over Redis
  worker::ThirdPartyLimits third_party;
  broker::Labels worker_labels;
  BackendSettings backends;
  std::size_t workloads_of_owner = 0;  // live at once
  std::string fleet_prefix;            // of the names of resident agents' containers and volumes
  Millis fleet_period{0};              // between two looks of its reconciler
  std::string shared_key_file;         // of HS256 tokens of third parties; empty: none are taken
  driver::HostWall host_wall = driver::HostWall::sandbox;  // around processes of workflows
  std::string public_origin;  // what browsers know this server by; empty: its own address
  Secret broker;  // its address, which may hold a password; empty: the embedded one alone
};

// invalid_argument, naming the variable. Takes the providers' addresses and the broker's out of
// the environment.
[[nodiscard]] Result<Settings> settings_from_environment();

}  // namespace drover::server
