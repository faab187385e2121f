#include "driver/workflow_store.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include <boost/json.hpp>

#include "base/text.h"
#include "driver/breakpoint_rules.h"
#include "driver/breakpoint_store.h"

namespace drover::driver {

namespace {

constexpr std::array<std::pair<WorkflowState, std::string_view>, 6> kStates = {
    {{WorkflowState::running, "running"},
     {WorkflowState::blocked, "blocked"},
     {WorkflowState::completed, "completed"},
     {WorkflowState::failed, "failed"},
     {WorkflowState::halted, "halted"},
     {WorkflowState::cancelled, "cancelled"}}};

constexpr std::string_view kTable = R"sql(
CREATE TABLE workflows(
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  folder TEXT NOT NULL,
  process TEXT NOT NULL,
  state TEXT NOT NULL,
  reason TEXT NOT NULL,
  agent TEXT NOT NULL,
  parent TEXT NOT NULL,
  parent_effect TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX workflows_open ON workflows(number) WHERE state IN ('running', 'blocked');
CREATE INDEX workflows_by_state ON workflows(state, number)
)sql";

// What a run waits for can be told without its process while the journal ends here.
constexpr std::string_view kRestColumn =
    "ALTER TABLE workflows ADD COLUMN rests_at TEXT NOT NULL DEFAULT ''";

constexpr std::string_view kColumns =
    "id, folder, process, state, reason, agent, parent, parent_effect, created_ms, updated_ms, "
    "rests_at";

Result<WorkflowRecord> read_record(store::Statement const& row) {
  WorkflowRecord record;
  record.id = row.text(0);
  record.folder = row.text(1);
  record.process_id = row.text(2);
  auto const state = parse_workflow_state(row.text(3));
  auto agent = parse_json(row.text(5));
  if (!state || !agent || !agent->is_object())
    return fail(ErrorCode::data_corrupt, "the stored workflow {} cannot be read", record.id);
  record.state = *state;
  record.reason = row.text(4);
  record.agent = std::move(agent->get_object());
  record.parent = row.text(6);
  record.parent_effect = row.text(7);
  record.created_at = from_unix_ms(row.integer(8));
  record.updated_at = from_unix_ms(row.integer(9));
  record.rests_at = row.text(10);
  return record;
}

Result<std::vector<WorkflowRecord>> all_of(Result<store::Statement> rows) {
  if (!rows) return std::unexpected(rows.error());
  std::vector<WorkflowRecord> all;
  for (;;) {
    auto const more = rows->step();
    if (!more) return std::unexpected(more.error());
    if (!*more) return all;
    auto one = read_record(*rows);
    if (!one) return std::unexpected(one.error());
    all.push_back(*std::move(one));
  }
}

}  // namespace

std::string_view to_string(WorkflowState state) {
  for (auto const& [value, name] : kStates)
    if (value == state) return name;
  return "unknown";
}

Result<WorkflowState> parse_workflow_state(std::string_view text) {
  for (auto const& [value, name] : kStates)
    if (name == text) return value;
  return fail(ErrorCode::invalid_argument,
              "'{}' is no state of a workflow; known are running, blocked, completed, failed, "
              "halted, cancelled",
              printable(text, 40));
}

bool is_over(WorkflowState state) {
  return state != WorkflowState::running && state != WorkflowState::blocked;
}

std::vector<store::Migration> workflow_migrations() {
  return {{"workflows", 1, "workflow runs that are driven", kTable},
          breakpoint_migration(),
          rule_migration(),
          {"workflows", 4, "where workflows rest", kRestColumn}};
}

Status insert_workflow(store::Database& database, WorkflowRecord const& record) {
  if (find_workflow(database, record.id))
    return fail(ErrorCode::conflict, "there is a workflow {} already", record.id);
  return database.run(
      fmt::format("INSERT INTO workflows({}) VALUES(?,?,?,?,?,?,?,?,?,?,?)", kColumns), record.id,
      record.folder, record.process_id, to_string(record.state), record.reason,
      json::serialize(record.agent), record.parent, record.parent_effect,
      to_unix_ms(record.created_at), to_unix_ms(record.updated_at), record.rests_at);
}

Status note_rest(store::Database& database, std::string const& id, std::string const& rests_at) {
  return database.run("UPDATE workflows SET rests_at=? WHERE id=?", rests_at, id);
}

Status update_workflow(store::Database& database, WorkflowRecord const& record) {
  return database.run("UPDATE workflows SET state=?, reason=?, updated_ms=? WHERE id=?",
                      to_string(record.state), record.reason, to_unix_ms(record.updated_at),
                      record.id);
}

Result<WorkflowRecord> find_workflow(store::Database& database, std::string const& id) {
  auto row = database.query(fmt::format("SELECT {} FROM workflows WHERE id=?", kColumns), id);
  if (!row) return std::unexpected(row.error());
  auto const there = row->step();
  if (!there) return std::unexpected(there.error());
  if (!*there)
    return fail_next(ErrorCode::not_found,
                     fmt::format("this server drives no workflow {}", printable(id)),
                     "see: drover workflow list");
  return read_record(*row);
}

Result<std::vector<WorkflowRecord>> list_workflows(store::Database& database,
                                                   WorkflowFilter const& filter) {
  std::optional<std::string_view> state;
  if (filter.state) state = to_string(*filter.state);
  return all_of(database.query(
      fmt::format("SELECT {} FROM workflows WHERE (?1 IS NULL OR state=?1) AND (?2='' OR number<"
                  "(SELECT number FROM workflows WHERE id=?2)) ORDER BY number DESC LIMIT ?3",
                  kColumns),
      state, filter.before, static_cast<std::int64_t>(filter.most)));
}

Result<std::vector<WorkflowRecord>> unfinished_workflows(store::Database& database) {
  return all_of(database.query(fmt::format(
      "SELECT {} FROM workflows WHERE state IN ('running', 'blocked') ORDER BY number", kColumns)));
}

json::object to_json(WorkflowRecord const& record) {
  json::object out{{"id", json::string{record.id}},
                   {"folder", json::string{record.folder}},
                   {"process", json::string{record.process_id}},
                   {"state", to_string(record.state)},
                   {"reason", json::string{record.reason}},
                   {"agent", record.agent},
                   {"parent", nullptr},
                   {"created_at", json::string{to_rfc3339(record.created_at)}},
                   {"updated_at", json::string{to_rfc3339(record.updated_at)}}};
  if (!record.parent.empty())
    out["parent"] = json::object{{"workflow", json::string{record.parent}},
                                 {"effect", json::string{record.parent_effect}}};
  return out;
}

}  // namespace drover::driver
