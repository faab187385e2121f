#include "worker/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json.hpp>

#include "base/text.h"

namespace drover::worker {

namespace {

constexpr std::array kActions = {
    std::pair{AuditAction::created, std::string_view{"created"}},
    std::pair{AuditAction::changed, std::string_view{"changed"}},
    std::pair{AuditAction::enabled, std::string_view{"enabled"}},
    std::pair{AuditAction::disabled, std::string_view{"disabled"}},
    std::pair{AuditAction::deleted, std::string_view{"deleted"}},
};

constexpr std::string_view kTable = R"sql(
CREATE TABLE audit(
  id INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  action TEXT NOT NULL,
  revision INTEGER NOT NULL,
  actor TEXT NOT NULL,
  changes TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_name ON audit(kind, name, id)
)sql";

// Two documents and what is around their parts: deeper and longer than either may be.
constexpr JsonBounds kChangesBounds = {.bytes_max = std::size_t{64} << 20U, .depth_max = 80};

constexpr std::string_view kColumns = "id, at_ms, kind, name, action, revision, actor, changes";

Result<AuditEntry> read_entry(store::Statement const& row) {
  AuditEntry entry;
  entry.id = row.integer(0);
  entry.at = from_unix_ms(row.integer(1));
  entry.kind = row.text(2);
  entry.name = row.text(3);
  auto const action =
      std::ranges::find(kActions, row.text(4), &std::pair<AuditAction, std::string_view>::second);
  entry.revision = row.integer(5);
  entry.actor = row.text(6);
  auto const changes = parse_json(row.text(7), kChangesBounds);
  auto parsed = changes ? parse_differences(*changes) : std::unexpected(changes.error());
  if (action == kActions.end() || !parsed)
    return fail(ErrorCode::data_corrupt, "the audit's entry {} cannot be read", entry.id);
  entry.action = action->first;
  entry.changes = *std::move(parsed);
  return entry;
}

Result<std::vector<AuditEntry>> read_all(store::Statement& rows) {
  std::vector<AuditEntry> all;
  for (;;) {
    auto const more = rows.step();
    if (!more) return std::unexpected(more.error());
    if (!*more) return all;
    auto entry = read_entry(rows);
    if (!entry) return std::unexpected(entry.error());
    all.push_back(*std::move(entry));
  }
}

bool shorten(std::optional<json::value>& side) {
  if (!side) return false;
  std::string const text = side->is_string() ? std::string{std::string_view{side->get_string()}}
                                             : json::serialize(*side);
  if (text.size() <= kAuditListedBytesMax) return false;
  side = json::string{utf8_prefix(text, kAuditListedBytesMax)};
  return true;
}

}  // namespace

std::string_view to_string(AuditAction action) {
  for (auto const& [value, name] : kActions)
    if (value == action) return name;
  return "unknown";
}

AuditAction action_of(json::value const* before, json::value const* after,
                      std::vector<JsonDifference> const& changes) {
  if (after == nullptr) return AuditAction::deleted;
  if (before == nullptr) return AuditAction::created;
  if (changes.size() != 1 || changes.front().member != "/enabled") return AuditAction::changed;
  // Absent is enabled.
  auto const& is = changes.front().after;
  return is && *is == json::value(false) ? AuditAction::disabled : AuditAction::enabled;
}

std::vector<store::Migration> audit_migrations() {
  return {{"audit", 1, "who changed which definition", kTable}};
}

Status insert_audit(store::Database& database, AuditEntry const& entry) {
  DROVER_TRY(
      database.run("INSERT INTO audit(at_ms, kind, name, action, revision, actor, changes)"
                   " VALUES(?1,?2,?3,?4,?5,?6,?7)",
                   to_unix_ms(entry.at), entry.kind, entry.name, to_string(entry.action),
                   entry.revision, entry.actor, json::serialize(to_json(entry.changes))));
  // The newest is never removed, so ids are given once each and without a gap.
  return database.run("DELETE FROM audit WHERE id<=?1", database.last_insert_id() - kAuditRowsMax);
}

Result<AuditEntry> find_audit(store::Database& database, std::int64_t id) {
  auto rows = database.query(fmt::format("SELECT {} FROM audit WHERE id=?1", kColumns), id);
  if (!rows) return std::unexpected(rows.error());
  auto found = read_all(*rows);
  if (!found) return std::unexpected(found.error());
  if (found->empty())
    return fail_next(ErrorCode::not_found, fmt::format("the audit has no entry {}", id),
                     fmt::format("the newest {} changes are kept", kAuditRowsMax));
  return std::move(found->front());
}

Result<std::vector<AuditEntry>> list_audit(store::Database& database, AuditFilter const& filter) {
  std::string sql = fmt::format("SELECT {} FROM audit WHERE id<?1", kColumns);
  // Bound even where nothing asks for them.
  sql += filter.kind.empty() ? " AND ?2=''" : " AND kind=?2";
  sql += filter.name.empty() ? " AND ?3=''" : " AND name=?3";
  sql += " ORDER BY id DESC LIMIT ?4";
  auto rows =
      database.query(sql, filter.before.value_or(INT64_MAX), filter.kind, filter.name, filter.most);
  if (!rows) return std::unexpected(rows.error());
  return read_all(*rows);
}

json::object to_json(AuditEntry const& entry, AuditForm form) {
  auto changes = entry.changes;
  std::vector<bool> cut;
  if (form == AuditForm::listed)
    for (JsonDifference& change : changes) {
      bool const before = shorten(change.before);
      bool const after = shorten(change.after);
      cut.push_back(before || after);
    }
  json::array list = drover::to_json(changes);
  for (std::size_t i = 0; i < cut.size(); ++i)
    if (cut[i]) list[i].as_object()["shortened"] = true;
  return {{"id", fmt::format("{}", entry.id)},  {"at", to_rfc3339(entry.at)},
          {"kind", json::string{entry.kind}},   {"name", json::string{entry.name}},
          {"action", to_string(entry.action)},  {"revision", entry.revision},
          {"actor", json::string{entry.actor}}, {"changes", std::move(list)}};
}

}  // namespace drover::worker
