#pragma once
// A unified diff for people: coloured, harmless for the terminal, bounded in lines. Pure.
#include <cstddef>
#include <string>
#include <string_view>

#include "cli/style.h"

namespace drover::cli {

inline constexpr std::size_t kDiffLinesMax = 200;  // under a run's transcript

struct DiffView {
  std::string text;
  std::size_t lines_left_out = 0;
};

// At most `lines_max` lines; 0 is no bound.
[[nodiscard]] DiffView view_diff(std::string_view diff, Style const& style, std::size_t lines_max);

}  // namespace drover::cli
