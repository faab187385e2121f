#include "server/job_process.h"

#include <fmt/format.h>
#include <unistd.h>

#include <string_view>

#include "os/files.h"
#include "os/process.h"

namespace drover::server {

Result<std::vector<std::string>> job_command(JoinOptions const& options) {
  auto const folder = os::executable_folder();
  if (!folder) return std::unexpected(folder.error());
  return std::vector<std::string>{*folder + "/drover",
                                  "worker",
                                  "--assigned",
                                  "--join",
                                  options.url,
                                  "--mode",
                                  "job",
                                  "--lease",
                                  fmt::format("{}ms", options.lease.count()),
                                  "--drain-timeout",
                                  fmt::format("{}ms", options.drain.count())};
}

std::vector<std::string> job_environment(Secret const& token) {
  std::vector<std::string> variables;
  for (char** at = environ; *at != nullptr; ++at) {
    std::string_view const variable{*at};
    bool const replaced =
        variable.starts_with("DROVER_TOKEN=") || variable.starts_with("DROVER_STATE_DIR=");
    if (!replaced) variables.emplace_back(variable);
  }
  variables.push_back("DROVER_TOKEN=" + token.reveal());
  return variables;
}

Result<os::Fd> watch_parent(pid_t parent) {
  auto end = os::open_process(parent);
  // Looked at after it was opened: from then on it cannot be another process.
  if (end && ::getppid() == parent) return end;
  return fail(ErrorCode::cancelled, "the worker that started this job has ended");
}

}  // namespace drover::server
