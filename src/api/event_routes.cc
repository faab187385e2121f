#include "api/event_routes.h"

#include <array>
#include <utility>

#include <boost/json.hpp>

#include "api/replies.h"

namespace drover::api {

namespace {

json::object event_json(schedule::RecordedEvent const& recorded) {
  json::array firings;
  for (auto const& started : recorded.firings) {
    json::object firing;
    firing["schedule"] = started.schedule.str();
    firing["firing"] = started.firing;
    firing["state"] = schedule::to_string(started.state);
    firings.push_back(std::move(firing));
  }
  json::object body;
  body["duplicate"] = recorded.duplicate;
  body["firings"] = std::move(firings);
  return body;
}

// With the secret when it is new: the only time that it is shown.
json::object hook_json(schedule::Schedules::PutHook const& put) {
  json::object body = schedule::to_json(put.hook);
  if (put.secret_is_new) body["secret"] = put.hook.secret.reveal();
  return body;
}

}  // namespace

RouteTable<EventRoutes> EventRoutes::table() {
  using Self = EventRoutes;
  static constexpr std::array<RouteEntry<Self>, 7> kTable = {{
      {{"POST", "/api/v1/events", "acceptEvent"}, Access::token, &Self::accept_event},
      {{"POST", "/api/v1/hooks", "createHook"}, Access::token, &Self::create_hook},
      {{"GET", "/api/v1/hooks", "listHooks"}, Access::token, &Self::list_hooks},
      {{"GET", "/api/v1/hooks/{hook}", "getHook"}, Access::token, &Self::get_hook},
      {{"PUT", "/api/v1/hooks/{hook}", "replaceHook"}, Access::token, &Self::replace_hook},
      {{"DELETE", "/api/v1/hooks/{hook}", "deleteHook"}, Access::token, &Self::delete_hook},
      {{"POST", "/hooks/{hook}", "deliverHook"}, Access::signature, &Self::deliver_hook},
  }};
  return kTable;
}

Task<Status> EventRoutes::accept_event(Call call, net::HttpReply& reply) {
  auto event = contract::parse_incoming_event(call.request.body);
  if (!event) co_return std::unexpected(event.error());
  auto const recorded = co_await schedules_.accept(*std::move(event));
  if (!recorded) co_return std::unexpected(recorded.error());
  int const status = recorded->duplicate ? 200 : 202;
  co_return co_await reply_json(reply, status, event_json(*recorded));
}

Task<Status> EventRoutes::create_hook(Call call, net::HttpReply& reply) {
  auto hook = contract::parse_hook(call.request.body);
  if (!hook) co_return std::unexpected(hook.error());
  auto const put = co_await schedules_.create_hook(*std::move(hook));
  if (!put) co_return std::unexpected(put.error());
  net::Headers headers{{"location", "/api/v1/hooks/" + put->hook.hook.name}};
  co_return co_await reply_json(reply, 201, hook_json(*put), std::move(headers));
}

Task<Status> EventRoutes::list_hooks(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {});
  if (!known) co_return known;
  auto const hooks = co_await schedules_.list_hooks();
  if (!hooks) co_return std::unexpected(hooks.error());
  json::array items;
  for (schedule::HookRecord const& hook : *hooks)
    items.push_back(schedule::to_json(hook));
  json::object body{{"hooks", std::move(items)}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> EventRoutes::get_hook(Call call, net::HttpReply& reply) {
  auto const hook = co_await schedules_.get_hook(call.path.at("hook"));
  if (!hook) co_return std::unexpected(hook.error());
  co_return co_await reply_json(reply, 200, schedule::to_json(*hook));
}

Task<Status> EventRoutes::replace_hook(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {"renew_secret"});
  if (!known) co_return known;
  using Change = schedule::Schedules::SecretChange;
  std::string const renew = query_text(call.request, "renew_secret");
  if (!renew.empty() && renew != "true" && renew != "false")
    co_return fail(ErrorCode::invalid_argument, "renew_secret is true or false");
  auto hook = contract::parse_hook(call.request.body);
  if (!hook) co_return std::unexpected(hook.error());
  if (hook->name != call.path.at("hook"))
    co_return fail(ErrorCode::invalid_argument, "/name: expected the name of the path");
  auto const put = co_await schedules_.replace_hook(*std::move(hook),
                                                    renew == "true" ? Change::renew : Change::keep);
  if (!put) co_return std::unexpected(put.error());
  co_return co_await reply_json(reply, 200, hook_json(*put));
}

Task<Status> EventRoutes::delete_hook(Call call, net::HttpReply& reply) {
  auto const deleted = co_await schedules_.delete_hook(call.path.at("hook"));
  if (!deleted) co_return deleted;
  net::Headers none;
  co_return co_await reply.send(204, std::move(none), "");
}

Task<Status> EventRoutes::deliver_hook(Call call, net::HttpReply& reply) {
  auto const recorded = co_await schedules_.deliver(
      call.path.at("hook"), std::move(call.request.headers), std::move(call.request.body));
  if (!recorded) co_return std::unexpected(recorded.error());
  // To who sent it: no more than that it was taken. Which schedules it started is not theirs.
  json::object body{{"duplicate", recorded->duplicate}};
  co_return co_await reply_json(reply, recorded->duplicate ? 200 : 202, std::move(body));
}

}  // namespace drover::api
