#pragma once
// Units of resident agents: what is started here runs in a container that is there already, one at
// a time in each. Its workspaces are mounted into the container, its program starts it, and when it
// has ended the container is as it was before but for its state.
//
// On the event loop. The containers themselves are the reconciler's.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "base/random.h"
#include "fleet/resident_places.h"
#include "fleet/turn_places.h"
#include "runtime/runtime.h"

namespace drover::fleet {

// A message waits so long for an instance that is free; then its run goes back to the queue.
inline constexpr Millis kFreeWait{10'000};

struct ResidentParts {
  boost::asio::any_io_executor executor;
  os::BlockingPool& pool;
  Clock const& clock;
  Random& random;
  TurnPlaces& places;
  std::string folder;  // of this server's alone
};

class ResidentBackend final : public runtime::Runtime {
 public:
  explicit ResidentBackend(ResidentParts parts);
  ~ResidentBackend() override;
  ResidentBackend(ResidentBackend const&) = delete;
  ResidentBackend& operator=(ResidentBackend const&) = delete;

  // nullopt for an instance that does not run.
  [[nodiscard]] std::optional<ResidentHealth> health(std::string_view instance) const;
  void on_heard(ResidentPlaces::Heard listener);

  // Instances of the agent whose program speaks to this server.
  [[nodiscard]] std::vector<std::string> connected(std::string_view agent) const;

  using Command = ResidentCommand;
  // As a person asks for it, in an instance that runs; its exit status, 128 + signal where one
  // ended it. A turn that begins or ends in the instance ends it too.
  Task<Result<int>> run_command(std::string instance, Command command);

  [[nodiscard]] std::string_view backend() const override { return runtime::kResidentBackend; }
  Task<Status> check() override;
  // unavailable where no instance of the spec's agent became free in time.
  Task<Result<runtime::WorkloadStatus>> start(runtime::WorkloadSpec spec) override;
  Task<Result<runtime::WorkloadStatus>> stop(WorkloadId id, runtime::StopReason reason,
                                             Millis grace) override;
  Task<Status> destroy(WorkloadId id) override;
  Task<Status> freeze(WorkloadId id) override;
  Task<Status> thaw(WorkloadId id) override;
  Result<runtime::WorkloadStatus> touch(WorkloadId const& id) override;
  [[nodiscard]] Result<runtime::WorkloadStatus> status(WorkloadId const& id) const override;
  // The container's, which are its instance's to tell.
  [[nodiscard]] Result<os::CgroupUsage> usage(WorkloadId const& id) const override;
  [[nodiscard]] std::vector<runtime::WorkloadStatus> list() const override;
  bool adopt(runtime::WorkloadSpec const&, WallTime) override { return false; }
  [[nodiscard]] Status recover() override;
  Task<Status> keep_warm(std::vector<runtime::WarmWish> wishes) override;
  Task<Result<std::string>> output(WorkloadId id) override;
  void on_event(std::function<void(runtime::RuntimeEvent const&)> listener) override;

 private:
  class Core;
  std::shared_ptr<Core> core_;  // shared with the coroutines that are under way
};

}  // namespace drover::fleet
