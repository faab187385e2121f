#pragma once
// Asserts that stay on in every build: for arguments, invariants and decoded data of our own.
// Never for user input, which gets an Error.
#include <source_location>

namespace drover {

// Logs the failed condition with its place, and aborts.
[[noreturn]] void check_failed(char const* condition, std::source_location where);

}  // namespace drover

#define DROVER_CHECK(condition)                                                            \
  do {                                                                                     \
    if (!(condition)) ::drover::check_failed(#condition, std::source_location::current()); \
  } while (false)
