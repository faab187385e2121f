#pragma once
// The backends of this server side by side, as one Runtime: a workload is started by the one that
// its spec names, or by the default, and belongs to it from then on.
#include <memory>
#include <string>
#include <vector>

#include "runtime/runtime.h"

namespace drover::runtime {

class BackendChooser final : public Runtime {
 public:
  // At least one, each with a name of its own; the first is the default.
  explicit BackendChooser(std::vector<std::unique_ptr<Runtime>> backends);

  // One more, before recover() and the first start.
  void add(std::unique_ptr<Runtime> backend);

  // The default's.
  [[nodiscard]] std::string_view backend() const override;
  [[nodiscard]] std::vector<std::string_view> backends() const override;
  Task<Status> check() override;
  // unsupported for a backend that this server does not have.
  Task<Result<WorkloadStatus>> start(WorkloadSpec spec) override;
  Task<Result<WorkloadStatus>> stop(WorkloadId id, StopReason reason, Millis grace) override;
  Task<Status> destroy(WorkloadId id) override;
  Task<Status> freeze(WorkloadId id) override;
  Task<Status> thaw(WorkloadId id) override;
  Result<WorkloadStatus> touch(WorkloadId const& id) override;
  [[nodiscard]] Result<WorkloadStatus> status(WorkloadId const& id) const override;
  [[nodiscard]] Result<os::CgroupUsage> usage(WorkloadId const& id) const override;
  [[nodiscard]] std::vector<WorkloadStatus> list() const override;
  bool adopt(WorkloadSpec const& spec, WallTime started_at) override;
  [[nodiscard]] Status recover() override;
  Task<Status> keep_warm(std::vector<WarmWish> wishes) override;
  Task<Result<std::string>> output(WorkloadId id) override;
  void on_event(std::function<void(RuntimeEvent const&)> listener) override;

 private:
  // That has the workload: the one where it lives, before one where it has ended.
  [[nodiscard]] Runtime* owner_of(WorkloadId const& id) const;
  [[nodiscard]] Result<Runtime*> require_owner(WorkloadId const& id) const;
  [[nodiscard]] Result<Runtime*> named(std::string const& name) const;

  std::vector<std::unique_ptr<Runtime>> backends_;
};

}  // namespace drover::runtime
