#pragma once
// The shell of the scheduler: wakes when something is due, records it, carries firings out, and
// learns what came of them. Every decision is in plan.h, every durable step in ledger.h.
//
// On the event loop. Life: start, stop; stop leaves what is under way to the next start.
#include <cstdint>
#include <map>
#include <memory>
#include <set>

#include <boost/asio/io_context.hpp>

#include "base/error.h"
#include "os/async_event.h"
#include "os/task_group.h"
#include "os/wall_alarm.h"
#include "schedule/ledger.h"
#include "schedule/request_sender.h"
#include "schedule/round.h"
#include "schedule/runs.h"
#include "store/writer.h"

namespace drover::schedule {

struct SchedulerOptions {
  net::Reach reach = net::Reach::public_only;
  Retention retention;
  std::size_t starts_max = 64;    // firings that are being dispatched or sent at once
  std::size_t watched_max = 256;  // runs whose end is awaited at once; further ones as these end
  Millis again{5'000};            // after the store, or a run's stream, could not be used
  Millis stop_grace{5'000};       // for requests that are under way
};

struct SchedulerParts {
  boost::asio::io_context& io;
  Clock const& clock;
  store::Writer& writer;
  Runs& runs;
};

class Scheduler {
 public:
  Scheduler(SchedulerParts parts, SchedulerOptions options);
  ~Scheduler();
  Scheduler(Scheduler const&) = delete;
  Scheduler& operator=(Scheduler const&) = delete;

  // Takes up what an earlier server left, then goes on by itself.
  Task<Status> start();
  Task<void> stop();
  // Something may be due sooner than it was.
  void wake() { changed_.notify(); }

 private:
  Task<void> loop();
  Task<Result<Round>> round();
  void begin(Round round);
  Task<void> carry_out(Start start);
  Task<void> dispatch(Start start);
  Task<Result<RunId>> try_dispatch(Start start);
  Task<void> send(Start start);
  Task<void> watch(std::int64_t firing, RunId run);
  Task<void> cancel(RunId run);
  // Until it is on disk, or the scheduler stops.
  template <class Work>
  Task<bool> record(Work work);
  Task<void> pause(Millis time);

  SchedulerParts parts_;
  SchedulerOptions options_;
  std::unique_ptr<RequestSender> sender_;
  std::unique_ptr<os::WallAlarm> alarm_;
  os::AsyncEvent changed_;
  os::TaskGroup tasks_;
  std::set<std::int64_t> starting_;    // firings
  std::set<std::int64_t> unanswered_;  // of those, left so by stop()
  std::set<std::int64_t> watched_;
  std::set<RunId> cancelling_;
  RoundClock rounds_;
  bool alone_ = false;  // a suspicious firing is being started
  bool stopping_ = false;
};

}  // namespace drover::schedule
