#pragma once
// Labels: what a worker has, and what a task asks of the worker that is to have it. Pure.
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace drover::broker {

using Labels = std::map<std::string, std::string>;

inline constexpr std::size_t kLabelsAskedMax = 8;  // by one task
inline constexpr std::size_t kLabelsMax = 100;     // of one worker
inline constexpr std::size_t kLabelBytesMax = 63;  // of a name, and of a value

// A name is letters, digits and . _ / -; a value may also hold : = + @. Both have 1 to
// kLabelBytesMax bytes.
[[nodiscard]] Status check_labels(Labels const& labels, std::size_t most);
// Whether every label asked for is there, with that value.
[[nodiscard]] bool has_labels(Labels const& there, Labels const& asked);

// "gpu=a100,zone=eu"; empty for none. Equal labels print the same, others differently.
[[nodiscard]] std::string print_labels(Labels const& labels);
// Of such a list, which may have spaces around its members. A name that comes twice is an error.
[[nodiscard]] Result<Labels> parse_labels(std::string_view text);
// "gpu=a100", its first "=" in the middle.
[[nodiscard]] Result<std::pair<std::string, std::string>> parse_label(std::string_view text);

}  // namespace drover::broker
