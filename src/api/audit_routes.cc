#include "api/audit_routes.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

#include <boost/json.hpp>

#include "api/replies.h"
#include "base/text.h"
#include "worker/audit.h"

namespace drover::api {

namespace {

Result<std::int64_t> entry_of(std::string_view place, std::string const& text) {
  std::int64_t id = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error == std::errc{} && end == text.data() + text.size() && id > 0) return id;
  return fail(ErrorCode::invalid_argument, "{} is the id of an entry of the audit, not '{}'", place,
              printable(text, 40));
}

Result<worker::AuditFilter> filter_of(net::HttpRequest const& request) {
  DROVER_TRY(only_query(request, {"kind", "name", "limit", "before"}));
  auto const limit = limit_of(request);
  if (!limit) return std::unexpected(limit.error());
  worker::AuditFilter filter;
  filter.most = static_cast<std::size_t>(*limit);
  filter.kind = query_text(request, "kind");
  if (!filter.kind.empty() && filter.kind != "agent" && filter.kind != "task_type")
    return fail(ErrorCode::invalid_argument, "kind is agent or task_type, not '{}'",
                printable(filter.kind, 40));
  filter.name = query_text(request, "name");
  if (std::string const before = query_text(request, "before"); !before.empty()) {
    auto const id = entry_of("before", before);
    if (!id) return std::unexpected(id.error());
    filter.before = *id;
  }
  return filter;
}

}  // namespace

RouteTable<AuditRoutes> AuditRoutes::table() {
  using Self = AuditRoutes;
  static constexpr std::array<RouteEntry<Self>, 2> kTable = {{
      {{"GET", "/api/v1/audit", "listAudit"}, Access::token, &Self::list},
      {{"GET", "/api/v1/audit/{entry}", "getAuditEntry"}, Access::token, &Self::get},
  }};
  return kTable;
}

Task<Status> AuditRoutes::list(Call call, net::HttpReply& reply) {
  auto const filter = filter_of(call.request);
  if (!filter) co_return std::unexpected(filter.error());
  // Printed where it is read: a page of long texts is no work for the event loop.
  auto const read = [filter = *filter](store::Database& database) -> Result<json::object> {
    auto const entries = worker::list_audit(database, filter);
    if (!entries) return std::unexpected(entries.error());
    json::array items;
    for (worker::AuditEntry const& entry : *entries)
      items.push_back(worker::to_json(entry, worker::AuditForm::listed));
    json::object body{{"entries", std::move(items)}, {"next", nullptr}};
    if (entries->size() == filter.most) body["next"] = fmt::format("{}", entries->back().id);
    return body;
  };
  auto body = co_await readers_.run(read);
  if (!body) co_return std::unexpected(body.error());
  co_return co_await reply_json(reply, 200, *std::move(body));
}

Task<Status> AuditRoutes::get(Call call, net::HttpReply& reply) {
  auto const id = entry_of("the path", call.path.at("entry"));
  if (!id) co_return std::unexpected(id.error());
  auto const entry = co_await readers_.run(
      [id = *id](store::Database& database) { return worker::find_audit(database, id); });
  if (!entry) co_return std::unexpected(entry.error());
  co_return co_await reply_json(reply, 200, worker::to_json(*entry, worker::AuditForm::whole));
}

}  // namespace drover::api
