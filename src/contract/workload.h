#pragma once
// runtime.v1: what the runtime is asked to start, and what it says about it. Plain values.
//
//   starting → running → stopping → stopped → destroyed; starting → stopped(start_failed);
//   running → stopped when it exits by itself
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"

namespace drover::contract {

enum class WorkloadState : std::uint8_t { starting, running, stopping, stopped, destroyed };
enum class StopReason : std::uint8_t {
  completed,
  stopped,
  idle_timeout,
  failed,
  oom,
  start_failed,
  max_lifetime,
};
enum class BackendKind : std::uint8_t { docker, k8s, process };

struct Resources {
  std::optional<double> cpu;        // cores
  std::optional<double> memory_mb;  // 2^20 bytes
  std::optional<double> gpu;

  friend bool operator==(Resources const&, Resources const&) = default;
};

struct WorkloadSpec {
  std::string workload_id;
  std::string profile;
  std::map<std::string, std::string> env;
  std::optional<std::string> callback_url;
  Resources resources;
  std::optional<double> idle_timeout_s;
  std::optional<double> max_lifetime_s;
  std::optional<BackendKind> backend;

  friend bool operator==(WorkloadSpec const&, WorkloadSpec const&) = default;
};

using Ports = std::map<int, int>;  // inside to host

struct WorkloadStatus {
  std::string workload_id;
  std::string profile;
  WorkloadState state = WorkloadState::starting;
  BackendKind backend = BackendKind::process;
  Ports ports;
  std::optional<WallTime> started_at;
  std::optional<WallTime> stopped_at;
  std::optional<int> exit_code;
  std::optional<StopReason> stop_reason;
  std::optional<std::string> node;
};

struct RuntimeEvent {
  std::string workload_id;
  WorkloadState state = WorkloadState::starting;
  WallTime at;
  Ports ports;
  std::optional<int> exit_code;
  std::optional<StopReason> stop_reason;
};

[[nodiscard]] Result<WorkloadSpec> parse_workload_spec(std::string_view text);
[[nodiscard]] Result<WorkloadStatus> parse_workload_status(std::string_view text);
[[nodiscard]] Result<RuntimeEvent> parse_runtime_event(std::string_view text);
[[nodiscard]] json::value to_json(WorkloadSpec const& spec);
[[nodiscard]] json::value to_json(WorkloadStatus const& status);
[[nodiscard]] json::value to_json(RuntimeEvent const& event);

// The wire names of the members in which two specs differ: a create with the id of a live workload
// is refused with these. Environment variables are named one by one, never with their values.
[[nodiscard]] std::vector<std::string> differing_members(WorkloadSpec const& left,
                                                         WorkloadSpec const& right);

[[nodiscard]] bool can_follow(WorkloadState from, WorkloadState to);
// Of a workload that ended by itself: completed, failed, or oom when the kernel says so.
[[nodiscard]] StopReason stop_reason_of_exit(int exit_code, bool was_oom_killed);

[[nodiscard]] std::string_view to_string(WorkloadState state);
[[nodiscard]] std::string_view to_string(StopReason reason);
[[nodiscard]] std::string_view to_string(BackendKind backend);
[[nodiscard]] Result<WorkloadState> parse_workload_state(std::string_view text);
[[nodiscard]] Result<StopReason> parse_stop_reason(std::string_view text);
[[nodiscard]] Result<BackendKind> parse_backend_kind(std::string_view text);

}  // namespace drover::contract
