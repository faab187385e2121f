#pragma once
// A run directory held for writing: its lock, its record, what its journal says, and the steps that
// change it, each durable when it returns and each leaving a directory that goes on after a crash.
// Blocking, one owner.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "base/time.h"
#include "workflow/history.h"
#include "workflow/journal.h"
#include "workflow/run_folder.h"
#include "workflow/run_lock.h"
#include "workflow/run_record.h"
#include "workflow/task_files.h"

namespace drover::workflow {

// What readers get, without a lock.
struct RunView {
  RunRecord record;
  JournalFiles journal;
  History history;
};
[[nodiscard]] Result<RunView> read_run(RunFolder const& run);

struct Posted {
  ResultRefs refs;
  std::string started_at;
  std::string finished_at;
  bool normalized = false;  // a shell's error that is kept as a result, as the format has it
};

class OpenRun {
 public:
  // Sets leftovers of killed writers aside; their names are in `set_aside()`.
  [[nodiscard]] static Result<OpenRun> open(RunFolder run, std::string_view owner,
                                            Clock const& clock, Random& random,
                                            Millis wait = RunLock::kWait);

  // Lets others write, until it is taken up again: then what they wrote is read, and no more.
  // Nothing else may be called in between.
  void release() { lock_.reset(); }
  [[nodiscard]] bool is_held() const { return lock_.has_value(); }
  [[nodiscard]] Status take_up(std::string_view owner, Millis wait = RunLock::kWait);

  [[nodiscard]] RunFolder const& folder() const { return run_; }
  [[nodiscard]] RunRecord const& record() const { return record_; }
  [[nodiscard]] History const& history() const { return history_; }
  [[nodiscard]] std::vector<std::string> const& set_aside() const { return set_aside_; }
  [[nodiscard]] std::string now_text() const { return to_rfc3339(clock_->now()); }
  [[nodiscard]] WallTime now() const { return clock_->now(); }
  [[nodiscard]] Clock const& clock() const { return *clock_; }
  [[nodiscard]] Random& random() const { return *random_; }

  [[nodiscard]] Status append(std::vector<NewEvent> entries);
  [[nodiscard]] Status append(NewEvent entry);
  // task.json first, then the journal says that the effects were asked for.
  struct Request {
    NewTask task;
    std::string label;
    std::vector<std::string> labels;
    std::string arguments_hash;
  };
  [[nodiscard]] Status request(std::vector<Request> const& requests);
  // conflict: the effect ended before. not_found: there is none.
  [[nodiscard]] Result<Posted> post(std::string const& effect_id, TaskResult result);
  [[nodiscard]] Result<Posted> cancel(std::string const& effect_id, std::string const& reason);

  [[nodiscard]] Status save_record(RunRecord record);
  [[nodiscard]] Status save_state(std::string_view reason) const;

 private:
  OpenRun(RunFolder run, RunLock lock, RunView view, Clock const& clock, Random& random);
  [[nodiscard]] Result<Effect const*> open_effect(std::string const& effect_id) const;

  RunFolder run_;
  std::optional<RunLock> lock_;
  RunRecord record_;
  History history_;
  JournalWriter writer_;
  std::vector<std::string> set_aside_;
  Clock const* clock_;
  Random* random_;
};

}  // namespace drover::workflow
