#pragma once
// Another past for a run: a fork goes on beside it from an earlier entry of its journal, a rewind
// takes the run itself back there. Nothing is lost: a fork leaves the run alone, a rewind keeps the
// old journal, and what it gave up, in the run directory. Signals that came later are given again,
// for they are the world's and not the process's.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "base/time.h"
#include "workflow/history.h"
#include "workflow/run_folder.h"
#include "workflow/run_record.h"

namespace drover::workflow {

inline constexpr std::string_view kRewound = "DROVER_REWOUND";

// How many entries stay. `point` is the number of the last one to stay, or an effect, by its id,
// label or step: what was before it was asked for stays. Empty: all but the run's end. Pure.
// not_found: no such effect or entry; conflict: several effects have that label.
[[nodiscard]] Result<std::uint64_t> entries_before(std::vector<Event> const& events,
                                                   History const& history, std::string_view point);

// The first `keep` entries, `note`, and the signals of those left out. Pure.
[[nodiscard]] std::vector<Event> shortened(std::vector<Event> const& events, std::uint64_t keep,
                                           json::object note, WallTime now, Random& random);

struct ForkWish {
  std::string point;   // as for entries_before
  std::string run_id;  // empty: a new ULID
};
struct Forked {
  RunFolder folder{""};
  RunRecord record;
  std::uint64_t kept = 0;
  std::uint64_t left_out = 0;
};
// A new run beside the old one, all of it or nothing. conflict: the id is taken.
[[nodiscard]] Result<Forked> fork_run(RunFolder const& run, ForkWish const& wish,
                                      Clock const& clock, Random& random);

struct Rewound {
  std::uint64_t kept = 0;
  std::uint64_t left_out = 0;
  std::string backup{};  // a folder; empty: there was nothing to leave out
};
[[nodiscard]] Result<Rewound> rewind_run(RunFolder const& run, std::string_view point,
                                         Clock const& clock, Random& random);

// What Math.random and the like draw from: a fork draws what its run drew.
[[nodiscard]] std::string seed_of(RunRecord const& record, History const& history);

}  // namespace drover::workflow
