#include "worker/run_store.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include <boost/json.hpp>

#include "base/text.h"
#include "worker/record_json.h"
#include "worker/run_journal.h"

namespace drover::worker {

namespace {

constexpr std::size_t kPromptShown = 500;
constexpr std::size_t kReplyShown = 2000;

constexpr std::string_view kSessionColumns =
    "s.id, s.number, s.subject, s.launcher, s.agent, s.model, s.workspaces, s.tools, s.worktree, "
    "s.branch,"
    " s.note, s.created_ms, s.updated_ms, s.removed_ms, s.tenant, s.task_type, s.runner";

constexpr std::string_view kRunColumns =
    "id, session, agent, model, workspaces, state, reason, detail, prompt, limits,"
    " idempotency_key, body_digest, epoch, attempts, turns, reply, commits, usage, cost_micro,"
    " cancel_requested, phases, created_ms, started_ms, finished_ms, replay_of, answer_by_ms,"
    " task_type, reserved_micro";

json::string text(std::string const& value) {
  return json::string{value};
}

// What the store holds was written by this program: a text that does not parse is corruption.
Result<json::value> stored_json(std::string_view stored, std::string_view column) {
  auto value = parse_json(stored);
  if (!value)
    return fail(ErrorCode::data_corrupt, "the store's column {} does not hold JSON: {}", column,
                value.error().message);
  return value;
}

Result<std::vector<contract::WorkspaceGrant>> read_grants(std::string_view stored) {
  auto value = stored_json(stored, "workspaces");
  if (!value) return std::unexpected(value.error());
  return parse_grants(*value);
}

std::string_view reason_text(RunRecord const& run) {
  return run.reason ? contract::to_string(*run.reason) : std::string_view{};
}

Result<std::vector<CommitRecord>> read_commits(std::string_view stored) {
  auto value = stored_json(stored, "commits");
  if (!value) return std::unexpected(value.error());
  return parse_commits(*value);
}

json::object print(model::Usage const& usage) {
  return {{"input", usage.input},
          {"output", usage.output},
          {"cache_read", usage.cache_read},
          {"cache_write_5m", usage.cache_write_5m},
          {"cache_write_1h", usage.cache_write_1h}};
}

Result<model::Usage> stored_usage(std::string_view stored) {
  auto value = stored_json(stored, "usage");
  if (!value) return std::unexpected(value.error());
  json::object const& object = value->as_object();
  model::Usage usage;
  usage.input = integer_or(object, "input", 0);
  usage.output = integer_or(object, "output", 0);
  usage.cache_read = integer_or(object, "cache_read", 0);
  usage.cache_write_5m = integer_or(object, "cache_write_5m", 0);
  usage.cache_write_1h = integer_or(object, "cache_write_1h", 0);
  return usage;
}

std::optional<std::int64_t> to_ms(std::optional<WallTime> time) {
  if (!time) return std::nullopt;
  return to_unix_ms(*time);
}

std::optional<WallTime> from_column(store::Statement const& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return from_unix_ms(row.integer(column));
}

Result<SessionRecord> read_session(store::Statement const& row) {
  SessionRecord session;
  session.id = SessionId::trusted(std::string{row.text(0)});
  session.number = row.integer(1);
  session.subject = row.text(2);
  session.launcher = row.text(3);
  session.agent = AgentId::trusted(std::string{row.text(4)});
  session.model = row.text(5);
  auto grants = read_grants(row.text(6));
  if (!grants) return std::unexpected(grants.error());
  session.workspaces = *std::move(grants);
  for (std::string_view const tool : split(row.text(7), ','))
    if (!tool.empty()) session.tools.emplace_back(tool);
  session.worktree = row.text(8);
  session.branch = row.text(9);
  session.note = row.text(10);
  session.created_at = from_unix_ms(row.integer(11));
  session.updated_at = from_unix_ms(row.integer(12));
  session.removed = !row.is_null(13);
  session.tenant = row.text(14);
  session.task_type = row.text(15);
  session.runner = row.text(16);
  return session;
}

Result<RunRecord> read_run(store::Statement const& row) {
  RunRecord run;
  int column = 0;
  auto const next_text = [&] { return std::string{row.text(column++)}; };
  auto const next_integer = [&] { return row.integer(column++); };
  run.id = RunId::trusted(next_text());
  run.session = SessionId::trusted(next_text());
  run.agent = AgentId::trusted(next_text());
  run.model = next_text();
  auto grants = read_grants(next_text());
  if (!grants) return std::unexpected(grants.error());
  run.workspaces = *std::move(grants);
  auto const state = contract::parse_run_state(next_text());
  if (!state) return std::unexpected(state.error());
  run.state = *state;
  if (std::string const stored = next_text(); !stored.empty()) {
    auto const reason = contract::parse_run_reason(stored);
    if (!reason) return std::unexpected(reason.error());
    run.reason = *reason;
  }
  run.detail = next_text();
  run.prompt = next_text();
  auto limits_json = stored_json(next_text(), "limits");
  if (!limits_json) return std::unexpected(limits_json.error());
  auto limits = contract::parse_limits(*limits_json);
  if (!limits) return std::unexpected(limits.error());
  run.limits = *limits;
  run.idempotency_key = next_text();
  run.body_digest = next_text();
  run.epoch = next_integer();
  run.attempts = next_integer();
  run.turns = next_integer();
  run.reply = next_text();
  auto commits = read_commits(next_text());
  if (!commits) return std::unexpected(commits.error());
  run.commits = *std::move(commits);
  auto usage = stored_usage(next_text());
  if (!usage) return std::unexpected(usage.error());
  run.usage = *usage;
  run.cost_microdollars = next_integer();
  run.cancel_requested = next_integer() != 0;
  auto phases = contract::parse_phases(next_text());
  if (!phases) return std::unexpected(phases.error());
  run.phases = *phases;
  run.created_at = from_unix_ms(next_integer());
  run.started_at = from_column(row, column++);
  run.finished_at = from_column(row, column++);
  if (!row.is_null(column)) run.replay_of = RunId::trusted(std::string{row.text(column)});
  run.answer_by = from_column(row, ++column);
  run.task_type = row.text(++column);
  run.reserved_microdollars = row.integer(++column);
  return run;
}

// Every row of a query, read by `read`.
template <class T>
Result<std::vector<T>> read_all(Result<store::Statement> rows,
                                Result<T> (*read)(store::Statement const&)) {
  if (!rows) return std::unexpected(rows.error());
  std::vector<T> all;
  for (;;) {
    auto const more = rows->step();
    if (!more) return std::unexpected(more.error());
    if (!*more) return all;
    auto one = read(*rows);
    if (!one) return std::unexpected(one.error());
    all.push_back(*std::move(one));
  }
}

Result<SessionSummary> read_summary(store::Statement const& row) {
  auto session = read_session(row);
  if (!session) return std::unexpected(session.error());
  return SessionSummary{*std::move(session), row.integer(17), std::string{row.text(18)}};
}

constexpr std::string_view kSummary =
    ", (SELECT count(*) FROM runs WHERE session=s.id),"
    " (SELECT id FROM runs WHERE session=s.id ORDER BY id DESC LIMIT 1) FROM sessions s ";

}  // namespace

std::vector<store::Migration> run_migrations() {
  return {
      {"worker", 1, "sessions and runs",
       "CREATE TABLE sessions(number INTEGER PRIMARY KEY AUTOINCREMENT,"
       " id TEXT NOT NULL UNIQUE, subject TEXT NOT NULL, launcher TEXT NOT NULL,"
       " agent TEXT NOT NULL, model TEXT NOT NULL, workspaces TEXT NOT NULL,"
       " tools TEXT NOT NULL, worktree TEXT NOT NULL, branch TEXT NOT NULL, note TEXT NOT NULL,"
       " created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL) STRICT;"
       "CREATE INDEX sessions_by_update ON sessions(updated_ms);"
       "CREATE TABLE runs(id TEXT PRIMARY KEY, session TEXT NOT NULL REFERENCES sessions(id),"
       " agent TEXT NOT NULL, model TEXT NOT NULL, workspaces TEXT NOT NULL,"
       " state TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL, prompt TEXT NOT NULL,"
       " limits TEXT NOT NULL, idempotency_key TEXT, body_digest TEXT NOT NULL,"
       " epoch INTEGER NOT NULL, attempts INTEGER NOT NULL, turns INTEGER NOT NULL,"
       " reply TEXT NOT NULL, commits TEXT NOT NULL, usage TEXT NOT NULL,"
       " cost_micro INTEGER NOT NULL, cancel_requested INTEGER NOT NULL, phases TEXT NOT NULL,"
       " created_ms INTEGER NOT NULL, started_ms INTEGER, finished_ms INTEGER) STRICT;"
       "CREATE UNIQUE INDEX runs_by_key ON runs(idempotency_key)"
       " WHERE idempotency_key IS NOT NULL;"
       "CREATE INDEX runs_by_session ON runs(session, id);"
       "CREATE INDEX runs_unfinished ON runs(id) WHERE finished_ms IS NULL"},
      {"worker", 2, "removed sessions", "ALTER TABLE sessions ADD COLUMN removed_ms INTEGER"},
      {"worker", 3, "runs that replay a dead letter", "ALTER TABLE runs ADD COLUMN replay_of TEXT"},
      {"worker", 4, "the tenant of a session",
       "ALTER TABLE sessions ADD COLUMN tenant TEXT NOT NULL DEFAULT ''"},
      {"worker", 5, "runs that wait for an answer",
       "ALTER TABLE runs ADD COLUMN answer_by_ms INTEGER;"
       "CREATE INDEX runs_to_answer ON runs(answer_by_ms) WHERE answer_by_ms IS NOT NULL"},
      {"worker", 6, "the task types of sessions and runs",
       "ALTER TABLE sessions ADD COLUMN task_type TEXT NOT NULL DEFAULT 'background-agent';"
       "ALTER TABLE runs ADD COLUMN task_type TEXT NOT NULL DEFAULT 'background-agent'"},
      {"worker", 7, "what model calls under way may cost",
       "ALTER TABLE runs ADD COLUMN reserved_micro INTEGER NOT NULL DEFAULT 0"},
      {"worker", 8, "the runner of a session",
       "ALTER TABLE sessions ADD COLUMN runner TEXT NOT NULL DEFAULT 'native'"}};
}

Status insert_session(store::Database& database, SessionRecord& session) {
  DROVER_TRY(database.run(
      "INSERT INTO sessions(id, subject, launcher, agent, model, workspaces, tools, worktree,"
      " branch, note, created_ms, updated_ms, tenant, task_type, runner)"
      " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
      session.id.str(), session.subject, session.launcher, session.agent.str(), session.model,
      json::serialize(print(session.workspaces)), fmt::format("{}", fmt::join(session.tools, ",")),
      session.worktree, session.branch, session.note, to_unix_ms(session.created_at),
      to_unix_ms(session.updated_at), session.tenant, session.task_type, session.runner));
  session.number = database.last_insert_id();
  return {};
}

Status update_session(store::Database& database, SessionRecord const& session) {
  return database.run(
      "UPDATE sessions SET model=?, workspaces=?, worktree=?, branch=?, note=?, updated_ms=?"
      " WHERE id=?",
      session.model, json::serialize(print(session.workspaces)), session.worktree, session.branch,
      session.note, to_unix_ms(session.updated_at), session.id.str());
}

Status set_removed(store::Database& database, SessionId const& id, WallTime now) {
  return database.run("UPDATE sessions SET removed_ms=coalesce(removed_ms, ?) WHERE id=?",
                      to_unix_ms(now), id.str());
}

Status require_session(store::Database& database, SessionId const& id) {
  auto const session = find_session(database, id);
  if (!session) return std::unexpected(session.error());
  if (!session->removed) return {};
  return fail_next(ErrorCode::conflict, fmt::format("the session {} was removed", id),
                   "start a new one with: drover run");
}

namespace {

Error no_session(SessionId const& id) {
  return {ErrorCode::not_found, fmt::format("there is no session {}", id),
          "drover sessions lists them"};
}

}  // namespace

Result<SessionRecord> find_session(store::Database& database, SessionId const& id) {
  auto found = read_all<SessionRecord>(
      database.query(fmt::format("SELECT {} FROM sessions s WHERE id=?", kSessionColumns),
                     id.str()),
      read_session);
  if (!found) return std::unexpected(found.error());
  if (found->empty()) return std::unexpected(no_session(id));
  return std::move(found->front());
}

Result<std::vector<SessionSummary>> list_sessions(store::Database& database,
                                                  std::string const& before, std::int64_t limit) {
  return read_all<SessionSummary>(
      database.query(fmt::format("SELECT {}{} WHERE s.removed_ms IS NULL AND (?1='' OR s.number < "
                                 "coalesce((SELECT number FROM sessions"
                                 " WHERE id=?1), 0)) ORDER BY s.number DESC LIMIT ?2",
                                 kSessionColumns, kSummary),
                     before, limit),
      read_summary);
}

Result<SessionSummary> summarize_session(store::Database& database, SessionId const& id) {
  auto found = read_all<SessionSummary>(
      database.query(fmt::format("SELECT {}{} WHERE s.id=?", kSessionColumns, kSummary), id.str()),
      read_summary);
  if (!found) return std::unexpected(found.error());
  if (found->empty()) return std::unexpected(no_session(id));
  return std::move(found->front());
}

Status insert_run(store::Database& database, RunRecord const& run) {
  std::optional<std::string> key;
  std::optional<std::string> replay_of;
  if (run.replay_of) replay_of = run.replay_of->str();
  if (!run.idempotency_key.empty()) key = run.idempotency_key;
  return database.run(
      fmt::format(
          "INSERT INTO runs({}) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
          kRunColumns),
      run.id.str(), run.session.str(), run.agent.str(), run.model,
      json::serialize(print(run.workspaces)), contract::to_string(run.state), reason_text(run),
      run.detail, run.prompt, json::serialize(contract::to_json(run.limits)), key, run.body_digest,
      run.epoch, run.attempts, run.turns, run.reply, json::serialize(print(run.commits)),
      json::serialize(print(run.usage)), run.cost_microdollars, run.cancel_requested ? 1 : 0,
      contract::print(run.phases), to_unix_ms(run.created_at), to_ms(run.started_at),
      to_ms(run.finished_at), replay_of, to_ms(run.answer_by), run.task_type,
      run.reserved_microdollars);
}

namespace {

Error fenced(RunRecord const& run) {
  return {ErrorCode::conflict,
          fmt::format("the run {} is fenced: epoch {} is over", run.id, run.epoch), ""};
}

}  // namespace

Status update_run(store::Database& database, RunRecord const& run, contract::RunState from) {
  DROVER_TRY(database.run(
      "UPDATE runs SET state=?1, reason=?2, detail=?3, epoch=?4, attempts=?5, turns=?6, reply=?7,"
      " commits=?8, usage=?9, cost_micro=?10, phases=?11, started_ms=?12, finished_ms=?13,"
      " answer_by_ms=?15, reserved_micro=?16"
      " WHERE id=?14 AND epoch<=?4 AND finished_ms IS NULL AND state=?17",
      contract::to_string(run.state), reason_text(run), run.detail, run.epoch, run.attempts,
      run.turns, run.reply, json::serialize(print(run.commits)), json::serialize(print(run.usage)),
      run.cost_microdollars, contract::print(run.phases), to_ms(run.started_at),
      to_ms(run.finished_at), run.id.str(), to_ms(run.answer_by), run.reserved_microdollars,
      contract::to_string(from)));
  if (database.changes() != 1) return std::unexpected(fenced(run));
  return {};
}

Status update_spend(store::Database& database, RunRecord const& run) {
  DROVER_TRY(database.run(
      "UPDATE runs SET turns=?, usage=?, cost_micro=?, reserved_micro=?, phases=?"
      " WHERE id=? AND epoch=? AND finished_ms IS NULL",
      run.turns, json::serialize(print(run.usage)), run.cost_microdollars,
      run.reserved_microdollars, contract::print(run.phases), run.id.str(), run.epoch));
  if (database.changes() != 1) return std::unexpected(fenced(run));
  return {};
}

Status require_attempt(store::Database& database, RunRecord const& run) {
  auto rows = database.query("SELECT 1 FROM runs WHERE id=? AND epoch<=? AND finished_ms IS NULL",
                             run.id.str(), run.epoch);
  if (!rows) return std::unexpected(rows.error());
  auto const found = rows->step();
  if (!found) return std::unexpected(found.error());
  if (!*found) return std::unexpected(fenced(run));
  return {};
}

Status request_cancel(store::Database& database, RunId const& id) {
  return database.run("UPDATE runs SET cancel_requested=1 WHERE id=?", id.str());
}

Result<RunRecord> find_run(store::Database& database, RunId const& id) {
  auto found = read_all<RunRecord>(
      database.query(fmt::format("SELECT {} FROM runs WHERE id=?", kRunColumns), id.str()),
      read_run);
  if (!found) return std::unexpected(found.error());
  if (found->empty())
    return fail_next(ErrorCode::not_found, fmt::format("there is no run {}", id),
                     "drover ps lists them");
  return std::move(found->front());
}

Result<RunInSession> find_run_in_session(store::Database& database, RunId const& id) {
  auto run = find_run(database, id);
  if (!run) return std::unexpected(run.error());
  auto session = find_session(database, run->session);
  if (!session) return std::unexpected(session.error());
  return RunInSession{*std::move(run), *std::move(session)};
}

Result<std::optional<RunRecord>> find_run_by_key(store::Database& database,
                                                 std::string const& key) {
  auto found = read_all<RunRecord>(
      database.query(fmt::format("SELECT {} FROM runs WHERE idempotency_key=?", kRunColumns), key),
      read_run);
  if (!found) return std::unexpected(found.error());
  if (found->empty()) return std::nullopt;
  return std::move(found->front());
}

Result<std::vector<RunRecord>> list_runs(store::Database& database, RunFilter const& filter) {
  return read_all<RunRecord>(
      database.query(fmt::format("SELECT {} FROM runs WHERE (?1='' OR session=?1)"
                                 " AND (?2='' OR state=?2) AND (?3='' OR id<?3)"
                                 " ORDER BY id DESC LIMIT ?4",
                                 kRunColumns),
                     filter.session, filter.state, filter.before, filter.limit),
      read_run);
}

Result<std::vector<UnfinishedRun>> unfinished_states(store::Database& database) {
  return read_all<UnfinishedRun>(
      database.query("SELECT id, state FROM runs WHERE finished_ms IS NULL ORDER BY id"),
      [](store::Statement const& row) -> Result<UnfinishedRun> {
        auto const state = contract::parse_run_state(row.text(1));
        if (!state) return std::unexpected(state.error());
        return UnfinishedRun{RunId::trusted(std::string{row.text(0)}), *state};
      });
}

Result<std::vector<RunRecord>> unfinished_runs(store::Database& database) {
  return read_all<RunRecord>(
      database.query(
          fmt::format("SELECT {} FROM runs WHERE finished_ms IS NULL ORDER BY id", kRunColumns)),
      read_run);
}

Result<std::optional<RunId>> find_queued_run(store::Database& database, SessionId const& session) {
  auto row = database.query(
      "SELECT id FROM runs WHERE session=? AND state='queued' ORDER BY id LIMIT 1", session.str());
  if (!row) return std::unexpected(row.error());
  auto const found = row->step();
  if (!found) return std::unexpected(found.error());
  if (!*found) return std::nullopt;
  return RunId::trusted(std::string{row->text(0)});
}

Result<std::vector<RunRecord>> runs_to_answer_by(store::Database& database, WallTime now) {
  return read_all<RunRecord>(
      database.query(
          fmt::format("SELECT {} FROM runs WHERE answer_by_ms<=? ORDER BY id", kRunColumns),
          to_unix_ms(now)),
      read_run);
}

json::object to_json(RunRecord const& run) {
  json::object object{{"id", text(run.id.str())},
                      {"session", text(run.session.str())},
                      {"agent", text(run.agent.str())},
                      {"task_type", text(run.task_type)},
                      {"model", text(run.model)},
                      {"workspaces", print(run.workspaces)},
                      {"state", contract::to_string(run.state)},
                      {"reason", nullptr},
                      {"detail", text(run.detail)},
                      {"prompt", utf8_prefix(run.prompt, kPromptShown)},
                      {"created_at", to_rfc3339(run.created_at)},
                      {"started_at", nullptr},
                      {"answer_by", nullptr},
                      {"finished_at", nullptr},
                      {"epoch", run.epoch},
                      {"turns", run.turns},
                      {"reply", utf8_prefix(run.reply, kReplyShown)},
                      {"commits", print(run.commits)},
                      {"usage", json::parse(contract::print(usage_of(run)))},
                      {"phases", json::parse(contract::print(run.phases))},
                      {"replay_of", nullptr}};
  if (run.replay_of) object["replay_of"] = text(run.replay_of->str());
  if (run.started_at) object["started_at"] = to_rfc3339(*run.started_at);
  if (run.answer_by) object["answer_by"] = to_rfc3339(*run.answer_by);
  if (run.finished_at) object["finished_at"] = to_rfc3339(*run.finished_at);
  if (run.reason) object["reason"] = contract::to_string(*run.reason);
  return object;
}

json::object to_json(SessionSummary const& summary) {
  SessionRecord const& session = summary.session;
  json::object object{{"id", text(session.id.str())},
                      {"agent", text(session.agent.str())},
                      {"task_type", text(session.task_type)},
                      {"model", text(session.model)},
                      {"runner", text(session.runner)},
                      {"workspaces", print(session.workspaces)},
                      {"branch", nullptr},
                      {"worktree", nullptr},
                      {"runs", summary.runs},
                      {"last_run", text(summary.last_run)},
                      {"created_at", to_rfc3339(session.created_at)},
                      {"updated_at", to_rfc3339(session.updated_at)}};
  if (!session.branch.empty()) object["branch"] = text(session.branch);
  if (!session.worktree.empty()) object["worktree"] = text(session.worktree);
  return object;
}

}  // namespace drover::worker
