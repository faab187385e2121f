#pragma once
// The body of `GET /v1/models` for a unit: the model of its run and no other. Pure.
#include <string>
#include <string_view>

namespace drover::gateway {

// The two vendors' clients read different members of an entry; one body has both.
[[nodiscard]] std::string model_list(std::string_view model);
[[nodiscard]] std::string model_entry(std::string_view model);

}  // namespace drover::gateway
