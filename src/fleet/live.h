#pragma once
// The instances whose program runs, for whoever gives them turns. Plain values.
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>

#include "fleet/instance.h"

namespace drover::fleet {

struct LiveInstance {
  std::string name{};
  Replica of{};
  std::string backend{};
  std::string container{};  // its id with the engine; of the process backend the workload's
  std::string hash{};
  uid_t uid = 0;  // of its program on the host; 0 where drover is not root
};
enum class LiveChange : std::uint8_t { came, gone };
using LiveListener = std::function<void(LiveInstance const&, LiveChange)>;

// What its program has said of itself.
enum class Busy : std::uint8_t { no, yes };

}  // namespace drover::fleet
