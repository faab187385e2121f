#include "worker/worker_mode.h"

#include "base/text.h"

namespace drover::worker {

std::string_view to_string(WorkerMode mode) {
  switch (mode) {
    case WorkerMode::daemon:
      return "daemon";
    case WorkerMode::job:
      return "job";
    case WorkerMode::hybrid:
      return "hybrid";
  }
  return "daemon";
}

Result<WorkerMode> parse_worker_mode(std::string_view text) {
  for (WorkerMode const mode : {WorkerMode::daemon, WorkerMode::job, WorkerMode::hybrid})
    if (to_string(mode) == text) return mode;
  return fail(ErrorCode::invalid_argument, "a worker's mode is daemon, job or hybrid, not '{}'",
              printable(text, 40));
}

}  // namespace drover::worker
