#pragma once
// A run that is driven: its process stays in memory between steps, and the lock is held only while
// something is done, so that others can post to it. What it rests on can be let go at any time: the
// next step replays it.
//
// Blocking; one owner, one thread at a time. One driver of a run at a time, which `take` makes sure
// of across processes.
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "base/time.h"
#include "driver/command_job.h"
#include "os/files.h"
#include "workflow/iterate.h"

namespace drover::driver {

class DrivenRun {
 public:
  DrivenRun(workflow::RunFolder folder, workflow::HostSpec host, Clock const& clock, Random& random)
      : folder_(std::move(folder)), host_(std::move(host)), clock_(clock), random_(random) {}

  // Before the first command is begun: ends what a driver that died has left. conflict: another
  // process drives the run.
  [[nodiscard]] Status take();

  // One pass under the lock.
  [[nodiscard]] Result<workflow::Iterated> step();
  // Notes the commands among `actions` as begun, and returns them to be carried out; those that
  // cannot be are ended here. `under_way` are ids of effects that are at work here already.
  struct Begun {
    std::vector<CommandJob> jobs{};
    std::size_t settled = 0;  // the run has to be stepped again
  };
  [[nodiscard]] Result<Begun> begin_commands(std::vector<workflow::NextAction> const& actions,
                                             std::vector<std::string> const& under_way);
  // conflict: it ended before.
  [[nodiscard]] Status post(std::string const& effect_id, workflow::TaskResult result);
  [[nodiscard]] Status cancel(std::string const& effect_id, std::string const& reason);
  // conflict: the run has ended.
  [[nodiscard]] Status signal(std::string const& name, json::value payload);
  // Ends the run: what is open is cancelled, then it is halted. One that has ended stays as it is.
  [[nodiscard]] Status halt(std::string const& reason);
  // Asks the process where it rests.
  [[nodiscard]] Result<json::value> query(std::string const& name, json::value const& arguments);
  // The effects that were cancelled, as far as the journal was read.
  [[nodiscard]] std::vector<workflow::Effect> cancelled() const;
  // Lets the process and all that was read go; the run stays taken.
  void rest();
  // state.json is only for readers, so that it is made when nothing else is to be done.
  [[nodiscard]] Status save_state();
  // When the run last came to rest: its last entry.
  [[nodiscard]] std::uint64_t rested_at() const { return seen_; }
  [[nodiscard]] workflow::RunFolder const& folder() const { return folder_; }

 private:
  template <class Act>
  auto locked(Act act) -> decltype(act());
  Status take_up();
  Result<workflow::Iterated> step_locked();
  Result<Begun> begin_locked(std::vector<workflow::NextAction> const& actions,
                             std::vector<std::string> const& under_way);

  workflow::RunFolder folder_;
  workflow::HostSpec host_;
  Clock const& clock_;
  Random& random_;
  std::optional<os::FileLock> taken_;
  std::optional<workflow::OpenRun> run_;
  std::optional<workflow::Execution> execution_;
  std::uint64_t seen_ = 0;   // the last entry, when the run last came to rest
  std::uint64_t saved_ = 0;  // and when state.json was last made
};

// The earliest of the timers that a run waits for.
[[nodiscard]] std::optional<WallTime> next_timer(workflow::Iterated const& iterated);

}  // namespace drover::driver
