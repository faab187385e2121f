#pragma once
// Ends the runs that nobody has answered in time. And holds the store's runs against the queue's,
// and brings together what does not fit: that it finds nothing there is the rule, for run and place
// change in one transaction. What it finds is reported, because somebody has changed one of them by
// hand, or drover has a defect.
//
// On the event loop.
#include "os/async_event.h"
#include "worker/reconcile.h"
#include "worker/services.h"

namespace drover::worker {

class Watchdog {
 public:
  explicit Watchdog(Services const& services);

  // Once: at start, after the queue was loaded and before anything is claimed. A run that is
  // stranded ends as lost, a place that is left over is taken out of the queue; each is logged, and
  // so is what fails, such as on a full disk: run() tries it again.
  Task<void> sweep();
  // Every minute, until stop().
  Task<void> run();
  void stop();

 private:
  Task<Status> settle_all();
  Task<Status> end_unanswered();

  Services const& services_;
  bool stopping_ = false;
  os::AsyncEvent stopped_;
};

}  // namespace drover::worker
