#pragma once
// Workloads as sandboxes of this machine (see sandbox/). The end of a program is seen through its
// pidfd on the event loop; what blocks runs on the pool.
#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "os/async_event.h"
#include "runtime/runtime.h"
#include "sandbox/launcher.h"

namespace drover::runtime {

struct ProcessBackendSettings {
  std::string record_folder{};        // `<state>/workloads`, this server's alone
  uid_t session_uid_first = 200'000;  // of the host; each live workload has one of its own
  uid_t session_uid_count = 65'536;
};

// The executor is the event loop's; it, the pool and the clock outlive the backend. The destructor
// kills what still runs and waits for it; stop() each first to give them their grace.
class ProcessBackend final : public Runtime {
 public:
  ProcessBackend(boost::asio::any_io_executor executor, os::BlockingPool& pool, Clock const& clock,
                 std::shared_ptr<sandbox::Launcher> launcher, ProcessBackendSettings settings);
  ~ProcessBackend() override;
  ProcessBackend(ProcessBackend const&) = delete;
  ProcessBackend& operator=(ProcessBackend const&) = delete;

  // Kills and cleans up what an earlier server left, from its records; blocks, so call it before
  // the loop runs. Returns the ids. What cannot be reaped keeps its record and is the error.
  [[nodiscard]] Result<std::vector<WorkloadId>> reap_orphans();

  struct Program {
    int pid = 0;  // of its init, on this machine
    uid_t uid = 0;
  };
  // not_found for one that does not run.
  [[nodiscard]] Result<Program> program(WorkloadId const& id) const;

  struct OutputPiece {
    std::string text{};
    std::uint64_t from = 0;  // its first byte is so far into the output
    bool over = false;       // nothing comes behind it
  };
  // Its output behind so many bytes: waits while there is none, until `until`. Of more than
  // kOutputTailBytes the first are gone.
  Task<Result<OutputPiece>> output_behind(WorkloadId id, std::uint64_t bytes,
                                          os::AsyncEvent::TimePoint until);
  // Whoever waits for it looks again.
  void wake_readers(WorkloadId const& id);

  [[nodiscard]] std::string_view backend() const override { return "process"; }
  Task<Status> check() override;
  // A sandbox ends with its server (docs/decisions/0002).
  bool adopt(WorkloadSpec const&, WallTime) override { return false; }
  [[nodiscard]] Status recover() override;
  Task<Result<WorkloadStatus>> start(WorkloadSpec spec) override;
  Task<Result<WorkloadStatus>> stop(WorkloadId id, StopReason reason, Millis grace) override;
  Task<Status> destroy(WorkloadId id) override;
  Task<Status> freeze(WorkloadId id) override;
  Task<Status> thaw(WorkloadId id) override;
  Result<WorkloadStatus> touch(WorkloadId const& id) override;
  [[nodiscard]] Result<WorkloadStatus> status(WorkloadId const& id) const override;
  [[nodiscard]] Result<os::CgroupUsage> usage(WorkloadId const& id) const override;
  [[nodiscard]] std::vector<WorkloadStatus> list() const override;
  Task<Status> keep_warm(std::vector<WarmWish> wishes) override;
  Task<Result<std::string>> output(WorkloadId id) override;
  void on_event(std::function<void(RuntimeEvent const&)> listener) override;

 private:
  class Core;
  std::shared_ptr<Core> core_;  // shared with the coroutines that are under way
};

}  // namespace drover::runtime
