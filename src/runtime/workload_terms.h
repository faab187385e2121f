#pragma once
// A workload of the API, as asked for, as what a backend is to start. Pure: folders are looked up
// by whoever calls.
#include <functional>
#include <string>

#include "base/error.h"
#include "contract/workload.h"
#include "runtime/profile.h"
#include "runtime/runtime.h"

namespace drover::runtime {

// The folder of a workspace, which the server knows.
using FindFolder = std::function<Result<std::string>(WorkspaceId const&)>;

// What the caller asks for counts within what the profile allows: less memory and time, never more.
// `name` is what backends know it by: the API's ids are made of anything. invalid_argument for what
// no backend can hold.
[[nodiscard]] Result<WorkloadSpec> workload_spec(WorkloadId name,
                                                 contract::WorkloadSpec const& asked,
                                                 Profile const& profile,
                                                 FindFolder const& find_folder);

// How long it may be untouched; zero: for ever.
[[nodiscard]] Millis idle_limit(contract::WorkloadSpec const& asked, Profile const& profile);

[[nodiscard]] contract::BackendKind backend_kind(std::string_view backend);

}  // namespace drover::runtime
