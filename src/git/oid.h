#pragma once
// The name of a git object: 20 bytes of SHA-1. A value; safe to share.
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace drover::git {

inline constexpr std::size_t kOidBytes = 20;

struct Oid {
  std::array<std::uint8_t, kOidBytes> bytes{};

  // Forty lower- or upper-case hexadecimal digits.
  [[nodiscard]] static Result<Oid> parse(std::string_view hex);
  // The first 20 bytes at `raw`.
  [[nodiscard]] static Oid from_raw(char const* raw);

  [[nodiscard]] std::string hex() const;
  [[nodiscard]] std::string_view raw() const;
  [[nodiscard]] bool is_zero() const;
  friend auto operator<=>(Oid const&, Oid const&) = default;
};

}  // namespace drover::git
