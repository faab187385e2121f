#include "api/openapi.h"

#include <cstddef>

// The file itself, taken in by the assembler.
asm(R"(
  .section .rodata
  .global drover_openapi_begin
  .global drover_openapi_end
drover_openapi_begin:
  .incbin ")" DROVER_OPENAPI_FILE R"("
drover_openapi_end:
  .byte 0
  .previous
)");

extern "C" {
extern char const drover_openapi_begin[];
extern char const drover_openapi_end[];
}

namespace drover::api {

std::string_view openapi_document() {
  return {drover_openapi_begin,
          static_cast<std::size_t>(drover_openapi_end - drover_openapi_begin)};
}

}  // namespace drover::api
