#include "api/rule_routes.h"

#include <array>
#include <span>
#include <utility>

#include <boost/json.hpp>

#include "api/replies.h"
#include "base/text.h"
#include "driver/breakpoint_rules.h"

namespace drover::api {

namespace {

constexpr std::size_t kIdBytes = 8;

std::string new_id(Random& random) {
  std::string bytes(kIdBytes, '\0');
  random.fill(std::as_writable_bytes(std::span{bytes}));
  return "rul-" + to_hex(bytes);
}

}  // namespace

RouteTable<RuleRoutes> RuleRoutes::table() {
  using Self = RuleRoutes;
  static constexpr std::array<RouteEntry<Self>, 3> kTable = {{
      {{"GET", "/api/v1/approval-rules", "listApprovalRules"}, Access::token, &Self::list},
      {{"POST", "/api/v1/approval-rules", "createApprovalRule"}, Access::token, &Self::create},
      {{"DELETE", "/api/v1/approval-rules/{rule}", "deleteApprovalRule"},
       Access::token,
       &Self::remove},
  }};
  return kTable;
}

Task<Status> RuleRoutes::list(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {});
  if (!known) co_return known;
  auto const rules = co_await services_.readers.run(
      [](store::Database& database) { return driver::list_rules(database); });
  if (!rules) co_return std::unexpected(rules.error());
  json::array items;
  for (driver::BreakpointRule const& rule : *rules)
    items.push_back(driver::to_json(rule));
  json::object body{{"rules", std::move(items)}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> RuleRoutes::create(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {"actor"});
  if (!known) co_return known;
  auto actor = actor_of(call);
  if (!actor) co_return std::unexpected(actor.error());
  auto rule = driver::parse_rule(call.request.body);
  if (!rule) co_return std::unexpected(rule.error());
  rule->id = new_id(services_.random);
  rule->actor = *std::move(actor);
  rule->created_at = services_.clock.now();
  auto const room = services_.reserve.room();
  if (!room) co_return room;
  auto const stored =
      co_await services_.writer.run([made = *rule](store::Transaction& transaction) {
        return driver::insert_rule(transaction.db(), made);
      });
  if (!stored) co_return stored;
  auto body = driver::to_json(*rule);
  co_return co_await reply_json(reply, 201, std::move(body));
}

Task<Status> RuleRoutes::remove(Call call, net::HttpReply& reply) {
  std::string id = call.path.at("rule");
  auto const removed = co_await services_.writer.run(
      [id](store::Transaction& transaction) { return driver::remove_rule(transaction.db(), id); });
  if (!removed) co_return removed;
  net::Headers none;
  co_return co_await reply.send(204, std::move(none), "");
}

}  // namespace drover::api
