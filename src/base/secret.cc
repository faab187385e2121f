#include "base/secret.h"

#include <cstring>

namespace drover {

Secret::Secret(std::string value) {
  value_.swap(value);
  // A short string is copied, not handed over, and leaves its bytes behind in the argument.
  value.resize(value.capacity());
  explicit_bzero(value.data(), value.size());
}

bool Secret::equals(std::string_view other) const {
  unsigned difference = value_.size() == other.size() ? 0 : 1;
  for (std::size_t i = 0; i < other.size(); ++i) {
    char const mine = value_.empty() ? '\0' : value_[i % value_.size()];
    difference |= static_cast<unsigned char>(mine ^ other[i]);
  }
  return difference == 0;
}

void Secret::wipe() {
  if (!value_.empty()) explicit_bzero(value_.data(), value_.size());
  value_.clear();
}

}  // namespace drover
