#include "api/fleet_routes.h"

#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include <boost/json.hpp>

#include "api/fleet_view.h"
#include "api/log_events.h"
#include "api/replies.h"
#include "base/text.h"

namespace drover::api {

namespace {

constexpr int kLinesUsual = 200;
constexpr int kLinesMax = 10'000;
constexpr Millis kUsagePatience{2'000};

std::string agent_in(Call const& call) {
  return call.path.find("agent")->second;
}

Error no_instance(fleet::Reconciler const& fleet, std::string const& agent,
                  std::string const& instance = {}) {
  for (auto const& status : fleet.status())
    if (status.instance.name == agent)
      return {ErrorCode::not_found,
              fmt::format("'{}' is no agent but an instance of {}", printable(agent, 80),
                          status.instance.of.agent),
              fmt::format("name the agent; one instance of it: --instance {}", agent)};
  if (!instance.empty())
    return {ErrorCode::not_found,
            fmt::format("the agent '{}' has no instance '{}'", printable(agent, 80),
                        printable(instance, 80)),
            fmt::format("see: drover agents status {}", printable(agent, 80))};
  return {ErrorCode::not_found,
          fmt::format("the agent '{}' has no container and no state", printable(agent, 80)),
          "a resident agent has: drover agents create NAME --resident"};
}

// An object with no other members than these, each a text.
Result<std::map<std::string, std::string>> texts_in(std::string const& body,
                                                    std::initializer_list<std::string_view> known) {
  std::map<std::string, std::string> texts;
  if (body.empty()) return texts;
  auto const value = parse_json(body);
  if (!value) return std::unexpected(value.error());
  auto const object = JsonObject::of(*value);
  if (!object) return std::unexpected(object.error());
  for (auto const& member : object->raw()) {
    if (std::ranges::find(known, std::string_view{member.key()}) == known.end())
      return fail(ErrorCode::invalid_argument, "/{}: there is no such member",
                  printable(member.key(), 40));
    if (!member.value().is_string())
      return fail(ErrorCode::invalid_argument, "/{}: expected a string", member.key());
    texts.emplace(member.key(), member.value().get_string());
  }
  return texts;
}

Result<int> lines_of(net::HttpRequest const& request) {
  std::string const text = query_text(request, "tail");
  if (text.empty()) return kLinesUsual;
  int lines = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), lines);
  if (error == std::errc{} && end == text.data() + text.size() && lines > 0 && lines <= kLinesMax)
    return lines;
  return fail(ErrorCode::invalid_argument, "tail is a number of lines from 1 to {}, not '{}'",
              kLinesMax, printable(text, 40));
}

Result<bool> is_asked(net::HttpRequest const& request, std::string_view name) {
  std::string const text = query_text(request, name);
  if (text.empty() || text == "false") return false;
  if (text == "true") return true;
  return fail(ErrorCode::invalid_argument, "{} is true or false, not '{}'", name,
              printable(text, 20));
}

template <class T>
std::optional<T> found_in(std::map<std::string, T> const& all, std::string const& name) {
  auto const found = all.find(name);
  if (found == all.end()) return std::nullopt;
  return found->second;
}

// Where whoever was cut off goes on.
Result<fleet::LogCursors> cursors_of(net::HttpRequest const& request) {
  auto const* const header = request.header("last-event-id");
  return fleet::parse_cursors(header != nullptr ? *header : query_text(request, "after"));
}

}  // namespace

RouteTable<FleetRoutes> FleetRoutes::table() {
  using Self = FleetRoutes;
  static constexpr std::array<RouteEntry<Self>, 5> kTable = {{
      {{"GET", "/api/v1/fleet", "listFleet"}, Access::token, &Self::list},
      {{"GET", "/api/v1/fleet/{agent}", "getFleetAgent"}, Access::token, &Self::get},
      {{"POST", "/api/v1/fleet/sync", "syncFleet"}, Access::token, &Self::sync},
      {{"POST", "/api/v1/agents/{agent}/wipe", "wipeAgent"}, Access::token, &Self::wipe},
      {{"GET", "/api/v1/agents/{agent}/logs", "getAgentLogs"}, Access::token, &Self::logs},
  }};
  return kTable;
}

