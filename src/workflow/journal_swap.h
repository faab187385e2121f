#pragma once
// Another journal in the place of a run's. Blocking; under the run's lock.
#include <string>
#include <vector>

#include "base/error.h"
#include "workflow/event.h"
#include "workflow/run_folder.h"

namespace drover::workflow {

// The old journal becomes the folder `backup` of the run directory, "journal.bak.<ms>" say. A whole
// journal is there at every moment; after a crash it is the old one or the new one.
[[nodiscard]] Status replace_journal(RunFolder const& run, std::vector<Event> const& events,
                                     Writer writer, std::string_view backup);

}  // namespace drover::workflow
