#include "api/session_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json.hpp>

#include "api/dispatched_reply.h"
#include "api/replies.h"
#include "base/text.h"
#include "git/land.h"
#include "worker/session_removal.h"
#include "workspace/private_paths.h"

namespace drover::api {

namespace {

Result<worker::Removal> removal_of(net::HttpRequest const& request) {
  auto const found = request.query.find("force");
  if (found == request.query.end() || found->second == "false") return worker::Removal::landed_only;
  if (found->second == "true") return worker::Removal::discard;
  return fail(ErrorCode::invalid_argument, "force is true or false, not '{}'",
              printable(found->second, 20));
}

Result<git::LandStrategy> strategy_of(std::string const& body) {
  if (body.empty()) return git::LandStrategy::automatic;
  auto const value = parse_json(body);
  if (!value) return std::unexpected(value.error());
  auto const object = JsonObject::of(*value);
  if (!object) return std::unexpected(object.error());
  for (auto const& member : object->raw())
    if (member.key() != "strategy")
      return fail(ErrorCode::invalid_argument, "/{}: there is no such member",
                  printable(member.key(), 40));
  auto const text = object->optional_string("strategy");
  if (!text) return std::unexpected(text.error());
  std::string const name = text->value_or("auto");
  if (name == "auto") return git::LandStrategy::automatic;
  if (name == "ff") return git::LandStrategy::fast_forward;
  if (name == "merge") return git::LandStrategy::merge;
  return fail(ErrorCode::invalid_argument, "/strategy: expected auto, ff or merge, found '{}'",
              printable(name, 40));
}

}  // namespace

RouteTable<SessionRoutes> SessionRoutes::table() {
  using Self = SessionRoutes;
  static constexpr std::array<RouteEntry<Self>, 5> kTable = {{
      {{"GET", "/api/v1/sessions", "listSessions"}, Access::token, &Self::list_sessions},
      {{"GET", "/api/v1/sessions/{session}", "getSession"}, Access::token, &Self::get_session},
      {{"DELETE", "/api/v1/sessions/{session}", "deleteSession"},
       Access::token,
       &Self::delete_session},
      {{"POST", "/api/v1/sessions/{session}/messages", "sendMessage"},
       Access::token,
       &Self::send_message},
      {{"POST", "/api/v1/sessions/{session}/land", "landSession"},
       Access::token,
       &Self::land_session},
  }};
  return kTable;
}

json::object SessionRoutes::session_json(worker::SessionSummary const& summary) const {
  json::object object = worker::to_json(summary);
  bool const active = workforce_.works_on(summary.session.id);
  object["state"] = summary.session.removed ? "removed" : active ? "active" : "parked";
  return object;
}

Task<Status> SessionRoutes::list_sessions(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {"limit", "before"});
  if (!known) co_return known;
  auto const limit = limit_of(call.request);
  if (!limit) co_return std::unexpected(limit.error());
  std::string before = query_text(call.request, "before");
  auto const sessions =
      co_await services_.readers.run([before, count = *limit](store::Database& database) {
        return worker::list_sessions(database, before, count);
      });
  if (!sessions) co_return std::unexpected(sessions.error());
  json::array items;
  for (auto const& summary : *sessions)
    items.push_back(session_json(summary));
  json::object body{{"sessions", std::move(items)}, {"next", nullptr}};
  if (static_cast<std::int64_t>(sessions->size()) == *limit)
    body["next"] = json::string{sessions->back().session.id.str()};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> SessionRoutes::get_session(Call call, net::HttpReply& reply) {
  auto const id = id_of<SessionId>(call, "session");
  if (!id) co_return std::unexpected(id.error());
  auto const summary = co_await services_.readers.run([wanted = *id](store::Database& database) {
    return worker::summarize_session(database, wanted);
  });
  if (!summary) co_return std::unexpected(summary.error());
  co_return co_await reply_json(reply, 200, session_json(*summary));
}

Task<Status> SessionRoutes::delete_session(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {"force"});
  if (!known) co_return known;
  auto id = id_of<SessionId>(call, "session");
  if (!id) co_return std::unexpected(id.error());
  auto const removal = removal_of(call.request);
  if (!removal) co_return std::unexpected(removal.error());
  auto const removed =
      co_await worker::remove_session(services_, workforce_, *std::move(id), *removal);
  if (!removed) co_return removed;
  net::Headers none;
  co_return co_await reply.send(204, std::move(none), "");
}

Task<Status> SessionRoutes::send_message(Call call, net::HttpReply& reply) {
  auto session = id_of<SessionId>(call, "session");
  if (!session) co_return std::unexpected(session.error());
  auto message = contract::parse_message(call.request.body);
  if (!message) co_return std::unexpected(message.error());
  auto const key = take_key(call.request, message->idempotency_key);
  if (!key) co_return key;
  auto dispatched = co_await dispatcher_.message(*std::move(session), *std::move(message));
  if (!dispatched) co_return std::unexpected(dispatched.error());
  co_return co_await reply_dispatched(reply, *std::move(dispatched));
}

Task<Status> SessionRoutes::land_session(Call call, net::HttpReply& reply) {
  auto const id = id_of<SessionId>(call, "session");
  if (!id) co_return std::unexpected(id.error());
  auto const strategy = strategy_of(call.request.body);
  if (!strategy) co_return std::unexpected(strategy.error());
  auto const session = co_await services_.readers.run(
      [wanted = *id](store::Database& database) { return worker::find_session(database, wanted); });
  if (!session) co_return std::unexpected(session.error());
  if (session->removed)
    co_return fail_next(ErrorCode::conflict, fmt::format("the session {} was removed", *id),
                        "a commit of it may still be found with: git reflog");
  if (session->branch.empty())
    co_return fail_next(
        ErrorCode::conflict,
        fmt::format("the session {} works in your checkout and has no branch to land", *id),
        "only sessions started with --worktree are landed");
  if (workforce_.works_on(*id))
    co_return fail_next(ErrorCode::conflict, fmt::format("the session {} is at work", *id),
                        "wait until its run has ended, or cancel it");
  bool const proposes = std::ranges::any_of(session->workspaces, [](auto const& grant) {
    return grant.mode == contract::WorkspaceMode::propose;
  });
  if (proposes)
    co_return fail_next(ErrorCode::conflict,
                        fmt::format("what the session {} changes is proposed, not landed", *id),
                        "decide on it: drover approvals");
  auto const tree = worker::session_tree(services_, *session);
  if (!tree) co_return std::unexpected(tree.error());
  workspace::LandTerms terms;
  terms.strategy = *strategy;
  terms.session = id->str();
  terms.now = services_.clock.now();
  auto const landed = co_await services_.sync_pool.run(
      [place = **tree, terms] { return workspace::land(place, terms); });
  if (!landed) co_return std::unexpected(landed.error());
  if (landed->kind == git::LandKind::conflicts) {
    json::array paths;
    for (std::string const& path : landed->conflicts)
      paths.push_back(json::string{to_utf8(path)});
    Error const why = workspace::land_conflict(**tree, *landed);
    json::object error{{"code", "conflict"},
                       {"message", json::string{why.message}},
                       {"next", json::string{why.next}},
                       {"conflicts", std::move(paths)}};
    json::object body{{"error", std::move(error)}};
    co_return co_await reply_json(reply, 409, std::move(body));
  }
  json::object body{{"kind", git::to_string(landed->kind)},
                    {"sha", json::string{landed->commit.hex()}},
                    {"branch", json::string{landed->branch}}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

}  // namespace drover::api
