#include "worker/unit_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <boost/json.hpp>

#include "gateway/mcp_config.h"
#include "sandbox/inside_path.h"
#include "worker/hand_over.h"
#include "worker/unit_environment.h"

namespace drover::worker {

namespace {

constexpr std::string_view kProgram = "/run/drover/unit";
constexpr std::string_view kSocket = "/run/drover/unit.sock";
constexpr std::string_view kSession = "/run/drover/session";
constexpr std::string_view kStart = "/run/drover/start";
constexpr int kEgressPort = 3128;  // of the relay inside
constexpr std::int64_t kOutputTokensMax = 32'000;

using sandbox::Limit;
using sandbox::LimitOrigin;
using sandbox::MountMode;
using sandbox::Ownership;

std::string place_of(std::vector<workspace::CheckedOut> const& checkouts, std::size_t index) {
  if (index == 0) return "/workspace";
  return fmt::format("/workspaces/{}", checkouts[index].id);
}

void mount_checkout(workspace::CheckedOut const& checkout, std::string const& place,
                    std::size_t index, sandbox::SandboxSpec& spec) {
  MountMode const mode = contract::writes(checkout.mode) ? MountMode::rw : MountMode::ro;
  spec.mounts.push_back({checkout.path, place, mode, Ownership::owner_is_agent});
  if (!checkout.linked) {
    if (mode == MountMode::rw)
      spec.mounts.push_back(
          {checkout.path + "/.git", place + "/.git", MountMode::ro, Ownership::owner_is_agent});
    return;
  }
  // A linked worktree's .git is a file with a path of the host. Inside it points to the
  // repository's mount, so that git can read the history.
  std::string const inside = fmt::format("/run/drover/git{}", index);
  std::string const name = checkout.git_folder.substr(checkout.git_folder.rfind('/') + 1);
  spec.mounts.push_back({checkout.common_folder, inside, MountMode::ro, Ownership::owner_is_agent});
  spec.files.push_back({place + "/.git", fmt::format("gitdir: {}/worktrees/{}\n", inside, name)});
}

bool writable(std::vector<workspace::CheckedOut> const& checkouts) {
  return contract::writes(checkouts.front().mode);
}

std::vector<contract::Mount> mounts_inside(std::vector<workspace::CheckedOut> const& checkouts) {
  std::vector<contract::Mount> mounts;
  for (std::size_t i = 0; i < checkouts.size(); ++i) {
    contract::Mount mount;
    mount.slug = checkouts[i].id;
    mount.path = place_of(checkouts, i);
    mount.write = contract::writes(checkouts[i].mode);
    mount.primary = i == 0;
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

std::string system_prompt(contract::AgentSpec const& agent,
                          std::vector<workspace::CheckedOut> const& checkouts) {
  std::string const network =
      agent.egress.empty()
          ? "without network access"
          : fmt::format(
                "whose network is the HTTP proxy of its environment, which reaches {} and "
                "nothing else",
                fmt::join(agent.egress, ", "));
  std::string prompt =
      "You are an agent that works in a sandbox " + network +
      ". Your working directory is /workspace. What you change there is committed to git when your "
      "turn ends; do not commit "
      "yourself, .git is read-only. Finish with a short summary whose first line can serve as the "
      "subject of that commit.";
  for (std::size_t i = 0; i < checkouts.size(); ++i)
    prompt += fmt::format("\nWorkspace {} is at {}, {}.", checkouts[i].id, place_of(checkouts, i),
                          contract::writes(checkouts[i].mode) ? "writable" : "read-only");
  if (!agent.prompt.empty()) prompt += "\n\n" + agent.prompt;
  return prompt;
}

// Programs inside know of proxies by these; what is on the sandbox's own loopback needs none.
void add_egress(contract::AgentSpec const& agent, std::vector<std::string>& env) {
  if (agent.egress.empty()) return;
  env.push_back(fmt::format("DROVER_EGRESS_PORT={}", kEgressPort));
  for (std::string_view const name : {"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"})
    env.push_back(fmt::format("{}=http://127.0.0.1:{}", name, kEgressPort));
  for (std::string_view const name : {"NO_PROXY", "no_proxy"})
    env.push_back(fmt::format("{}=localhost,127.0.0.1,::1", name));
}

// The agent's own variables stand behind those that make a unit what it is.
void add_environment(contract::AgentSpec const& agent, std::vector<std::string>& env) {
  for (auto const& [name, value] : agent.env) {
    std::string const start = name + "=";
    bool const taken =
        std::ranges::any_of(env, [&](std::string const& line) { return line.starts_with(start); });
    if (!taken) env.push_back(start + value);
  }
}

// What all units of an agent have.
runtime::WorkloadSpec bare_spec(contract::AgentSpec const& agent, contract::Limits const& limits) {
  runtime::WorkloadSpec workload;
  workload.profile = "unit";
  workload.backend = agent.backend;
  workload.image = agent.image;
  if (agent.resident) workload.backend = runtime::kResidentBackend;
  if (agent.warm > 0 || agent.resident) workload.agent = agent.name;
  sandbox::SandboxSpec& spec = workload.sandbox;
  spec.argv = {std::string{kProgram}};
  spec.cwd = "/workspace";
  spec.limits = sandbox_limits(limits);
  spec.rootfs = agent.rootfs;
  spec.extra_ro_paths = agent.read_only_paths;
  return workload;
}

sandbox::Mount program_mount(std::string const& unit_program) {
  return {unit_program, std::string{kProgram}, MountMode::ro, Ownership::as_on_disk};
}

}  // namespace

sandbox::Limits sandbox_limits(contract::Limits const& asked) {
  sandbox::Limits limits;
  if (asked.memory_mb)
    limits.memory_mb = Limit{static_cast<std::uint64_t>(*asked.memory_mb), LimitOrigin::asked};
  if (asked.pids) limits.pids = Limit{static_cast<std::uint64_t>(*asked.pids), LimitOrigin::asked};
  if (asked.disk_mb) limits.disk_mb = static_cast<std::uint64_t>(*asked.disk_mb);
  if (asked.cpu)
    limits.cpu_milli = Limit{static_cast<std::uint64_t>(*asked.cpu * 1000), LimitOrigin::asked};
  return limits;
}

runtime::WorkloadSpec unit_spec(SessionRecord const& session,
                                std::vector<workspace::CheckedOut> const& checkouts,
                                contract::AgentSpec const& agent, contract::Limits const& limits,
                                UnitIdentity const& identity, UnitPlaces const& places) {
  runtime::WorkloadSpec workload = bare_spec(agent, limits);
  workload.id = identity.workload;
  workload.owned_folders = {places.socket_folder};
  sandbox::SandboxSpec& spec = workload.sandbox;
  for (std::size_t i = 0; i < checkouts.size(); ++i)
    mount_checkout(checkouts[i], place_of(checkouts, i), i, spec);
  spec.mounts.push_back(program_mount(places.unit_program));
  spec.mounts.push_back({places.socket_folder + "/unit.sock", std::string{kSocket}, MountMode::rw,
                         Ownership::as_on_disk});
  if (!writable(checkouts))
    spec.mounts.push_back(
        {places.session_folder, std::string{kSession}, MountMode::rw, Ownership::owner_is_agent});
  spec.env = {fmt::format("DROVER_UNIT_SOCKET={}", kSocket), "HOME=/home/agent",
              fmt::format("PATH={}", sandbox::kPathInside), "LANG=C.UTF-8", "TMPDIR=/tmp"};
  UnitFacts facts;
  facts.unit = identity.name;
  facts.token = identity.token;
  facts.idle = identity.idle;
  facts.mounts = mounts_inside(checkouts);
  for (auto const& [name, value] : unit_environment(session, facts))
    spec.env.push_back(fmt::format("{}={}", name, value));
  add_egress(agent, spec.env);
  add_environment(agent, spec.env);
  return workload;
}

std::vector<std::string> mount_places() {
  return {"/workspace", "/workspaces", "/run/drover"};
}

runtime::WarmWish warm_wish(contract::AgentSpec const& agent, std::string const& unit_program) {
  runtime::WarmWish wish;
  wish.spec = bare_spec(agent, agent.limits);
  wish.spec.sandbox.mounts = {program_mount(unit_program)};
  wish.waiting = {std::string{kProgram}, "--wait", std::string{kStart}};
  wish.places = mount_places();
  wish.count = agent.warm;
  return wish;
}

json::object unit_description(SessionRecord const& session,
                              std::vector<workspace::CheckedOut> const& checkouts,
                              contract::AgentSpec const& agent, std::string const& unit,
                              std::string const& model, Millis idle) {
  json::array workspaces;
  for (std::size_t i = 0; i < checkouts.size(); ++i)
    workspaces.push_back(json::object{{"id", json::string{checkouts[i].id.str()}},
                                      {"path", json::string{place_of(checkouts, i)}},
                                      {"mode", contract::to_string(checkouts[i].mode)}});
  json::array tools;
  for (std::string const& tool : session.tools)
    tools.push_back(json::string{tool});
  json::array servers;
  for (contract::McpGrant const& grant : agent.mcp)
    if (grant.server != gateway::kOwnMcpServer) servers.push_back(json::string{grant.server});
  if (has_own_tools(agent)) servers.push_back(json::string{gateway::kOwnMcpServer});
  return {{"unit", json::string{unit}},
          {"session", json::string{session.id.str()}},
          {"runner", "native"},
          {"cwd", "/workspace"},
          {"session_dir", writable(checkouts) ? std::string_view{"/workspace/.claude"} : kSession},
          {"system", json::string{system_prompt(agent, checkouts)}},
          {"model", json::string{model}},
          {"tools", std::move(tools)},
          {"mcp", std::move(servers)},
          {"idle_s", idle.count() / 1000},
          {"max_output_tokens", kOutputTokensMax},
          {"workspaces", std::move(workspaces)}};
}

}  // namespace drover::worker
