#pragma once
// The process that a hybrid worker starts for one claim: how it is started, and how it ends with
// its worker.
#include <sys/types.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "os/fd.h"
#include "server/server.h"

namespace drover::server {

// What is started, but for the job's name.
[[nodiscard]] Result<std::vector<std::string>> job_command(JoinOptions const& options);
// This process's, with the token: arguments are everybody's to read. Without the state folder.
[[nodiscard]] std::vector<std::string> job_environment(Secret const& token);
// In the process itself: readable once its worker, which counts its slots, has ended. cancelled
// when that is so already. (A signal at the parent's death comes once for each of its threads, and
// the second would end this process at once.)
[[nodiscard]] Result<os::Fd> watch_parent(pid_t parent);

}  // namespace drover::server
