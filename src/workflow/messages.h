#pragma once
// Reading the host's messages, which are objects of our own making: what is missing is empty. Pure.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"

namespace drover::workflow {

[[nodiscard]] json::array const& array_of(json::object const& message, std::string_view key);
[[nodiscard]] std::string text_of(json::object const& message, std::string_view key);
// The number of an ask.
[[nodiscard]] std::uint64_t number_of(json::object const& message);

}  // namespace drover::workflow
