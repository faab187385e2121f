#include "sim/audit.h"

#include <algorithm>

#include "broker/stream.h"
#include "sim/rows.h"
#include "sim/schedule_audit.h"
#include "worker/run_store.h"

namespace drover::sim {

namespace {

constexpr std::string_view kSays = R"("says":")";

void erase_said(std::set<std::string, std::less<>>& missing, std::string_view body) {
  auto const at = body.find(kSays);
  if (at == std::string_view::npos) return;
  auto const from = at + kSays.size();
  auto const found = missing.find(body.substr(from, body.find('"', from) - from));
  if (found != missing.end()) missing.erase(found);
}

}  // namespace

void Audit::accepted(std::string const& key, RunId const& run) {
  auto const [known, added] = by_key_.emplace(key, run);
  if (!added && known->second != run)
    trace_->violated("accepted", "the key {} has the runs {} and {}", key, known->second, run);
}

void Audit::shown(RunId const& run, std::int64_t seq, std::string_view body) {
  auto const [known, added] = shown_[run].emplace(seq, body);
  if (!added && known->second != body)
    trace_->violated("events", "event {} of {} was {} and is {}", seq, run, known->second, body);
}

void Audit::check_places(broker::Claim const& claim) {
  std::map<std::string, std::int64_t> in_key;
  for (auto const& [run, holder] : holders_) {
    if (run == claim.entry.run)
      trace_->violated("group", "{} is claimed under the epochs {} and {}", run, holder.epoch,
                       static_cast<std::int64_t>(claim.epoch));
    for (std::string const& group : holder.groups)
      if (std::ranges::count(claim.entry.fifo_groups, group) > 0)
        trace_->violated("group", "{} and {} of the group {} are claimed at once", run,
                         claim.entry.run, group);
    for (auto const& key : holder.keys)
      ++in_key[key.name];
  }
  for (auto const& key : claim.entry.keys)
    if (in_key[key.name] >= key.max)
      trace_->violated("key", "{} runs with the key {} are claimed, of which {} may be",
                       in_key[key.name] + 1, key.name, key.max);
}

void Audit::claimed(broker::Claim const& claim, Nanos asked_at, Millis lease) {
  auto const epoch = static_cast<std::int64_t>(claim.epoch);
  std::int64_t& newest = newest_epoch_[claim.entry.run];
  if (epoch <= newest)
    trace_->violated("fence", "{} is claimed under the epoch {} after {}", claim.entry.run, epoch,
                     newest);
  newest = epoch;
  if (lost_early_.contains({claim.entry.run, epoch})) return;
  check_places(claim);
  holders_[claim.entry.run] = {epoch, claim.entry.fifo_groups, claim.entry.keys, asked_at + lease};
}

void Audit::renewed(broker::Claim const& claim, Nanos asked_at, Millis lease) {
  auto const holder = holders_.find(claim.entry.run);
  if (holder == holders_.end() || holder->second.epoch != static_cast<std::int64_t>(claim.epoch))
    trace_->violated("lease", "the superseded attempt {} of {} was renewed",
                     static_cast<std::int64_t>(claim.epoch), claim.entry.run);
  holder->second.lease_until = asked_at + lease;
}

void Audit::wrote(RunId const& run, std::int64_t epoch) {
  if (epoch < newest_epoch_[run])
    trace_->violated("fence", "attempt {} of {} wrote after {} was claimed", epoch, run,
                     newest_epoch_[run]);
}

void Audit::left(RunId const& run, std::int64_t epoch) {
  auto const holder = holders_.find(run);
  if (holder != holders_.end() && holder->second.epoch == epoch) holders_.erase(holder);
}

void Audit::lost(broker::ExpiredLease const& lease) {
  auto const holder = holders_.find(lease.run);
  auto const epoch = static_cast<std::int64_t>(lease.epoch);
  // Its time was over before the disk had it; nobody has been told of it.
  if (holder == holders_.end() || holder->second.epoch != epoch) {
    lost_early_.emplace(lease.run, epoch);
    return;
  }
  if (machine_->since_boot() < holder->second.lease_until)
    trace_->violated(
        "lease", "{} was lost {} ms before its lease was over", lease.run,
        std::chrono::duration_cast<Millis>(holder->second.lease_until - machine_->since_boot())
            .count());
  holders_.erase(holder);
}

