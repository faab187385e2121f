#pragma once
// The API's workloads (runtime.v1): made by their owners from the server's profiles, durable, with
// an idle time, a longest life, a quota for each owner, and callbacks that are sent until they are
// heard. Units of runs are not among them.
//
// On the event loop. What a call has answered is on disk. Life: load() before the loop runs and
// before the runtime recovers; then watch() and send_callbacks() until stop().
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/random.h"
#include "net/http_client.h"
#include "os/async_event.h"
#include "os/task_group.h"
#include "runtime/workload_store.h"
#include "runtime/workload_terms.h"
#include "store/reader.h"

namespace drover::runtime {

inline constexpr std::size_t kEndedWorkloadsKept = 1000;  // the oldest are forgotten
inline constexpr std::size_t kCallbackAttempts = 40;      // some two days

struct KernelParts {
  boost::asio::io_context& io;
  Clock const& clock;
  Random& random;
  store::Writer& writer;
  store::Readers& readers;
  Runtime& runtime;
  FindFolder find_folder;
  net::Reach reach;                    // of callbacks: their addresses are their callers' to say
  std::size_t workloads_of_owner = 0;  // live at once
};

class WorkloadKernel {
 public:
  explicit WorkloadKernel(KernelParts parts);
  WorkloadKernel(WorkloadKernel const&) = delete;
  WorkloadKernel& operator=(WorkloadKernel const&) = delete;

  // The profiles of the state folder, and what an earlier process was running: what a backend can
  // keep is adopted, the rest has ended as failed.
  [[nodiscard]] Status load(store::Database& database, std::string const& state_folder);
  void start();
  Task<void> stop();

  // Idempotent on the id: a live one with an equal spec is touched and returned, one with another
  // is a conflict that names the differing members. One that has ended is started anew.
  // invalid_argument for an unknown profile, rate_limited at the owner's quota, upstream with the
  // cause where it could not start.
  Task<Result<contract::WorkloadStatus>> create(std::string owner, contract::WorkloadSpec spec);
  Task<Result<contract::WorkloadStatus>> stop_one(std::string id, StopReason reason);
  // Stops it and forgets it. not_found where there is none.
  Task<Status> destroy(std::string id);
  Result<contract::WorkloadStatus> touch(std::string const& id);
  [[nodiscard]] Result<WorkloadRow> find(std::string const& id) const;
  [[nodiscard]] std::vector<WorkloadRow> list() const;
  // The last of its output: untrusted text.
  Task<Result<std::string>> output(std::string id);

 private:
  struct Entry {
    WorkloadRow row;
    os::AsyncEvent::TimePoint touched;
    std::uint64_t ended = 0;  // in which order
    std::optional<Error> start_failure;
  };

  [[nodiscard]] Result<Entry*> get(std::string const& id);
  [[nodiscard]] Entry* named(WorkloadId const& name);
  [[nodiscard]] Status adopt(WorkloadRow& row);
  void on_event(RuntimeEvent const& event);
  Task<void> launch(std::string id, WorkloadSpec spec);
  Task<Status> store(WorkloadRow row);
  Task<void> store_step(WorkloadRow row);
  Task<void> watch_idle();
  Task<void> stop_idle(std::string id);
  Task<void> send_callbacks();
  Task<void> send(CallbackRow row);
  void forget_oldest();
  Task<void> forget(std::string id);

  KernelParts parts_;
  std::optional<net::HttpClient> http_;  // none: it ends
  os::TaskGroup tasks_;
  os::AsyncEvent changed_;   // of a state, or of when somebody is idle
  os::AsyncEvent callback_;  // there is a new one, or one was sent
  std::map<std::string, Profile> profiles_;
  std::map<std::string, Entry> workloads_;
  std::map<std::string, bool> sending_;  // workloads whose callback is under way
  std::uint64_t ends_ = 0;
  bool stopping_ = false;
};

// When a callback is tried again: after 1 s, then twice as long each time, up to an hour.
[[nodiscard]] Millis callback_delay(int attempts);

}  // namespace drover::runtime
