#pragma once
// What the gateway takes out of an answer on its way to the unit. Pure and incremental: bytes in
// any cut, bytes out; what is held back is bounded.
#include <string>
#include <string_view>

#include "base/secret.h"

namespace drover::gateway {

// The upstream's key, should it come back in an answer, becomes "***".
class KeyFilter {
 public:
  explicit KeyFilter(Secret key) : key_(std::move(key)) {}

  // Holds back only an end that may be the beginning of the key.
  [[nodiscard]] std::string feed(std::string bytes);
  // What was held back.
  [[nodiscard]] std::string finish();
  // A whole text.
  [[nodiscard]] static std::string clean(std::string text, Secret const& key);

 private:
  Secret key_;
  std::string held_;
};

// The chunk of a chat stream that says only what it used: the gateway has asked for it, and a unit
// that did not would not expect it.
class ChatUsageFilter {
 public:
  // An event above this goes through as it is, and so does all behind it.
  static constexpr std::size_t kEventBytesMax = std::size_t{1} << 20U;

  [[nodiscard]] std::string feed(std::string_view bytes);
  [[nodiscard]] std::string finish();

 private:
  std::string held_;  // the event whose end has not come
  bool open_ = false;
};

}  // namespace drover::gateway
