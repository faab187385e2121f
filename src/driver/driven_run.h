#pragma once
// A run that is driven: its process stays in memory between steps, and the lock is held only while
// something is done, so that others can post to it. What it rests on can be let go at any time: the
// next step replays it.
//
// Blocking; one owner, one thread at a time. One driver of a run at a time, which `take` makes sure
// of across processes.
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "base/time.h"
#include "driver/command_job.h"
#include "os/files.h"
#include "workflow/iterate.h"

namespace drover::driver {

// The folder that a journal is; a rewind or a repair puts another in its place.
struct JournalIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  bool operator==(JournalIdentity const&) const = default;
};

// What it takes to have a run's process in memory.
enum class Weight : std::uint8_t {
  light,    // a part of this program: a document, C++
  process,  // a process of its own: Node
};

class DrivenRun {
 public:
  DrivenRun(workflow::RunFolder folder, workflow::HostSpec host, Clock const& clock, Random& random)
      : folder_(std::move(folder)), host_(std::move(host)), clock_(clock), random_(random) {}

  // Before the first command is begun: ends what a driver that died has left. conflict: another
  // process drives the run.
  [[nodiscard]] Status take();

  // Between its making and its end the lock is kept, for several things one after another.
  class Hold {
   public:
    explicit Hold(DrivenRun& run) : run_(run) { run_.kept_ = true; }
    ~Hold() { run_.let_go_of_lock(); }
    Hold(Hold const&) = delete;
    Hold& operator=(Hold const&) = delete;

   private:
    DrivenRun& run_;
  };

  // One pass under the lock.
  [[nodiscard]] Result<workflow::Iterated> step();
  // The same where there may be no place for a process of its own; nullopt: it needs one.
  enum class Start : std::uint8_t { allowed, refused };
  [[nodiscard]] Result<std::optional<workflow::Iterated>> step(Start start);
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
  // Since the last question: another journal has taken the place of the one that was read.
  [[nodiscard]] bool was_rewound() { return std::exchange(rewound_, false); }
  // When the run last came to rest: its last entry.
  [[nodiscard]] std::uint64_t rested_at() const { return seen_; }
  // The name of the journal's last entry where the process is known to wait for nothing but what
  // the journal has open; empty: not known. As long as the journal ends there, a step needs no
  // process. It may be told to whoever drives the run next.
  [[nodiscard]] std::string const& rests_at() const { return rests_at_; }
  void known_to_rest(std::string entry) { rests_at_ = std::move(entry); }
  [[nodiscard]] bool is_in_memory() const { return execution_.has_value(); }
  // Of the process; light while nothing was read.
  [[nodiscard]] Weight weight() const { return weight_; }
  [[nodiscard]] workflow::RunFolder const& folder() const { return folder_; }

 private:
  template <class Act>
  auto locked(Act act) -> decltype(act());
  Status take_up();
  void let_go_of_lock();
  Result<std::optional<workflow::Iterated>> step_locked(Start start);
  Result<workflow::Iterated> step_process();
  void note_rest(workflow::Iterated const& iterated);
  Result<Begun> begin_locked(std::vector<workflow::NextAction> const& actions,
                             std::vector<std::string> const& under_way);

  workflow::RunFolder folder_;
  workflow::HostSpec host_;
  Clock const& clock_;
  Random& random_;
  std::optional<os::FileLock> taken_;
  std::optional<workflow::OpenRun> run_;
  JournalIdentity journal_{};  // of run_
  bool rewound_ = false;
  bool kept_ = false;
  Weight weight_ = Weight::light;
  std::string rests_at_;
  std::optional<workflow::Execution> execution_;
  std::uint64_t seen_ = 0;   // the last entry, when the run last came to rest
  std::uint64_t saved_ = 0;  // and when state.json was last made
};

}  // namespace drover::driver
