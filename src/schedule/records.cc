#include "schedule/records.h"

#include <array>
#include <source_location>
#include <utility>

#include <boost/json.hpp>

#include "base/check.h"
#include "base/text.h"
#include "schedule/cron.h"

namespace drover::schedule {

namespace {

constexpr std::array<std::string_view, 5> kStatuses = {"pending", "executing", "completed",
                                                       "failed", "cancelled"};
constexpr std::array<std::string_view, 7> kStates = {"waiting", "pending", "running",  "succeeded",
                                                     "failed",  "skipped", "cancelled"};
constexpr std::array<std::string_view, 3> kCauses = {"time", "manual", "event"};

template <class E, std::size_t N>
Result<E> parse_in(std::array<std::string_view, N> const& names, std::string_view text) {
  for (std::size_t i = 0; i < N; ++i)
    if (names[i] == text) return static_cast<E>(i);
  return fail(ErrorCode::data_corrupt, "the store holds the unknown word '{}'",
              printable(text, 40));
}

void put_time(json::object& out, std::string_view key, std::optional<WallTime> time) {
  if (time) {
    out[key] = to_rfc3339(*time);
  } else {
    out[key] = nullptr;
  }
}

void put_text(json::object& out, std::string_view key, std::string const& text) {
  if (text.empty()) {
    out[key] = nullptr;
  } else {
    out[key] = text;
  }
}

}  // namespace

std::string_view to_string(ScheduleStatus status) {
  return kStatuses.at(static_cast<std::size_t>(status));
}
std::string_view to_string(FiringState state) {
  return kStates.at(static_cast<std::size_t>(state));
}
std::string_view to_string(FiringCause cause) {
  return kCauses.at(static_cast<std::size_t>(cause));
}
Result<FiringState> parse_firing_state(std::string_view text) {
  return parse_in<FiringState>(kStates, text);
}
Result<FiringCause> parse_firing_cause(std::string_view text) {
  return parse_in<FiringCause>(kCauses, text);
}

bool is_over(FiringState state) {
  return state != FiringState::waiting && state != FiringState::pending &&
         state != FiringState::running;
}

json::object to_json(ScheduleRecord const& schedule, ScheduleStatus status) {
  json::object out = contract::to_json(schedule.job, contract::HeaderValues::mask).get_object();
  out["id"] = schedule.id.str();
  out["status"] = to_string(status);
  out["paused"] = schedule.paused;
  put_time(out, "next_at", schedule.paused || schedule.cancelled ? std::nullopt : schedule.next);
  put_time(out, "last_at", schedule.last);
  out["fired"] = schedule.fired;
  put_text(out, "detail", schedule.detail);
  out["description"] = nullptr;
  if (auto const* cron = std::get_if<contract::CronTrigger>(&schedule.job.trigger))
    if (auto const parsed = Cron::parse(cron->expression)) out["description"] = parsed->describe();
  out["created_at"] = to_rfc3339(schedule.created_at);
  out["updated_at"] = to_rfc3339(schedule.updated_at);
  return out;
}

json::object to_json(FiringRecord const& firing, ScheduleId const& schedule) {
  json::object out;
  out["id"] = firing.id;
  out["schedule"] = schedule.str();
  out["cause"] = to_string(firing.cause);
  out["scheduled_for"] = to_rfc3339(firing.nominal);
  out["state"] = to_string(firing.state);
  out["attempts"] = firing.attempts;
  out["missed"] = firing.missed;
  put_text(out, "run", firing.run);
  out["http_status"] = nullptr;
  if (firing.http_status != 0) out["http_status"] = firing.http_status;
  put_text(out, "reason", firing.reason);
  out["created_at"] = to_rfc3339(firing.created_at);
  put_time(out, "started_at", firing.started_at);
  put_time(out, "finished_at", firing.finished_at);
  out["next_attempt_at"] = nullptr;
  if (firing.state == FiringState::pending && firing.attempts > 0)
    out["next_attempt_at"] = to_rfc3339(firing.not_before);
  return out;
}

json::object to_json(HookRecord const& hook) {
  json::object out = contract::to_json(hook.hook).get_object();
  out["scheme"] = contract::to_string(hook.hook.scheme);
  out["path"] = "/hooks/" + hook.hook.name;
  out["created_at"] = to_rfc3339(hook.created_at);
  out["updated_at"] = to_rfc3339(hook.updated_at);
  return out;
}

}  // namespace drover::schedule
