#pragma once
// A run as one value that can be carried elsewhere: all its files, to the byte, but for what is
// derived. And its history as a trace, for tools that draw those. Blocking where it says run
// folder.
#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "base/random.h"
#include "base/time.h"
#include "workflow/open_run.h"
#include "workflow/run_folder.h"

namespace drover::workflow {

inline constexpr std::string_view kBundleFormat = "drover.workflow-run.v1";
inline constexpr std::size_t kBundleBytesMax = std::size_t{256} << 20U;

// {format, runId, exportedAt, files: {PATH: {text} or {hex}}}. too_large: more than
// kBundleBytesMax.
[[nodiscard]] Result<json::object> bundle_run(RunFolder const& run, Clock const& clock);

struct ImportedRun {
  RunFolder folder{""};
  std::uint64_t entries = 0;
};
// A run out of a bundle, in a new directory: all of it or nothing. `run_id`: under another id than
// its own, as for a copy beside it; empty: its own. data_corrupt: not the whole of a run, or a path
// that leaves the run directory. conflict: the id is taken.
[[nodiscard]] Result<ImportedRun> unbundle_run(json::value const& bundle,
                                               std::string const& runs_root,
                                               std::string const& run_id, Clock const& clock,
                                               Random& random);

// The run as a span and each effect as one in it, in the JSON of OTLP/HTTP (a TracesData). Pure.
[[nodiscard]] json::object trace_of(RunView const& run);

}  // namespace drover::workflow
