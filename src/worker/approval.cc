#include "worker/approval.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include <boost/json.hpp>

#include "base/digest.h"
#include "base/text.h"

namespace drover::worker {

namespace {

constexpr std::array<std::pair<ApprovalState, std::string_view>, 4> kStates = {
    {{ApprovalState::pending, "pending"},
     {ApprovalState::approved, "approved"},
     {ApprovalState::rejected, "rejected"},
     {ApprovalState::superseded, "superseded"}}};

constexpr std::string_view kTable = R"sql(
CREATE TABLE approvals(
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  run TEXT NOT NULL,
  session TEXT NOT NULL,
  title TEXT NOT NULL,
  subject TEXT NOT NULL,
  digest TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  decided_at_ms INTEGER,
  comment TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX approvals_by_session ON approvals(session, state);
CREATE INDEX approvals_by_state ON approvals(state, id)
)sql";

constexpr std::string_view kColumns =
    "id, kind, state, run, session, title, subject, digest, created_at_ms, decided_at_ms, comment";

Result<Approval> read_approval(store::Statement const& row) {
  Approval approval;
  approval.id = ApprovalId::trusted(std::string{row.text(0)});
  auto const state = parse_approval_state(row.text(2));
  auto subject = parse_json(row.text(6));
  if (row.text(1) != to_string(ApprovalKind::change) || !state || !subject || !subject->is_object())
    return fail(ErrorCode::data_corrupt, "the stored approval {} cannot be read", approval.id);
  approval.state = *state;
  approval.run = RunId::trusted(std::string{row.text(3)});
  approval.session = SessionId::trusted(std::string{row.text(4)});
  approval.title = row.text(5);
  approval.subject = std::move(subject->get_object());
  approval.digest = row.text(7);
  approval.created_at = from_unix_ms(row.integer(8));
  if (!row.is_null(9)) approval.decided_at = from_unix_ms(row.integer(9));
  approval.comment = row.text(10);
  return approval;
}

}  // namespace

std::string_view to_string(ApprovalKind kind) {
  switch (kind) {
    case ApprovalKind::change:
      return "change";
  }
  return "unknown";
}

std::string_view to_string(ApprovalState state) {
  for (auto const& [value, name] : kStates)
    if (value == state) return name;
  return "unknown";
}

Result<ApprovalState> parse_approval_state(std::string_view text) {
  for (auto const& [value, name] : kStates)
    if (name == text) return value;
  return fail(ErrorCode::invalid_argument,
              "'{}' is no state of an approval; known are pending, approved, rejected, superseded",
              printable(text, 40));
}

std::string approval_digest(ApprovalKind kind, RunId const& run, json::object const& subject) {
  return sha256_hex(
      fmt::format("{}\n{}\n{}", to_string(kind), run.str(), json::serialize(subject)));
}

std::vector<store::Migration> approval_migrations() {
  return {{"approvals", 1, "decisions of people", kTable}};
}

Status insert_approval(store::Database& database, Approval const& approval) {
  DROVER_TRY(
      database.run("UPDATE approvals SET state='superseded' WHERE session=? AND state='pending'"
                   " AND kind=? AND id<>?",
                   approval.session.str(), to_string(approval.kind), approval.id.str()));
  return database.run(
      fmt::format("INSERT INTO approvals({}) VALUES(?,?,?,?,?,?,?,?,?,?,?)", kColumns),
      approval.id.str(), to_string(approval.kind), to_string(approval.state), approval.run.str(),
      approval.session.str(), approval.title, json::serialize(approval.subject), approval.digest,
      to_unix_ms(approval.created_at), std::optional<std::int64_t>{}, approval.comment);
}

Result<Approval> find_approval(store::Database& database, ApprovalId const& id) {
  auto row = database.query(fmt::format("SELECT {} FROM approvals WHERE id=?", kColumns), id.str());
  if (!row) return std::unexpected(row.error());
  auto const there = row->step();
  if (!there) return std::unexpected(there.error());
  if (!*there)
    return fail_next(ErrorCode::not_found, fmt::format("there is no approval {}", id),
                     "see: drover approvals");
  return read_approval(*row);
}

Result<std::vector<Approval>> list_approvals(store::Database& database,
                                             ApprovalFilter const& filter) {
  std::optional<std::string_view> state;
  if (filter.state) state = to_string(*filter.state);
  std::optional<std::string_view> session;
  if (filter.session) session = filter.session->str();
  auto rows = database.query(fmt::format("SELECT {} FROM approvals WHERE (?1 IS NULL OR state=?1)"
                                         " AND (?2 IS NULL OR session=?2) AND (?3='' OR id<?3)"
                                         " ORDER BY id DESC LIMIT ?4",
                                         kColumns),
                             state, session, filter.before, static_cast<std::int64_t>(filter.most));
  if (!rows) return std::unexpected(rows.error());
  std::vector<Approval> all;
  for (;;) {
    auto const more = rows->step();
    if (!more) return std::unexpected(more.error());
    if (!*more) return all;
    auto one = read_approval(*rows);
    if (!one) return std::unexpected(one.error());
    all.push_back(*std::move(one));
  }
}

Error already_decided(Approval const& approval) {
  return {ErrorCode::conflict,
          fmt::format("the approval {} is not pending: it is {}", approval.id,
                      to_string(approval.state)),
          approval.state == ApprovalState::superseded
              ? "decide on the one that stands in its place: drover approvals"
              : "a decision is made once"};
}

Status decide_approval(store::Database& database, Approval const& decided) {
  std::optional<std::int64_t> at;
  if (decided.decided_at) at = to_unix_ms(*decided.decided_at);
  DROVER_TRY(database.run(
      "UPDATE approvals SET state=?, decided_at_ms=?, comment=? WHERE id=?"
      " AND state='pending' AND digest=?",
      to_string(decided.state), at, decided.comment, decided.id.str(), decided.digest));
  if (database.changes() == 1) return {};
  auto const present = find_approval(database, decided.id);
  return std::unexpected(present ? already_decided(*present) : present.error());
}

Status drop_approvals(store::Database& database, SessionId const& session) {
  return database.run("UPDATE approvals SET state='superseded' WHERE session=? AND state='pending'",
                      session.str());
}

json::object to_json(Approval const& approval) {
  json::object out{{"id", json::string{approval.id.str()}},
                   {"kind", to_string(approval.kind)},
                   {"state", to_string(approval.state)},
                   {"run", json::string{approval.run.str()}},
                   {"session", json::string{approval.session.str()}},
                   {"title", json::string{approval.title}},
                   {"subject", approval.subject},
                   {"digest", json::string{approval.digest}},
                   {"created_at", json::string{to_rfc3339(approval.created_at)}},
                   {"decided_at", nullptr},
                   {"comment", json::string{approval.comment}}};
  if (approval.decided_at) out["decided_at"] = json::string{to_rfc3339(*approval.decided_at)};
  return out;
}

}  // namespace drover::worker
