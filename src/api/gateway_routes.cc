#include "api/gateway_routes.h"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json.hpp>

#include "api/replies.h"
#include "base/text.h"
#include "base/time.h"
#include "net/http_types.h"

namespace drover::api {

namespace {

json::array texts_of(std::vector<std::string> const& texts) {
  json::array array;
  for (std::string const& text : texts)
    array.push_back(json::string{text});
  return array;
}

json::object print_upstream(gateway::Upstream const& upstream, bool has_key) {
  json::array formats;
  for (model::WireFormat const format : upstream.formats)
    formats.push_back(json::string{model::to_string(format)});
  return {{"name", json::string{upstream.name}},
          {"kind", std::move(formats)},
          {"base_url", json::string{net::url_for_people(upstream.base_url)}},
          {"key", has_key},
          {"models", texts_of(upstream.models)}};
}

// The program or the address, without its arguments: those may hold what is nobody's to see.
json::object print_mcp(gateway::McpServer const& server, gateway::McpState const& state) {
  json::object out{{"name", json::string{server.name}},
                   {"kind", server.over_http() ? "http" : "stdio"},
                   {"address", json::string{server.over_http() ? net::url_for_people(server.url)
                                                               : server.command.front()}},
                   {"tools", nullptr},
                   {"sessions", state.lines},
                   {"trouble", nullptr}};
  if (server.tools) out["tools"] = texts_of(*server.tools);
  if (!state.trouble.empty()) out["trouble"] = json::string{to_utf8(state.trouble)};
  return out;
}

json::object print_set(gateway::UpstreamSet const& set, gateway::McpBroker const& mcp) {
  json::array upstreams;
  for (auto const& [name, upstream] : set.config.upstreams)
    upstreams.push_back(print_upstream(upstream, set.keys.contains(name)));
  json::array models;
  for (auto const& [name, alias] : set.config.models)
    models.push_back(json::object{{"name", json::string{name}},
                                  {"upstream", json::string{alias.upstream}},
                                  {"model", json::string{alias.model}},
                                  {"fallback", texts_of(alias.fallbacks)}});
  json::object out{{"upstreams", std::move(upstreams)},
                   {"models", std::move(models)},
                   {"default_model", nullptr},
                   {"mcp", json::array{}}};
  for (gateway::McpState const& state : mcp.states())
    if (auto const* const server = mcp.find(state.name))
      out["mcp"].get_array().push_back(print_mcp(*server, state));
  if (!set.config.default_model.empty())
    out["default_model"] = json::string{set.config.default_model};
  return out;
}

double usd_of(std::int64_t microdollars) {
  return static_cast<double>(microdollars) / 1e6;
}

json::array print_accounts(gateway::Ledger const& ledger, gateway::SpendLimit const& limit,
                           std::string const& day) {
  json::array accounts;
  for (auto const& [name, account] : ledger.accounts(limit, day)) {
    json::object one{{"spent_usd", usd_of(account.spent.microdollars)},
                     {"reserved_usd", usd_of(account.reserved.microdollars)},
                     {"spent_tokens", account.spent.tokens},
                     {"reserved_tokens", account.reserved.tokens}};
    if (limit.scope != gateway::SpendScope::all) one["name"] = json::string{to_utf8(name)};
    accounts.push_back(std::move(one));
  }
  return accounts;
}

json::object print_budgets(worker::SpendBook const& spend, WallTime now) {
  std::string const day = gateway::day_of(now);
  json::array limits;
  for (auto const& [origin, list] : {std::pair{"file", &spend.of_file()}, {"api", &spend.of_api()}})
    for (gateway::SpendLimit const& limit : *list) {
      json::object one = gateway::to_json(limit);
      one["origin"] = origin;
      auto const& all = spend.ledger().limits();
      one["holds"] = std::ranges::find(all, limit) != all.end();
      one["accounts"] = print_accounts(spend.ledger(), limit, day);
      limits.push_back(std::move(one));
    }
  return {
      {"revision", spend.revision()}, {"day", json::string{day}}, {"limits", std::move(limits)}};
}

// "day,tenant" and the like, each once.
Result<std::vector<worker::SpendColumn>> columns_of(std::string_view text) {
  std::vector<worker::SpendColumn> columns;
  for (std::string_view const word : split(text.empty() ? "day" : text, ',')) {
    auto const* const found = std::ranges::find(worker::kSpendColumns, word);
    auto const column = static_cast<worker::SpendColumn>(found - worker::kSpendColumns.begin());
    if (found == worker::kSpendColumns.end() || std::ranges::find(columns, column) != columns.end())
      return fail(ErrorCode::invalid_argument,
                  "by: expected some of day, tenant, agent, session, model, each once, not '{}'",
                  printable(text, 80));
    columns.push_back(column);
  }
  return columns;
}

Result<std::string> day_at(net::HttpRequest const& request, std::string_view name) {
  std::string day = query_text(request, name);
  if (!day.empty() && (day.size() != 10 || !parse_rfc3339(day + "T00:00:00Z")))
    return fail(ErrorCode::invalid_argument, "{}: expected a day as 2026-11-21, not '{}'", name,
                printable(day, 40));
  return day;
}

json::object print_spend(worker::SpendRow const& row, worker::SpendQuery const& query) {
  json::object out;
  for (worker::SpendColumn const column : query.by) {
    std::string const* value = &row.model;
    if (column == worker::SpendColumn::day) value = &row.day;
    if (column == worker::SpendColumn::tenant) value = &row.spender.tenant;
    if (column == worker::SpendColumn::agent) value = &row.spender.agent;
    if (column == worker::SpendColumn::session) value = &row.spender.session;
    out[worker::kSpendColumns[static_cast<std::size_t>(column)]] = json::string{to_utf8(*value)};
  }
  out["calls"] = row.calls;
  out["input"] = row.usage.input;
  out["output"] = row.usage.output;
  out["cache_read"] = row.usage.cache_read;
  out["cache_write"] = row.usage.cache_write_5m + row.usage.cache_write_1h;
  out["tokens"] = row.amount.tokens;
  out["cost_usd"] = usd_of(row.amount.microdollars);
  return out;
}

}  // namespace

RouteTable<GatewayRoutes> GatewayRoutes::table() {
  using Self = GatewayRoutes;
  static constexpr std::array<RouteEntry<Self>, 6> kTable = {{
      {{"GET", "/api/v1/gateway", "getGateway"}, Access::token, &Self::get_gateway},
      {{"POST", "/api/v1/gateway/reload", "reloadGateway"}, Access::token, &Self::reload},
      {{"POST", "/api/v1/gateway/rotate-key", "rotateUnitKey"}, Access::token, &Self::rotate_key},
      {{"GET", "/api/v1/budgets", "getBudgets"}, Access::token, &Self::get_budgets},
      {{"PUT", "/api/v1/budgets", "putBudgets"}, Access::token, &Self::put_budgets},
      {{"GET", "/api/v1/spend", "getSpend"}, Access::token, &Self::get_spend},
  }};
  return kTable;
}

Task<Status> GatewayRoutes::get_gateway(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {});
  if (!known) co_return known;
  auto const upstreams = services_.models.upstreams();
  co_return co_await reply_json(reply, 200, print_set(*upstreams, mcp_));
}

