#pragma once
// The heart of a workflow: code is run again from its start, and what it asks for is found in the
// journal. Given a history and the calls that the code makes, in their order, says for each what
// effect it is, whether that ended, and what has to be asked for. Pure, and O(1) a call.
//
// A call and the journal may not contradict each other. The code asked for something else than it
// did before, when the arguments of an effect differ from the recorded ones, or when the code has
// come to its end, or waits, without having asked for effects that the journal has.
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "workflow/history.h"
#include "workflow/step_id.h"

namespace drover::workflow {

enum class CallKind : std::uint8_t { task, breakpoint, sleep, orchestrator, signal, child };

struct Call {
  CallKind kind = CallKind::task;
  std::string task_id;
  std::string label;  // as the code gave it; empty: none
  std::string key;    // the code's own name for this step; empty: none
  std::string shape;  // shape_hash of the arguments
  std::string arguments_hash;
  std::string where;  // a line of the code; may be empty
};

struct Answer {
  Effect const* effect = nullptr;  // nullptr: new, to be asked for under this step and key
  std::string step_id;
  std::string key;
};

// A call whose arguments are not those of the effect that it is.
[[nodiscard]] Error contradiction(Call const& call, Effect const& effect);

class Replay {
 public:
  // `recorded_effects`: how many the journal has when the replay begins. The history given to the
  // functions is the run's, which grows meanwhile.
  Replay(std::string process_id, Generation generation, std::size_t recorded_effects);

  // data_corrupt would be the journal's fault; a conflict is the code's: it did something else
  // before. Its message shows both.
  [[nodiscard]] Result<Answer> call(History const& history, Call const& call);
  // What call() would find, without counting it as made.
  [[nodiscard]] Answer peek(History const& history, Call const& call) const;
  // Of a sleep whose time has come. An older run did not count it once it was over, so that what
  // the journal has after it tells whether to.
  [[nodiscard]] bool counts_when_elapsed(History const& history, std::string_view task_id) const;

  // A conflict when the journal has effects of drover's asking that the code, which has nothing
  // left to do, never asked for.
  [[nodiscard]] Status check_all_used(History const& history) const;
  // All of them; other tools ask for some twice.
  [[nodiscard]] std::vector<Effect const*> unused(History const& history) const;
  // Whether the journal still has effects that were not asked for: the code is where it was before.
  [[nodiscard]] bool is_behind() const { return used_count_ < recorded_effects_; }

 private:
  // Of the call that counters of this state say it is; base: what it is counted by, or empty.
  struct Step {
    std::string id;
    std::string base;
  };
  [[nodiscard]] Step step_of(Call const& call) const;
  [[nodiscard]] bool is_used(Effect const& effect) const {
    return effect.requested_seq < used_.size() && used_[effect.requested_seq];
  }
  [[nodiscard]] Answer find(History const& history, Call const& call, std::string step_id) const;

  std::string process_id_;
  Generation generation_;
  std::uint64_t counted_ = 0;
  std::unordered_map<std::string, std::uint64_t> repeats_;
  std::vector<bool> used_;  // by the entry that asked for the effect
  std::size_t used_count_ = 0;
  std::size_t recorded_effects_;
};

}  // namespace drover::workflow
