#pragma once
// What happened in a history, line by line: hashed, so that two of them can be compared, and
// printed where somebody wants to read it. Also the seeded dice.
#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <iterator>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "sim/machine.h"

namespace drover::sim {

// An invariant does not hold.
class Violation : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class TraceMode : std::uint8_t { hash, print };

class Trace {
 public:
  Trace(Machine const& machine, TraceMode mode) : machine_(&machine), mode_(mode) {}

  template <class... Args>
  void note(fmt::format_string<Args...> format, Args&&... args) {
    line_.clear();
    fmt::format_to(std::back_inserter(line_), "{} ", machine_->since_boot().count() / 1000);
    fmt::format_to(std::back_inserter(line_), format, std::forward<Args>(args)...);
    hash_ ^= std::hash<std::string_view>{}({line_.data(), line_.size()});
    hash_ *= 0x100000001b3ULL;
    ++lines_;
    if (mode_ == TraceMode::print) fmt::print("{:5} {}\n", lines_, fmt::to_string(line_));
  }
  template <class... Args>
  [[noreturn]] void violated(std::string_view invariant, fmt::format_string<Args...> format,
                             Args&&... args) {
    std::string const what =
        fmt::format("{}: {}", invariant, fmt::format(format, std::forward<Args>(args)...));
    note("VIOLATED {}", what);
    throw Violation{fmt::format("step {}: {}", lines_, what)};
  }

  [[nodiscard]] std::uint64_t hash() const { return hash_; }
  [[nodiscard]] std::uint64_t steps() const { return lines_; }

 private:
  Machine const* machine_;
  TraceMode mode_;
  fmt::memory_buffer line_;
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
  std::uint64_t lines_ = 0;
};

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed * 0x9e3779b97f4a7c15ULL + 1) {}
  // 0 to bound-1.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }
  [[nodiscard]] bool one_in(std::uint64_t n) { return below(n) == 0; }
  [[nodiscard]] Nanos between(Nanos from, Nanos to) {
    auto const span = static_cast<std::uint64_t>((to - from).count());
    return from + Nanos{static_cast<std::int64_t>(below(span + 1))};
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace drover::sim
