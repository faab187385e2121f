#include "runtime/workload_terms.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "sandbox/inside_path.h"

namespace drover::runtime {

namespace {

using sandbox::Limit;
using sandbox::LimitOrigin;

// The smaller of the two that is set.
double least(double one, double two) {
  if (one <= 0) return two;
  if (two <= 0) return one;
  return std::min(one, two);
}

void set_limit(Limit& limit, double value) {
  if (value <= 0) return;
  limit = {static_cast<std::uint64_t>(std::ceil(value)), LimitOrigin::asked};
}

Millis seconds(std::optional<double> value) {
  return Millis{static_cast<std::int64_t>(std::ceil(value.value_or(0) * 1000))};
}

Millis least(Millis one, Millis two) {
  if (one <= Millis{0}) return two;
  if (two <= Millis{0}) return one;
  return std::min(one, two);
}

// The profile's stand over the caller's, and both over what every workload has.
std::vector<std::string> environment(contract::WorkloadSpec const& asked, Profile const& profile) {
  std::map<std::string, std::string> all{{"PATH", std::string{sandbox::kPathInside}},
                                         {"HOME", std::string{sandbox::kAgentHome}},
                                         {"LANG", "C.UTF-8"},
                                         {"TMPDIR", "/tmp"}};
  for (auto const& [name, value] : asked.env)
    all[name] = value;
  for (auto const& [name, value] : profile.env)
    all[name] = value;
  std::vector<std::string> lines;
  for (auto const& [name, value] : all)
    lines.push_back(fmt::format("{}={}", name, value));
  return lines;
}

}  // namespace

contract::BackendKind backend_kind(std::string_view backend) {
  return backend == "docker" ? contract::BackendKind::docker : contract::BackendKind::process;
}

Millis idle_limit(contract::WorkloadSpec const& asked, Profile const& profile) {
  return least(seconds(asked.idle_timeout_s), profile.idle);
}

Result<WorkloadSpec> workload_spec(WorkloadId name, contract::WorkloadSpec const& asked,
                                   Profile const& profile, FindFolder const& find_folder) {
  if (asked.resources.gpu.value_or(0) > 0)
    return fail_next(ErrorCode::invalid_argument,
                     "/resources/gpu: no backend of this server hands out GPUs",
                     "ask for none, or 0");
  if (asked.backend == contract::BackendKind::k8s)
    return fail_next(ErrorCode::invalid_argument, "/backend: this server has no k8s",
                     "name process or docker, or none");
  WorkloadSpec spec;
  spec.id = std::move(name);
  spec.profile = profile.name;
  spec.backend = asked.backend ? std::string{contract::to_string(*asked.backend)} : profile.backend;
  spec.image = profile.image;
  spec.max_lifetime = least(seconds(asked.max_lifetime_s), profile.lifetime);
  auto& sandbox = spec.sandbox;
  sandbox.argv = profile.command;
  sandbox.cwd = profile.cwd;
  sandbox.env = environment(asked, profile);
  set_limit(sandbox.limits.memory_mb,
            least(asked.resources.memory_mb.value_or(0), static_cast<double>(profile.memory_mb)));
  constexpr double kMilli = 1000;
  set_limit(sandbox.limits.cpu_milli, least(asked.resources.cpu.value_or(0), profile.cpu) * kMilli);
  set_limit(sandbox.limits.pids, static_cast<double>(profile.pids));
  for (auto const& mount : profile.mounts) {
    auto folder = find_folder(mount.workspace);
    if (!folder) return std::unexpected(folder.error());
    sandbox.mounts.push_back({*std::move(folder), mount.path, sandbox::MountMode::ro,
                              sandbox::Ownership::owner_is_agent});
  }
  return spec;
}

}  // namespace drover::runtime
