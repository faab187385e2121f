#include "workflow/query.h"

#include "workflow/execution.h"

namespace drover::workflow {

Result<json::value> query(RunFolder const& folder, std::string_view name,
                          json::value const& arguments, HostSpec const& host, Clock const& clock,
                          Random& random) {
  auto run = OpenRun::open(folder, "runtime:query", clock, random);
  if (!run) return std::unexpected(run.error());
  auto execution = Execution::start(*run, host);
  if (!execution) return std::unexpected(execution.error());
  auto const pass = execution->pass(*run);
  if (!pass) return std::unexpected(pass.error());
  return execution->query(name, arguments);
}

}  // namespace drover::workflow
