#include "fleet/wanted.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/paths.h"
#include "base/text.h"
#include "runtime/container_spec.h"
#include "sandbox/inside_path.h"
#include "worker/unit_spec.h"

namespace drover::fleet {

namespace {

using contract::AgentSpec;
using contract::CredentialSource;
using sandbox::MountMode;
using sandbox::Ownership;

constexpr std::string_view kProgram = "/run/drover/unit";
constexpr std::string_view kLine = "/run/drover/resident";
constexpr std::string_view kCredentials = "/run/credentials";
constexpr std::string_view kDocker = "docker";
// Inside, and not an agent's to mount over. Workspaces are mounted below these while it runs.
constexpr std::array<std::string_view, 5> kOwnPlaces{kStatePlace, "/run/drover", kCredentials,
                                                     "/workspace", "/workspaces"};

// Whoever reads the server's folder has its tokens.
Status check_mount(AgentSpec const& agent, contract::AgentMount const& mount,
                   FleetPlaces const& places) {
  for (auto const own : kOwnPlaces)
    if (is_within(mount.path, own) || is_within(own, mount.path))
      return fail_next(ErrorCode::invalid_argument,
                       fmt::format("the agent {} mounts {} at {}, which is drover's", agent.name,
                                   printable(mount.source), printable(mount.path)),
                       "mount it elsewhere");
  bool const around = mount.source == "/" || is_within(places.state_folder, mount.source) ||
                      is_within(mount.source, places.state_folder);
  if (!around) return {};
  return fail_next(ErrorCode::forbidden,
                   fmt::format("the agent {} mounts {}, which would bring drover's own state and "
                               "its tokens inside",
                               agent.name, printable(mount.source)),
                   "mount a folder apart from it");
}

Status check_agent(AgentSpec const& agent, std::string_view backend, FleetPlaces const& places) {
  for (auto const& mount : agent.mounts)
    DROVER_TRY(check_mount(agent, mount, places));
  if (backend == kDocker && agent.image.empty() && places.image.empty())
    return fail_next(ErrorCode::invalid_argument,
                     fmt::format("the agent {} names no image for its container", agent.name),
                     "name one in the agent, or set DROVER_DOCKER_IMAGE");
  if (backend == kDocker && agent.limits.disk_mb)
    return fail_next(ErrorCode::unsupported,
                     fmt::format("the agent {} asks for a limit of its disk (disk_mb), which no "
                                 "container engine gives a volume",
                                 agent.name),
                     "leave it out, or use the backend process");
  return {};
}

std::vector<std::string> environment(AgentSpec const& agent, std::string_view instance) {
  std::map<std::string, std::string> all = agent.env;
  // These make the instance what it is, whatever the agent says.
  all["DROVER_AGENT"] = agent.name;
  all["DROVER_INSTANCE"] = instance;
  all["HOME"] = sandbox::kAgentHome;
  all["LANG"] = "C.UTF-8";
  all["PATH"] = sandbox::kPathInside;
  all["TMPDIR"] = "/tmp";
  std::vector<std::string> lines;
  for (auto const& [name, value] : all)
    lines.push_back(fmt::format("{}={}", name, value));
  return lines;
}

std::vector<sandbox::Mount> mounts(AgentSpec const& agent, Instance const& instance,
                                   FleetPlaces const& places) {
  bool const container = instance.backend == kDocker;
  // An engine starts a container again by itself, from what is on the host then: there are no
  // mounts of this server's in between.
  auto const owner = container ? Ownership::as_on_disk : Ownership::owner_is_agent;
  std::vector<sandbox::Mount> all;
  if (!container)
    all.push_back({state_folder(places, instance.name), std::string{kStatePlace}, MountMode::rw,
                   Ownership::owner_is_agent});
  for (auto const& mount : agent.mounts)
    all.push_back({mount.source, mount.path, mount.write ? MountMode::rw : MountMode::ro, owner});
  if (agent.credentials == CredentialSource::files)
    all.push_back(
        {credentials_folder(places, agent.type), std::string{kCredentials}, MountMode::ro, owner});
  all.push_back({places.unit_program, std::string{kProgram}, MountMode::ro, Ownership::as_on_disk});
  all.push_back({line_folder(places, instance.name), std::string{kLine}, MountMode::ro,
                 Ownership::as_on_disk});
  return all;
}

Instance make_instance(AgentSpec const& agent, Replica const& replica, Known const* known,
                       FleetPlaces const& places) {
  Instance instance;
  instance.name = instance_name(replica);
  instance.of = replica;
  instance.backend = agent.backend.empty() ? places.backend : agent.backend;
  // Of an earlier prefix, if it was another.
  if (instance.backend == kDocker)
    instance.volume = known != nullptr && !known->volume.empty()
                          ? known->volume
                          : volume_name(places.prefix, instance.name);
  if (known != nullptr) instance.uid = known->uid;
  runtime::WorkloadSpec& workload = instance.workload;
  workload.id = workload_id(instance.name);
  workload.profile = kResidentProfile;
  workload.backend = instance.backend;
  if (instance.backend == kDocker)
    workload.image = agent.image.empty() ? places.image : agent.image;
  sandbox::SandboxSpec& spec = workload.sandbox;
  spec.argv = resident_argv();
  spec.env = environment(agent, instance.name);
  spec.cwd = kStatePlace;
  // Workspaces are mounted into it while it runs.
  spec.places = worker::mount_places();
  spec.landlock = sandbox::SecondWall::by_program;
  spec.mounts = mounts(agent, instance, places);
  spec.limits = worker::sandbox_limits(agent.limits);
  spec.rootfs = agent.rootfs;
  spec.extra_ro_paths = agent.read_only_paths;
  instance.hash = spec_hash(instance, places.unit_digest);
  return instance;
}

Error name_is_taken(Replica const& replica, Replica const& holder) {
  return {ErrorCode::conflict,
          fmt::format("the name {} of replica {} of the agent {} is that of replica {} of {}",
                      instance_name(replica), replica.number, replica.agent, holder.number,
                      holder.agent),
          "rename one of the agents; or disable the one that has the name, wipe it, and enable it "
          "again with fewer replicas"};
}

Error state_is_elsewhere(std::string const& name, std::string const& backend, Known const& known) {
  return {
      ErrorCode::conflict,
      fmt::format("the state of {} is with the backend {}, and its agent now asks for {}", name,
                  known.backend, backend),
      fmt::format("give the agent {} backend = \"{}\" again; or disable it, wipe it, and enable "
                  "it: it begins with an empty state then",
                  known.of.agent, known.backend)};
}

bool is_wanted(AgentSpec const& agent) {
  return agent.enabled && agent.resident;
}

}  // namespace

std::string instance_folder(FleetPlaces const& places, std::string_view instance) {
  return fmt::format("{}/residents/{}", places.state_folder, instance);
}
std::string line_folder(FleetPlaces const& places, std::string_view instance) {
  return instance_folder(places, instance) + "/line";
}
std::string state_folder(FleetPlaces const& places, std::string_view instance) {
  return instance_folder(places, instance) + "/state";
}
std::string credentials_folder(FleetPlaces const& places, std::string_view type) {
  return fmt::format("{}/credentials/{}", places.state_folder, type);
}

std::vector<std::string> resident_argv() {
  return {std::string{kProgram}, "--resident", std::string{kLine}};
}

Wanted wanted_fleet(std::vector<AgentSpec> const& agents, KnownInstances const& known,
                    FleetPlaces const& places) {
  std::set<std::string, std::less<>> own_names;
  for (auto const& agent : agents)
    if (is_wanted(agent)) own_names.insert(agent.name);
  Wanted wanted;
  for (auto const& agent : agents) {
    if (!is_wanted(agent)) continue;
    std::string const& backend = agent.backend.empty() ? places.backend : agent.backend;
    auto const fits = check_agent(agent, backend, places);
    for (int number = 1; number <= agent.replicas; ++number) {
      Replica const replica{agent.name, number};
      std::string const name = instance_name(replica);
      auto const found = known.find(name);
      auto const* const since = found == known.end() ? nullptr : &found->second;
      if (since != nullptr && since->of != replica) {
        wanted.refused.push_back({name, replica, name_is_taken(replica, since->of)});
      } else if (since == nullptr && number > 1 && own_names.contains(name)) {
        wanted.refused.push_back({name, replica, name_is_taken(replica, {name, 1})});
      } else if (since != nullptr && since->backend != backend) {
        wanted.refused.push_back({name, replica, state_is_elsewhere(name, backend, *since)});
      } else if (!fits) {
        wanted.refused.push_back({name, replica, fits.error()});
      } else {
        wanted.instances.emplace(name, make_instance(agent, replica, since, places));
      }
    }
  }
  return wanted;
}

}  // namespace drover::fleet
