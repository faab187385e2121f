#pragma once
// What makes an effect the same effect in every replay: its step id, of which the invocation key is
// made. New runs get keys of the sixth generation of the format: task, label, the shape of the
// arguments, and how many of these there were before. Older runs count calls. Pure.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace drover::workflow {

// Which tool's habits a run follows. A property of the run, not of the file: the layout's version
// is the same in both.
enum class Generation : std::uint8_t {
  counted,  // step ids S000001, S000002, … in the order of calls (SDK 0.x)
  shaped,   // step ids task.label.shape.n (SDK 6)
};

// "S" and six digits, or what `ordinal` needs.
[[nodiscard]] std::string counted_step_id(std::uint64_t ordinal);
[[nodiscard]] std::optional<std::uint64_t> parse_counted_step_id(std::string_view step_id);

// Trimmed, each run of characters outside [A-Za-z0-9_-] as one "-"; "default" for nothing.
[[nodiscard]] std::string normalized(std::string_view text);
// Of arguments: the first 12 hexadecimal digits of the SHA-256 of their shape, in which each scalar
// is the name of its type. nullptr: undefined.
[[nodiscard]] std::string shape_hash(json::value const* arguments);
// The step id without its count.
[[nodiscard]] std::string shaped_step_base(std::string_view task_id, std::string_view label,
                                           std::string_view shape);

[[nodiscard]] std::string invocation_key(std::string_view process_id, std::string_view step_id,
                                         std::string_view task_id);

// What two arguments have the same of if and only if they are the same JSON value.
[[nodiscard]] std::string arguments_hash(json::value const* arguments);

}  // namespace drover::workflow
