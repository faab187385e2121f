#pragma once
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "base/random.h"
#include "base/time.h"
#include "workflow/host_process.h"
#include "workflow/run_folder.h"

namespace drover::workflow {

// What the process answers to a query where it rests. A run that can go on is brought on first, as
// by iterate.
[[nodiscard]] Result<json::value> query(RunFolder const& run, std::string_view name,
                                        json::value const& arguments, HostSpec const& host,
                                        Clock const& clock, Random& random);

}  // namespace drover::workflow
