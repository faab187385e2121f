#pragma once
// What a process says with ctx.log: lines of JSON in state/process.log, each once however often the
// process is replayed. Which ones were written is in state/logSeqs.txt, as the SDK notes it. Not
// synced: a log may lose its end in a crash. Blocking.
#include <set>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "workflow/run_folder.h"

namespace drover::workflow {

class ProcessLog {
 public:
  // `entries`: {seq, label?, message} each.
  [[nodiscard]] Status add(RunFolder const& run, json::array const& entries, std::string_view now);

 private:
  void read_written(RunFolder const& run);

  bool read_ = false;
  std::set<std::string> written_;  // numbers, as they stand in the file
};

}  // namespace drover::workflow