Task<Status> GatewayRoutes::reload(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {});
  if (!known) co_return known;
  auto const loaded = co_await book_.reload(services_.models);
  if (!loaded) co_return loaded;
  auto const upstreams = services_.models.upstreams();
  co_return co_await reply_json(reply, 200, print_set(*upstreams, mcp_));
}

// Tokens of units that live stay good: the keys before this one still verify them.
Task<Status> GatewayRoutes::rotate_key(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {});
  if (!known) co_return known;
  if (rotating_) co_return fail(ErrorCode::conflict, "the key is being rotated already");
  rotating_ = true;
  struct Done {
    bool* flag;
    ~Done() { *flag = false; }
  };
  Done const done{&rotating_};
  gateway::TokenKey::Next const next = tokens_.make_next(services_.random);
  std::string const path = services_.options.state_folder + "/unit-token.key";
  auto const written = co_await services_.pool.run(
      [path, next]() -> Status { return gateway::TokenKey::write_next(path, next); });
  if (!written) co_return written;
  auto const adopted = tokens_.adopt(next);
  if (!adopted) co_return adopted;
  json::object body{{"kid", json::string{tokens_.key_id()}}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> GatewayRoutes::get_budgets(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {});
  if (!known) co_return known;
  co_return co_await reply_json(reply, 200, print_budgets(services_.spend, services_.clock.now()));
}

Task<Status> GatewayRoutes::put_budgets(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {"revision"});
  if (!known) co_return known;
  auto const revision = revision_of(call.request);
  if (!revision) co_return std::unexpected(revision.error());
  auto const list = only_list(call.request, "limits");
  if (!list) co_return std::unexpected(list.error());
  auto limits = gateway::parse_spend_limits(*list, "/limits");
  if (!limits) co_return std::unexpected(limits.error());
  auto const room = services_.reserve.room();
  if (!room) co_return room;
  auto const put = co_await services_.spend.put(*std::move(limits), *revision);
  if (!put) co_return put;
  co_return co_await reply_json(reply, 200, print_budgets(services_.spend, services_.clock.now()));
}

Task<Status> GatewayRoutes::get_spend(Call call, net::HttpReply& reply) {
  auto const known =
      only_query(call.request, {"by", "since", "until", "tenant", "agent", "session"});
  if (!known) co_return known;
  worker::SpendQuery query;
  auto columns = columns_of(query_text(call.request, "by"));
  if (!columns) co_return std::unexpected(columns.error());
  query.by = *std::move(columns);
  auto since = day_at(call.request, "since");
  if (!since) co_return std::unexpected(since.error());
  query.since = *std::move(since);
  auto until = day_at(call.request, "until");
  if (!until) co_return std::unexpected(until.error());
  query.until = *std::move(until);
  query.tenant = query_text(call.request, "tenant");
  query.agent = query_text(call.request, "agent");
  query.session = query_text(call.request, "session");
  auto rows = co_await services_.readers.run(
      [query](store::Database& database) { return worker::read_spend(database, query); });
  if (!rows) co_return std::unexpected(rows.error());
  json::array items;
  for (worker::SpendRow const& row : *rows)
    items.push_back(print_spend(row, query));
  json::object body{{"spend", std::move(items)},
                    {"more", static_cast<std::int64_t>(rows->size()) == query.rows_max}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

}  // namespace drover::api
