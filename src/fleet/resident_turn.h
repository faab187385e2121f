#pragma once
// An instance that runs, and the turn that it is lent to. Plain state of the event loop; who
// changes it is resident_places.h and resident_backend.h.
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fleet/resident_line.h"
#include "fleet/turn_places.h"
#include "runtime/workload_book.h"
#include "sandbox/growth_watch.h"

namespace drover::fleet {

inline constexpr int kKilled = 128 + 9;  // the exit status of what SIGKILL has ended

struct ResidentPlace;
using PlacePtr = std::shared_ptr<ResidentPlace>;

struct Turn : runtime::Workload {
  using Workload::Workload;

  PlacePtr place;  // once one was free
  std::shared_ptr<sandbox::GrowthWatch::Watched> growth;
  bool frozen = false;
  bool ending = false;
};
using TurnPtr = std::shared_ptr<Turn>;

// What a person has asked to be run.
struct ResidentCommand {
  std::vector<std::string> argv{};
  std::function<void(bool error_stream, std::string const& text)> output{};
};

struct ResidentPlace {
  TurnPlace instance;
  std::unique_ptr<ResidentLine> line;
  std::chrono::steady_clock::time_point heard{};
  TurnPtr turn;            // what it works on
  bool resetting = false;  // after a turn, or before one
  bool gone = false;       // its program has ended, or is another one
  std::map<std::string, ResidentCommand const*> commands{};
  std::map<std::string, int> ended_commands{};

  [[nodiscard]] bool free_for(std::string const& agent) const {
    return instance.agent == agent && turn == nullptr && !resetting && line->connected();
  }
};

}  // namespace drover::fleet
