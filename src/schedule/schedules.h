#pragma once
// What people and programs ask of schedules, events and hooks. What it returns is on disk.
//
// On the event loop.
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "contract/schedule.h"
#include "net/address.h"
#include "net/http_types.h"
#include "os/blocking_pool.h"
#include "schedule/ledger.h"
#include "schedule/webhook.h"
#include "store/reader.h"
#include "store/writer.h"

namespace drover::schedule {

struct ScheduleView {
  ScheduleRecord record;
  ScheduleStatus status = ScheduleStatus::pending;
};

struct SchedulesParts {
  Clock const& clock;
  Random& random;
  store::Writer& writer;
  store::Readers& readers;
  net::Reach reach;               // of requests
  std::function<void()> changed;  // something may be due sooner: wakes the scheduler
};

class Schedules {
 public:
  explicit Schedules(SchedulesParts parts) : parts_(std::move(parts)) {}

  struct Created {
    ScheduleView view;
    bool created = false;  // false: the idempotency key had this very request before
  };
  // The id is the job's, or a new one. conflict: the id is in use (a cancelled one is not: it is
  // made anew, with its history), or the key belongs to another request.
  Task<Result<Created>> create(contract::ScheduleJob job);
  // All of the job is new; id, history and whether it is paused stay.
  Task<Result<ScheduleView>> replace(ScheduleId id, contract::ScheduleJob job);
  Task<Result<ScheduleView>> get(ScheduleId id);
  Task<Result<std::vector<ScheduleView>>> list(std::string before, std::int64_t limit);
  // It never fires again; what waits is cancelled, what runs goes on. Its id stays valid, its key
  // is free. Cancelling twice changes nothing.
  Task<Result<ScheduleView>> cancel(ScheduleId id);
  // Nothing fires while it is paused, and that is no misfire; a one-shot whose time passed
  // meanwhile follows its misfire policy.
  Task<Result<ScheduleView>> pause(ScheduleId id);
  Task<Result<ScheduleView>> resume(ScheduleId id);
  // Fires now, paused or not. The same key gives the same firing; empty: a new one.
  Task<Result<FiringRecord>> run_now(ScheduleId id, std::string key);
  // Newest first; `before` 0: from the newest.
  Task<Result<std::vector<FiringRecord>>> history(ScheduleId id, std::int64_t before,
                                                  std::int64_t limit);

  // too_large above kEventBytesMax.
  Task<Result<RecordedEvent>> accept(contract::IncomingEvent event);
  // A delivery to /hooks/{name}, before anything is known about who sent it.
  Task<Result<RecordedEvent>> deliver(std::string name, net::Headers headers, std::string body);

  struct PutHook {
    HookRecord hook;
    bool created = false;
    bool secret_is_new = false;
  };
  enum class SecretChange : std::uint8_t { keep, renew };
  // conflict when there is one of that name.
  Task<Result<PutHook>> create_hook(contract::Hook hook);
  Task<Result<PutHook>> replace_hook(contract::Hook hook, SecretChange secret);
  Task<Result<HookRecord>> get_hook(std::string name);
  Task<Result<std::vector<HookRecord>>> list_hooks();
  Task<Status> delete_hook(std::string name);

 private:
  Result<Timing> check(contract::ScheduleJob const& job, ScheduleId const& id) const;
  Secret new_secret();
  template <class Change>
  Task<Result<ScheduleView>> change(ScheduleId id, Change change);

  SchedulesParts parts_;
};

}  // namespace drover::schedule
