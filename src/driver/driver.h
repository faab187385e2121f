#pragma once
// The resident driver: brings every registered run on by itself. A run is looked at when an effect
// of it has ended, a timer of it is due, or somebody else has written to its journal; in between
// nobody wakes. Its truth is in its directory; a row of the store says that it is driven. What was
// under way when a server died is taken up by the next one.
//
// On the event loop; what blocks is done on a pool of the driver's own. Life: start, stop.
#include <sys/eventfd.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/error.h"
#include "driver/command_pool.h"
#include "driver/driven_run.h"
#include "driver/driver_plan.h"
#include "driver/effect_carrier.h"
#include "driver/entry_checks.h"
#include "driver/journal_watch.h"
#include "driver/residents.h"
#include "driver/workflow_store.h"
#include "os/async_event.h"
#include "os/fd.h"
#include "os/task_group.h"
#include "os/wall_alarm.h"
#include "store/reader.h"
#include "store/writer.h"

namespace drover::driver {

struct DriverOptions {
  std::string runs_root;  // absolute; of runs that are made here
  workflow::HostSpec host;
  CommandPoolOptions commands;
  std::size_t threads = 4;             // that steps are made on
  ResidentLimits processes{};          // kept in memory: of their own (Node),
  ResidentLimits light{.most = 1000};  // and of this program (documents, C++)
  std::size_t active_max = 10'000;     // workflows that have not ended
};

struct DriverParts {
  boost::asio::io_context& io;
  Clock const& clock;
  Random& random;
  store::Writer& writer;
  store::Readers& readers;
};

struct NewWorkflow {
  std::string id;     // empty: a new one
  std::string entry;  // FILE or FILE#EXPORT, absolute
  std::string process_id;
  std::optional<json::value> inputs;
  std::string cwd;  // absolute: where its commands work; empty: the folder of the entry
  json::object agent{};
  std::string parent{};
  std::string parent_effect{};
};

class Driver {
 public:
  Driver(DriverParts parts, DriverOptions options);
  ~Driver();
  Driver(Driver const&) = delete;
  Driver& operator=(Driver const&) = delete;

  // Before start(). The carrier outlives the driver's stop().
  void add(Carrier carrier, EffectCarrier& who);
  // Takes up every run that has not ended.
  Task<Status> start();
  Task<void> stop();

  // Durable when it returns. The same id with the same process and inputs is the same run.
  struct Created {
    WorkflowRecord record;
    bool existed = false;
  };
  Task<Result<Created>> create(NewWorkflow wanted);
  // A run directory that is there already. One that has ended is looked at again: its process may
  // have been mended.
  Task<Result<Created>> adopt(std::string folder, json::object agent);
  Task<Result<WorkflowRecord>> find(std::string id);
  // A row as it is to be used: runs that were made here are stored by their place in the runs'
  // root, so that a state folder can be moved and restored.
  [[nodiscard]] WorkflowRecord located(WorkflowRecord record) const;
  // Reads the directory of a run on the driver's pool, without its lock.
  using Reading = std::function<Result<json::object>(workflow::RunFolder const&)>;
  Task<Result<json::object>> read(std::string id, Reading reading);

  // Each is durable when it returns. conflict: the workflow, or the effect, has ended.
  Task<Status> post(std::string id, std::string effect_id, workflow::TaskResult result);
  Task<Status> cancel_effect(std::string id, std::string effect_id, std::string reason);
  Task<Status> signal(std::string id, std::string name, json::value payload);
  // Of whoever works on an effect outside; does not wake the run.
  Task<Status> heartbeat(std::string id, std::string effect_id, json::value details);
  Task<Result<json::value>> query(std::string id, std::string name, json::value arguments);
  // Ends the workflow and all that it has under way.
  Task<Result<WorkflowRecord>> cancel(std::string id, std::string reason);
  // Once the workflow has ended. cancelled: the server stops.
  Task<Result<WorkflowRecord>> wait_end(std::string id);

 private:
  struct Run;
  struct Request;
  // What is to become of a workflow that is known, and has ended.
  enum class Again : std::uint8_t { leave, look };
  using RunPtr = std::shared_ptr<Run>;  // shared with the step that is under way
  using Act = std::function<Result<json::value>(DrivenRun&)>;

  Task<Result<Created>> enrol(WorkflowRecord record, Again again);
  Task<Result<json::value>> act_on(std::string id, Act act);
  RunPtr drive(WorkflowRecord record);
  void wake(RunPtr const& run);
  Task<void> advance(RunPtr run);
  Task<void> settle(RunPtr run, Result<workflow::Iterated> iterated,
                    std::vector<CommandJob> commands);
  Task<void> note_failure(RunPtr run, Error error);
  Task<void> end(RunPtr run, workflow::Iterated iterated);
  Task<void> save(WorkflowRecord record);
  void begin_command(RunPtr const& run, CommandJob job);
  Task<void> carry(RunPtr run, EffectCarrier* who, EffectJob job);
  void hand_in(RunPtr const& run, std::string const& effect_id, workflow::TaskResult result);
  Task<void> handed_in(RunPtr run, std::string effect_id, std::shared_ptr<Request> request);
  void stop_effect(RunPtr const& run, std::string const& effect_id);
  void set_timer(RunPtr const& run, std::optional<WallTime> at);
  void ring();
  [[nodiscard]] Residents& residents_of(Run const& run);
  void note_resident(Run const& run);
  void wait_for_place(RunPtr const& run);
  Task<void> admit();
  void keep_few_resident();
  void evict(std::string const& id);
  Task<void> rest(RunPtr run);
  struct RestNote {
    std::string id;
    std::string rests_at;
  };
  [[nodiscard]] std::vector<RestNote> all_rests() const;
  Task<void> note_rests(std::vector<RestNote> notes);
  void on_journal(std::string const& id, std::uint64_t seq);

  DriverParts parts_;
  DriverOptions options_;
  // Readable once nobody waits for processes any more.
  os::Fd stop_hosts_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  os::BlockingPool pool_;
  std::shared_ptr<CommandPool> commands_;  // shared with the looks that are under way
  std::map<Carrier, EffectCarrier*> carriers_;
  std::unique_ptr<os::WallAlarm> alarm_;
  std::unique_ptr<JournalWatch> watch_;
  std::map<std::string, RunPtr> runs_;
  std::set<std::pair<std::int64_t, std::string>> timers_;  // (when in unix ms, run)
  os::AsyncEvent ended_;
  os::TaskGroup tasks_;
  std::shared_ptr<EntryChecks> checks_ = std::make_shared<EntryChecks>();
  Residents processes_;
  Residents light_;
  bool admitting_ = false;
  bool stopping_ = false;
};

}  // namespace drover::driver
