#include "workflow/step_id.h"

#include <fmt/format.h>

#include <charconv>

#include "base/digest.h"
#include "base/text.h"
#include "workflow/collation.h"
#include "workflow/js_text.h"

namespace drover::workflow {

namespace {

constexpr std::size_t kCountedDigits = 6;
constexpr std::size_t kShapeDigits = 12;

json::value shape_of(json::value const& value) {
  if (auto const* const items = value.if_array()) {
    json::array shape;
    shape.reserve(items->size());
    for (auto const& item : *items)
      shape.push_back(shape_of(item));
    return shape;
  }
  if (auto const* const members = value.if_object()) {
    json::object shape;
    for (auto const& member : *members)
      shape.emplace(member.key(), shape_of(member.value()));
    return shape;
  }
  if (value.is_string()) return "string";
  if (value.is_bool()) return "boolean";
  if (value.is_null()) return "null";
  return "number";
}

bool stays(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

}  // namespace

std::string counted_step_id(std::uint64_t ordinal) {
  return fmt::format("S{:06}", ordinal);
}

std::optional<std::uint64_t> parse_counted_step_id(std::string_view step_id) {
  if (step_id.size() < kCountedDigits + 1 || step_id.front() != 'S') return std::nullopt;
  std::uint64_t ordinal = 0;
  auto const [end, error] =
      std::from_chars(step_id.data() + 1, step_id.data() + step_id.size(), ordinal);
  if (error != std::errc{} || end != step_id.data() + step_id.size()) return std::nullopt;
  return ordinal;
}

std::string normalized(std::string_view text) {
  std::string result;
  bool replaced = false;
  for (char const c : trim(text)) {
    if (stays(c))
      result += c;
    else if (!replaced)
      result += '-';
    replaced = !stays(c);
  }
  return result.empty() ? "default" : result;
}

std::string shape_hash(json::value const* arguments) {
  json::value const shape = arguments == nullptr ? json::value("undefined") : shape_of(*arguments);
  return sha256_hex(compact_text(sorted_members(shape))).substr(0, kShapeDigits);
}

std::string shaped_step_base(std::string_view task_id, std::string_view label,
                             std::string_view shape) {
  return fmt::format("{}.{}.{}", normalized(task_id), normalized(label), shape);
}

std::string invocation_key(std::string_view process_id, std::string_view step_id,
                           std::string_view task_id) {
  return fmt::format("{}:{}:{}", process_id, step_id, task_id);
}

std::string arguments_hash(json::value const* arguments) {
  return sha256_hex(arguments == nullptr ? "undefined" : compact_text(sorted_members(*arguments)));
}

}  // namespace drover::workflow
