#include "workflow/messages.h"

namespace drover::workflow {

json::array const& array_of(json::object const& message, std::string_view key) {
  static json::array const kNone;
  auto const* const value = message.if_contains(key);
  return value != nullptr && value->is_array() ? value->get_array() : kNone;
}

std::uint64_t number_of(json::object const& message) {
  // Of text it is signed; a host in this program passes on what the engine counted with.
  auto const* const n = message.if_contains("n");
  if (n != nullptr && n->is_uint64()) return n->get_uint64();
  return n != nullptr && n->is_int64() ? static_cast<std::uint64_t>(n->get_int64()) : 0;
}

std::string text_of(json::object const& message, std::string_view key) {
  return std::string{string_or(message, key, "")};
}

}  // namespace drover::workflow
