#include "worker/approval.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include <boost/json.hpp>

#include "base/digest.h"
#include "base/text.h"

namespace drover::worker {

namespace {

template <class Value>
using Named = std::pair<Value, std::string_view>;

constexpr std::array kKinds = {
    Named<ApprovalKind>{ApprovalKind::change, "change"},
    Named<ApprovalKind>{ApprovalKind::tool, "tool"},
    Named<ApprovalKind>{ApprovalKind::breakpoint, "breakpoint"},
};

constexpr std::array kStates = {
    Named<ApprovalState>{ApprovalState::pending, "pending"},
    Named<ApprovalState>{ApprovalState::approved, "approved"},
    Named<ApprovalState>{ApprovalState::rejected, "rejected"},
    Named<ApprovalState>{ApprovalState::superseded, "superseded"},
    Named<ApprovalState>{ApprovalState::expired, "expired"},
};

template <class Table, class Value>
std::string_view name_in(Table const& table, Value wanted) {
  for (auto const& [value, name] : table)
    if (value == wanted) return name;
  return "unknown";
}

Result<ApprovalKind> parse_kind(std::string_view text) {
  for (auto const& [value, name] : kKinds)
    if (name == text) return value;
  return fail(ErrorCode::invalid_argument, "'{}' is no kind of approval", printable(text, 40));
}

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

constexpr std::string_view kDeadline = R"sql(
ALTER TABLE approvals ADD COLUMN expires_at_ms INTEGER;
CREATE INDEX approvals_by_run ON approvals(run, state)
)sql";

constexpr std::string_view kColumns =
    "id, kind, state, run, session, title, subject, digest, created_at_ms, decided_at_ms, comment,"
    " expires_at_ms";

std::optional<std::int64_t> ms_of(std::optional<WallTime> const& time) {
  if (!time) return std::nullopt;
  return to_unix_ms(*time);
}

Result<Approval> read_approval(store::Statement const& row) {
  Approval approval;
  approval.id = ApprovalId::trusted(std::string{row.text(0)});
  auto const kind = parse_kind(row.text(1));
  auto const state = parse_approval_state(row.text(2));
  auto subject = parse_json(row.text(6));
  if (!kind || !state || !subject || !subject->is_object())
    return fail(ErrorCode::data_corrupt, "the stored approval {} cannot be read", approval.id);
  approval.kind = *kind;
  approval.state = *state;
  approval.run = RunId::trusted(std::string{row.text(3)});
  approval.session = SessionId::trusted(std::string{row.text(4)});
  approval.title = row.text(5);
  approval.subject = std::move(subject->get_object());
  approval.digest = row.text(7);
  approval.created_at = from_unix_ms(row.integer(8));
  if (!row.is_null(9)) approval.decided_at = from_unix_ms(row.integer(9));
  approval.comment = row.text(10);
  if (!row.is_null(11)) approval.expires_at = from_unix_ms(row.integer(11));
  return approval;
}

Result<std::vector<Approval>> read_all(store::Statement& rows) {
  std::vector<Approval> all;
  for (;;) {
    auto const more = rows.step();
    if (!more) return std::unexpected(more.error());
    if (!*more) return all;
    auto one = read_approval(rows);
    if (!one) return std::unexpected(one.error());
    all.push_back(*std::move(one));
  }
}

}  // namespace

std::string_view to_string(ApprovalKind kind) {
  return name_in(kKinds, kind);
}

std::string_view to_string(ApprovalState state) {
  return name_in(kStates, state);
}

Result<ApprovalState> parse_approval_state(std::string_view text) {
  for (auto const& [value, name] : kStates)
    if (name == text) return value;
  return fail(ErrorCode::invalid_argument,
              "'{}' is no state of an approval; known are pending, approved, rejected, superseded, "
              "expired",
              printable(text, 40));
}

std::string approval_digest(ApprovalKind kind, RunId const& run, json::object const& subject) {
  return sha256_hex(
      fmt::format("{}\n{}\n{}", to_string(kind), run.str(), json::serialize(subject)));
}

std::vector<store::Migration> approval_migrations() {
  return {{"approvals", 1, "decisions of people", kTable},
          {"approvals", 2, "decisions that are asked for until a time", kDeadline}};
}

Status insert_approval(store::Database& database, Approval const& approval) {
  if (approval.kind == ApprovalKind::change)
    DROVER_TRY(
        database.run("UPDATE approvals SET state='superseded' WHERE session=? AND state='pending'"
                     " AND kind=? AND id<>?",
                     approval.session.str(), to_string(approval.kind), approval.id.str()));
  return database.run(
      fmt::format("INSERT INTO approvals({}) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)", kColumns),
      approval.id.str(), to_string(approval.kind), to_string(approval.state), approval.run.str(),
      approval.session.str(), approval.title, json::serialize(approval.subject), approval.digest,
      to_unix_ms(approval.created_at), std::optional<std::int64_t>{}, approval.comment,
      ms_of(approval.expires_at));
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
  std::optional<std::string_view> kind;
  if (filter.kind) kind = to_string(*filter.kind);
  auto rows =
      database.query(fmt::format("SELECT {} FROM approvals WHERE (?1 IS NULL OR state=?1)"
                                 " AND (?2 IS NULL OR session=?2) AND (?3='' OR id<?3)"
                                 " AND (?4 IS NULL OR kind=?4)"
                                 " ORDER BY id DESC LIMIT ?5",
                                 kColumns),
                     state, session, filter.before, kind, static_cast<std::int64_t>(filter.most));
  if (!rows) return std::unexpected(rows.error());
  return read_all(*rows);
}

Result<std::vector<Approval>> pending_approvals(store::Database& database, RunId const& run,
                                                ApprovalKind kind) {
  auto rows = database.query(
      fmt::format("SELECT {} FROM approvals WHERE run=? AND state='pending' AND kind=?", kColumns),
      run.str(), to_string(kind));
  if (!rows) return std::unexpected(rows.error());
  return read_all(*rows);
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
  DROVER_TRY(
      database.run("UPDATE approvals SET state=?, decided_at_ms=?, comment=? WHERE id=?"
                   " AND state='pending' AND digest=?",
                   to_string(decided.state), ms_of(decided.decided_at), decided.comment,
                   decided.id.str(), decided.digest));
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
                   {"expires_at", nullptr},
                   {"decided_at", nullptr},
                   {"comment", json::string{approval.comment}}};
  // A breakpoint is a workflow's.
  if (approval.run.empty()) out["run"] = nullptr;
  if (approval.session.empty()) out["session"] = nullptr;
  if (approval.expires_at) out["expires_at"] = json::string{to_rfc3339(*approval.expires_at)};
  if (approval.decided_at) out["decided_at"] = json::string{to_rfc3339(*approval.decided_at)};
  return out;
}

}  // namespace drover::worker
