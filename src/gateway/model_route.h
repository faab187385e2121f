#pragma once
// From the name that a user gives a model to the provider that serves it. Pure.
#include <string>
#include <string_view>

#include "base/error.h"

namespace drover::gateway {

struct ModelRoute {
  enum class Provider : std::uint8_t { anthropic, scripted };
  Provider provider = Provider::anthropic;
  std::string model;   // as it stands in requests to the provider
  std::string script;  // Provider::scripted: absolute path of the script
};

// "anthropic/<name>", a bare "claude-…", or "scripted:<absolute file>".
[[nodiscard]] Result<ModelRoute> parse_model_name(std::string_view name);

}  // namespace drover::gateway
