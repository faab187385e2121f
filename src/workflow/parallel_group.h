#pragma once
// What groups effects that wait together, for executors that start them together. Pure.
#include <string>
#include <vector>

namespace drover::workflow {

// 16 hexadecimal digits of their keys, as the SDK computes them.
[[nodiscard]] std::string parallel_group_id(std::vector<std::string> const& keys);

}  // namespace drover::workflow
