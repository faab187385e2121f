#include "contract/workload.h"

#include <charconv>
#include <set>
#include <utility>

#include "contract/fields.h"
#include "contract/schemas.h"

namespace drover::contract {

namespace {

constexpr std::array<Named<WorkloadState>, 5> kStates = {{{WorkloadState::starting, "starting"},
                                                          {WorkloadState::running, "running"},
                                                          {WorkloadState::stopping, "stopping"},
                                                          {WorkloadState::stopped, "stopped"},
                                                          {WorkloadState::destroyed, "destroyed"}}};
constexpr std::array<Named<StopReason>, 7> kReasons = {
    {{StopReason::completed, "completed"},
     {StopReason::stopped, "stopped"},
     {StopReason::idle_timeout, "idle_timeout"},
     {StopReason::failed, "failed"},
     {StopReason::oom, "oom"},
     {StopReason::start_failed, "start_failed"},
     {StopReason::max_lifetime, "max_lifetime"}}};
constexpr std::array<Named<BackendKind>, 3> kBackends = {{{BackendKind::docker, "docker"},
                                                          {BackendKind::k8s, "k8s"},
                                                          {BackendKind::process, "process"}}};

Ports ports_of(json::object const& object) {
  Ports out;
  auto const* ports = object.if_contains("ports");
  if (ports == nullptr) return out;
  for (auto const& member : ports->get_object()) {
    int inside = 0;
    std::from_chars(member.key().data(), member.key().data() + member.key().size(), inside);
    out[inside] = static_cast<int>(int_at(ports->get_object(), member.key()));
  }
  return out;
}

void put_ports(json::object& out, Ports const& ports) {
  if (ports.empty()) return;
  json::object object;
  for (auto const& [inside, outside] : ports)
    object[std::to_string(inside)] = outside;
  out["ports"] = std::move(object);
}

std::optional<int> exit_code_of(json::object const& object) {
  auto const code = optional_int(object, "exitCode");
  return code ? std::optional{static_cast<int>(*code)} : std::nullopt;
}

void put_reason(json::object& out, std::optional<StopReason> reason) {
  if (reason) out["stopReason"] = to_string(*reason);
}

Resources resources_of(json::object const& object) {
  auto const* value = object.if_contains("resources");
  if (value == nullptr) return {};
  auto const& members = value->get_object();
  return {.cpu = optional_double(members, "cpu"),
          .memory_mb = optional_double(members, "memoryMb"),
          .gpu = optional_double(members, "gpu")};
}

}  // namespace

Result<WorkloadSpec> parse_workload_spec(std::string_view text) {
  auto const value = parse_checked(Contract::runtime, "workloadSpec", text);
  if (!value) return std::unexpected(value.error());
  auto const& object = value->get_object();
  WorkloadSpec spec;
  spec.workload_id = text_at(object, "workloadId");
  spec.profile = text_at(object, "profile");
  for (auto const& member : object.at("env").get_object())
    spec.env.emplace(member.key(), member.value().get_string());
  spec.callback_url = optional_text(object, "callbackUrl");
  spec.resources = resources_of(object);
  spec.idle_timeout_s = optional_double(object, "idleTimeoutSec");
  spec.max_lifetime_s = optional_double(object, "maxLifetimeSec");
  spec.backend = value_of(kBackends, text_at(object, "backend"));
  return spec;
}

Result<WorkloadStatus> parse_workload_status(std::string_view text) {
  auto const value = parse_checked(Contract::runtime, "workloadStatus", text);
  if (!value) return std::unexpected(value.error());
  auto const& object = value->get_object();
  return WorkloadStatus{.workload_id = text_at(object, "workloadId"),
                        .profile = text_at(object, "profile"),
                        .state = *value_of(kStates, text_at(object, "state")),
                        .backend = *value_of(kBackends, text_at(object, "backend")),
                        .ports = ports_of(object),
                        .started_at = optional_time(object, "startedAt"),
                        .stopped_at = optional_time(object, "stoppedAt"),
                        .exit_code = exit_code_of(object),
                        .stop_reason = value_of(kReasons, text_at(object, "stopReason")),
                        .node = optional_text(object, "node")};
}

Result<RuntimeEvent> parse_runtime_event(std::string_view text) {
  auto const value = parse_checked(Contract::runtime, "runtimeEvent", text);
  if (!value) return std::unexpected(value.error());
  auto const& object = value->get_object();
  return RuntimeEvent{.workload_id = text_at(object, "workloadId"),
                      .state = *value_of(kStates, text_at(object, "state")),
                      .at = *optional_time(object, "at"),
                      .ports = ports_of(object),
                      .exit_code = exit_code_of(object),
                      .stop_reason = value_of(kReasons, text_at(object, "stopReason"))};
}

json::value to_json(WorkloadSpec const& spec) {
  json::object out;
  out["workloadId"] = spec.workload_id;
  out["profile"] = spec.profile;
  json::object env;
  for (auto const& [name, value] : spec.env)
    env[name] = value;
  out["env"] = std::move(env);
  put(out, "callbackUrl", spec.callback_url);
  if (spec.resources != Resources{}) {
    json::object resources;
    put(resources, "cpu", spec.resources.cpu);
    put(resources, "memoryMb", spec.resources.memory_mb);
    put(resources, "gpu", spec.resources.gpu);
    out["resources"] = std::move(resources);
  }
  put(out, "idleTimeoutSec", spec.idle_timeout_s);
  put(out, "maxLifetimeSec", spec.max_lifetime_s);
  if (spec.backend) out["backend"] = to_string(*spec.backend);
  return out;
}

json::value to_json(WorkloadStatus const& status) {
  json::object out;
  out["workloadId"] = status.workload_id;
  out["profile"] = status.profile;
  out["state"] = to_string(status.state);
  out["backend"] = to_string(status.backend);
  put_ports(out, status.ports);
  put_time(out, "startedAt", status.started_at);
  put_time(out, "stoppedAt", status.stopped_at);
  put(out, "exitCode", status.exit_code);
  put_reason(out, status.stop_reason);
  put(out, "node", status.node);
  return out;
}

json::value to_json(RuntimeEvent const& event) {
  json::object out;
  out["workloadId"] = event.workload_id;
  out["state"] = to_string(event.state);
  out["at"] = to_rfc3339(event.at);
  put_ports(out, event.ports);
  put(out, "exitCode", event.exit_code);
  put_reason(out, event.stop_reason);
  return out;
}

std::vector<std::string> differing_members(WorkloadSpec const& left, WorkloadSpec const& right) {
  std::vector<std::string> out;
  auto const note = [&](bool is_same, std::string_view member) {
    if (!is_same) out.emplace_back(member);
  };
  note(left.workload_id == right.workload_id, "workloadId");
  note(left.profile == right.profile, "profile");
  std::set<std::string> names;
  for (auto const& [name, value] : left.env)
    names.insert(name);
  for (auto const& [name, value] : right.env)
    names.insert(name);
  for (auto const& name : names) {
    auto const mine = left.env.find(name);
    auto const other = right.env.find(name);
    bool const is_same =
        mine != left.env.end() && other != right.env.end() && mine->second == other->second;
    note(is_same, "env." + name);
  }
  note(left.callback_url == right.callback_url, "callbackUrl");
  note(left.resources.cpu == right.resources.cpu, "resources.cpu");
  note(left.resources.memory_mb == right.resources.memory_mb, "resources.memoryMb");
  note(left.resources.gpu == right.resources.gpu, "resources.gpu");
  note(left.idle_timeout_s == right.idle_timeout_s, "idleTimeoutSec");
  note(left.max_lifetime_s == right.max_lifetime_s, "maxLifetimeSec");
  note(left.backend == right.backend, "backend");
  return out;
}

bool can_follow(WorkloadState from, WorkloadState to) {
  switch (to) {
    case WorkloadState::starting:
      return false;
    case WorkloadState::running:
      return from == WorkloadState::starting;
    case WorkloadState::stopping:
      return from == WorkloadState::starting || from == WorkloadState::running;
    case WorkloadState::stopped:
      return from != WorkloadState::stopped && from != WorkloadState::destroyed;
    case WorkloadState::destroyed:
      return from == WorkloadState::stopped;
  }
  return false;
}

StopReason stop_reason_of_exit(int exit_code, bool was_oom_killed) {
  if (was_oom_killed) return StopReason::oom;
  return exit_code == 0 ? StopReason::completed : StopReason::failed;
}

std::string_view to_string(WorkloadState state) {
  return name_of(kStates, state);
}
std::string_view to_string(StopReason reason) {
  return name_of(kReasons, reason);
}
std::string_view to_string(BackendKind backend) {
  return name_of(kBackends, backend);
}
Result<WorkloadState> parse_workload_state(std::string_view text) {
  return parse_name(kStates, "workload state", text);
}
Result<StopReason> parse_stop_reason(std::string_view text) {
  return parse_name(kReasons, "stop reason", text);
}
Result<BackendKind> parse_backend_kind(std::string_view text) {
  return parse_name(kBackends, "backend", text);
}

}  // namespace drover::contract
