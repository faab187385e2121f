#pragma once
// The workloads of one backend: which there are, how each goes through its states, and who is told.
// Only state, kept on the event loop's thread: the backend does what the states say.
#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "base/error.h"
#include "base/time.h"
#include "os/async_event.h"
#include "runtime/runtime.h"

namespace drover::runtime {

// What every backend keeps of a workload; each has more of its own.
struct Workload {
  Workload(boost::asio::any_io_executor const& executor, WorkloadSpec wanted)
      : spec(std::move(wanted)), changed(executor) {}

  [[nodiscard]] bool live() const { return is_live(status.state); }
  // Until the state has changed, or the deadline.
  static Task<void> await_change(std::shared_ptr<Workload> workload,
                                 os::AsyncEvent::TimePoint deadline) {
    auto const seen = workload->changed.version();
    co_await workload->changed.wait(seen, deadline);
  }

  WorkloadSpec spec;
  WorkloadStatus status;
  std::optional<StopReason> asked;  // why it is being stopped
  std::string over_disk;            // why the limit of its folders ended it; else empty
  os::AsyncEvent changed;           // of state
};

// W is a backend's kind of Workload. They are shared with the coroutines that act on them, and an
// ended one may leave the book meanwhile.
template <class W>
class WorkloadBook {
 public:
  using Ptr = std::shared_ptr<W>;

  WorkloadBook(std::string backend, Clock const& clock)
      : backend_(std::move(backend)), clock_(clock) {}

  void listen(std::function<void(RuntimeEvent const&)> listener) {
    listeners_.push_back(std::move(listener));
  }

  // A live workload with an equal spec is touched, and is the answer to its start. nullopt: it may
  // start. conflict, with the fields, or rate_limited.
  [[nodiscard]] Result<std::optional<WorkloadStatus>> admit(WorkloadSpec const& spec) {
    auto const known = find(spec.id);
    if (known != nullptr && known->live()) {
      auto const fields = differing_fields(known->spec, spec);
      if (!fields.empty())
        return fail(ErrorCode::conflict, "workload {} runs already with another {}", spec.id,
                    fmt::join(fields, ", "));
      known->status.touched_at = clock_.now();
      return known->status;
    }
    auto const live =
        std::ranges::count_if(workloads_, [](auto const& entry) { return entry.second->live(); });
    if (static_cast<std::size_t>(live) < kLiveWorkloadsMax) return std::nullopt;
    return fail_next(
        ErrorCode::rate_limited,
        fmt::format("cannot start workload {}: {} workloads run already", spec.id, live),
        "wait for one to end");
  }

  // In the place of one that has ended.
  void add(Ptr const& workload, WorkloadState state = WorkloadState::starting) {
    workload->status.id = workload->spec.id;
    workload->status.profile = workload->spec.profile;
    workload->status.backend = backend_;
    workload->status.touched_at = clock_.now();
    std::erase(stopped_, workload->spec.id);
    workloads_.insert_or_assign(workload->spec.id, workload);
    enter(*workload, state);
  }

  void run(W& workload) {
    workload.status.started_at = clock_.now();
    enter(workload, WorkloadState::running);
  }

  // The first reason stays.
  void ask_to_stop(W& workload, StopReason reason) {
    if (!workload.asked) workload.asked = reason;
    if (workload.status.state == WorkloadState::running) enter(workload, WorkloadState::stopping);
  }

  void fail_start(W& workload, Error const& error) {
    workload.status.detail = error.text();
    workload.status.stop_reason = StopReason::start_failed;
    settle(workload);
  }

  void end(W& workload, Ending const& ending) {
    workload.status.exit_code = ending.exit_code;
    workload.status.memory_peak_bytes = ending.memory_peak_bytes;
    workload.status.cpu_us = ending.cpu_us;
    workload.status.stop_reason = stop_reason_of(ending, workload.asked);
    if (!ending.over_disk.empty()) workload.status.detail = ending.over_disk;
    workload.over_disk = ending.over_disk;
    settle(workload);
  }

  // An ended one is no longer known.
  void forget(Ptr const& workload) {
    workloads_.erase(workload->spec.id);
    std::erase(stopped_, workload->spec.id);
    enter(*workload, WorkloadState::destroyed);
  }

  // nullptr where there is none.
  [[nodiscard]] Ptr find(WorkloadId const& id) const {
    auto const found = workloads_.find(id);
    return found == workloads_.end() ? nullptr : found->second;
  }
  [[nodiscard]] Result<Ptr> get(WorkloadId const& id) const {
    auto found = find(id);
    if (found == nullptr) return fail(ErrorCode::not_found, "there is no workload {}", id);
    return found;
  }
  // conflict, with what it cannot be made, for one that does not run.
  [[nodiscard]] Result<Ptr> get_running(WorkloadId const& id, std::string_view made) const {
    auto found = get(id);
    if (!found || (*found)->status.state == WorkloadState::running) return found;
    return fail(ErrorCode::conflict, "workload {} is {}, so it cannot be {}", id,
                to_string((*found)->status.state), made);
  }
  // Whether the book holds this one, and not another incarnation of its id.
  [[nodiscard]] bool holds(W const& workload) const {
    return find(workload.spec.id).get() == &workload;
  }

  [[nodiscard]] Result<WorkloadStatus> touch(WorkloadId const& id) {
    auto const found = get(id);
    if (!found) return std::unexpected(found.error());
    (*found)->status.touched_at = clock_.now();
    return (*found)->status;
  }
  [[nodiscard]] std::vector<WorkloadStatus> list() const {
    std::vector<WorkloadStatus> statuses;
    statuses.reserve(workloads_.size());
    for (auto const& [id, workload] : workloads_)
      statuses.push_back(workload->status);
    return statuses;
  }
  [[nodiscard]] std::vector<Ptr> all() const {
    std::vector<Ptr> all;
    for (auto const& [id, workload] : workloads_)
      all.push_back(workload);
    return all;
  }
  // Nobody is told.
  void clear() {
    listeners_.clear();
    workloads_.clear();
  }

 private:
  void settle(W& workload) {
    workload.status.stopped_at = clock_.now();
    stopped_.push_back(workload.spec.id);
    enter(workload, WorkloadState::stopped);
    while (stopped_.size() > kStoppedWorkloadsKept) {
      auto const oldest = find(stopped_.front());
      if (oldest != nullptr && !oldest->live()) workloads_.erase(stopped_.front());
      stopped_.pop_front();
    }
  }

  void enter(W& workload, WorkloadState state) {
    workload.status.state = state;
    workload.changed.notify();
    RuntimeEvent const event{.id = workload.spec.id,
                             .state = state,
                             .at = clock_.now(),
                             .exit_code = workload.status.exit_code,
                             .stop_reason = workload.status.stop_reason,
                             .over_disk = workload.over_disk};
    for (auto const& listener : listeners_)
      listener(event);
  }

  std::string backend_;
  Clock const& clock_;
  std::vector<std::function<void(RuntimeEvent const&)>> listeners_;
  std::map<WorkloadId, Ptr> workloads_;
  std::deque<WorkloadId> stopped_;  // oldest first
};

}  // namespace drover::runtime
