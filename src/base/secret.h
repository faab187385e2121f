#pragma once
// A credential. It cannot be formatted, logged or compared by accident, and its memory is wiped.
#include <fmt/core.h>

#include <string>
#include <string_view>

namespace drover {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value);
  Secret(Secret const&) = default;
  Secret(Secret&& other) noexcept : value_(other.value_) { other.wipe(); }
  Secret& operator=(Secret other) noexcept {
    value_.swap(other.value_);
    return *this;
  }
  ~Secret() { wipe(); }

  // The value, for the one place that sends it.
  [[nodiscard]] std::string const& reveal() const { return value_; }
  [[nodiscard]] bool empty() const { return value_.empty(); }
  // Takes the same time wherever the two differ.
  [[nodiscard]] bool equals(std::string_view other) const;

 private:
  void wipe();
  std::string value_;
};

}  // namespace drover

template <>
struct fmt::formatter<drover::Secret> : fmt::formatter<std::string_view> {
  auto format(drover::Secret const&, fmt::format_context& context) const {
    return fmt::formatter<std::string_view>::format("***", context);
  }
};
