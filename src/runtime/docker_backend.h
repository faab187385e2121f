#pragma once
// Workloads as containers of an engine of this machine: Docker, or Podman's compatible socket. The
// end of a program is an event of the engine's stream. Whenever that stream begins, what the engine
// has is compared with what is known (container_reconcile.h): ends that nobody heard of are taken
// up, and containers of this server that belong to nothing are removed.
//
// A container outlives its server. Units do not: they end when their socket has gone, and what is
// left of them is removed at the next start. Others are adopted.
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/random.h"
#include "runtime/engine_address.h"
#include "runtime/runtime.h"

namespace drover::runtime {

struct DockerBackendSettings {
  EngineAddress engine{};
  std::string folder{};         // `<state>/docker`, this server's alone
  std::string image{};          // of specs that name none
  std::string oci_runtime{};    // empty: the engine's default
  std::string cgroup_parent{};  // empty: the engine's default
  // Of the host; each live workload has one of its own. Apart from the process backend's.
  uid_t session_uid_first = 265'536;
  uid_t session_uid_count = 65'536;
};

// The loop, the pool, the clock and the randomness outlive the backend. The destructor leaves the
// containers as they are; stop() each first.
class DockerBackend final : public Runtime {
 public:
  DockerBackend(boost::asio::io_context& io, os::BlockingPool& pool, Clock const& clock,
                Random& random, DockerBackendSettings settings);
  ~DockerBackend() override;
  DockerBackend(DockerBackend const&) = delete;
  DockerBackend& operator=(DockerBackend const&) = delete;

  // That an engine answers, and can hold a sandbox; the error says what is in the way.
  Task<Status> check() override;
  [[nodiscard]] std::string_view backend() const override { return "docker"; }
  // Its container is looked for when the engine answers.
  bool adopt(WorkloadSpec const& spec, WallTime started_at) override;
  // What an earlier process mounted goes at once, its containers when the engine answers.
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
  // Needs root, and an engine of this machine.
  Task<Status> keep_warm(std::vector<WarmWish> wishes) override;
  // How many wait now.
  [[nodiscard]] std::size_t warm() const;
  Task<Result<std::string>> output(WorkloadId id) override;
  void on_event(std::function<void(RuntimeEvent const&)> listener) override;

 private:
  class Core;
  std::shared_ptr<Core> core_;  // shared with the coroutines that are under way
};

}  // namespace drover::runtime
