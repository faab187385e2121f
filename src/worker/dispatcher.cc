#include "worker/dispatcher.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json.hpp>

#include "base/digest.h"
#include "base/text.h"
#include "gateway/egress_policy.h"
#include "git/repository.h"
#include "worker/outcome.h"
#include "worker/run_journal.h"
#include "worker/run_store.h"
#include "worker/waiting.h"
#include "workspace/checkout.h"
#include "workspace/private_paths.h"

namespace drover::worker {

namespace {

constexpr std::size_t kPromptBytesMax = std::size_t{4} << 20U;
constexpr std::string_view kAskTool = "AskUserQuestion";
constexpr std::array<std::string_view, 7> kTools = {"Read", "Write", "Edit",  "Bash",
                                                    "Glob", "Grep",  kAskTool};

// Of a session that names none. Only a person can be asked.
std::vector<std::string> usual_tools(contract::Launcher const& launcher) {
  std::vector<std::string> tools{kTools.begin(), kTools.end()};
  if (launcher.kind != contract::Launcher::Kind::user) std::erase(tools, kAskTool);
  return tools;
}

Status check_prompt(std::string const& prompt) {
  if (prompt.empty()) return fail(ErrorCode::invalid_argument, "the prompt is empty");
  if (prompt.size() > kPromptBytesMax)
    return fail_next(ErrorCode::too_large,
                     fmt::format("the prompt has {} bytes, over the limit of {}", prompt.size(),
                                 kPromptBytesMax),
                     "put the material in a file of the workspace and name the file");
  if (!is_utf8(prompt)) return fail(ErrorCode::invalid_argument, "the prompt is not UTF-8 text");
  return {};
}

// What the contract allows and this server cannot do yet.
Status check_supported(contract::Invocation const& invocation, WorkerOptions const& options) {
  auto const runner = contract::canonical_runner(invocation.runner);
  if (runner != kNativeRunner && !is_third_party(options, runner))
    return fail_next(
        ErrorCode::unsupported,
        fmt::format("/runner: this server has no runner '{}'", printable(invocation.runner, 60)),
        "use the runner native, or start the server with it in DROVER_THIRD_PARTY_RUNNERS");
  if (!std::holds_alternative<contract::Entrypoint>(invocation.start))
    return fail_next(ErrorCode::unsupported, "/start/session: a run needs a first turn",
                     "give start.entrypoint, or send a message to the session");
  return {};
}

Status check_tools(std::vector<std::string> const& tools) {
  for (std::string const& tool : tools)
    if (std::ranges::find(kTools, tool) == kTools.end())
      return fail(ErrorCode::invalid_argument, "/tools: there is no tool '{}'; known are {}",
                  printable(tool, 60), fmt::join(kTools, ", "));
  return {};
}

// A tool that is to be approved and cannot be called is a slip of the pen, which would leave the
// one that was meant ungated.
Status check_mcp(std::string const& agent, contract::McpGrant const& grant,
                 gateway::GatewayConfig const& gateway) {
  auto const server = gateway.mcp.find(grant.server);
  if (server == gateway.mcp.end())
    return fail_next(ErrorCode::invalid_argument,
                     fmt::format("/agent: the agent {} names the MCP server '{}', which the "
                                 "gateway does not have",
                                 agent, printable(grant.server, 80)),
                     "add it to gateway.toml, and reload: drover gateway reload");
  auto const refuse = [&](std::string_view list, std::string const& tool) {
    return fail(ErrorCode::invalid_argument,
                "/agent: the agent {} lists the tool '{}' of the MCP server {} in {}, and may not "
                "call it",
                agent, printable(tool, 80), grant.server, list);
  };
  if (grant.tools)
    for (std::string const& tool : *grant.tools)
      if (!server->second.allows(tool)) return refuse("tools", tool);
  for (std::string const& tool : grant.approve) {
    bool const granted =
        !grant.tools || std::ranges::find(*grant.tools, tool) != grant.tools->end();
    if (tool != "*" && (!granted || !server->second.allows(tool))) return refuse("approve", tool);
  }
  return {};
}

// What the contract lets an agent ask for and this server cannot give it yet.
Status check_agent(contract::AgentSpec const& agent, std::string_view default_backend,
                   bool runs_residents, gateway::GatewayConfig const& gateway) {
  auto const egress = gateway::EgressPolicy::parse(agent.egress);
  if (!egress)
    return fail(ErrorCode::invalid_argument, "/agent: the agent {}: {}", agent.name,
                egress.error().message);
  for (contract::McpGrant const& grant : agent.mcp)
    DROVER_TRY(check_mcp(agent.name, grant, gateway));
  std::string_view lacks;
  bool const in_process = (agent.backend.empty() ? default_backend : agent.backend) == "process";
  if (agent.warm > 0 && in_process)
    lacks =
        "units ahead of need (warm) of the backend process, whose sandboxes are made in "
        "milliseconds";
  if (agent.resident && !runs_residents) lacks = "a container of its own (resident)";
  if (lacks.empty()) return {};
  return fail_next(ErrorCode::unsupported,
                   fmt::format("/agent: the agent {} asks for {}, which this server cannot give",
                               agent.name, lacks),
                   "leave that out of the agent, or name another");
}

// A session's conversation is its runner's.
Status check_runner(contract::Invocation const& invocation, SessionRecord const& session) {
  auto const runner = contract::canonical_runner(invocation.runner);
  if (runner == session.runner) return {};
  return fail_next(ErrorCode::conflict,
                   fmt::format("/runner: the session {} has the runner {}, not {}", session.id,
                               session.runner, runner),
                   "name the session's runner, or start a new session");
}

// A third-party worker's program runs where its operator has put it.
Status check_limits(contract::Limits const& limits, SessionRecord const& session) {
  if (session.runner == kNativeRunner) return {};
  bool const of_machine = limits.cpu || limits.memory_mb || limits.pids || limits.disk_mb;
  if (!of_machine) return {};
  return fail_next(
      ErrorCode::unsupported,
      fmt::format("/limits: cpu, memory, processes and disk of the runner {} cannot be "
                  "limited from here, because a third-party worker serves it",
                  session.runner),
      "limit its container, and leave these limits out");
}

// The container of a resident agent is there already, with the limits of its agent.
Status check_resident_limits(contract::Limits const& limits, contract::AgentSpec const& agent) {
  auto const& own = agent.limits;
  bool const same =
      limits.cpu == own.cpu && limits.memory_mb == own.memory_mb && limits.pids == own.pids;
  if (!agent.resident || same) return {};
  return fail_next(ErrorCode::unsupported,
                   fmt::format("/limits: cpu, memory and processes of the resident agent {} are "
                               "those of its container",
                               agent.name),
                   "set them in the agent, and leave them out of the run and its task type");
}

// The session's; of a new one the invocation's, else its type's.
Result<std::string> agent_name(contract::Invocation const& invocation,
                               contract::TaskType const& type, SessionRecord const& session) {
  if (session.agent.empty())
    return invocation.agent ? invocation.agent->str()
                            : type.defaults.agent.value_or(std::string{contract::kDefaultAgent});
  if (!invocation.agent || *invocation.agent == session.agent) return session.agent.str();
  return fail_next(ErrorCode::conflict,
                   fmt::format("/agent: the session {} is of the agent {}, not {}", session.id,
                               session.agent, *invocation.agent),
                   "name the session's agent, or start a new session");
}

Error named_by_type(Error error, contract::TaskType const& type) {
  error.message += fmt::format(", which the task type {} names", type.name);
  return error;
}

Status check_agent_runner(contract::AgentSpec const& agent, std::string_view runner) {
  if (!agent.mcp.empty() && runner != kNativeRunner)
    return fail_next(ErrorCode::unsupported,
                     fmt::format("/runner: the agent {} has MCP servers, which a third-party "
                                 "worker of the runner {} cannot reach",
                                 agent.name, runner),
                     "use the runner native, or leave mcp out of the agent");
  if (agent.resident && runner != kNativeRunner)
    return fail_next(ErrorCode::unsupported,
                     fmt::format("/runner: the agent {} is resident, and a third-party worker of "
                                 "the runner {} has its own place",
                                 agent.name, runner),
                     "use the runner native, or leave resident out of the agent");
  if (!agent.runner || contract::canonical_runner(*agent.runner) == runner) return {};
  return fail_next(ErrorCode::conflict,
                   fmt::format("/runner: the agent {} has the runner {}, not {}", agent.name,
                               *agent.runner, runner),
                   "name the agent's runner, or another agent");
}

Status check_grants(std::vector<contract::WorkspaceGrant> const& grants) {
  int worktrees = 0;
  for (std::size_t i = 0; i < grants.size(); ++i) {
    if (grants[i].mode == contract::WorkspaceMode::propose &&
        grants[i].checkout == contract::Checkout::allow_dirty)
      return fail(ErrorCode::invalid_argument,
                  "/workspaces/{}/checkout: what is proposed is worked on in a worktree", i);
    for (std::size_t other = 0; other < i; ++other)
      if (grants[other].id == grants[i].id)
        return fail(ErrorCode::invalid_argument,
                    "/workspaces/{}: the workspace {} is granted twice", i, grants[i].id);
    if (grants[i].checkout != contract::Checkout::worktree) continue;
    if (!contract::writes(grants[i].mode))
      return fail(ErrorCode::invalid_argument,
                  "/workspaces/{}/checkout: a worktree is for a workspace that may be written", i);
    if (++worktrees > 1)
      return fail_next(ErrorCode::invalid_argument,
                       fmt::format("/workspaces/{}: a session has one worktree at most", i),
                       "grant the others ro, and let them be changed in sessions of their own");
  }
  return {};
}

std::string session_group(SessionId const& id) {
  return "session:" + id.str();
}
std::string workspace_group(WorkspaceId const& id) {
  return "workspace:" + id.str();
}

// Who shares the workers fairly with others. A subject may hold what a queue's name may not.
std::string tenant_of(SessionRecord const& session) {
  if (!session.tenant.empty()) return session.tenant;
  std::string const& subject = session.subject;
  bool const plain = subject.size() <= 100 &&
                     std::ranges::all_of(subject, [](char c) { return c > ' ' && c < '\x7f'; });
  return plain ? subject : "subject:" + sha256_hex(subject);
}

// The pointer of the error, where it has one, then leads from the list of runs.
Error at_place(Error error, std::size_t place) {
  error.message =
      fmt::format("/runs/{}{}{}", place, error.message.starts_with('/') ? "" : ": ", error.message);
  return error;
}

bool writes_in_place(contract::WorkspaceGrant const& grant) {
  return grant.mode == contract::WorkspaceMode::rw &&
         grant.checkout != contract::Checkout::worktree;
}

}  // namespace

struct Dispatcher::Plan {
  RunTerms terms;
  SessionRecord session;
  bool new_session = false;
  std::string model;
  std::string key;
  std::string digest;
  std::optional<RunId> replay_of;
  std::optional<Dispatched> known;  // its idempotency key was: there is nothing left to do
};

Dispatcher::Dispatcher(Services const& services) : services_(services) {}

Task<Result<std::optional<Dispatched>>> Dispatcher::replay_of(std::string key, std::string digest) {
  if (key.empty()) co_return std::nullopt;
  auto known = co_await services_.readers.run(
      [key](store::Database& database) { return find_run_by_key(database, key); });
  if (!known) co_return std::unexpected(known.error());
  if (!*known) co_return std::nullopt;
  if ((*known)->body_digest != digest)
    co_return fail_next(ErrorCode::conflict,
                        fmt::format("the idempotency key '{}' belongs to the run {}, whose request "
                                    "was another",
                                    printable(key, 80), (*known)->id),
                        "use a new key for a new request");
  co_return Dispatched{std::move(**known), Dispatched::Kind::repeated};
}

Task<Status> Dispatcher::check_workspaces(std::vector<contract::WorkspaceGrant> grants) {
  for (contract::WorkspaceGrant const& grant : grants) {
    auto const workspace = services_.workspaces.find(grant.id);
    if (!workspace) co_return std::unexpected(workspace.error());
    if (!writes_in_place(grant) || grant.checkout == contract::Checkout::allow_dirty) continue;
    // While another run works in the tree its changes are that run's; the tree is looked at again
    // when this one's turn has come.
    if (services_.queue.has_group(workspace_group(grant.id))) continue;
    auto const status =
        co_await services_.pool.run([path = workspace->path]() -> Result<git::TreeStatus> {
          auto const repository = git::Repository::open(path);
          if (!repository) return std::unexpected(repository.error());
          DROVER_TRY(repository->require_quiet());
          return repository->status(workspace::private_paths());
        });
    if (!status) co_return std::unexpected(status.error());
    if (status->dirty)
      co_return std::unexpected(workspace::uncommitted_changes(workspace->path, *status));
  }
  co_return Status{};
}

Task<Result<Dispatched>> Dispatcher::dispatch(contract::Invocation invocation) {
  auto plan = co_await plan_of(std::move(invocation));
  if (!plan) co_return std::unexpected(plan.error());
  if (plan->known) co_return std::move(*plan->known);
  co_return co_await accept(*std::move(plan));
}

Task<Result<Dispatcher::Plan>> Dispatcher::plan_of(contract::Invocation invocation) {
  auto const supported = check_supported(invocation, services_.options);
  if (!supported) co_return std::unexpected(supported.error());

  Plan plan;
  plan.key = invocation.idempotency_key.value_or("");
  plan.digest = contract::fingerprint(invocation);
  auto replay = co_await replay_of(plan.key, plan.digest);
  if (!replay) co_return std::unexpected(replay.error());
  if (*replay) {
    plan.known = std::move(**replay);
    co_return plan;
  }

  if (invocation.session) {
    auto session = co_await find(*invocation.session);
    if (!session) co_return std::unexpected(session.error());
    plan.session = *std::move(session);
    auto const same = check_runner(invocation, plan.session);
    if (!same) co_return std::unexpected(same.error());
  } else {
    plan.new_session = true;
    plan.session.task_type = contract::kDefaultTaskType;
  }
  auto type = task_type(invocation.task_type.value_or(plan.session.task_type));
  if (!type) co_return std::unexpected(type.error());
  auto const name = agent_name(invocation, *type, plan.session);
  if (!name) co_return std::unexpected(name.error());
  auto const agent = find_agent(*name);
  if (!agent)
    co_return std::unexpected(invocation.agent || plan.session.agent.str() == *name
                                  ? agent.error()
                                  : named_by_type(agent.error(), *type));
  auto workspaces =
      contract::granted(invocation.workspaces,
                        type->defaults.mode.value_or(contract::default_mode(invocation.trigger)));
  for (contract::WorkspaceGrant& grant : workspaces)
    if (grant.mode == contract::WorkspaceMode::propose &&
        grant.checkout == contract::Checkout::in_place)
      grant.checkout = contract::Checkout::worktree;
  auto const can_be_granted = check_grants(workspaces);
  if (!can_be_granted) co_return std::unexpected(can_be_granted.error());
  auto terms = terms_of(*type, *agent, invocation, services_.clock.now());
  if (!terms) co_return std::unexpected(terms.error());
  plan.terms = *std::move(terms);
  if (plan.new_session) {
    SessionRecord& session = plan.session;
    session.id = SessionId::create(services_.clock, services_.random);
    session.subject = invocation.identity.subject;
    session.launcher = invocation.identity.launcher.text();
    session.tenant = invocation.tenant.value_or("");
    session.task_type = type->name;
    session.agent = AgentId::trusted(agent->name);
    session.runner = contract::canonical_runner(invocation.runner);
    auto const same = check_agent_runner(*agent, session.runner);
    if (!same) co_return std::unexpected(same.error());
    session.workspaces = std::move(workspaces);
    session.tools = invocation.tools.value_or(type->defaults.tools.value_or(
        agent->tools.value_or(usual_tools(invocation.identity.launcher))));
    auto const known_tools = check_tools(session.tools);
    if (!known_tools) co_return std::unexpected(known_tools.error());
    session.created_at = services_.clock.now();
    for (contract::WorkspaceGrant const& grant : session.workspaces) {
      if (grant.checkout != contract::Checkout::worktree) continue;
      session.worktree = fmt::format("{}/worktrees/{}", services_.options.state_folder, session.id);
      session.branch = fmt::format("drover/{}", session.id);
    }
  }
  plan.model = invocation.model.value_or(plan.session.model);
  if (plan.model.empty()) plan.model = type->defaults.model.value_or(agent->model.value_or(""));
  if (plan.model.empty()) plan.model = services_.models.upstreams()->config.default_model;
  co_return plan;
}

Task<Result<SessionRecord>> Dispatcher::find(SessionId session) {
  co_return co_await services_.readers.run(
      [session](store::Database& database) { return find_session(database, session); });
}

Result<contract::TaskType> Dispatcher::task_type(std::string_view name) const {
  auto found = services_.task_types.find(name);
  if (found) return std::move(found->spec);
  Error error = found.error();
  error.message = "/task_type: " + error.message;
  return std::unexpected(std::move(error));
}

Result<contract::AgentSpec> Dispatcher::find_agent(std::string_view name) const {
  auto found = services_.agents.find(name);
  if (!found) {
    Error error = found.error();
    error.message = "/agent: " + error.message;
    return std::unexpected(std::move(error));
  }
  if (found->spec.enabled) {
    auto const backends = services_.runtime.backends();
    bool const residents = std::ranges::find(backends, runtime::kResidentBackend) != backends.end();
    DROVER_TRY(check_agent(found->spec, services_.runtime.backend(), residents,
                           services_.models.upstreams()->config));
    return std::move(found->spec);
  }
  return fail_next(ErrorCode::conflict,
                   fmt::format("/agent: the agent {} is disabled, and takes no new work", name),
                   "enable it, or name another");
}

Task<Result<Dispatched>> Dispatcher::message(SessionId session, contract::Message message) {
  auto found = co_await find(session);
  if (!found) co_return std::unexpected(found.error());
  Plan plan;
  plan.session = *std::move(found);
  plan.key = message.idempotency_key.value_or("");
  json::value body = contract::to_json(message);
  plan.digest = sha256_hex(session.str() + "\n" + json::serialize(body));
  auto replay = co_await replay_of(plan.key, plan.digest);
  if (!replay) co_return std::unexpected(replay.error());
  if (*replay) co_return std::move(**replay);
  auto type = task_type(plan.session.task_type);
  if (!type) co_return std::unexpected(type.error());
  auto const agent = find_agent(plan.session.agent.str());
  if (!agent) co_return std::unexpected(agent.error());
  plan.model = message.model.value_or(plan.session.model);
  plan.terms = terms_of(*type, *agent, std::move(message), services_.clock.now());
  co_return co_await accept(std::move(plan));
}

Task<Result<NewRun>> Dispatcher::prepare(Plan plan) {
  auto const room = services_.reserve.room();
  if (!room) co_return std::unexpected(room.error());
  auto const prompt = check_prompt(plan.terms.prompt);
  if (!prompt) co_return std::unexpected(prompt.error());
  auto const limits = check_limits(plan.terms.limits, plan.session);
  if (!limits) co_return std::unexpected(limits.error());
  if (plan.model.empty())
    co_return fail_next(ErrorCode::invalid_argument,
                        "no model is named, and the server has no default",
                        "give --model anthropic/<name> or --model scripted:<file>");
  auto const agent = find_agent(plan.session.agent.str());
  if (agent) {
    auto const fits = check_resident_limits(plan.terms.limits, *agent);
    if (!fits) co_return std::unexpected(fits.error());
  }
  std::vector<std::string> fallbacks;
  if (agent) fallbacks = agent->fallback_models;
  auto const model = co_await services_.models.prepare(plan.model, std::move(fallbacks));
  if (!model) co_return std::unexpected(model.error());
  bool const native = plan.session.runner == kNativeRunner;
  if (native && !services_.models.speaks(*model, model::WireFormat::messages))
    co_return fail_next(
        ErrorCode::invalid_argument,
        fmt::format("the runner native speaks the Anthropic Messages API, and the upstream {} of "
                    "the model {} does not",
                    model->route.upstream, plan.model),
        "choose a runner that speaks the upstream's API, or an upstream of kind anthropic");
  if (plan.terms.limits.max_budget_usd && !model->price)
    co_return fail_next(
        ErrorCode::invalid_argument,
        fmt::format(
            "/limits/max_budget_usd: no price is known for {}, so that no budget in dollars "
            "can be held",
            plan.model),
        "use limits.max_turns, or a model of the price table");
  auto const ready = co_await check_workspaces(plan.session.workspaces);
  if (!ready) co_return std::unexpected(ready.error());

  WallTime const now = plan.terms.entry.enqueued_at;
  RunRecord run;
  run.id = RunId::create(services_.clock, services_.random);
  run.session = plan.session.id;
  run.agent = plan.session.agent;
  run.task_type = plan.terms.entry.task_type;
  run.model = plan.model;
  run.workspaces = plan.session.workspaces;
  run.prompt = plan.terms.prompt;
  run.limits = plan.terms.limits;
  run.idempotency_key = plan.key;
  run.body_digest = plan.digest;
  run.created_at = now;
  run.replay_of = plan.replay_of;
  plan.session.model = plan.model;
  plan.session.updated_at = now;

  broker::QueueEntry entry = std::move(plan.terms.entry);
  entry.run = run.id;
  if (entry.tenant.empty()) entry.tenant = tenant_of(plan.session);
  entry.fifo_groups.push_back(session_group(run.session));
  for (contract::WorkspaceGrant const& grant : run.workspaces)
    if (writes_in_place(grant)) entry.fifo_groups.push_back(workspace_group(grant.id));
  if (run.limits.queue_s)
    entry.expires_at = entry.not_before + std::chrono::seconds{*run.limits.queue_s};

  NewRun prepared;
  prepared.run = std::move(run);
  prepared.entry = std::move(entry);
  prepared.session = std::move(plan.session);
  prepared.new_session = plan.new_session;
  co_return prepared;
}

// Inside a job of the writer.
Result<Dispatched> Dispatcher::record(store::Transaction& transaction, NewRun& fresh) {
  auto recorded = record_new_run(transaction, services_.streams, services_.queue, fresh);
  if (!recorded) return std::unexpected(recorded.error());
  auto const kind = recorded->added ? Dispatched::Kind::created : Dispatched::Kind::duplicate;
  return Dispatched{std::move(recorded->run), kind};
}

Task<Result<Dispatched>> Dispatcher::accept(Plan plan) {
  std::string const key = plan.key;
  std::string const digest = plan.digest;
  auto prepared = co_await prepare(std::move(plan));
  if (!prepared) co_return std::unexpected(prepared.error());
  auto stored = co_await services_.writer.run(
      [this, one = *std::move(prepared)](store::Transaction& transaction) mutable {
        return record(transaction, one);
      });
  if (stored) co_return stored;
  // Two requests with one key at the same time: the other one won.
  auto replay = co_await replay_of(key, digest);
  if (replay && *replay) co_return std::move(**replay);
  co_return stored;
}

Task<Result<std::vector<Dispatched>>> Dispatcher::dispatch_many(
    std::vector<contract::Invocation> all) {
  if (all.empty() || all.size() > kBulkMax)
    co_return fail(ErrorCode::invalid_argument, "/runs: 1 to {} runs at once, not {}", kBulkMax,
                   all.size());
  std::vector<Dispatched> dispatched(all.size());
  std::vector<std::pair<std::size_t, NewRun>> fresh;  // with its place
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto plan = co_await plan_of(std::move(all[i]));
    if (!plan) co_return std::unexpected(at_place(plan.error(), i));
    if (plan->known) {
      dispatched[i] = std::move(*plan->known);
      continue;
    }
    auto prepared = co_await prepare(*std::move(plan));
    if (!prepared) co_return std::unexpected(at_place(prepared.error(), i));
    fresh.emplace_back(i, *std::move(prepared));
  }
  auto job = [this, fresh = std::move(fresh), dispatched = std::move(dispatched)](
                 store::Transaction& transaction) mutable -> Result<std::vector<Dispatched>> {
    for (auto& [place, one] : fresh) {
      auto stored = record(transaction, one);
      if (!stored) return std::unexpected(at_place(stored.error(), place));
      dispatched[place] = *std::move(stored);
    }
    return std::move(dispatched);
  };
  co_return co_await services_.writer.run(std::move(job));
}

Task<Result<Dispatched>> Dispatcher::replay(RunId run) {
  auto found = co_await services_.readers.run(
      [run](store::Database& database) { return find_run_in_session(database, run); });
  if (!found) co_return std::unexpected(found.error());
  Plan plan;
  plan.session = std::move(found->session);
  plan.model = found->run.model;
  plan.terms.prompt = found->run.prompt;
  plan.terms.limits = found->run.limits;
  // What else it asks of the queue its dead letter says.
  plan.terms.entry.task_type = found->run.task_type;
  plan.terms.entry.enqueued_at = plan.terms.entry.not_before = services_.clock.now();
  plan.replay_of = run;
  co_return co_await accept(std::move(plan));
}

}  // namespace drover::worker
