#pragma once
// Many runs of one process on a real server, used over its API. Errors name the run.
#include <cstdint>
#include <string>
#include <vector>

#include "api_server.h"
#include "base/error.h"
#include "base/json.h"

namespace drover::bench {

// Where a run stands, from its journal: what its directory has is what is durable.
struct CrowdRun {
  std::string id;
  std::string folder;
};

class WorkflowCrowd {
 public:
  // Runs of the process at `entry`, an absolute path. The server is borrowed.
  WorkflowCrowd(ApiServer const& server, std::string entry)
      : server_(server), entry_(std::move(entry)) {}

  // Makes `count` runs with these inputs, by eight clients at once; each is durable when its
  // request is answered.
  [[nodiscard]] Status create(std::string const& prefix, int count, json::object const& inputs);
  [[nodiscard]] std::vector<CrowdRun> const& runs() const { return runs_; }

  // Until every run has that many journal entries.
  [[nodiscard]] Status wait_for_entries(std::size_t count) const;
  // From a signal's request to the run's next effect being in its journal, in ms.
  [[nodiscard]] Result<double> signal_ms(CrowdRun const& run) const;

 private:
  ApiServer const& server_;
  std::string entry_;
  std::vector<CrowdRun> runs_;
};

}  // namespace drover::bench
