#include "worker/mcp_desk.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include <boost/json.hpp>

#include "base/digest.h"
#include "base/log.h"
#include "base/text.h"
#include "net/sse.h"
#include "worker/run_journal.h"

namespace drover::worker {

namespace {

using contract::McpCallNote;
using gateway::McpAsk;
using std::chrono::steady_clock;

// An answer that takes longer is a stream, which is kept alive so often.
constexpr Millis kStreamAfter{10'000};
constexpr Millis kAliveEvery{15'000};
// More than this nobody reads before they decide.
constexpr std::size_t kGatedBytesMax = std::size_t{64} << 10U;
constexpr std::string_view kEveryTool = "*";

bool holds(std::vector<std::string> const& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

bool may_call(contract::McpGrant const& grant, std::string_view tool) {
  return !grant.tools || holds(*grant.tools, tool);
}

bool needs_person(contract::McpGrant const& grant, std::string_view tool) {
  return holds(grant.approve, tool) || holds(grant.approve, kEveryTool);
}

Error turn_is_over() {
  return {ErrorCode::conflict, "this unit has no turn: another attempt has taken over", ""};
}

bool is_over(Turn const& turn) {
  return turn.over || turn.fenced || turn.done.has_value();
}

std::optional<contract::McpGrant> grant_of(contract::AgentSpec const& agent,
                                           std::string_view server) {
  if (server == gateway::kOwnMcpServer)
    return has_own_tools(agent) ? std::optional{own_grant(agent)} : std::nullopt;
  auto const grant = std::ranges::find(agent.mcp, server, &contract::McpGrant::server);
  if (grant == agent.mcp.end()) return std::nullopt;
  return *grant;
}

net::Headers json_headers() {
  return {{"content-type", "application/json"}};
}

}  // namespace

struct McpDesk::Work {
  Work(TurnPtr of, McpAsk asked, contract::McpGrant granted,
       boost::asio::any_io_executor const& executor)
      : turn(std::move(of)),
        ask(std::move(asked)),
        grant(std::move(granted)),
        cancel(std::make_shared<gateway::McpCancel>()),
        changed(executor) {}
  TurnPtr turn;
  McpAsk ask;
  contract::McpGrant grant;
  gateway::McpCancelPtr cancel;
  std::optional<std::string> answer;
  os::AsyncEvent changed;

  [[nodiscard]] std::string refuse(std::int64_t code, std::string message) const {
    return gateway::print_rpc_error(ask.id, {code, std::move(message)});
  }
  [[nodiscard]] bool own() const { return grant.server == gateway::kOwnMcpServer; }
  [[nodiscard]] std::string tool_error(std::string_view text) const {
    return gateway::print_rpc_result(ask.id, gateway::mcp_tool_error(text));
  }
};

McpDesk::McpDesk(Services const& services, gateway::McpBroker& broker, ToolApprovals& approvals,
                 HandOvers& hand_overs)
    : services_(services),
      broker_(broker),
      approvals_(approvals),
      hand_overs_(hand_overs),
      tasks_(services.io.get_executor(), "mcp-desk") {}

Task<Status> McpDesk::refuse_method(net::HttpReply& reply) {
  net::Headers headers{{"allow", "POST"}};
  co_return co_await reply.send(405, std::move(headers), "");
}

Task<Status> McpDesk::serve(TurnPtr turn, net::HttpRequest request, net::HttpReply& reply) {
  if (turn->over || turn->fenced) co_return std::unexpected(turn_is_over());
  std::string const server{gateway::mcp_server_of(request.path)};
  auto const grant = grant_of(turn->agent, server);
  if (!grant)
    co_return fail(ErrorCode::forbidden, "the agent {} has no MCP server '{}'", turn->agent.name,
                   printable(server, 80));
  if (request.method != "POST") co_return co_await refuse_method(reply);
  McpAsk ask = gateway::read_mcp_ask(request.body);
  if (ask.kind == McpAsk::Kind::accepted) {
    net::Headers none;
    co_return co_await reply.send(202, std::move(none), "");
  }
  if (ask.kind == McpAsk::Kind::answer)
    co_return co_await reply.send(200, json_headers(), std::move(ask.answer));
  auto const work =
      std::make_shared<Work>(turn, std::move(ask), *grant, services_.io.get_executor());
  if (turn->mcp_open >= kOpenMax)
    co_return co_await reply.send(
        200, json_headers(),
        work->refuse(gateway::kRpcInternal,
                     fmt::format("{} calls of MCP servers are open already", kOpenMax)));
  bool const stream = request.header("accept") != nullptr &&
                      request.header("accept")->contains("text/event-stream");
  tasks_.spawn(carry_out(work), "call");
  co_return co_await await_answer(work, stream, reply);
}

// The call goes on in a task of its own: whoever asked may be cut off at any time.
Task<Status> McpDesk::await_answer(WorkPtr work, bool stream, net::HttpReply& reply) {
  struct Asking {
    Work* work;
    ~Asking() {
      if (!work->answer) work->cancel->cancel();
    }
  };
  Asking const asking{work.get()};
  bool gone = false;
  reply.on_peer_gone([work, &gone] {
    gone = true;
    work->changed.notify();
  });
  bool streaming = false;
  auto alive_at = steady_clock::now() + kStreamAfter;
  while (!work->answer && !gone) {
    auto const seen = work->changed.version();
    bool const due = stream && steady_clock::now() >= alive_at;
    if (due && !streaming) {
      net::Headers headers{{"content-type", "text/event-stream"}, {"cache-control", "no-store"}};
      auto const begun = co_await reply.begin_stream(200, std::move(headers));
      if (!begun) co_return begun;
      streaming = true;
    }
    if (due) {
      auto comment = std::make_shared<std::string const>(net::format_sse_comment("it waits"));
      auto const sent = co_await reply.write(std::move(comment));
      if (!sent) co_return sent;
      alive_at = steady_clock::now() + kAliveEvery;
      continue;
    }
    co_await work->changed.wait(seen, stream ? alive_at : os::AsyncEvent::kForever);
  }
  if (gone) co_return Status{};
  if (!streaming) co_return co_await reply.send(200, json_headers(), *work->answer);
  auto event = std::make_shared<std::string const>(net::format_sse("", "message", *work->answer));
  auto const sent = co_await reply.write(std::move(event));
  if (!sent) co_return sent;
  co_return co_await reply.end();
}

Task<void> McpDesk::carry_out(WorkPtr work) {
  McpOpen const open{work->turn};
  std::string answer;
  if (work->ask.kind == McpAsk::Kind::list) {
    answer = co_await list(work);
  } else {
    answer = co_await call(work);
  }
  work->answer = std::move(answer);
  work->changed.notify();
}

Task<std::string> McpDesk::list(WorkPtr work) {
  Result<json::array> all = own_tools(work->turn->agent);
  if (!work->own())
    all = co_await broker_.tools(work->grant.server, work->turn->run.session.str(), work->cancel);
  if (!all) co_return work->refuse(gateway::kRpcInternal, all.error().text());
  json::array tools;
  for (json::value const& tool : *all)
    if (may_call(work->grant, string_or(tool.get_object(), "name", ""))) tools.push_back(tool);
  co_return gateway::print_rpc_result(work->ask.id, json::object{{"tools", std::move(tools)}});
}

Task<std::string> McpDesk::call(WorkPtr work) {
  Turn& turn = *work->turn;
  McpCallNote noted;
  noted.server = work->grant.server;
  noted.tool = work->ask.tool;
  noted.digest = sha256_hex(gateway::canonical_json(work->ask.arguments));
  if (turn.mcp_calls >= kCallsMax)
    co_return work->refuse(
        gateway::kRpcInternal,
        fmt::format("the run {} has had its {} calls of MCP servers", turn.run.id, kCallsMax));
  noted.id = fmt::format("mcp-{}-{}", turn.run.epoch, ++turn.mcp_calls);
  auto const* const server = broker_.find(noted.server);
  bool const allowed =
      may_call(work->grant, noted.tool) && (server == nullptr || server->allows(noted.tool));
  if (!allowed) {
    noted.outcome = McpCallNote::Outcome::refused;
    noted.reason = fmt::format("the agent {} may not call it", turn.agent.name);
    std::string reason = fmt::format("the tool {} of {}: {}", printable(noted.tool, 128),
                                     noted.server, noted.reason);
    auto const stored = co_await note(work->turn, std::move(noted));
    if (!stored) co_return work->refuse(gateway::kRpcInternal, stored.error().text());
    co_return work->refuse(gateway::kRpcInvalidParams, std::move(reason));
  }
  if (needs_person(work->grant, noted.tool)) {
    auto refusal = co_await ask_person(work, noted);
    if (!refusal) co_return work->tool_error(refusal.error().text());
    if (!refusal->empty()) {
      noted.outcome = McpCallNote::Outcome::refused;
      noted.reason = *refusal;
      auto const stored = co_await note(work->turn, std::move(noted));
      if (!stored)
        log::warn("mcp-refusal-not-noted",
                  {{"run", turn.run.id}, {"reason", stored.error().text()}});
      co_return work->tool_error(*refusal);
    }
  }
  co_return co_await call_allowed(work, std::move(noted));
}

Task<Result<std::string>> McpDesk::ask_person(WorkPtr work, McpCallNote& note) {
  std::size_t const size = json::serialize(work->ask.arguments).size();
  if (size > kGatedBytesMax)
    co_return fmt::format(
        "A person has to approve this call, and its arguments have {} bytes, over the limit of {} "
        "for that.",
        size, kGatedBytesMax);
  auto const* const server = broker_.find(work->grant.server);
  Millis const within =
      server == nullptr ? gateway::McpTimeouts{}.approval : server->timeouts.approval;
  GatedCall call{.server = note.server, .tool = note.tool, .arguments = work->ask.arguments};
  auto const decided = co_await approvals_.ask(work->turn, std::move(call), within, work->cancel);
  if (!decided) co_return std::unexpected(decided.error());
  note.approval = decided->id.str();
  if (decided->state == ApprovalState::approved) co_return std::string{};
  std::string const comment = decided->comment.empty() ? "" : ": " + decided->comment;
  if (decided->state == ApprovalState::rejected)
    co_return fmt::format("A person rejected this call{}", comment);
  co_return fmt::format("This call was not approved{}", comment);
}

Task<std::string> McpDesk::call_allowed(WorkPtr work, McpCallNote noted) {
  // On disk before it is made. A turn that ended while a person thought makes none.
  if (is_over(*work->turn) || work->cancel->cancelled)
    co_return work->tool_error("Nobody waits for this call any more; it was not made.");
  McpCallNote sent = noted;
  auto const begun = co_await note(work->turn, std::move(sent));
  if (!begun) co_return work->refuse(gateway::kRpcInternal, begun.error().text());
  auto const start = steady_clock::now();
  auto reply = co_await ask_server(work, noted.tool);
  noted.ms = std::chrono::duration_cast<Millis>(steady_clock::now() - start).count();
  noted.outcome = McpCallNote::Outcome::answered;
  std::string answer;
  if (!reply) {
    noted.outcome = McpCallNote::Outcome::failed;
    noted.reason = reply.error().text();
    answer = work->tool_error(noted.reason);
  } else if (reply->error) {
    noted.outcome = McpCallNote::Outcome::failed;
    noted.reason = reply->error->message;
    answer = work->refuse(reply->error->code, reply->error->message);
  } else {
    answer = gateway::print_rpc_result(work->ask.id, std::move(reply->result));
  }
  RunId const run = work->turn->run.id;
  auto const stored = co_await note(work->turn, std::move(noted));
  // It was made: the unit is told what came of it all the same.
  if (!stored) log::warn("mcp-end-not-noted", {{"run", run}, {"reason", stored.error().text()}});
  co_return answer;
}

Task<Result<gateway::RpcMessage>> McpDesk::ask_server(WorkPtr work, std::string tool) {
  if (work->own()) {
    Turn& turn = *work->turn;
    gateway::RpcMessage message;
    if (tool != kHandOverTool) {
      message.error = gateway::RpcError{gateway::kRpcInvalidParams,
                                        fmt::format("there is no tool {}", printable(tool, 80))};
      co_return message;
    }
    auto said = co_await hand_overs_.hand_over(turn.run, turn.agent, work->ask.arguments);
    if (!said) co_return std::unexpected(said.error());
    json::array content{json::object{{"type", "text"}, {"text", json::string{*said}}}};
    message.result = json::object{{"content", std::move(content)}};
    co_return message;
  }
  gateway::McpCall call{.server = work->grant.server,
                        .session = work->turn->run.session.str(),
                        .tool = std::move(tool),
                        .arguments = std::move(work->ask.arguments),
                        .cancel = work->cancel};
  co_return co_await broker_.call(std::move(call));
}

Task<Status> McpDesk::note(TurnPtr turn, McpCallNote note) {
  auto const room = services_.reserve.room();
  if (!room) co_return room;
  note.reason = to_utf8(utf8_prefix(note.reason, 1'000));
  auto job = [this, run = turn->run, note](store::Transaction& transaction) -> Status {
    std::vector<broker::EventDraft> events;
    events.push_back(
        draft(contract::EventType::mcp_call, contract::mcp_call_draft(head_of(run), note)));
    return append_unit_events(transaction, services_.streams, run, events);
  };
  co_return co_await services_.writer.run(std::move(job));
}

Task<void> McpDesk::stop() {
  co_await broker_.stop();
  co_await tasks_.join();
}

}  // namespace drover::worker
