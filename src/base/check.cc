#include "base/check.h"

#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>

namespace drover {

void check_failed(char const* condition, std::source_location where) {
  fmt::print(stderr, "check failed: {} at {}:{} in {}\n", condition, where.file_name(),
             where.line(), where.function_name());
  std::abort();
}

}  // namespace drover
