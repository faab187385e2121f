#include "base/random.h"

#include <sys/random.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "base/check.h"

namespace drover {

std::uint64_t Random::below(std::uint64_t bound) {
  DROVER_CHECK(bound > 0);
  // Values above the largest multiple of the bound would favour small results.
  std::uint64_t const limit = std::numeric_limits<std::uint64_t>::max() / bound * bound;
  std::uint64_t value = 0;
  do {
    fill(std::as_writable_bytes(std::span{&value, 1}));
  } while (value >= limit);
  return value % bound;
}

void SystemRandom::fill(std::span<std::byte> out) {
  while (!out.empty()) {
    ssize_t const got = getrandom(out.data(), out.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    DROVER_CHECK(got > 0);
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

void SeededRandom::fill(std::span<std::byte> out) {
  while (!out.empty()) {
    std::uint64_t const word = engine_();
    std::size_t const count = out.size() < sizeof word ? out.size() : sizeof word;
    std::memcpy(out.data(), &word, count);
    out = out.subspan(count);
  }
}

}  // namespace drover
