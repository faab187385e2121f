#pragma once
// Mending a journal: what can be read is kept, entries that are lost are made again out of
// task.json and result.json, and what stays lost is said in a report and in the journal itself, so
// that no gap is hidden. The old journal stays beside the new one, journal.bak.<ms>.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/random.h"
#include "base/time.h"
#include "workflow/event.h"
#include "workflow/run_folder.h"
#include "workflow/run_record.h"

namespace drover::workflow {

inline constexpr std::string_view kRepaired = "DROVER_JOURNAL_REPAIRED";

struct FoundEntry {
  std::string file;
  std::optional<Event> event;  // nullopt: it does not hold together
  std::string problem{};       // why
};
// What a folder in tasks/ knows of an effect.
struct FoundTask {
  std::string effect_id;
  json::value task;    // task.json; null: none
  json::value result;  // result.json; null: none
};

enum class RepairAct : std::uint8_t { kept, dropped, rebuilt, lost };
struct RepairNote {
  RepairAct act = RepairAct::kept;
  std::string what;  // a file, or an entry that was made anew
  std::string why;
};
struct RepairPlan {
  std::vector<Event> events;      // the whole new journal
  std::vector<RepairNote> notes;  // all but what was kept as it was
  std::size_t original_files = 0;
  std::size_t corrupt = 0;
  std::size_t dropped_requests = 0;
  std::size_t dropped_resolutions = 0;
  std::size_t lost = 0;  // entries that were there and could not be made again
  [[nodiscard]] bool changes() const { return !notes.empty(); }
};
// Pure. The events it gives form a journal without gap or contradiction.
[[nodiscard]] RepairPlan plan_repair(std::vector<FoundEntry> entries,
                                     std::vector<FoundTask> const& tasks, WallTime now,
                                     Random& random);

struct Evidence {
  std::vector<FoundEntry> entries;
  std::vector<FoundTask> tasks;
};
[[nodiscard]] Result<Evidence> gather_evidence(RunFolder const& run);

struct Repaired {
  RepairPlan plan;
  std::string backup;  // a folder; empty: nothing had to be mended
};
// Under the run's lock, which it takes. Blocking.
[[nodiscard]] Result<Repaired> repair_journal(RunFolder const& run, Clock const& clock,
                                              Random& random);
// Only what it would do.
[[nodiscard]] Result<RepairPlan> inspect_journal(RunFolder const& run, Clock const& clock,
                                                 Random& random);

}  // namespace drover::workflow
