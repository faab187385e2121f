#pragma once
// Which instances there are to be, from the agents. Pure.
//
// Names: replica 2 of `dev` and an agent that is really called `dev-2` would be one name. It is
// whose it has been since it was first used, until that is wiped; of two that are new, the agent's
// own. The other one is refused, with what to do. So is one whose state is with another backend,
// where it would begin anew without a word.
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "contract/agent.h"
#include "fleet/instance.h"

namespace drover::fleet {

struct FleetPlaces {
  std::string prefix{kPrefixUsual};
  std::string state_folder{};   // of the host, the server's
  std::string unit_program{};   // of the host
  std::string unit_digest{};    // of its content
  std::string backend{};        // of agents that name none
  std::string image{};          // likewise
  std::string engine_socket{};  // never to be mounted
};

// `<state>/residents/<instance>`, and in it what the server and the instance share.
[[nodiscard]] std::string instance_folder(FleetPlaces const& places, std::string_view instance);
// Where the server listens for the program inside.
[[nodiscard]] std::string line_folder(FleetPlaces const& places, std::string_view instance);
// The state of an instance of the process backend.
[[nodiscard]] std::string state_folder(FleetPlaces const& places, std::string_view instance);
[[nodiscard]] std::string credentials_folder(FleetPlaces const& places, std::string_view type);

// What is known of a name since it was first used.
struct Known {
  Replica of{};
  std::string backend{};  // where its state is
  uid_t uid = 0;
  std::string volume{};
  bool volume_made = false;
};
using KnownInstances = std::map<std::string, Known, std::less<>>;

struct Refused {
  std::string instance{};
  Replica of{};
  Error error{};
};

struct Wanted {
  std::map<std::string, Instance, std::less<>> instances{};
  std::vector<Refused> refused{};  // theirs is left as it is
};
[[nodiscard]] Wanted wanted_fleet(std::vector<contract::AgentSpec> const& agents,
                                  KnownInstances const& known, FleetPlaces const& places);

// What runs inside: drover's own program, which waits for turns.
[[nodiscard]] std::vector<std::string> resident_argv();

}  // namespace drover::fleet
