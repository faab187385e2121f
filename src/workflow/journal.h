#pragma once
// The journal of a run on disk: `journal/<6 digits>.<ULID>.json`, numbered without a gap, with
// ULIDs that only grow. Names that do not end in .json are not entries: the temporary files of
// writers that were killed. Blocking; writers hold the run's lock (run_lock.h).
#include <string>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "base/time.h"
#include "workflow/event.h"
#include "workflow/run_folder.h"

namespace drover::workflow {

struct JournalFiles {
  std::vector<Event> events;
  std::vector<std::string> leftovers{};  // names of temporary files
  // The name of a last entry that is cut off, as a machine that lost power leaves it; empty: none.
  // It is not among the events.
  std::string torn{};
};

// data_corrupt, with the way to repair: a gap, two entries of one number, an entry that does not
// hold together.
[[nodiscard]] Result<JournalFiles> read_journal(RunFolder const& run);

// Moves leftovers and a torn entry to orphaned/, from where nothing reads them. Returns their
// names.
[[nodiscard]] Result<std::vector<std::string>> set_aside(RunFolder const& run,
                                                         JournalFiles const& files);

struct NewEvent {
  std::string_view type;
  json::object data;
};

// Appends behind a head that it is told, under the lock. The entries are durable when append
// returns, in their order: after a crash there are some first ones of them.
class JournalWriter {
 public:
  // `harness`, if any, is noted in each entry's data.
  JournalWriter(RunFolder run, EventName head, Writer writer, std::string harness,
                Clock const& clock, Random& random)
      : run_(std::move(run)),
        head_(std::move(head)),
        writer_(writer),
        harness_(std::move(harness)),
        clock_(clock),
        random_(random) {}

  [[nodiscard]] Result<std::vector<Event>> append(std::vector<NewEvent> entries);
  [[nodiscard]] Result<Event> append(NewEvent entry);

 private:
  void note_harness(json::object& data) const;

  RunFolder run_;
  EventName head_;
  Writer writer_;
  std::string harness_;
  Clock const& clock_;
  Random& random_;
};

}  // namespace drover::workflow
