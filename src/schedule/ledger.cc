#include "schedule/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <boost/json.hpp>

#include "base/log.h"
#include "base/text.h"
#include "schedule/event_match.h"
#include "schedule/webhook.h"

namespace drover::schedule {

namespace {

constexpr std::size_t kReasonBytesMax = 500;
constexpr std::int64_t kSweepRows = 2000;  // in one transaction

std::string reason_of(std::string_view text) {
  return std::string{utf8_prefix(text, kReasonBytesMax)};
}

FiringRecord new_firing(ScheduleRecord const& schedule, FiringCause cause, std::string key,
                        WallTime nominal, WallTime now) {
  FiringRecord firing;
  firing.schedule = schedule.number;
  firing.key = std::move(key);
  firing.nominal = nominal;
  firing.cause = cause;
  firing.not_before = now;
  firing.created_at = now;
  return firing;
}

Status end(store::Database& database, FiringRecord& firing, FiringState state,
           std::string_view reason, WallTime now) {
  firing.state = state;
  firing.reason = reason_of(reason);
  firing.finished_at = now;
  return update_firing(database, firing);
}

// Earlier firings make way: what waits is dropped, what runs is asked to stop.
Status make_way(store::Database& database, std::int64_t schedule, WallTime now) {
  DROVER_TRY(cancel_waiting(database, schedule, "overlap: replaced by a later firing", now));
  return database.run(
      "UPDATE firings SET cancel_requested=1 WHERE schedule=? AND finished_ms IS NULL"
      " AND state='running'",
      schedule);
}

// Writes the firing as the overlap policy has it. False when the schedule has one of that key.
Result<bool> add_firing(store::Database& database, ScheduleRecord const& schedule,
                        FiringRecord& firing, WallTime now) {
  auto const known = find_firing_by_key(database, schedule.number, firing.key);
  if (!known) return std::unexpected(known.error());
  if (*known) {
    firing = **known;
    return false;
  }
  auto open = count_open_firings(database, schedule.number);
  if (!open) return std::unexpected(open.error());
  auto const decision = decide_overlap(schedule.job.overlap, *open);
  if (decision.cancel_earlier) {
    DROVER_TRY(make_way(database, schedule.number, now));
    open = count_open_firings(database, schedule.number);
    if (!open) return std::unexpected(open.error());
  }
  switch (decision.start) {
    case OverlapDecision::Start::now:
      firing.state = FiringState::pending;
      break;
    case OverlapDecision::Start::wait:
      firing.state = *open == 0 ? FiringState::pending : FiringState::waiting;
      break;
    case OverlapDecision::Start::never:
      firing.state = FiringState::skipped;
      firing.reason = decision.reason;
      firing.finished_at = now;
      break;
  }
  return insert_firing(database, firing);
}

std::string time_key(ScheduleRecord const& schedule, WallTime nominal) {
  return fmt::format("t{}.{}", schedule.version, to_unix_ms(nominal));
}

Status record_skip(store::Database& database, ScheduleRecord const& schedule,
                   DuePlan::Skip const& skip, WallTime now) {
  auto firing =
      new_firing(schedule, FiringCause::time, time_key(schedule, skip.last), skip.last, now);
  firing.state = FiringState::skipped;
  firing.missed = skip.count - 1;
  firing.finished_at = now;
  firing.reason = fmt::format("misfire: {}{} firing{} since {} passed while nothing could be fired",
                              skip.at_least ? "at least " : "", skip.count,
                              skip.count == 1 ? "" : "s", to_rfc3339(skip.first));
  auto const added = insert_firing(database, firing);
  if (!added) return std::unexpected(added.error());
  return {};
}

// One schedule whose time has come: its firings and what is armed next.
Status fire(store::Database& database, ScheduleRecord& schedule, WallTime now) {
  auto const timing = timing_of(schedule.job, schedule.id.str());
  if (!timing) {
    // As when an update of tzdata took a zone away. Others must not wait for it.
    schedule.due = schedule.next = std::nullopt;
    schedule.detail = reason_of(timing.error().text());
    log::error("schedule-not-readable",
               {{"schedule", schedule.id}, {"reason", timing.error().text()}});
    return update_schedule_times(database, schedule);
  }
  DuePlan const plan = plan_due(*timing, *schedule.next, now);
  if (plan.skip) {
    DROVER_TRY(record_skip(database, schedule, *plan.skip, now));
    schedule.last = plan.skip->last;
  }
  for (auto const& planned : plan.fire) {
    auto firing = new_firing(schedule, FiringCause::time, time_key(schedule, planned.nominal),
                             planned.nominal, now);
    firing.missed = planned.missed;
    auto const added = add_firing(database, schedule, firing, now);
    if (!added) return std::unexpected(added.error());
    if (*added) ++schedule.fired;
    schedule.last = planned.nominal;
  }
  schedule.next = plan.next;
  schedule.due = plan.next ? std::optional{due_time(*timing, *plan.next)} : std::nullopt;
  schedule.updated_at = now;
  return update_schedule_times(database, schedule);
}

Status let_next_go(store::Database& database, std::int64_t schedule) {
  return database.run(
      "UPDATE firings SET state='pending' WHERE state='waiting' AND id="
      "(SELECT min(id) FROM firings WHERE schedule=? AND finished_ms IS NULL)",
      schedule);
}

Status drop_old_firings(store::Database& database, std::int64_t schedule,
                        Retention const& retention) {
  return database.run(
      "DELETE FROM firings WHERE schedule=?1 AND finished_ms IS NOT NULL AND id <="
      " (SELECT id FROM firings WHERE schedule=?1 AND finished_ms IS NOT NULL"
      "  ORDER BY id DESC LIMIT 1 OFFSET ?2)",
      schedule, retention.firings_max);
}

// A start had an answer: the server did not end by it.
Status forget_poison(store::Database& database, std::int64_t schedule) {
  return database.run("UPDATE schedules SET poisoned=0 WHERE number=? AND poisoned<>0", schedule);
}

// A start that had no answer for the last time.
Status give_up(store::Database& database, FiringRecord& firing, WallTime now,
               Retention const& retention) {
  Outcome const outcome{
      .state = FiringState::failed,
      .http_status = 0,
      .reason = fmt::format("poisoned: the server ended {} times while it was being started",
                            firing.crashes)};
  auto schedule = find_schedule(database, firing.schedule);
  if (!schedule) return std::unexpected(schedule.error());
  DROVER_TRY(finish(database, firing.id, outcome, now, retention));
  if (!*schedule) return {};
  log::error("firing-poisoned", {{"schedule", (*schedule)->id}, {"firing", firing.id}});
  if (++(*schedule)->poisoned >= kPoisonedMax) {
    (*schedule)->paused = true;
    (*schedule)->due = std::nullopt;
    (*schedule)->detail = fmt::format(
        "paused: {} firings in a row ended the server; resume it when the cause is mended",
        (*schedule)->poisoned);
  }
  return update_schedule(database, **schedule);
}

}  // namespace

Result<RecordedDue> record_due(store::Database& database, WallTime now) {
  auto due = due_schedules(database, now, kDueBatch);
  if (!due) return std::unexpected(due.error());
  for (ScheduleRecord& schedule : *due)
    DROVER_TRY(fire(database, schedule, now));
  auto const count = static_cast<std::int64_t>(due->size());
  return RecordedDue{.schedules = count, .more = count == kDueBatch};
}

Result<FiringRecord> record_manual(store::Database& database, ScheduleRecord const& schedule,
                                   std::string const& key, WallTime now) {
  if (schedule.cancelled)
    return fail(ErrorCode::conflict, "the schedule {} is cancelled", schedule.id);
  auto firing = new_firing(schedule, FiringCause::manual, "m" + key, now, now);
  auto const added = add_firing(database, schedule, firing, now);
  if (!added) return std::unexpected(added.error());
  if (*added)
    DROVER_TRY(database.run("UPDATE schedules SET fired=fired+1 WHERE number=?", schedule.number));
  return firing;
}

namespace {

// One schedule that waits for such events; nullopt when it does not concern it.
Result<std::optional<RecordedEvent::Started>> fire_upon(store::Database& database,
                                                        ScheduleRecord const& schedule,
                                                        json::value const& body, std::int64_t event,
                                                        WallTime now) {
  auto const& trigger = std::get<contract::EventTrigger>(schedule.job.trigger);
  auto const timing = timing_of(schedule.job, schedule.id.str());
  if (!timing) return std::unexpected(timing.error());
  if (!matches(trigger, body) || !is_within(*timing, now)) return std::nullopt;
  auto firing = new_firing(schedule, FiringCause::event, fmt::format("e{}", event), now, now);
  firing.event = event;
  auto const added = add_firing(database, schedule, firing, now);
  if (!added) return std::unexpected(added.error());
  DROVER_TRY(database.run("UPDATE schedules SET fired=fired+1, last_ms=? WHERE number=?",
                          to_unix_ms(now), schedule.number));
  return RecordedEvent::Started{schedule.id, firing.id, firing.state};
}

}  // namespace

Result<RecordedEvent> record_event(store::Database& database, contract::IncomingEvent const& event,
                                   std::string const& hook, std::vector<std::string> const& marks,
                                   WallTime now) {
  RecordedEvent recorded;
  if (!marks.empty()) {
    auto const is_new = insert_delivery(database, hook, marks, now);
    if (!is_new) return std::unexpected(is_new.error());
    recorded.duplicate = !*is_new;
    if (recorded.duplicate) return recorded;
  }
  json::value const body = contract::to_json(event);
  auto const stored =
      insert_event(database, event.source.value_or(""), event.id, json::serialize(body), now);
  if (!stored) return std::unexpected(stored.error());
  recorded.id = stored->id;
  recorded.duplicate = !stored->is_new;
  if (recorded.duplicate) return recorded;
  auto const waiting = schedules_of_event(database, event.type, kEventSchedulesMax + 1);
  if (!waiting) return std::unexpected(waiting.error());
  if (std::cmp_greater(waiting->size(), kEventSchedulesMax))
    return fail_next(ErrorCode::too_large,
                     fmt::format("more than {} schedules wait for events of the type {}",
                                 kEventSchedulesMax, printable(event.type, 60)),
                     "give them different types");
  for (ScheduleRecord const& schedule : *waiting) {
    auto const started = fire_upon(database, schedule, body, stored->id, now);
    if (!started) return std::unexpected(started.error());
    if (*started) recorded.firings.push_back(**started);
  }
  bool const wanted = std::ranges::any_of(
      recorded.firings, [](auto const& started) { return !is_over(started.state); });
  if (!wanted) DROVER_TRY(drop_event_body(database, stored->id));
  return recorded;
}

Result<std::vector<Start>> start_ready(store::Database& database, WallTime now, std::int64_t limit,
                                       bool busy) {
  auto ready = ready_firings(database, now, Health::clean, limit);
  if (!ready) return std::unexpected(ready.error());
  if (ready->empty() && !busy) ready = ready_firings(database, now, Health::suspicious, 1);
  if (!ready) return std::unexpected(ready.error());
  std::vector<Start> starts;
  for (FiringRecord& firing : *ready) {
    auto schedule = find_schedule(database, firing.schedule);
    if (!schedule) return std::unexpected(schedule.error());
    if (!*schedule)
      return fail(ErrorCode::data_corrupt, "the firing {} belongs to no schedule", firing.id);
    firing.state = FiringState::running;
    ++firing.attempts;
    ++firing.crashes;
    if (!firing.started_at) firing.started_at = now;
    DROVER_TRY(update_firing(database, firing));
    Start start{.firing = firing, .schedule = **std::move(schedule), .event = {}};
    if (firing.event) {
      auto body = event_body(database, *firing.event);
      if (!body) return std::unexpected(body.error());
      start.event = *std::move(body);
    }
    starts.push_back(std::move(start));
  }
  return starts;
}

Status note_run(store::Database& database, std::int64_t firing, RunId const& run) {
  DROVER_TRY(database.run("UPDATE firings SET run=?, crashes=0 WHERE id=? AND finished_ms IS NULL",
                          run.str(), firing));
  auto const record = find_firing(database, firing);
  if (!record) return std::unexpected(record.error());
  return *record ? forget_poison(database, (*record)->schedule) : Status{};
}

Status finish(store::Database& database, std::int64_t id, Outcome const& outcome, WallTime now,
              Retention const& retention) {
  auto firing = find_firing(database, id);
  if (!firing) return std::unexpected(firing.error());
  if (!*firing || is_over((*firing)->state)) return {};
  (*firing)->http_status = outcome.http_status;
  DROVER_TRY(forget_poison(database, (*firing)->schedule));
  DROVER_TRY(end(database, **firing, outcome.state, outcome.reason, now));
  DROVER_TRY(let_next_go(database, (*firing)->schedule));
  if ((*firing)->event)
    DROVER_TRY(
        database.run("UPDATE schedule_events SET body='' WHERE id=?1 AND NOT EXISTS"
                     " (SELECT 1 FROM firings WHERE event=?1 AND finished_ms IS NULL)",
                     *(*firing)->event));
  return drop_old_firings(database, (*firing)->schedule, retention);
}

Status try_again(store::Database& database, std::int64_t id, contract::RetryPolicy const& retry,
                 Outcome const& outcome, WallTime now, Retention const& retention) {
  auto firing = find_firing(database, id);
  if (!firing) return std::unexpected(firing.error());
  if (!*firing || is_over((*firing)->state)) return {};
  FiringRecord& record = **firing;
  if (record.cancel_requested) {
    Outcome cancelled = outcome;
    cancelled.state = FiringState::cancelled;
    return finish(database, id, cancelled, now, retention);
  }
  if (record.attempts >= retry.max_attempts) return finish(database, id, outcome, now, retention);
  record.state = FiringState::pending;
  record.crashes = 0;
  record.http_status = outcome.http_status;
  record.reason = reason_of(outcome.reason);
  record.not_before = now + retry.delay_after(record.attempts);
  return update_firing(database, record);
}

Status give_back(store::Database& database, std::vector<std::int64_t> const& firings,
                 WallTime now) {
  for (std::int64_t const id : firings)
    DROVER_TRY(
        database.run("UPDATE firings SET state='pending', attempts=attempts-1, crashes=crashes-1,"
                     " not_before_ms=? WHERE id=? AND state='running' AND run IS NULL",
                     to_unix_ms(now), id));
  return {};
}

Result<Recovered> recover(store::Database& database, WallTime now, Retention const& retention) {
  auto running = running_firings(database);
  if (!running) return std::unexpected(running.error());
  Recovered recovered;
  for (FiringRecord& firing : *running) {
    if (!firing.run.empty()) continue;  // its run is watched again
    if (firing.crashes >= kCrashesMax) {
      DROVER_TRY(give_up(database, firing, now, retention));
      ++recovered.given_up;
      continue;
    }
    firing.state = FiringState::pending;
    firing.not_before = now;
    DROVER_TRY(update_firing(database, firing));
    ++recovered.again;
  }
  return recovered;
}

Result<std::int64_t> arm_anew(store::Database& database, WallTime now) {
  auto ahead = schedules_ahead_of(database, now);
  if (!ahead) return std::unexpected(ahead.error());
  for (ScheduleRecord& schedule : *ahead) {
    auto const timing = timing_of(schedule.job, schedule.id.str());
    if (!timing) continue;  // said when it is due
    schedule.next = first_time(*timing, now);
    schedule.due = schedule.next ? std::optional{due_time(*timing, *schedule.next)} : std::nullopt;
    schedule.updated_at = now;
    DROVER_TRY(update_schedule_times(database, schedule));
  }
  return static_cast<std::int64_t>(ahead->size());
}

Status sweep(store::Database& database, WallTime now, Retention const& retention) {
  DROVER_TRY(
      database.run("DELETE FROM firings WHERE id IN (SELECT id FROM firings"
                   " WHERE finished_ms IS NOT NULL AND finished_ms<? LIMIT ?)",
                   to_unix_ms(now - retention.age_max), kSweepRows));
  auto const forgotten = to_unix_ms(now - kDeliveryLife);
  DROVER_TRY(database.run(
      "DELETE FROM schedule_events WHERE id IN (SELECT e.id FROM schedule_events e WHERE e.at_ms<?"
      " AND NOT EXISTS (SELECT 1 FROM firings f WHERE f.event=e.id AND f.finished_ms IS NULL)"
      " LIMIT ?)",
      forgotten, kSweepRows));
  return database.run(
      "DELETE FROM hook_deliveries WHERE (hook, mark) IN (SELECT hook, mark FROM hook_deliveries"
      " WHERE at_ms<? LIMIT ?)",
      forgotten, kSweepRows);
}

Result<std::optional<WallTime>> next_wake(store::Database& database, WallTime now) {
  std::optional<WallTime> wake;
  // What is ready already waits for a free place, not for the clock.
  for (std::string_view const sql :
       {"SELECT min(due_ms) FROM schedules WHERE due_ms IS NOT NULL AND ?1=?1",
        "SELECT min(not_before_ms) FROM firings WHERE state='pending' AND not_before_ms>?1"}) {
    auto row = database.query(sql, to_unix_ms(now));
    if (!row) return std::unexpected(row.error());
    auto const found = row->step();
    if (!found) return std::unexpected(found.error());
    if (!*found || row->is_null(0)) continue;
    WallTime const time = from_unix_ms(row->integer(0));
    wake = wake ? std::min(*wake, time) : time;
  }
  return wake;
}

Status cancel_waiting(store::Database& database, std::int64_t schedule, std::string_view reason,
                      WallTime now) {
  auto open = open_firings(database, schedule);
  if (!open) return std::unexpected(open.error());
  for (FiringRecord& firing : *open)
    if (firing.state != FiringState::running)
      DROVER_TRY(end(database, firing, FiringState::cancelled, reason, now));
  return {};
}

}  // namespace drover::schedule
