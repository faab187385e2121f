#pragma once
// Runs that are worked on in a process of their own each: `drover worker --assigned`, which gets
// the claim of this worker on its stdin, works on that one run, and exits.
//
// From its start on the process speaks to the server itself, in this worker's name: it renews the
// claim, makes the run's steps and hears when the run is cancelled. This worker sees it end, at
// once. One that ends other than in order is a worker's death: its units are cleared up, and its
// claim is said to be lost, as if its lease had run out.
//
// On the event loop. Life: any number of run(), drain, stop.
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "os/async_event.h"
#include "os/blocking_pool.h"
#include "worker/control.h"

namespace drover::worker {

struct JobOptions {
  std::vector<std::string> command;      // that reads an assigned job on its stdin
  std::vector<std::string> environment;  // complete
  std::string folder;  // the processes' folders are below it, one for each that runs at once
  std::string session_folder;  // of the server
};

class JobHost {
 public:
  // `reap` ends the units that a dead process left in its folder; it blocks.
  using Reap = std::function<Status(std::string const& folder)>;

  JobHost(boost::asio::any_io_executor loop, os::BlockingPool& pool, Control& control,
          JobOptions options, Reap reap);
  ~JobHost();
  JobHost(JobHost const&) = delete;
  JobHost& operator=(JobHost const&) = delete;

  // Returns when the process has ended, and what it left is cleared up.
  Task<void> run(Assignment assignment);
  // Asks them to end: each has its drain timeout for its run. So it is for those that begin later.
  void drain();
  // The same, and kills those that have not ended by then.
  Task<void> end_by(os::AsyncEvent::TimePoint deadline);
  // Returns when no process has the session. Only while none may work on it: its run has ended, and
  // one that does not end by itself soon is killed.
  Task<void> wait_for(SessionId session);

 private:
  struct Job;
  [[nodiscard]] Status start(Job& job, Assignment const& assignment);
  Task<bool> wait_for_end(Job& job);
  Task<void> clear_up(Job& job);

  boost::asio::any_io_executor loop_;
  os::BlockingPool& pool_;
  Control& control_;
  JobOptions const options_;
  Reap reap_;
  std::map<int, Job*> jobs_;  // by the number of their folder; owned by their coroutines
  bool draining_ = false;
  os::AsyncEvent changed_;  // jobs_
};

// The folder of the job with this number: a worker's state folder.
[[nodiscard]] std::string job_name(int number);

// What such a process is given, and reads.
struct AssignedJob {
  std::string session_folder;
  pid_t parent = 0;
  Assignment assignment;
};
[[nodiscard]] std::string print(AssignedJob const& job);
[[nodiscard]] Result<AssignedJob> parse_assigned_job(std::string_view text);

}  // namespace drover::worker
