#pragma once
// The OpenAPI 3.1 document of this API, as it is served: src/api/openapi.json.
#include <string_view>

namespace drover::api {

[[nodiscard]] std::string_view openapi_document();

}  // namespace drover::api
