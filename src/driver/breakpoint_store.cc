#include "driver/breakpoint_store.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "driver/breakpoint_rules.h"

namespace drover::driver {

namespace {

using worker::Approval;
using worker::ApprovalKind;
using worker::ApprovalState;

// `decided` counts the answers in their order; null: there is none yet.
constexpr std::string_view kTable = R"sql(
CREATE TABLE breakpoints(
  approval TEXT PRIMARY KEY,
  process TEXT NOT NULL,
  breakpoint TEXT NOT NULL,
  question TEXT NOT NULL,
  approved INTEGER,
  response TEXT NOT NULL,
  comment TEXT NOT NULL,
  by_rule INTEGER NOT NULL,
  decided INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX breakpoints_by_place ON breakpoints(process, breakpoint, decided)
  WHERE decided IS NOT NULL
)sql";

Result<std::optional<Verdict>> find_answer(store::Database& database, std::string const& id) {
  auto row = database.query(
      "SELECT approved, response, comment, by_rule FROM breakpoints WHERE approval=?"
      " AND decided IS NOT NULL",
      id);
  if (!row) return std::unexpected(row.error());
  auto const there = row->step();
  if (!there) return std::unexpected(there.error());
  if (!*there) return std::nullopt;
  Verdict answer;
  answer.approved = row->integer(0) != 0;
  answer.response = row->text(1);
  answer.comment = row->text(2);
  answer.by = row->integer(3) != 0 ? AnsweredBy::rule : AnsweredBy::person;
  return answer;
}

Result<std::int64_t> number(Result<store::Statement> row) {
  if (!row) return std::unexpected(row.error());
  auto const there = row->step();
  if (!there) return std::unexpected(there.error());
  return *there ? row->integer(0) : 0;
}

// Approvals by people since the last rejection.
Result<std::int64_t> approvals_in_a_row(store::Database& database, Question const& question,
                                        std::string const& process) {
  return number(database.query(
      "SELECT count(*) FROM breakpoints WHERE process=?1 AND breakpoint=?2 AND decided IS NOT NULL"
      " AND approved=1 AND by_rule=0 AND decided > coalesce((SELECT max(decided) FROM breakpoints"
      " WHERE process=?1 AND breakpoint=?2 AND decided IS NOT NULL AND approved=0), 0)",
      process, question.breakpoint));
}

// What answers it without a person: a rule that somebody made, or those who approved it before.
Result<std::optional<Verdict>> standing_answer(store::Database& database, Question const& question,
                                               std::string const& process) {
  auto const rule = rule_for(database, question, process);
  if (!rule) return std::unexpected(rule.error());
  if (*rule) return verdict_of(**rule);
  if (question.auto_after == 0) return std::nullopt;
  auto const in_a_row = approvals_in_a_row(database, question, process);
  if (!in_a_row) return std::unexpected(in_a_row.error());
  if (*in_a_row < question.auto_after) return std::nullopt;
  return automatic_answer(*in_a_row);
}

Status write_answer(store::Database& database, std::string const& id, Verdict const& answer) {
  return database.run(
      "UPDATE breakpoints SET approved=?, response=?, comment=?, by_rule=?,"
      " decided=(SELECT coalesce(max(decided), 0) + 1 FROM breakpoints) WHERE approval=?",
      static_cast<std::int64_t>(answer.approved), answer.response, answer.comment,
      static_cast<std::int64_t>(answer.by == AnsweredBy::rule), id);
}

Approval approval_for(EffectJob const& job, Question const& question, WallTime now) {
  Approval approval;
  approval.id = approval_of(job.workflow.id, job.effect.id);
  approval.kind = ApprovalKind::breakpoint;
  approval.title = question.title;
  approval.subject = question.subject;
  approval.digest = worker::approval_digest(approval.kind, approval.run, approval.subject);
  approval.created_at = now;
  return approval;
}

void decide(Approval& approval, Verdict const& answer, WallTime now) {
  approval.state = answer.approved ? ApprovalState::approved : ApprovalState::rejected;
  approval.comment = answer.comment;
  approval.decided_at = now;
}

}  // namespace

store::Migration breakpoint_migration() {
  return {"workflows", 2, "breakpoints and their answers", kTable};
}

Result<Opened> open_breakpoint(store::Database& database, EffectJob const& job,
                               Question const& question, WallTime now) {
  Approval approval = approval_for(job, question, now);
  std::string const id = approval.id.str();
  auto const known =
      number(database.query("SELECT count(*) FROM breakpoints WHERE approval=?", id));
  if (!known) return std::unexpected(known.error());
  if (*known > 0) {
    auto answer = find_answer(database, id);
    if (!answer) return std::unexpected(answer.error());
    return Opened{*std::move(answer)};
  }
  DROVER_TRY(database.run("INSERT INTO breakpoints VALUES(?,?,?,?,NULL,'','',0,NULL)", id,
                          job.workflow.process_id, question.breakpoint,
                          json::serialize(question.subject)));
  DROVER_TRY(worker::insert_approval(database, approval));
  auto answer = standing_answer(database, question, job.workflow.process_id);
  if (!answer) return std::unexpected(answer.error());
  if (!*answer) return Opened{};
  decide(approval, **answer, now);
  DROVER_TRY(worker::decide_approval(database, approval));
  DROVER_TRY(write_answer(database, id, **answer));
  return Opened{*std::move(answer)};
}

Result<Approval> answer_breakpoint(store::Database& database, worker::ApprovalId const& id,
                                   Verdict const& answer, WallTime now) {
  auto approval = worker::find_approval(database, id);
  if (!approval) return approval;
  if (approval->kind != ApprovalKind::breakpoint)
    return fail(ErrorCode::not_found, "the approval {} is no breakpoint's", id);
  Question question;
  if (auto const* const options = approval->subject.if_contains("options");
      options != nullptr && options->is_array())
    for (auto const& option : options->get_array())
      if (option.is_string()) question.options.emplace_back(option.get_string());
  DROVER_TRY(check_answer(question, answer));
  decide(*approval, answer, now);
  DROVER_TRY(worker::decide_approval(database, *approval));
  DROVER_TRY(write_answer(database, id.str(), answer));
  return approval;
}

Status withdraw_breakpoint(store::Database& database, worker::ApprovalId const& id, WallTime now) {
  auto approval = worker::find_approval(database, id);
  if (!approval)
    return approval.error().code == ErrorCode::not_found ? Status{}
                                                         : std::unexpected(approval.error());
  if (approval->state != ApprovalState::pending) return {};
  approval->state = ApprovalState::expired;
  approval->decided_at = now;
  approval->comment = "the workflow does not wait for it any more";
  return worker::decide_approval(database, *approval);
}

}  // namespace drover::driver
