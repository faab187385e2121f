#include "worker/unit_egress.h"

#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "gateway/egress.h"
#include "worker/run_journal.h"

namespace drover::worker {

namespace {

constexpr Millis kSilenceMax{300'000};

contract::EgressAttempt attempt_of(gateway::EgressTarget const& target,
                                   Result<gateway::EgressConnection> const& connected) {
  using Outcome = contract::EgressAttempt::Outcome;
  contract::EgressAttempt attempt;
  attempt.host = target.host;
  attempt.port = target.port;
  if (connected) {
    attempt.address = connected->address;
    return attempt;
  }
  attempt.outcome =
      connected.error().code == ErrorCode::forbidden ? Outcome::refused : Outcome::failed;
  attempt.reason = connected.error().message;
  return attempt;
}

}  // namespace

Task<Status> UnitEgress::note(TurnPtr turn, contract::EgressAttempt attempt) {
  std::vector<broker::EventDraft> events;
  events.push_back(
      draft(contract::EventType::egress, contract::egress_draft(head_of(turn->run), attempt)));
  Step step{
      .claim = turn->claim, .run = turn->run, .from = turn->run.state, .events = std::move(events)};
  co_return co_await parts_.control.append(std::move(step), Room::of_work);
}

Task<Status> UnitEgress::connect(TurnPtr turn, net::HttpRequest request, net::HttpReply& reply) {
  auto const target = gateway::parse_egress_target(request.target);
  if (!target) co_return std::unexpected(target.error());
  auto policy = gateway::EgressPolicy::parse(turn->agent.egress);
  if (!policy) co_return std::unexpected(policy.error());
  if (turn->connections >= kConnectionsMax)
    co_return fail(ErrorCode::rate_limited, "the run {} has had its {} connections", turn->run.id,
                   kConnectionsMax);
  ++turn->connections;
  auto connected = co_await gateway::connect_out(*std::move(policy), *target);
  if (turn->over || turn->fenced)
    co_return fail(ErrorCode::conflict, "this unit has no turn: another attempt has taken over");
  // On disk before a byte goes out.
  auto const noted = co_await note(turn, attempt_of(*target, connected));
  if (!noted) co_return noted;
  if (!connected) co_return std::unexpected(connected.error());
  auto taken = co_await reply.take_connection();
  if (!taken) co_return std::unexpected(taken.error());
  auto const off = std::make_shared<gateway::TunnelSwitch>();
  struct Listed {
    std::list<gateway::TunnelSwitchPtr>* list;
    std::list<gateway::TunnelSwitchPtr>::iterator place;
    ~Listed() { list->erase(place); }
  };
  Listed const listed{&open_, open_.insert(open_.end(), off)};
  gateway::TunnelEnds ends{std::move(taken->socket), std::move(connected->socket),
                           std::move(taken->received)};
  auto const report = co_await gateway::run_tunnel(std::move(ends), kSilenceMax, off);
  log::debug("egress-ended", {{"run", turn->run.id},
                              {"host", target->host},
                              {"out", report.bytes_out},
                              {"in", report.bytes_in}});
  co_return Status{};
}

void UnitEgress::end() {
  auto const open = open_;  // each takes itself off the list
  for (gateway::TunnelSwitchPtr const& one : open)
    one->end();
}

}  // namespace drover::worker