void Audit::committing_answered(RunId const& run, std::int64_t epoch) {
  may_commit_.emplace(run, epoch);
}

void Audit::effect(RunId const& run, std::int64_t epoch) {
  if (!may_commit_.contains({run, epoch}))
    trace_->violated("effect", "attempt {} of {} made its effect and had no leave to", epoch, run);
  auto const [known, added] = effects_.emplace(run, epoch);
  if (!added)
    trace_->violated("effect", "{} has two effects, of the attempts {} and {}", run, known->second,
                     epoch);
}

void Audit::billed(RunId const& run, std::int64_t microdollars) {
  bills_[run] += microdollars;
}

void Audit::inspect(store::Database& database) {
  for (auto const& [run, bill] : bills_) {
    auto const counted =
        one_integer(database, "SELECT cost_micro + reserved_micro FROM runs WHERE id=?", run.str());
    if (counted < bill)
      trace_->violated("spend", "{} was billed {} and counts {}", run, bill, counted);
  }
  for (auto const& [key, run] : by_key_)
    if (one_integer(database, "SELECT count(*) FROM runs WHERE id=? AND idempotency_key=?",
                    run.str(), key) != 1)
      trace_->violated("accepted", "{} was accepted for {} and is not there", run, key);
  std::vector<std::pair<RunId, contract::RunState>> runs;
  auto rows = query(database, "SELECT id, state FROM runs ORDER BY id");
  while (step(rows)) {
    auto const state = contract::parse_run_state(rows.text(1));
    if (!state) trace_->violated("accepted", "{} is {}", rows.text(0), rows.text(1));
    runs.emplace_back(RunId::trusted(std::string{rows.text(0)}), *state);
  }
  for (auto const& [run, state] : runs)
    inspect_run(database, run, state);
  for (auto const& [run, state] : ended_)
    if (std::ranges::find(runs, std::pair{run, state}) == runs.end())
      trace_->violated("accepted", "{} was {} and is no more", run, contract::to_string(state));
  inspect_waiting(database);
  inspect_changes(database);
  inspect_schedules(database, *trace_);
}

void Audit::inspect_changes(store::Database& database) {
  std::set<std::string> succeeded;
  auto unrecorded = repositories_->commits();
  auto rows =
      query(database, "SELECT id, state FROM runs WHERE commits<>'[]' OR state='succeeded'");
  while (step(rows)) {
    if (rows.text(1) == "succeeded") succeeded.emplace(rows.text(0));
    auto const run = worker::find_run(database, RunId::trusted(std::string{rows.text(0)}));
    if (!run) throw std::runtime_error(run.error().text());
    for (worker::CommitRecord const& commit : run->commits) {
      auto const id = std::stoll(commit.summary.sha);
      unrecorded.erase(id);
      if (!repositories_->reachable(id))
        trace_->violated("kept", "the commit {} of {} is lost", id, run->id);
    }
  }
  for (auto const& [commit, run] : unrecorded)
    if (succeeded.contains(run))
      trace_->violated("kept", "{} does not tell of its commit {}", run, commit);
  using Place = Repositories::Place;
  for (auto const& [change, run] : repositories_->changes()) {
    auto const place = repositories_->find(change);
    if (place == Place::nowhere) trace_->violated("kept", "the change {} is lost", change);
    if (place == Place::tree && succeeded.contains(run.str()))
      trace_->violated("kept", "{} succeeded and its change {} is not committed", run, change);
  }
}

void Audit::inspect_copies(store::Database& database, Redis::Copies copies) {
  auto rows = query(database,
                    "SELECT s.name, e.seq, e.body FROM streams s"
                    " JOIN stream_events e ON e.stream=s.id");
  while (step(rows)) {
    auto& copy = copies[std::string{rows.text(0)}];
    auto const event = copy.find(rows.integer(1));
    if (event == copy.end())
      trace_->violated("copy", "Redis has no event {} of {}", rows.integer(1), rows.text(0));
    if (!event->second.contains(rows.text(2)))
      trace_->violated("copy", "event {} of {} is another in Redis", rows.integer(1), rows.text(0));
    copy.erase(event);
  }
  for (auto const& [name, copy] : copies)
    if (!copy.empty()) trace_->violated("copy", "Redis has more of {} than the store", name);
}