Task<Status> FleetRoutes::list(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {"usage"});
  if (!known) co_return known;
  auto const with_usage = is_asked(call.request, "usage");
  if (!with_usage) co_return std::unexpected(with_usage.error());
  fleet::UsageByInstance used;
  std::optional<fleet::SpendByAgent> spends;
  if (*with_usage) {
    used = co_await fleet_.usage_of_all(kUsagePatience);
    auto read = co_await readers_.run(fleet::spend_of_all);
    if (!read) co_return std::unexpected(read.error());
    spends = *std::move(read);
  }
  std::map<std::string, json::array> by_agent;
  for (auto const& status : fleet_.status())
    by_agent[status.instance.of.agent].push_back(
        fleet_instance(status, found_in(used, status.instance.name)));
  json::array agents;
  for (auto& [agent, instances] : by_agent) {
    auto one = fleet_agent(agent, std::move(instances));
    // An agent without runs has spent nothing.
    if (spends) one["spend"] = fleet_spend(found_in(*spends, agent).value_or(fleet::AgentSpend{}));
    agents.push_back(std::move(one));
  }
  json::object body{{"agents", std::move(agents)}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> FleetRoutes::get(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {});
  if (!known) co_return known;
  std::string const agent = agent_in(call);
  auto const all = co_await fleet_.status_of(agent);
  if (all.empty()) co_return std::unexpected(no_instance(fleet_, agent));
  json::array instances;
  for (auto const& status : all) {
    std::optional<fleet::Usage> used;
    // Of one without a container there is nothing to say.
    auto const usage = co_await fleet_.usage(status.instance.name);
    if (usage) used = *usage;
    instances.push_back(fleet_instance(status, used));
  }
  auto const spend = co_await readers_.run(
      [agent](store::Database& database) { return fleet::spend_of(database, agent); });
  if (!spend) co_return std::unexpected(spend.error());
  auto body = fleet_agent(agent, std::move(instances));
  body["spend"] = fleet_spend(*spend);
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> FleetRoutes::sync(Call call, net::HttpReply& reply) {
  auto const asked = texts_in(call.request.body, {"agent"});
  if (!asked) co_return std::unexpected(asked.error());
  auto const agent = asked->find("agent");
  fleet::Summary summary;
  if (agent == asked->end())
    summary = co_await fleet_.reconcile_all();
  else
    summary = co_await fleet_.reconcile_one(agent->second);
  co_return co_await reply_json(reply, 200, fleet_summary(summary));
}

Task<Status> FleetRoutes::wipe(Call call, net::HttpReply& reply) {
  std::string const agent = agent_in(call);
  auto const asked = texts_in(call.request.body, {"confirm", "instance"});
  if (!asked) co_return std::unexpected(asked.error());
  auto const confirm = asked->find("confirm");
  if (confirm == asked->end() || confirm->second != agent)
    co_return fail_next(ErrorCode::invalid_argument,
                        "/confirm: expected the name of the agent whose state is to go",
                        fmt::format("{{\"confirm\": \"{}\"}}", printable(agent, 80)));
  std::optional<std::string> instance;
  if (auto const found = asked->find("instance"); found != asked->end()) instance = found->second;
  auto const wiped = co_await fleet_.wipe(agent, std::move(instance));
  if (!wiped) co_return wiped;
  json::object body{{"agent", json::string{agent}}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

// What a program wrote may be any bytes.
Task<Status> FleetRoutes::logs(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {"instance", "tail", "follow", "after"});
  if (!known) co_return known;
  auto const lines = lines_of(call.request);
  if (!lines) co_return std::unexpected(lines.error());
  auto const follow = is_asked(call.request, "follow");
  if (!follow) co_return std::unexpected(follow.error());
  std::string const agent = agent_in(call);
  std::string const wanted = query_text(call.request, "instance");
  std::string instance;
  for (auto const& status : fleet_.status())
    if (status.instance.of.agent == agent && instance.empty() &&
        (wanted.empty() || status.instance.name == wanted))
      instance = status.instance.name;
  if (instance.empty()) co_return std::unexpected(no_instance(fleet_, agent, wanted));
  if (*follow) co_return co_await follow_logs(std::move(call), agent, *lines, reply);
  auto const output = co_await fleet_.logs(instance, *lines);
  if (!output) co_return std::unexpected(output.error());
  json::object body{{"agent", json::string{agent}},
                    {"instance", json::string{instance}},
                    {"output", json::string{to_utf8(*output)}}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> FleetRoutes::follow_logs(Call call, std::string agent, int lines,
                                      net::HttpReply& reply) {
  auto cursors = cursors_of(call.request);
  if (!cursors) co_return std::unexpected(cursors.error());
  fleet::LogWish wish;
  wish.agent = std::move(agent);
  wish.instance = query_text(call.request, "instance");
  wish.lines = lines;
  wish.cursors = *std::move(cursors);
  co_return co_await serve_logs(fleet_.follow_logs(std::move(wish)), reply);
}

}  // namespace drover::api
