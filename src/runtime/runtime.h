#pragma once
// The workload kernel (runtime.v1): starts, watches and reaps what runs in isolation. A backend
// says how. States and stop reasons are those of the contract:
//   starting → running → stopping → stopped → destroyed
//   starting → stopped(start_failed); running → stopped when the program ends
// All calls are made on the event loop's thread; a Task completes there too. Events are delivered
// there, each transition once, in order.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "base/time.h"
#include "contract/workload.h"
#include "os/blocking_pool.h"
#include "os/cgroup.h"
#include "sandbox/spec.h"

namespace drover::runtime {

using contract::StopReason;
using contract::to_string;
using contract::WorkloadState;
[[nodiscard]] bool is_live(WorkloadState state);  // starting, running or stopping

// Resolved by the server: mount sources are its own paths, never a caller's.
struct WorkloadSpec {
  WorkloadId id{};
  std::string profile{};
  std::string backend{};  // "process", "docker"; empty: the server's default
  std::string image{};    // of a container; empty: the server's default
  std::string agent{};    // whose resident or waiting container may be its; empty: none
  // `id`, `session_uid`, and the streams that are -1 are the backend's to set.
  sandbox::SandboxSpec sandbox{};
  // Folders of the host that go with the workload (its socket's), removed when it has ended.
  std::vector<std::string> owned_folders{};
  Millis max_lifetime{0};  // 0 = none
};

// Containers that are started ahead of need, for workloads of one shape.
struct WarmWish {
  // What all of them have: the image, the program, the limits, and the mounts of the program
  // itself. Its environment is left out.
  WorkloadSpec spec{};
  // The program until it is needed. The last word is a path inside: it reads there, once, its
  // working folder and its environment, each text ended by a zero byte, until the end of the file.
  std::vector<std::string> waiting{};
  std::vector<std::string> places{};  // folders inside, in which mounts of a workload may be
  std::int64_t count = 0;
};

struct WorkloadStatus {
  WorkloadId id{};
  std::string profile{};
  WorkloadState state = WorkloadState::starting;
  std::string backend{};
  std::optional<WallTime> started_at{};
  std::optional<WallTime> stopped_at{};
  std::optional<int> exit_code{};  // 128 + signal where a signal ended it
  std::optional<StopReason> stop_reason{};
  std::string detail{};       // why a start failed, or the limit of its folders ended it
  std::string output_tail{};  // the last of both streams: untrusted text
  std::vector<std::string> unenforced{};  // default limits that this host cannot enforce
  WallTime touched_at{};
  std::uint64_t memory_peak_bytes = 0;  // once stopped
  std::uint64_t cpu_us = 0;
};

struct RuntimeEvent {
  WorkloadId id{};
  WorkloadState state = WorkloadState::starting;
  WallTime at{};
  std::optional<int> exit_code{};
  std::optional<StopReason> stop_reason{};
  std::string over_disk{};  // why the limit of its folders ended it; else empty
};

// How a program ended, as far as its backend could see.
struct Ending {
  std::optional<int> exit_code{};  // 128 + signal where a signal ended it
  bool out_of_memory = false;      // the kernel's memory controller killed in it
  std::string over_disk{};         // why the limit of its folders ended it; else empty
  std::uint64_t memory_peak_bytes = 0;
  std::uint64_t cpu_us = 0;
};
// `asked`: why it was told to stop, if it was. Memory that ran out is the reason whoever asked, but
// not of a program that went on to succeed.
[[nodiscard]] StopReason stop_reason_of(Ending const& ending, std::optional<StopReason> asked);

// Of what runs in the container of a resident agent.
inline constexpr std::string_view kResidentBackend = "resident";

inline constexpr Millis kStopGrace{30'000};
inline constexpr std::size_t kLiveWorkloadsMax = 256;
inline constexpr std::size_t kStoppedWorkloadsKept = 1000;  // the oldest statuses are forgotten
inline constexpr std::size_t kOutputTailBytes = std::size_t{16} << 10U;

class Runtime {
 public:
  virtual ~Runtime() = default;
  [[nodiscard]] virtual std::string_view backend() const = 0;
  // The names of all that there are, this one first.
  [[nodiscard]] virtual std::vector<std::string_view> backends() const { return {backend()}; }
  // Whether it can start anything now; the error says what is in the way.
  virtual Task<Status> check() = 0;

  // Idempotent on the id: a live one with an equal spec is touched and returned; one with another
  // spec is a conflict that names the differing fields. An ended one starts anew. A failed start
  // is the error, and stays as stopped(start_failed).
  virtual Task<Result<WorkloadStatus>> start(WorkloadSpec spec) = 0;
  // SIGTERM to its init where that handles it, the grace, then SIGKILL to every process. Returns
  // when all are gone and reaped. One that has ended already is returned as it is.
  virtual Task<Result<WorkloadStatus>> stop(WorkloadId id, StopReason reason, Millis grace) = 0;
  // Stops without grace and forgets. The unknown is no error.
  virtual Task<Status> destroy(WorkloadId id) = 0;
  // Returns once no process of it runs; conflict unless it is running.
  virtual Task<Status> freeze(WorkloadId id) = 0;
  virtual Task<Status> thaw(WorkloadId id) = 0;

  virtual Result<WorkloadStatus> touch(WorkloadId const& id) = 0;
  [[nodiscard]] virtual Result<WorkloadStatus> status(WorkloadId const& id) const = 0;
  [[nodiscard]] virtual Result<os::CgroupUsage> usage(WorkloadId const& id) const = 0;
  [[nodiscard]] virtual std::vector<WorkloadStatus> list() const = 0;

  // A live workload of an earlier process, before recover(): whether it can go on here. Where it
  // turns out to be gone it ends as failed.
  virtual bool adopt(WorkloadSpec const& spec, WallTime started_at) = 0;
  // Takes away what an earlier process left and nobody adopted. Blocks: before the loop runs.
  [[nodiscard]] virtual Status recover() = 0;

  // These are kept from now on, in place of those before, and start() takes one that fits. Returns
  // once nothing is there that is not wanted; starting goes on meanwhile, and is tried again for as
  // long as they are wanted. unsupported for a backend that keeps none.
  virtual Task<Status> keep_warm(std::vector<WarmWish> wishes) = 0;

  // The last of what it wrote to both streams, at most kOutputTailBytes: untrusted text.
  virtual Task<Result<std::string>> output(WorkloadId id) = 0;

  // One more listener, which outlives the backend's last event.
  virtual void on_event(std::function<void(RuntimeEvent const&)> listener) = 0;
};

// The fields by which two specs of one workload differ, for the conflict's sentence.
[[nodiscard]] std::vector<std::string> differing_fields(WorkloadSpec const& left,
                                                        WorkloadSpec const& right);

}  // namespace drover::runtime
