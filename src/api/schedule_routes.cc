#include <fmt/format.h>

#include <charconv>
#include <utility>

#include <boost/json.hpp>

#include "api/api.h"
#include "api/replies.h"
#include "base/text.h"

namespace drover::api {

namespace {

json::object view_json(schedule::ScheduleView const& view) {
  return schedule::to_json(view.record, view.status);
}

std::string query_text(net::HttpRequest const& request, std::string_view name) {
  auto const found = request.query.find(name);
  return found == request.query.end() ? std::string{} : found->second;
}

// The number of a firing, as lists name it; 0 where absent.
Result<std::int64_t> firing_before(net::HttpRequest const& request) {
  std::string const text = query_text(request, "before");
  if (text.empty()) return 0;
  std::int64_t id = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size() || id < 1)
    return fail(ErrorCode::invalid_argument, "before is the id of a firing, not '{}'",
                printable(text, 40));
  return id;
}

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

Task<Status> Api::create_schedule(Call call, net::HttpReply& reply) {
  auto job = contract::parse_schedule_job(call.request.body);
  if (!job) co_return std::unexpected(job.error());
  auto const key = take_key(call.request, job->idempotency_key);
  if (!key) co_return key;
  auto const created = co_await schedules_.create(*std::move(job));
  if (!created) co_return std::unexpected(created.error());
  net::Headers headers{{"location", fmt::format("/api/v1/schedules/{}", created->view.record.id)}};
  int const status = created->created ? 201 : 200;
  co_return co_await reply_json(reply, status, view_json(created->view), std::move(headers));
}

Task<Status> Api::list_schedules(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {"limit", "before"});
  if (!known) co_return known;
  auto const limit = limit_of(call.request);
  if (!limit) co_return std::unexpected(limit.error());
  auto const listed = co_await schedules_.list(query_text(call.request, "before"), *limit);
  if (!listed) co_return std::unexpected(listed.error());
  json::array items;
  for (schedule::ScheduleView const& view : *listed)
    items.push_back(view_json(view));
  json::object body{{"schedules", std::move(items)}, {"next", nullptr}};
  if (static_cast<std::int64_t>(listed->size()) == *limit)
    body["next"] = json::string{listed->back().record.id.str()};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> Api::get_schedule(Call call, net::HttpReply& reply) {
  auto const id = id_of<ScheduleId>(call, "schedule");
  if (!id) co_return std::unexpected(id.error());
  auto const view = co_await schedules_.get(*id);
  if (!view) co_return std::unexpected(view.error());
  co_return co_await reply_json(reply, 200, view_json(*view));
}

Task<Status> Api::replace_schedule(Call call, net::HttpReply& reply) {
  auto const id = id_of<ScheduleId>(call, "schedule");
  if (!id) co_return std::unexpected(id.error());
  auto job = contract::parse_schedule_job(call.request.body);
  if (!job) co_return std::unexpected(job.error());
  auto const view = co_await schedules_.replace(*id, *std::move(job));
  if (!view) co_return std::unexpected(view.error());
  co_return co_await reply_json(reply, 200, view_json(*view));
}

Task<Status> Api::cancel_schedule(Call call, net::HttpReply& reply) {
  auto const id = id_of<ScheduleId>(call, "schedule");
  if (!id) co_return std::unexpected(id.error());
  auto const view = co_await schedules_.cancel(*id);
  if (!view) co_return std::unexpected(view.error());
  co_return co_await reply_json(reply, 200, view_json(*view));
}

Task<Status> Api::pause_schedule(Call call, net::HttpReply& reply) {
  auto const id = id_of<ScheduleId>(call, "schedule");
  if (!id) co_return std::unexpected(id.error());
  auto const view = co_await schedules_.pause(*id);
  if (!view) co_return std::unexpected(view.error());
  co_return co_await reply_json(reply, 200, view_json(*view));
}

Task<Status> Api::resume_schedule(Call call, net::HttpReply& reply) {
  auto const id = id_of<ScheduleId>(call, "schedule");
  if (!id) co_return std::unexpected(id.error());
  auto const view = co_await schedules_.resume(*id);
  if (!view) co_return std::unexpected(view.error());
  co_return co_await reply_json(reply, 200, view_json(*view));
}

Task<Status> Api::run_schedule(Call call, net::HttpReply& reply) {
  auto const id = id_of<ScheduleId>(call, "schedule");
  if (!id) co_return std::unexpected(id.error());
  std::optional<std::string> key;
  auto const taken = take_key(call.request, key);
  if (!taken) co_return taken;
  auto const firing = co_await schedules_.run_now(*id, key.value_or(""));
  if (!firing) co_return std::unexpected(firing.error());
  co_return co_await reply_json(reply, 202, schedule::to_json(*firing, *id));
}

Task<Status> Api::list_firings(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {"limit", "before"});
  if (!known) co_return known;
  auto const id = id_of<ScheduleId>(call, "schedule");
  if (!id) co_return std::unexpected(id.error());
  auto const limit = limit_of(call.request);
  if (!limit) co_return std::unexpected(limit.error());
  auto const before = firing_before(call.request);
  if (!before) co_return std::unexpected(before.error());
  auto const firings = co_await schedules_.history(*id, *before, *limit);
  if (!firings) co_return std::unexpected(firings.error());
  json::array items;
  for (schedule::FiringRecord const& firing : *firings)
    items.push_back(schedule::to_json(firing, *id));
  json::object body{{"firings", std::move(items)}, {"next", nullptr}};
  if (static_cast<std::int64_t>(firings->size()) == *limit)
    body["next"] = fmt::format("{}", firings->back().id);
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> Api::accept_event(Call call, net::HttpReply& reply) {
  auto event = contract::parse_incoming_event(call.request.body);
  if (!event) co_return std::unexpected(event.error());
  auto const recorded = co_await schedules_.accept(*std::move(event));
  if (!recorded) co_return std::unexpected(recorded.error());
  int const status = recorded->duplicate ? 200 : 202;
  co_return co_await reply_json(reply, status, event_json(*recorded));
}

Task<Status> Api::create_hook(Call call, net::HttpReply& reply) {
  auto hook = contract::parse_hook(call.request.body);
  if (!hook) co_return std::unexpected(hook.error());
  auto const put = co_await schedules_.create_hook(*std::move(hook));
  if (!put) co_return std::unexpected(put.error());
  net::Headers headers{{"location", "/api/v1/hooks/" + put->hook.hook.name}};
  co_return co_await reply_json(reply, 201, hook_json(*put), std::move(headers));
}

Task<Status> Api::replace_hook(Call call, net::HttpReply& reply) {
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

Task<Status> Api::list_hooks(Call call, net::HttpReply& reply) {
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

Task<Status> Api::get_hook(Call call, net::HttpReply& reply) {
  auto const hook = co_await schedules_.get_hook(call.path.at("hook"));
  if (!hook) co_return std::unexpected(hook.error());
  co_return co_await reply_json(reply, 200, schedule::to_json(*hook));
}

Task<Status> Api::delete_hook(Call call, net::HttpReply& reply) {
  auto const deleted = co_await schedules_.delete_hook(call.path.at("hook"));
  if (!deleted) co_return deleted;
  net::Headers none;
  co_return co_await reply.send(204, std::move(none), "");
}

Task<Status> Api::deliver_hook(Call call, net::HttpReply& reply) {
  auto const recorded = co_await schedules_.deliver(
      call.path.at("hook"), std::move(call.request.headers), std::move(call.request.body));
  if (!recorded) co_return std::unexpected(recorded.error());
  // To who sent it: no more than that it was taken. Which schedules it started is not theirs.
  json::object body{{"duplicate", recorded->duplicate}};
  co_return co_await reply_json(reply, recorded->duplicate ? 200 : 202, std::move(body));
}

}  // namespace drover::api
