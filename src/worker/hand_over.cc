#include "worker/hand_over.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include <boost/json.hpp>

#include "base/digest.h"
#include "base/text.h"
#include "gateway/mcp_config.h"
#include "worker/run_store.h"

namespace drover::worker {

namespace {

constexpr std::string_view kKeyStart = "hand-over:";
constexpr std::size_t kPromptBytesMax = std::size_t{64} << 10U;
constexpr std::size_t kDigestShown = 16;

// How many handed it on before, up to the bound.
Result<int> hands_before(store::Database& database, RunRecord const& run) {
  int hands = 0;
  for (auto by = handed_on_by(run.idempotency_key); by && hands < kHandOversMax; ++hands) {
    auto found = find_run(database, *by);
    if (!found && found.error().code == ErrorCode::not_found) return hands + 1;
    if (!found) return std::unexpected(found.error());
    by = handed_on_by(found->idempotency_key);
  }
  return hands;
}

}  // namespace

bool has_own_tools(contract::AgentSpec const& agent) {
  return !agent.hands_to.empty();
}

json::array own_tools(contract::AgentSpec const& agent) {
  if (!has_own_tools(agent)) return {};
  json::array names;
  for (std::string const& name : agent.hands_to)
    names.push_back(json::string{name});
  json::object const schema{
      {"type", "object"},
      {"additionalProperties", false},
      {"required", json::array{"agent", "prompt"}},
      {"properties",
       json::object{
           {"agent", json::object{{"type", "string"}, {"enum", std::move(names)}}},
           {"prompt",
            json::object{{"type", "string"},
                         {"minLength", 1},
                         {"description",
                          "All that the other agent is to know: it sees the workspaces as your "
                          "turn leaves them, and nothing of this conversation."}}}}}};
  return {json::object{
      {"name", kHandOverTool},
      {"description",
       "Gives work to another agent, which begins when your turn has ended. You do not hear how it "
       "went: let it hand on what comes after."},
      {"inputSchema", schema}}};
}

contract::McpGrant own_grant(contract::AgentSpec const& agent) {
  auto const named =
      std::ranges::find(agent.mcp, gateway::kOwnMcpServer, &contract::McpGrant::server);
  contract::McpGrant grant;
  if (named != agent.mcp.end()) grant = *named;
  grant.server = gateway::kOwnMcpServer;
  return grant;
}

Result<HandOver> parse_hand_over(json::object const& arguments, contract::AgentSpec const& agent) {
  HandOver work;
  work.agent = string_or(arguments, "agent", "");
  work.prompt = string_or(arguments, "prompt", "");
  if (std::ranges::find(agent.hands_to, work.agent) == agent.hands_to.end())
    return fail(ErrorCode::invalid_argument, "'{}' is no agent to hand work to; there are {}",
                printable(work.agent, 80), fmt::join(agent.hands_to, ", "));
  if (trim(work.prompt).empty())
    return fail(ErrorCode::invalid_argument, "the prompt is empty: say what is to be done");
  if (work.prompt.size() > kPromptBytesMax)
    return fail(ErrorCode::invalid_argument,
                "the prompt has {} bytes, over the limit of {}: write it to a file of the "
                "workspace, and name that",
                work.prompt.size(), kPromptBytesMax);
  return work;
}

contract::Invocation invocation_of(HandOver const& work, RunRecord const& run,
                                   SessionRecord const& session) {
  contract::Invocation invocation;
  invocation.identity.subject = session.subject;
  invocation.identity.launcher = {contract::Launcher::Kind::integration,
                                  fmt::format("agent-{}", run.agent)};
  invocation.runner = kNativeRunner;
  for (contract::WorkspaceGrant const& grant : run.workspaces)
    invocation.workspaces.push_back({grant.id, grant.mode, grant.checkout});
  invocation.trigger = contract::Trigger::message;
  contract::Entrypoint start;
  start.inline_prompt = work.prompt;
  invocation.start = std::move(start);
  invocation.agent = AgentId::trusted(work.agent);
  if (!session.tenant.empty()) invocation.tenant = session.tenant;
  invocation.idempotency_key =
      fmt::format("{}{}:{}", kKeyStart, run.id,
                  sha256_hex(work.agent + "\n" + work.prompt).substr(0, kDigestShown));
  return invocation;
}

std::optional<RunId> handed_on_by(std::string_view key) {
  if (!key.starts_with(kKeyStart)) return std::nullopt;
  key.remove_prefix(kKeyStart.size());
  auto const end = key.find(':');
  if (end == std::string_view::npos) return std::nullopt;
  auto id = RunId::parse(key.substr(0, end));
  if (!id) return std::nullopt;
  return *std::move(id);
}

Task<Result<std::string>> HandOvers::hand_over(RunRecord run, contract::AgentSpec agent,
                                               json::object arguments) {
  auto const work = parse_hand_over(arguments, agent);
  if (!work) co_return std::unexpected(work.error());
  auto const before = co_await services_.readers.run(
      [run](store::Database& database) { return hands_before(database, run); });
  if (!before) co_return std::unexpected(before.error());
  if (*before >= kHandOversMax)
    co_return fail(ErrorCode::rate_limited,
                   "this work has been handed on {} times already, which is as often as it may be: "
                   "finish it here, or say what is missing",
                   *before);
  auto const found = co_await services_.readers.run(
      [id = run.id](store::Database& database) { return find_run_in_session(database, id); });
  if (!found) co_return std::unexpected(found.error());
  auto const dispatched = co_await dispatcher_.dispatch(invocation_of(*work, run, found->session));
  if (!dispatched) co_return std::unexpected(dispatched.error());
  bool const again = dispatched->kind != Dispatched::Kind::created;
  co_return fmt::format("{} {} as run {}; it begins when your turn has ended.",
                        again ? "This was already handed to" : "Handed to", work->agent,
                        dispatched->run.id);
}

}  // namespace drover::worker
