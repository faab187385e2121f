#pragma once
// From the name that a user gives a model to the upstream that serves it. Pure.
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "gateway/gateway_config.h"

namespace drover::gateway {

struct ModelRoute {
  std::string upstream;  // empty: scripted
  std::string model;     // as it stands in requests to the upstream
  std::string script;    // scripted: absolute path of the script

  [[nodiscard]] bool is_scripted() const { return !script.empty(); }
  friend bool operator==(ModelRoute const&, ModelRoute const&) = default;
};

// "scripted:<absolute file>", a name of [models], "<upstream>/<name>", or a name that one of the
// upstreams has among its `models`: the longest that fits, then the first by the alphabet.
[[nodiscard]] Result<ModelRoute> find_model(GatewayConfig const& config, std::string_view name);
// The models to fall back to, those of `first` before those that [models] says, each once and never
// the model itself. Those that are not
// there are errors, so that a typing mistake is found before it is needed.
[[nodiscard]] Result<std::vector<ModelRoute>> find_fallbacks(GatewayConfig const& config,
                                                             std::string_view name,
                                                             std::vector<std::string> const& first);

}  // namespace drover::gateway
