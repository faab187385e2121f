#pragma once
// A yes or no of whoever sits at the terminal. Blocking.
#include <cstdint>
#include <string_view>

#include "cli/screen.h"

namespace drover::cli {

enum class Answer : std::uint8_t { no, yes };

// Whether there is somebody: stdin and stderr are terminals.
[[nodiscard]] bool can_ask(Screen const& screen);
// `question` with what an empty line means: "Write it? [y/N]". The end of the input is no.
[[nodiscard]] Answer ask(Screen& screen, std::string_view question, Answer usual);

}  // namespace drover::cli
