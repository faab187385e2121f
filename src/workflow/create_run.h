#pragma once
// A new run directory: all of it or nothing, and never over another. Blocking.
#include <optional>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "base/random.h"
#include "base/time.h"
#include "workflow/open_run.h"
#include "workflow/run_folder.h"
#include "workflow/run_record.h"

namespace drover::workflow {

struct NewRun {
  std::string runs_root;            // absolute
  std::string run_id;               // empty: a new ULID
  std::string process_id;           // empty: "bare-run" where there is no entry
  std::optional<Entrypoint> entry;  // an absolute path; nullopt: assigned later
  std::optional<json::value> inputs;
  std::string request;
  std::string prompt;
  std::string harness;
  std::string process_revision;
  std::string cwd;
  bool non_interactive = false;
};

struct CreatedRun {
  RunFolder folder{""};
  RunRecord record;
  bool existed = false;  // the same run was there before
};
// conflict: a run of this id with another process or other inputs.
[[nodiscard]] Result<CreatedRun> create_run(NewRun const& wanted, Clock const& clock,
                                            Random& random);

struct Assignment {
  Entrypoint entry;        // an absolute path
  std::string process_id;  // empty: the run's
  std::string process_revision;
  bool force = false;
};
struct Assigned {
  Entrypoint previous;
  std::string process_id;
};
// conflict: the run has a process, and `force` is not set.
[[nodiscard]] Result<Assigned> assign_process(OpenRun& run, Assignment const& wanted);

// Of the file that a run's process begins in; empty: it is in none.
[[nodiscard]] Result<std::string> code_hash(RunFolder const& run, Entrypoint const& entry);
[[nodiscard]] std::string entry_file(RunFolder const& run, Entrypoint const& entry);

}  // namespace drover::workflow
