#include "schedule/event_match.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include <boost/json.hpp>

#include "base/text.h"

namespace drover::schedule {

namespace {

// "~1" is "/", "~0" is "~".
std::string unescaped(std::string_view token) {
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    bool const escape = token[i] == '~' && i + 1 < token.size();
    if (escape && token[i + 1] == '1') {
      out += '/';
      ++i;
    } else if (escape && token[i + 1] == '0') {
      out += '~';
      ++i;
    } else {
      out += token[i];
    }
  }
  return out;
}

std::optional<std::size_t> index_of(std::string_view token) {
  std::size_t index = 0;
  auto const [end, error] = std::from_chars(token.data(), token.data() + token.size(), index);
  bool const whole = error == std::errc{} && end == token.data() + token.size();
  // No second name for one element.
  if (!whole || (token.size() > 1 && token.starts_with('0'))) return std::nullopt;
  return index;
}

bool equal(json::value const& wanted, json::value const& found) {
  if (wanted.is_number() && found.is_number() && wanted.kind() != found.kind())
    return wanted.to_number<double>() == found.to_number<double>();
  return wanted == found;
}

}  // namespace

json::value const* value_at(json::value const& value, std::string_view pointer) {
  if (pointer.empty()) return &value;
  if (!pointer.starts_with('/')) return nullptr;
  json::value const* at = &value;
  for (std::string_view const token : split(pointer.substr(1), '/')) {
    if (at->is_object()) {
      at = at->get_object().if_contains(unescaped(token));
    } else if (at->is_array()) {
      auto const index = index_of(token);
      at = index ? at->get_array().if_contains(*index) : nullptr;
    } else {
      at = nullptr;
    }
    if (at == nullptr) return nullptr;
  }
  return at;
}

bool matches(contract::EventTrigger const& trigger, json::value const& event) {
  if (!event.is_object()) return false;
  auto const& object = event.get_object();
  if (string_or(object, "type", "") != trigger.type) return false;
  if (trigger.source && string_or(object, "source", "") != *trigger.source) return false;
  return std::ranges::all_of(trigger.filter, [&](auto const& condition) {
    auto const* found = value_at(event, condition.first);
    return found != nullptr && equal(condition.second, *found);
  });
}

}  // namespace drover::schedule
