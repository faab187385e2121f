#include "worker/store_control.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "base/log.h"
#include "worker/end_write.h"
#include "worker/run_journal.h"
#include "worker/run_store.h"
#include "worker/tool_approvals.h"

namespace drover::worker {

namespace {

// How soon a model call that waits for room sees that its unit has gone.
constexpr Millis kRoomLook{250};
// Far more sessions than can have a warm unit.
constexpr std::size_t kServedMax = 100'000;

Result<contract::AgentSpec> find_agent(AgentRegistry const& agents, RunRecord const& run) {
  auto found = agents.find(run.agent.str());
  if (!found) return std::unexpected(found.error());
  return std::move(found->spec);
}

// A program that only ever breaks its calls off is stopped too.
constexpr std::int64_t kCutCallsMore = 20;

// The limit holds here for every runner, whether or not it counts by itself. An attempt that was
// lost may have lost the answer to its last call with it.
Status may_call(Turn const& turn, WorkerOptions const& options) {
  std::int64_t const most = turn.run.limits.max_turns.value_or(options.turns_max) +
                            std::max<std::int64_t>(turn.run.attempts - 1, 0);
  if (turn.run.turns + turn.calls_open < most && turn.calls < 2 * most + kCutCallsMore) return {};
  return fail(ErrorCode::forbidden, "the run {} has had its {} model calls", turn.run.id,
              turn.run.limits.max_turns.value_or(options.turns_max));
}

struct OpenCall {
  explicit OpenCall(Turn* of) : turn(of) {
    ++turn->calls;
    ++turn->calls_open;
  }
  ~OpenCall() { --turn->calls_open; }
  OpenCall(OpenCall const&) = delete;
  OpenCall& operator=(OpenCall const&) = delete;
  Turn* turn;
};

Error turn_is_over() {
  return {ErrorCode::conflict, "this unit has no turn: another attempt has taken over", ""};
}

}  // namespace

template <class Work>
Task<Status> StoreControl::write(Work work, Room room) {
  if (room == Room::of_ends) co_return co_await write_of_end(services_, std::move(work));
  auto const free = services_.reserve.room();
  if (!free) co_return free;
  co_return co_await services_.writer.run(std::move(work));
}

Task<Result<std::vector<broker::Claim>>> StoreControl::claim(ClaimWish wish) {
  if (closed_) co_return std::vector<broker::Claim>{};
  broker::ClaimRequest request;
  request.worker = std::move(wish.worker);
  request.filter = std::move(wish.filter);
  request.lease = wish.lease;
  request.wait = wish.wait;
  request.only = std::move(wish.only);
  request.within = [this](store::Transaction& transaction, broker::Claim const& claim) -> Status {
    DROVER_TRY(services_.reserve.room());
    DROVER_TRY(
        expire_calls(transaction, services_.streams, claim.entry.run, services_.clock.now()));
    return begin_attempt(transaction, services_.streams, claim, services_.clock.now());
  };
  co_return co_await services_.queue.claim_many(std::move(request), wish.runs_max);
}

Task<Result<Assignment>> StoreControl::take(broker::Claim claim) {
  auto loaded = co_await services_.readers.run([id = claim.entry.run](store::Database& database) {
    return find_run_in_session(database, id);
  });
  if (!loaded) co_return std::unexpected(loaded.error());
  std::map<WorkspaceId, std::string> folders;
  for (contract::WorkspaceGrant const& grant : loaded->session.workspaces) {
    auto const workspace = services_.workspaces.find(grant.id);
    if (workspace) folders.emplace(grant.id, workspace->path);
  }
  auto agent = find_agent(services_.agents, loaded->run);
  std::string name = loaded->run.model;
  std::vector<std::string> fallbacks;
  if (agent) fallbacks = agent->fallback_models;
  auto model = co_await services_.models.prepare(std::move(name), std::move(fallbacks));
  auto const type = services_.task_types.find(claim.entry.task_type);
  SessionId const session = loaded->session.id;
  WorkerId const before = std::exchange(served_[session], claim.worker);
  bool const served_last = before == claim.worker;
  if (served_.size() > kServedMax) served_.erase(served_.begin());  // the oldest session
  if (!before.empty() && !served_last && release_) co_await release_(session, before);
  co_return Assignment{.claim = std::move(claim),
                       .run = std::move(loaded->run),
                       .session = std::move(loaded->session),
                       .folders = std::move(folders),
                       .model = std::move(model),
                       .agent = std::move(agent),
                       .served_last = served_last,
                       .interactive = type && type->spec.interactive};
}

Task<Result<std::vector<RunId>>> StoreControl::renew(std::vector<broker::Claim> claims,
                                                     Millis lease) {
  std::vector<RunId> lost;
  for (broker::Claim const& claim : claims)
    if (!services_.queue.renew(claim, lease)) lost.push_back(claim.entry.run);
  co_return lost;
}

Task<Status> StoreControl::lose(broker::Claim claim) {
  co_return services_.queue.renew(claim, Millis{0});
}

Task<Status> StoreControl::append(Step step, Room room) {
  auto job = [this, step = std::move(step)](store::Transaction& transaction) -> Status {
    return append_unit_events(transaction, services_.streams, step.run, step.events);
  };
  co_return co_await write(std::move(job), room);
}

Task<Status> StoreControl::record(Step step, Room room) {
  auto job = [this, step = std::move(step)](store::Transaction& transaction) -> Status {
    return write_run(transaction, services_.streams, step.run, step.from, step.events);
  };
  co_return co_await write(std::move(job), room);
}

Task<Status> StoreControl::finish(Step step, SessionRecord session) {
  auto job = [this, step = std::move(step),
              session = std::move(session)](store::Transaction& transaction) -> Status {
    DROVER_TRY(expire_calls(transaction, services_.streams, step.run.id, session.updated_at));
    return end_claimed_run(transaction, services_.streams, services_.queue, step.claim, step.run,
                           session, step.from, step.events, session.updated_at);
  };
  co_return co_await write(std::move(job), Room::of_ends);
}

Task<Status> StoreControl::put_back(PutBack back) {
  auto job = [this, back = std::move(back)](store::Transaction& transaction) -> Status {
    Step const& step = back.step;
    DROVER_TRY(expire_calls(transaction, services_.streams, step.run.id, services_.clock.now()));
    return put_back_run(transaction, services_.streams, services_.queue, step.claim, step.run,
                        step.from, step.events, back.failure, back.delay);
  };
  co_return co_await write(std::move(job), Room::of_ends);
}

Task<Status> StoreControl::serve_model(TurnPtr turn, net::HttpRequest request,
                                       net::HttpReply& reply) {
  bool gone = false;
  reply.on_peer_gone([&gone] { gone = true; });
  // What the call cost could not be recorded, nor what comes of it: the run waits here.
  while (!services_.reserve.held() && !gone && !turn->over && !turn->fenced)
    co_await services_.reserve.wait_change(std::chrono::steady_clock::now() + kRoomLook);
  if (gone || turn->over || turn->fenced) co_return std::unexpected(turn_is_over());
  std::optional<OpenCall> open;
  if (model::format_of_path(request.path)) {
    auto const allowed = may_call(*turn, services_.options);
    if (!allowed)
      co_return co_await gateway::ModelProxy::refuse(request, reply, 403, "max_turns",
                                                     allowed.error().message);
    open.emplace(turn.get());
  }
  std::string session = turn->run.session.str();
  TurnAccount account{services_, turn};
  gateway::CallReport const report = co_await services_.models.serve(
      std::move(request), reply, turn->model, account, std::move(session));
  // From here on it counts as one that was made.
  open.reset();
  turn->run.phases.model_ms += report.duration.count();
  if (!account.settled()) co_return Status{};
  // The answer is with the unit already; what may fail is the record of its cost.
  auto const stored = co_await record_call(turn, account, report);
  if (!stored)
    log::error("usage-not-recorded", {{"run", turn->run.id}, {"reason", stored.error().text()}});
  co_return Status{};
}

Task<Status> StoreControl::serve_mcp(TurnPtr turn, net::HttpRequest request,
                                     net::HttpReply& reply) {
  co_return co_await mcp_.serve(std::move(turn), std::move(request), reply);
}

Task<Status> StoreControl::record_call(TurnPtr turn, TurnAccount const& account,
                                       gateway::CallReport const& report) {
  bool const spent = report.cost_microdollars != 0 || report.usage != model::Usage{};
  turn->run.usage += report.usage;
  turn->run.cost_microdollars = turn->budget.spent();
  turn->run.reserved_microdollars = turn->budget.reserved();
  std::vector<broker::EventDraft> events;
  if (spent) {
    // A call that was cut is made again, and counts then.
    if (!report.estimated) turn->run.turns += 1;
    events.push_back(draft(
        contract::EventType::usage,
        contract::usage_draft(head_of(turn->run), usage_of(report.usage, report.cost_microdollars),
                              report.model, report.duration.count())));
  }
  SpendRow actual = account.actual();
  actual.model = report.model;
  bool const counts = spent || actual.amount.tokens != 0 || account.opening().id != 0;
  if (!counts) co_return Status{};
  co_return co_await services_.writer.run([this, run = turn->run, events,
                                           opening = account.opening(),
                                           actual](store::Transaction& transaction) -> Status {
    // What was spent was spent, also by an attempt that is over.
    DROVER_TRY(services_.spend.closed(transaction, opening, actual));
    auto const of_run = record_spend(transaction, services_.streams, run, events);
    if (of_run || of_run.error().code != ErrorCode::conflict) return of_run;
    log::warn("usage-of-a-fenced-attempt", {{"run", run.id}});
    return {};
  });
}

}  // namespace drover::worker
