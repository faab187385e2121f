#pragma once
// Where run directories are: what the user named, what the SDK's environment variables say, its
// usual places. Pure but for looking whether a run is there.
#include <string>
#include <vector>

#include "base/error.h"
#include "workflow/run_folder.h"

namespace drover::workflow {

struct RunsPlaces {
  std::string runs_dir;           // --runs-dir; may be empty, and relative
  std::string env_runs_dir;       // BABYSITTER_RUNS_DIR
  std::string env_scope;          // BABYSITTER_RUNS_SCOPE: "repo", or else
  std::string env_global_folder;  // BABYSITTER_GLOBAL_STATE_DIR, in the place of ~/.a5c
  std::string home;
  std::string cwd;  // absolute
};

// For new runs; absolute.
[[nodiscard]] std::string runs_root(RunsPlaces const& places);
// All in which runs are looked for, that one first.
[[nodiscard]] std::vector<std::string> runs_roots(RunsPlaces const& places);

struct FoundRun {
  RunFolder folder{""};  // absolute
  std::string shown;     // as the user named it, where that was a path
};
// A path of a run directory, or the id of one in the roots. not_found names where it was looked
// for.
[[nodiscard]] Result<FoundRun> find_run(std::string const& argument, RunsPlaces const& places);

// All that there are in the roots, by root and name.
[[nodiscard]] std::vector<RunFolder> runs_in(RunsPlaces const& places);

}  // namespace drover::workflow
