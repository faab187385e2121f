#pragma once
// What a pass of the reconciler is asked, and what it answers. Plain values.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace drover::fleet {

// Whether what failed lately is left alone until its time has come.
enum class Waits : std::uint8_t { respected, ignored };

struct Scope {
  std::optional<std::string> agent{};  // none: all
  Waits waits = Waits::respected;

  [[nodiscard]] bool has(std::string const& other) const { return !agent || *agent == other; }
};

struct Failure {
  std::string instance{};
  Error error{};
};
// The instances, by what became of them.
struct Summary {
  std::vector<std::string> created{};
  std::vector<std::string> removed{};
  std::vector<std::string> unchanged{};
  std::vector<std::string> updated{};
  std::vector<Failure> failed{};
};

}  // namespace drover::fleet
