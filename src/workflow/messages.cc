#include "workflow/messages.h"

namespace drover::workflow {

json::array const& array_of(json::object const& message, std::string_view key) {
  static json::array const kNone;
  auto const* const value = message.if_contains(key);
  return value != nullptr && value->is_array() ? value->get_array() : kNone;
}

std::uint64_t number_of(json::object const& message) {
  return static_cast<std::uint64_t>(integer_or(message, "n", 0));
}

std::string text_of(json::object const& message, std::string_view key) {
  return std::string{string_or(message, key, "")};
}

}  // namespace drover::workflow
