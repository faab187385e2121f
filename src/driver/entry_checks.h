#pragma once
// Whether the process of a run that is to be made can be loaded, which takes a start of Node. Asked
// once for each file as it stands: what it imports may change unseen, and is then found wrong by
// the run's first step. Blocking, for any thread.
#include <cstddef>
#include <mutex>
#include <set>
#include <string>

#include "base/error.h"
#include "workflow/host_process.h"
#include "workflow/run_record.h"

namespace drover::driver {

class EntryChecks {
 public:
  static constexpr std::size_t kKept = 1000;

  // As workflow::check_entry says.
  [[nodiscard]] Status check(workflow::Entrypoint const& entry, workflow::HostSpec const& host);

 private:
  std::mutex lock_;
  std::set<std::string> loadable_;  // by file, what it is, and function
};

}  // namespace drover::driver
