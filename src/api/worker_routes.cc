#include "api/worker_routes.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

#include <boost/json.hpp>

#include "api/replies.h"
#include "base/text.h"
#include "gateway/mcp_endpoint.h"
#include "worker/placement.h"
#include "worker/wire.h"

namespace drover::api {

namespace {

constexpr std::int64_t kWaitMsMax = 60'000;
constexpr std::int64_t kSlotsMax = 1'000;
constexpr std::size_t kNamesMax = 100;
constexpr std::size_t kNameBytesMax = 200;
// A worker asks again at least as often as this while it lives.
constexpr Millis kSilence{45'000};

json::string text(std::string const& value) {
  return json::string{value};
}

Status check_name(std::string_view key, std::string_view name) {
  if (!name.empty() && name.size() <= kNameBytesMax) return {};
  return fail(ErrorCode::invalid_argument, "/{}: a name has 1 to {} bytes", key, kNameBytesMax);
}

// Absent: none.
Result<std::vector<std::string>> names_at(JsonObject const& object, std::string_view key) {
  auto const* const value = object.find(key);
  std::vector<std::string> names;
  if (value == nullptr || value->is_null()) return names;
  auto const* const array = value->if_array();
  if (array == nullptr || array->size() > kNamesMax)
    return fail(ErrorCode::invalid_argument, "/{}: expected an array of at most {} names", key,
                kNamesMax);
  for (json::value const& item : *array) {
    auto const* const name = item.if_string();
    DROVER_TRY(check_name(key, name == nullptr ? std::string_view{} : std::string_view{*name}));
    names.emplace_back(*name);
  }
  return names;
}

Result<broker::Labels> labels_at(JsonObject const& object) {
  broker::Labels labels;
  auto const* const value = object.find("labels");
  if (value == nullptr || value->is_null()) return labels;
  auto const* const members = value->if_object();
  if (members == nullptr)
    return fail(ErrorCode::invalid_argument, "/labels: expected an object of texts");
  for (auto const& [name, label] : *members) {
    auto const* const given = label.if_string();
    labels.emplace(name, given == nullptr ? std::string_view{} : std::string_view{*given});
  }
  auto const checked = broker::check_labels(labels, broker::kLabelsMax);
  if (!checked) return fail(ErrorCode::invalid_argument, "/labels: {}", checked.error().message);
  return labels;
}

Result<std::int64_t> number_at(JsonObject const& object, std::string_view key, std::int64_t low,
                               std::int64_t high, std::int64_t usual) {
  auto const number = object.optional_integer(key);
  if (!number) return std::unexpected(number.error());
  std::int64_t const value = number->value_or(usual);
  if (value < low || value > high)
    return fail(ErrorCode::invalid_argument, "/{}: expected a number from {} to {}, found {}", key,
                low, high, value);
  return value;
}

Result<broker::ClaimFilter> filter_of(JsonObject const& object) {
  auto pools = names_at(object, "pools");
  if (!pools) return std::unexpected(pools.error());
  auto types = names_at(object, "task_types");
  if (!types) return std::unexpected(types.error());
  return broker::ClaimFilter{*std::move(pools), *std::move(types), {}};
}

Result<worker::WorkerCard> card_of(WorkerId id, json::value const& body) {
  auto const object = JsonObject::of(body);
  if (!object) return std::unexpected(object.error());
  worker::WorkerCard card;
  card.id = std::move(id);
  auto const host = object->optional_string("host");
  if (!host) return std::unexpected(host.error());
  card.host = utf8_prefix(host->value_or(""), kNameBytesMax);
  auto const mode = object->optional_string("mode");
  if (!mode) return std::unexpected(mode.error());
  card.mode = utf8_prefix(mode->value_or(""), kNameBytesMax);
  auto const slots = number_at(*object, "slots", 0, kSlotsMax, 0);
  if (!slots) return std::unexpected(slots.error());
  card.slots = static_cast<std::size_t>(*slots);
  auto filter = filter_of(*object);
  if (!filter) return std::unexpected(filter.error());
  card.filter = *std::move(filter);
  auto labels = labels_at(*object);
  if (!labels) return std::unexpected(labels.error());
  card.filter.labels = *std::move(labels);
  return card;
}

Result<std::optional<broker::OfferedRun>> offered_of(JsonObject const& object) {
  auto const* const value = object.find("offered");
  if (value == nullptr || value->is_null()) return std::nullopt;
  auto const offered = JsonObject::of(*value);
  if (!offered) return std::unexpected(offered.error());
  auto run = RunId::parse(string_or(offered->raw(), "run", ""));
  if (!run) return std::unexpected(run.error());
  return broker::OfferedRun{*std::move(run), Epoch{integer_or(offered->raw(), "after", 0)}};
}

Result<worker::ClaimWish> wish_of(WorkerId id, json::value const& body) {
  auto const object = JsonObject::of(body);
  if (!object) return std::unexpected(object.error());
  auto filter = filter_of(*object);
  if (!filter) return std::unexpected(filter.error());
  auto const wait = number_at(*object, "wait_ms", 0, kWaitMsMax, 0);
  if (!wait) return std::unexpected(wait.error());
  auto const lease = number_at(*object, "lease_ms", worker::kLeaseMin.count(),
                               worker::kLeaseMax.count(), worker::WorkerOptions{}.lease.count());
  if (!lease) return std::unexpected(lease.error());
  auto const runs = number_at(*object, "runs_max", 1, kSlotsMax, 1);
  if (!runs) return std::unexpected(runs.error());
  auto only = offered_of(*object);
  if (!only) return std::unexpected(only.error());
  return worker::ClaimWish{.worker = std::move(id),
                           .filter = *std::move(filter),
                           .lease = Millis{*lease},
                           .wait = Millis{*wait},
                           .runs_max = static_cast<std::size_t>(*runs),
                           .only = *std::move(only)};
}

struct Beat {
  std::vector<worker::ClaimName> claims;
  std::vector<worker::ClaimName> died;
  bool orphan = false;
  std::optional<SessionId> released;
  std::uint64_t seen = 0;
  Millis wait{0};
};

Result<std::vector<worker::ClaimName>> claims_at(JsonObject const& object, std::string_view key) {
  std::vector<worker::ClaimName> names;
  auto const* const claims = object.find(key);
  if (claims == nullptr || claims->is_null()) return names;
  if (!claims->is_array()) return fail(ErrorCode::invalid_argument, "/{}: expected an array", key);
  for (json::value const& item : claims->get_array()) {
    auto const claim = JsonObject::of(item);
    if (!claim) return std::unexpected(claim.error());
    auto run = RunId::parse(string_or(claim->raw(), "run", ""));
    if (!run) return std::unexpected(run.error());
    names.push_back({.run = *std::move(run), .epoch = Epoch{integer_or(claim->raw(), "epoch", 0)}});
  }
  return names;
}

Result<Beat> beat_of(json::value const& body) {
  auto const object = JsonObject::of(body);
  if (!object) return std::unexpected(object.error());
  Beat beat;
  auto const wait = number_at(*object, "wait_ms", 0, kWaitMsMax, 0);
  if (!wait) return std::unexpected(wait.error());
  beat.wait = Millis{*wait};
  auto const seen = number_at(*object, "seen", 0, INT64_MAX, 0);
  if (!seen) return std::unexpected(seen.error());
  beat.seen = static_cast<std::uint64_t>(*seen);
  auto const released = object->optional_string("released");
  if (!released) return std::unexpected(released.error());
  if (*released) {
    auto session = SessionId::parse(**released);
    if (!session) return std::unexpected(session.error());
    beat.released = *std::move(session);
  }
  auto claims = claims_at(*object, "claims");
  if (!claims) return std::unexpected(claims.error());
  beat.claims = *std::move(claims);
  auto const orphan = object->optional_boolean("orphan");
  if (!orphan) return std::unexpected(orphan.error());
  beat.orphan = orphan->value_or(false);
  auto died = claims_at(*object, "died");
  if (!died) return std::unexpected(died.error());
  beat.died = *std::move(died);
  return beat;
}

Result<Epoch> epoch_of(net::HttpRequest const& request) {
  auto const found = request.query.find("epoch");
  std::int64_t epoch = 0;
  std::string_view const digits =
      found == request.query.end() ? "" : std::string_view{found->second};
  auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), epoch);
  if (error != std::errc{} || end != digits.data() + digits.size())
    return fail(ErrorCode::invalid_argument, "epoch is the number of the claim's attempt");
  return Epoch{epoch};
}

json::array print(std::vector<std::string> const& names) {
  json::array array;
  for (std::string const& name : names)
    array.push_back(text(name));
  return array;
}

json::object print(broker::Labels const& labels) {
  json::object object;
  for (auto const& [name, label] : labels)
    object[name] = text(label);
  return object;
}

json::object print(worker::WorkerView const& view) {
  json::array runs;
  for (RunId const& run : view.runs)
    runs.push_back(text(run.str()));
  return {{"id", text(view.card.id.str())},
          {"host", text(view.card.host)},
          {"mode", text(view.card.mode)},
          {"state", view.silent > kSilence ? "silent" : "live"},
          {"silent_ms", view.silent.count()},
          {"slots", view.card.slots},
          {"pools", print(view.card.filter.pools)},
          {"task_types", print(view.card.filter.task_types)},
          {"labels", print(view.card.filter.labels)},
          {"runs", std::move(runs)}};
}

// Which attempt a call is made for.
Result<worker::ClaimName> claim_of(Call const& call) {
  auto run = id_of<RunId>(call, "run");
  if (!run) return std::unexpected(run.error());
  auto const epoch = epoch_of(call.request);
  if (!epoch) return std::unexpected(epoch.error());
  return worker::ClaimName{.run = *std::move(run), .epoch = *epoch};
}

}  // namespace

