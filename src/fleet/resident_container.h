#pragma once
// An instance as the container that an engine is asked for: that of any workload, with the same
// walls, which the engine keeps running by itself, with a volume and the labels of the fleet. Pure.
#include <string>

#include "base/json.h"
#include "fleet/instance.h"
#include "fleet/plan.h"
#include "runtime/container_spec.h"

namespace drover::fleet {

// `body` is that of runtime::container_request().
[[nodiscard]] json::object resident_body(Instance const& instance, std::string const& server,
                                         json::object body);
[[nodiscard]] json::object volume_labels(Instance const& instance, std::string const& server);
[[nodiscard]] Actual actual_of(runtime::Container const& container);

}  // namespace drover::fleet