void Audit::did_not_fit(worker::Mismatch const& mismatch) {
  trace_->note("{} did not fit", mismatch.run);
  if (!edited_.contains(mismatch.run))
    trace_->violated("fits", "{} and its place in the queue were apart", mismatch.run);
}

// The number of an event is its place among those of all runs. A message that came before the end
// of the wait, and was not over before the wait began, is the answer.
void Audit::inspect_waiting(store::Database& database) {
  auto rows = query(database, R"sql(
    WITH spans AS (
      SELECT r.id AS run, r.session, r.state, r.reason, r.finished_ms, min(e.id) AS first,
             max(e.id) AS last,
             max(CASE WHEN e.body LIKE '%"waiting_input"%' THEN e.id END) AS asked
      FROM runs r JOIN streams s ON s.name='task:run:' || r.id JOIN stream_events e ON e.stream=s.id
      GROUP BY r.id)
    SELECT a.run, b.run FROM spans a JOIN spans b ON b.session=a.session AND b.first>a.first
    WHERE (a.state='waiting' OR a.reason='input_timeout')
      AND (a.finished_ms IS NULL OR b.first<a.last)
      AND (b.finished_ms IS NULL OR b.last>a.asked)
  )sql");
  while (step(rows)) {
    RunId const answer = RunId::trusted(std::string{rows.text(1)});
    if (!edited_.contains(answer))
      trace_->violated("answer", "{} was not answered by {}", rows.text(0), answer);
  }
}

void Audit::inspect_run(store::Database& database, RunId const& run, contract::RunState state) {
  bool const ended = contract::is_terminal(state);
  bool const waits = state == contract::RunState::waiting;
  auto const queued =
      one_integer(database, "SELECT count(*) FROM dispatch_queue WHERE run=?", run.str());
  if (queued != (ended || waits ? 0 : 1) && !edited_.contains(run))
    trace_->violated("accepted", "{} is {} and {} times in the queue", run,
                     contract::to_string(state), queued);
  if (ended) ended_.emplace(run, state);
  inspect_stream(database, run, ended);
}

void Audit::inspect_stream(store::Database& database, RunId const& run, bool ended) {
  auto rows = query(database,
                    "SELECT e.seq, e.type, e.body, s.last_seq, s.closed FROM streams s"
                    " JOIN stream_events e ON e.stream=s.id WHERE s.name=? ORDER BY e.seq",
                    broker::StreamName::of_run(run).str());
  auto const seen = shown_.find(run);
  auto const said = said_.find(run);
  auto missing = said == said_.end() ? std::set<std::string, std::less<>>{} : said->second;
  std::int64_t count = 0;
  std::int64_t ends = 0;
  std::int64_t last = 0;
  bool closed = false;
  while (step(rows)) {
    if (rows.integer(0) != ++count)
      trace_->violated("events", "event {} of {} is missing", count, run);
    if (ends > 0) trace_->violated("events", "something follows the end of {}", run);
    if (rows.text(1) == "turn-complete") ++ends;
    last = rows.integer(3);
    closed = rows.integer(4) != 0;
    if (!missing.empty()) erase_said(missing, rows.text(2));
    if (seen == shown_.end()) continue;
    auto const known = seen->second.find(count);
    if (known != seen->second.end() && known->second != rows.text(2))
      trace_->violated("events", "event {} of {} was {} and is {}", count, run, known->second,
                       rows.text(2));
  }
  if (count != last) trace_->violated("events", "{} has {} of {} events", run, count, last);
  if (!missing.empty())
    trace_->violated("events", "{} of {} was acknowledged and is lost", *missing.begin(), run);
  if (ends != (ended ? 1 : 0) || closed != ended)
    trace_->violated("accepted", "{} has {} terminal events", run, ends);
  if (seen != shown_.end() && !seen->second.empty() && seen->second.rbegin()->first > count)
    trace_->violated("events", "event {} of {} is lost", seen->second.rbegin()->first, run);
}

}  // namespace drover::sim