RouteTable<WorkerRoutes> WorkerRoutes::table() {
  using Self = WorkerRoutes;
  static constexpr std::array<RouteEntry<Self>, 8> kTable = {{
      {{"GET", "/api/v1/workers", "listWorkers"}, Access::token, &Self::list_workers},
      {{"PUT", "/api/v1/workers/{worker}", "joinWorker"}, Access::token, &Self::join_worker},
      {{"DELETE", "/api/v1/workers/{worker}", "leaveWorker"}, Access::token, &Self::leave_worker},
      {{"POST", "/api/v1/workers/{worker}/claim", "claimRuns"}, Access::token, &Self::claim_runs},
      {{"POST", "/api/v1/workers/{worker}/heartbeat", "beatWorker"},
       Access::token,
       &Self::beat_worker},
      {{"POST", "/api/v1/workers/{worker}/runs/{run}/steps", "takeStep"},
       Access::token,
       &Self::take_step},
      {{"POST", "/api/v1/workers/{worker}/runs/{run}/messages", "callModel"},
       Access::token,
       &Self::call_model},
      {{"POST", "/api/v1/workers/{worker}/runs/{run}/mcp", "callMcp"},
       Access::token,
       &Self::call_mcp},
  }};
  return kTable;
}

Task<Status> WorkerRoutes::list_workers(Call, net::HttpReply& reply) {
  json::array workers;
  for (worker::WorkerView const& view : joined_.list())
    workers.push_back(print(view));
  json::object body{{"workers", std::move(workers)}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> WorkerRoutes::join_worker(Call call, net::HttpReply& reply) {
  auto id = id_of<WorkerId>(call, "worker");
  if (!id) co_return std::unexpected(id.error());
  auto const body = parse_json(call.request.body);
  if (!body) co_return std::unexpected(body.error());
  auto card = card_of(*id, *body);
  if (!card) co_return std::unexpected(card.error());
  auto const joined = joined_.join(*std::move(card));
  if (!joined) co_return std::unexpected(joined.error());
  json::object answer{{"id", text(id->str())},
                      {"session_folder", text(worker::session_root(services_.options))},
                      {"mode", text(joined->mode)},
                      {"task_types", print(joined->filter.task_types)},
                      {"labels", print(joined->filter.labels)}};
  if (auto const offers = joined_.offers_for(*id)) answer["offers"] = worker::print(*offers);
  co_return co_await reply_json(reply, 200, std::move(answer));
}

Task<Status> WorkerRoutes::leave_worker(Call call, net::HttpReply& reply) {
  auto id = id_of<WorkerId>(call, "worker");
  if (!id) co_return std::unexpected(id.error());
  auto const left = co_await joined_.leave(*std::move(id));
  if (!left) co_return left;
  net::Headers none;
  co_return co_await reply.send(204, std::move(none), "");
}

Task<Status> WorkerRoutes::claim_runs(Call call, net::HttpReply& reply) {
  auto id = id_of<WorkerId>(call, "worker");
  if (!id) co_return std::unexpected(id.error());
  auto const body = parse_json(call.request.body);
  if (!body) co_return std::unexpected(body.error());
  auto wish = wish_of(*std::move(id), *body);
  if (!wish) co_return std::unexpected(wish.error());
  auto const assignments = co_await joined_.claim(*std::move(wish));
  if (!assignments) co_return std::unexpected(assignments.error());
  json::array items;
  std::vector<worker::ClaimName> claims;
  for (worker::Assignment const& assignment : *assignments) {
    items.push_back(worker::print(assignment));
    claims.push_back({.run = assignment.run.id, .epoch = assignment.claim.epoch});
  }
  json::object answer{{"assignments", std::move(items)}};
  Status sent = fail(ErrorCode::cancelled, "the worker is gone");
  bool const gone = reply.peer_gone();
  if (!gone) sent = co_await reply_json(reply, 200, std::move(answer));
  // Whoever asked does not know that these are its own.
  if (!sent) co_await joined_.give_back(std::move(claims));
  if (gone) co_return sent;
  co_return Status{};
}

Task<Status> WorkerRoutes::beat_worker(Call call, net::HttpReply& reply) {
  auto id = id_of<WorkerId>(call, "worker");
  if (!id) co_return std::unexpected(id.error());
  auto const body = parse_json(call.request.body);
  if (!body) co_return std::unexpected(body.error());
  auto beat = beat_of(*body);
  if (!beat) co_return std::unexpected(beat.error());
  if (beat->released) {
    auto const confirmed = joined_.confirm_release(*id, *beat->released);
    if (!confirmed) co_return confirmed;
  }
  if (beat->orphan) {
    auto const noted = joined_.bereave(*id);
    if (!noted) co_return noted;
  }
  auto const lost = co_await joined_.lose(*id, std::move(beat->died));
  if (!lost) co_return lost;
  auto const orders =
      co_await joined_.beat(*std::move(id), std::move(beat->claims), beat->seen, beat->wait);
  if (!orders) co_return std::unexpected(orders.error());
  co_return co_await reply_json(reply, 200, worker::print(*orders));
}

Task<Status> WorkerRoutes::take_step(Call call, net::HttpReply& reply) {
  auto id = id_of<WorkerId>(call, "worker");
  if (!id) co_return std::unexpected(id.error());
  auto run = id_of<RunId>(call, "run");
  if (!run) co_return std::unexpected(run.error());
  auto const body = parse_json(call.request.body);
  if (!body) co_return std::unexpected(body.error());
  auto step = worker::parse_step(*body, *run);
  if (!step) co_return std::unexpected(step.error());
  auto const taken = co_await joined_.take_step(*std::move(id), *std::move(run), *std::move(step));
  if (!taken) co_return taken;
  json::object answer;
  co_return co_await reply_json(reply, 200, std::move(answer));
}

Task<Status> WorkerRoutes::call_model(Call call, net::HttpReply& reply) {
  auto id = id_of<WorkerId>(call, "worker");
  if (!id) co_return std::unexpected(id.error());
  auto claim = claim_of(call);
  if (!claim) co_return std::unexpected(claim.error());
  // The path that the unit has called.
  std::string path = query_text(call.request, "path");
  if (path.empty()) path = model::path_of(model::WireFormat::messages);
  if (!gateway::is_model_path(path))
    co_return fail(ErrorCode::invalid_argument, "path: '{}' is no call of a model",
                   printable(path, 80));
  call.request.path = std::move(path);
  co_return co_await joined_.serve_model(*std::move(id), *std::move(claim), std::move(call.request),
                                         reply);
}

Task<Status> WorkerRoutes::call_mcp(Call call, net::HttpReply& reply) {
  auto id = id_of<WorkerId>(call, "worker");
  if (!id) co_return std::unexpected(id.error());
  auto claim = claim_of(call);
  if (!claim) co_return std::unexpected(claim.error());
  call.request.path = fmt::format("{}{}", gateway::kMcpPath, query_text(call.request, "server"));
  co_return co_await joined_.serve_mcp(*std::move(id), *std::move(claim), std::move(call.request),
                                       reply);
}

}  // namespace drover::api
