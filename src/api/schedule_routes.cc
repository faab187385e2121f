#include "api/schedule_routes.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

#include <boost/json.hpp>

#include "api/replies.h"
#include "base/text.h"

namespace drover::api {

namespace {

json::object view_json(schedule::ScheduleView const& view) {
  return schedule::to_json(view.record, view.status);
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

}  // namespace

RouteTable<ScheduleRoutes> ScheduleRoutes::table() {
  using Self = ScheduleRoutes;
  static constexpr std::array<RouteEntry<Self>, 9> kTable = {{
      {{"POST", "/api/v1/schedules", "createSchedule"}, Access::token, &Self::create_schedule},
      {{"GET", "/api/v1/schedules", "listSchedules"}, Access::token, &Self::list_schedules},
      {{"GET", "/api/v1/schedules/{schedule}", "getSchedule"}, Access::token, &Self::get_schedule},
      {{"PUT", "/api/v1/schedules/{schedule}", "replaceSchedule"},
       Access::token,
       &Self::replace_schedule},
      {{"DELETE", "/api/v1/schedules/{schedule}", "cancelSchedule"},
       Access::token,
       &Self::cancel_schedule},
      {{"POST", "/api/v1/schedules/{schedule}/pause", "pauseSchedule"},
       Access::token,
       &Self::pause_schedule},
      {{"POST", "/api/v1/schedules/{schedule}/resume", "resumeSchedule"},
       Access::token,
       &Self::resume_schedule},
      {{"POST", "/api/v1/schedules/{schedule}/run", "runSchedule"},
       Access::token,
       &Self::run_schedule},
      {{"GET", "/api/v1/schedules/{schedule}/history", "listFirings"},
       Access::token,
       &Self::list_firings},
  }};
  return kTable;
}

Task<Status> ScheduleRoutes::create_schedule(Call call, net::HttpReply& reply) {
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

Task<Status> ScheduleRoutes::list_schedules(Call call, net::HttpReply& reply) {
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

Task<Status> ScheduleRoutes::get_schedule(Call call, net::HttpReply& reply) {
  auto const id = id_of<ScheduleId>(call, "schedule");
  if (!id) co_return std::unexpected(id.error());
  auto const view = co_await schedules_.get(*id);
  if (!view) co_return std::unexpected(view.error());
  co_return co_await reply_json(reply, 200, view_json(*view));
}

Task<Status> ScheduleRoutes::replace_schedule(Call call, net::HttpReply& reply) {
  auto const id = id_of<ScheduleId>(call, "schedule");
  if (!id) co_return std::unexpected(id.error());
  auto job = contract::parse_schedule_job(call.request.body);
  if (!job) co_return std::unexpected(job.error());
  auto const view = co_await schedules_.replace(*id, *std::move(job));
  if (!view) co_return std::unexpected(view.error());
  co_return co_await reply_json(reply, 200, view_json(*view));
}

Task<Status> ScheduleRoutes::cancel_schedule(Call call, net::HttpReply& reply) {
  auto const id = id_of<ScheduleId>(call, "schedule");
  if (!id) co_return std::unexpected(id.error());
  auto const view = co_await schedules_.cancel(*id);
  if (!view) co_return std::unexpected(view.error());
  co_return co_await reply_json(reply, 200, view_json(*view));
}

Task<Status> ScheduleRoutes::pause_schedule(Call call, net::HttpReply& reply) {
  auto const id = id_of<ScheduleId>(call, "schedule");
  if (!id) co_return std::unexpected(id.error());
  auto const view = co_await schedules_.pause(*id);
  if (!view) co_return std::unexpected(view.error());
  co_return co_await reply_json(reply, 200, view_json(*view));
}

Task<Status> ScheduleRoutes::resume_schedule(Call call, net::HttpReply& reply) {
  auto const id = id_of<ScheduleId>(call, "schedule");
  if (!id) co_return std::unexpected(id.error());
  auto const view = co_await schedules_.resume(*id);
  if (!view) co_return std::unexpected(view.error());
  co_return co_await reply_json(reply, 200, view_json(*view));
}

Task<Status> ScheduleRoutes::run_schedule(Call call, net::HttpReply& reply) {
  auto const id = id_of<ScheduleId>(call, "schedule");
  if (!id) co_return std::unexpected(id.error());
  std::optional<std::string> key;
  auto const taken = take_key(call.request, key);
  if (!taken) co_return taken;
  auto const firing = co_await schedules_.run_now(*id, key.value_or(""));
  if (!firing) co_return std::unexpected(firing.error());
  co_return co_await reply_json(reply, 202, schedule::to_json(*firing, *id));
}

Task<Status> ScheduleRoutes::list_firings(Call call, net::HttpReply& reply) {
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

}  // namespace drover::api
