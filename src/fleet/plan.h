#pragma once
// What has to be done so that an engine has what is wanted of it. Pure, and level-triggered: it
// looks at what there is, never at what was done before. Whose a container is, its labels say; its
// name is for people.
//
// Once the steps are carried out, a second look has none. In between, at any point, no two
// containers of one instance run, for they would share its state.
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "fleet/instance.h"

namespace drover::fleet {

enum class Phase : std::uint8_t { created, running, restarting, paused, ended, removing };
[[nodiscard]] std::string_view to_string(Phase phase);

// A container with the labels of this server's fleet.
struct Actual {
  std::string id{};
  std::string name{};
  std::string instance{};  // of its labels, as are the next two
  std::string agent{};
  std::string hash{};
  Phase phase = Phase::created;
  bool image_moved = false;  // its image's name means another image by now
  bool spoiled = false;      // what a turn left in it does not go away
};

struct Step {
  enum class Kind : std::uint8_t {
    create,  // not started; prepares its image and volume, and fails before anything was stopped
    start,
    unpause,
    rename,  // to the name of the instance
    remove,  // asks it to end, waits its grace, then takes it away; its volume stays
  };
  Kind kind = Kind::create;
  std::string container{};  // empty: the one that was created
  std::string name{};       // of create and rename
  friend bool operator==(Step const&, Step const&) = default;
};
[[nodiscard]] std::string_view to_string(Step::Kind kind);

enum class Outcome : std::uint8_t { unchanged, created, updated, removed, failed };
[[nodiscard]] std::string_view to_string(Outcome outcome);

struct InstancePlan {
  std::string instance{};
  Outcome outcome = Outcome::unchanged;  // once the steps have succeeded
  std::vector<Step> steps{};             // in this order; the rest is of no use after one failed
  std::string reason{};                  // of failed: what has to be waited for
};

using WantedInstances = std::map<std::string, Instance, std::less<>>;
using InstanceNames = std::set<std::string, std::less<>>;

// One for each instance that is wanted or there; those in `kept` are nobody's to change.
[[nodiscard]] std::vector<InstancePlan> plan(WantedInstances const& wanted,
                                             InstanceNames const& kept,
                                             std::vector<Actual> const& actual,
                                             std::string_view prefix);

}  // namespace drover::fleet
