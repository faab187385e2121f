#include "schedule/placeholders.h"

#include <fmt/format.h>

#include <charconv>

#include <boost/json.hpp>

#include "base/text.h"

namespace drover::schedule {

namespace {

json::value const* member_of(json::value const& value, std::string_view name) {
  if (value.is_object()) return value.get_object().if_contains(name);
  if (!value.is_array()) return nullptr;
  std::size_t index = 0;
  auto const [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  if (error != std::errc{} || end != name.data() + name.size()) return nullptr;
  return value.get_array().if_contains(index);
}

std::string shown(json::value const& value) {
  std::string text = value.is_string() ? std::string{value.get_string()} : json::serialize(value);
  if (text.size() <= kInsertedBytesMax) return text;
  auto const bytes = text.size();
  return fmt::format("{}… (cut: {} bytes, {} shown)", utf8_prefix(text, kInsertedBytesMax), bytes,
                     kInsertedBytesMax);
}

// What stands for `path`, which begins behind "event"; "" where the event lacks it.
std::string look_up(std::string_view path, json::value const& event) {
  json::value const* value = &event;
  for (std::string_view const name : split(path, '.')) {
    value = member_of(*value, name);
    if (value == nullptr || value->is_null()) return {};
  }
  return shown(*value);
}

}  // namespace

Result<std::string> fill_placeholders(std::string_view text, json::value const& event) {
  constexpr std::string_view kRoot = "event.";
  std::string filled;
  for (;;) {
    auto const open = text.find("{{");
    auto const close = open == std::string_view::npos ? open : text.find("}}", open);
    if (close == std::string_view::npos) break;
    filled += text.substr(0, open);
    auto const path = trim(text.substr(open + 2, close - open - 2));
    if (path.starts_with(kRoot)) {
      filled += look_up(path.substr(kRoot.size()), event);
      text.remove_prefix(close + 2);
    } else {
      // One brace on, so that "{{{event.id}}" is found behind the first.
      filled += '{';
      text.remove_prefix(open + 1);
    }
    if (filled.size() > kFilledBytesMax)
      return fail(ErrorCode::too_large,
                  "the prompt with the event's values is over the limit of {} bytes",
                  kFilledBytesMax);
  }
  filled += text;
  return filled;
}

}  // namespace drover::schedule
