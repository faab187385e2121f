#pragma once
// Randomness is passed in, so that a simulator can seed it.
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>

namespace drover {

// Thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<std::byte> out) = 0;
  // Uniform below `bound`, which is above 0.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound);
};

// The kernel's generator (getrandom), good for keys and tokens.
class SystemRandom final : public Random {
 public:
  void fill(std::span<std::byte> out) override;
};

// Reproducible from its seed: for tests and the simulator. Not thread-safe.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  void fill(std::span<std::byte> out) override;

 private:
  std::mt19937_64 engine_;
};

}  // namespace drover
