#include "schedule/schedules.h"

#include <fmt/format.h>

#include <array>
#include <span>
#include <utility>

#include <boost/json.hpp>

#include "base/text.h"
#include "schedule/target.h"

namespace drover::schedule {

namespace {

constexpr std::size_t kSecretBytes = 32;

Error no_schedule(ScheduleId const& id) {
  return {ErrorCode::not_found, fmt::format("there is no schedule {}", id),
          "drover schedules list shows them"};
}

Error no_hook(std::string const& name) {
  return {ErrorCode::not_found, fmt::format("there is no hook '{}'", printable(name, 63)), {}};
}

Result<ScheduleView> view_of(store::Database& database, ScheduleRecord schedule) {
  auto const status = status_of(database, schedule);
  if (!status) return std::unexpected(status.error());
  return ScheduleView{std::move(schedule), *status};
}

Result<ScheduleRecord> require(store::Database& database, ScheduleId const& id) {
  auto found = find_schedule(database, id);
  if (!found) return std::unexpected(found.error());
  if (!*found) return std::unexpected(no_schedule(id));
  return **std::move(found);
}

void arm(ScheduleRecord& schedule, Timing const& timing, WallTime now) {
  schedule.next = first_time(timing, now);
  schedule.due = schedule.next && !schedule.paused ? std::optional{due_time(timing, *schedule.next)}
                                                   : std::nullopt;
}

// Something that will never fire is a mistake that its author should hear of.
Status check_fires(Timing const& timing, WallTime now) {
  bool const by_event = std::holds_alternative<Timing::UponEvent>(timing.when);
  if (by_event ? !timing.end || *timing.end > now : first_time(timing, now).has_value()) return {};
  return fail_next(ErrorCode::invalid_argument, "the schedule would never fire",
                   "look at execute_at, start_at and end_at");
}

Result<Schedules::Created> insert_new(store::Database& database, ScheduleRecord schedule) {
  auto const known = find_schedule(database, schedule.id);
  if (!known) return std::unexpected(known.error());
  if (*known && !(*known)->cancelled)
    return fail_next(ErrorCode::conflict,
                     fmt::format("there is a schedule {} already", schedule.id),
                     "PUT replaces it; DELETE cancels it");
  if (*known) {
    schedule.number = (*known)->number;
    schedule.fired = (*known)->fired;
    schedule.version = (*known)->version + 1;
    schedule.created_at = (*known)->created_at;
    DROVER_TRY(update_schedule(database, schedule));
  } else {
    DROVER_TRY(insert_schedule(database, schedule));
  }
  auto view = view_of(database, std::move(schedule));
  if (!view) return std::unexpected(view.error());
  return Schedules::Created{*std::move(view), true};
}

Result<std::optional<Schedules::Created>> replay(store::Database& database,
                                                 std::optional<std::string> const& key,
                                                 std::string const& digest) {
  if (!key) return std::nullopt;
  auto known = find_schedule_by_key(database, *key);
  if (!known) return std::unexpected(known.error());
  if (!*known) return std::nullopt;
  if ((*known)->digest != digest)
    return fail_next(ErrorCode::conflict,
                     fmt::format("the idempotency key '{}' belongs to the schedule {}, whose "
                                 "request was another",
                                 printable(*key, 80), (*known)->id),
                     "use a new key for a new request");
  auto view = view_of(database, **std::move(known));
  if (!view) return std::unexpected(view.error());
  return Schedules::Created{*std::move(view), false};
}

}  // namespace

Result<Timing> Schedules::check(contract::ScheduleJob const& job, ScheduleId const& id) const {
  auto timing = timing_of(job, id.str());
  if (!timing) return timing;
  DROVER_TRY(check_fires(*timing, parts_.clock.now()));
  if (auto const* request = std::get_if<contract::ScheduledRequest>(&job.target))
    DROVER_TRY(check_request(*request, parts_.reach));
  return timing;
}

Task<Result<Schedules::Created>> Schedules::create(contract::ScheduleJob job) {
  WallTime const now = parts_.clock.now();
  std::string const digest = contract::fingerprint(job);
  ScheduleRecord schedule;
  schedule.id = job.id ? *job.id : ScheduleId::create(parts_.clock, parts_.random);
  schedule.digest = digest;
  schedule.paused = std::exchange(job.paused, false);
  auto timing = check(job, schedule.id);
  if (!timing) {
    // The same request again, when its time has passed, is still the same request.
    auto const known =
        co_await parts_.readers.run([key = job.idempotency_key, digest](store::Database& database) {
          return replay(database, key, digest);
        });
    if (known && *known) co_return **known;
    co_return std::unexpected(timing.error());
  }
  job.id = schedule.id;
  schedule.job = std::move(job);
  schedule.created_at = schedule.updated_at = now;
  arm(schedule, *timing, now);
  auto created = co_await parts_.writer.run(
      [schedule = std::move(schedule)](store::Transaction& transaction) -> Result<Created> {
        auto known = replay(transaction.db(), schedule.job.idempotency_key, schedule.digest);
        if (!known) return std::unexpected(known.error());
        if (*known) return **std::move(known);
        return insert_new(transaction.db(), schedule);
      });
  if (created && created->created) parts_.changed();
  co_return created;
}

template <class Change>
Task<Result<ScheduleView>> Schedules::change(ScheduleId id, Change change) {
  auto changed =
      co_await parts_.writer.run([id, change = std::move(change), now = parts_.clock.now()](
                                     store::Transaction& transaction) -> Result<ScheduleView> {
        auto schedule = require(transaction.db(), id);
        if (!schedule) return std::unexpected(schedule.error());
        DROVER_TRY(change(transaction.db(), *schedule, now));
        schedule->updated_at = now;
        DROVER_TRY(update_schedule(transaction.db(), *schedule));
        return view_of(transaction.db(), *std::move(schedule));
      });
  if (changed) parts_.changed();
  co_return changed;
}

namespace {

Status require_alive(ScheduleRecord const& schedule) {
  if (!schedule.cancelled) return {};
  return fail_next(ErrorCode::conflict, fmt::format("the schedule {} is cancelled", schedule.id),
                   "create it anew; it keeps its id");
}

}  // namespace

Task<Result<ScheduleView>> Schedules::replace(ScheduleId id, contract::ScheduleJob job) {
  if (job.id && *job.id != id)
    co_return fail(ErrorCode::invalid_argument, "/id: expected {}, found {}", id, *job.id);
  job.id = id;
  std::string const digest = contract::fingerprint(job);
  bool const pause = std::exchange(job.paused, false);
  auto const timing = check(job, id);
  if (!timing) co_return std::unexpected(timing.error());
  auto const apply = [job, digest, pause, timing = *timing](
                         store::Database&, ScheduleRecord& schedule, WallTime now) -> Status {
    DROVER_TRY(require_alive(schedule));
    if (schedule.digest == digest) return {};  // or a repeated PUT would fire a one-shot again
    // Its own key is how it was created; a replacement does not change that.
    auto key = schedule.job.idempotency_key;
    schedule.job = job;
    schedule.job.idempotency_key = std::move(key);
    schedule.digest = digest;
    ++schedule.version;
    schedule.paused = schedule.paused || pause;
    schedule.detail.clear();
    schedule.poisoned = 0;
    arm(schedule, timing, now);
    return {};
  };
  co_return co_await change(std::move(id), apply);
}

Task<Result<ScheduleView>> Schedules::cancel(ScheduleId id) {
  auto const apply = [](store::Database& database, ScheduleRecord& schedule,
                        WallTime now) -> Status {
    schedule.cancelled = true;
    schedule.next = schedule.due = std::nullopt;
    return cancel_waiting(database, schedule.number, "the schedule was cancelled", now);
  };
  co_return co_await change(std::move(id), apply);
}

Task<Result<ScheduleView>> Schedules::pause(ScheduleId id) {
  auto const apply = [](store::Database&, ScheduleRecord& schedule, WallTime) -> Status {
    DROVER_TRY(require_alive(schedule));
    schedule.paused = true;
    schedule.due = std::nullopt;
    return {};
  };
  co_return co_await change(std::move(id), apply);
}

Task<Result<ScheduleView>> Schedules::resume(ScheduleId id) {
  auto const apply = [](store::Database&, ScheduleRecord& schedule, WallTime now) -> Status {
    DROVER_TRY(require_alive(schedule));
    if (!schedule.paused) return {};
    schedule.paused = false;
    schedule.detail.clear();
    schedule.poisoned = 0;
    // A one-shot that has fired is not armed again.
    bool const once = std::holds_alternative<contract::OnceTrigger>(schedule.job.trigger);
    if (once && !schedule.next) return {};
    auto const timing = timing_of(schedule.job, schedule.id.str());
    if (!timing) return std::unexpected(timing.error());
    arm(schedule, *timing, now);
    return {};
  };
  co_return co_await change(std::move(id), apply);
}

Task<Result<ScheduleView>> Schedules::get(ScheduleId id) {
  co_return co_await parts_.readers.run([id](store::Database& database) -> Result<ScheduleView> {
    auto schedule = require(database, id);
    if (!schedule) return std::unexpected(schedule.error());
    return view_of(database, *std::move(schedule));
  });
}

Task<Result<std::vector<ScheduleView>>> Schedules::list(std::string before, std::int64_t limit) {
  co_return co_await parts_.readers.run(
      [before, limit](store::Database& database) -> Result<std::vector<ScheduleView>> {
        auto schedules = list_schedules(database, before, limit);
        if (!schedules) return std::unexpected(schedules.error());
        std::vector<ScheduleView> views;
        for (ScheduleRecord& schedule : *schedules) {
          auto view = view_of(database, std::move(schedule));
          if (!view) return std::unexpected(view.error());
          views.push_back(*std::move(view));
        }
        return views;
      });
}

Task<Result<FiringRecord>> Schedules::run_now(ScheduleId id, std::string key) {
  if (key.empty()) key = new_id_text("now", parts_.clock, parts_.random);
  auto firing = co_await parts_.writer.run(
      [id, key, now = parts_.clock.now()](store::Transaction& transaction) -> Result<FiringRecord> {
        auto const schedule = require(transaction.db(), id);
        if (!schedule) return std::unexpected(schedule.error());
        return record_manual(transaction.db(), *schedule, key, now);
      });
  if (firing) parts_.changed();
  co_return firing;
}

Task<Result<std::vector<FiringRecord>>> Schedules::history(ScheduleId id, std::int64_t before,
                                                           std::int64_t limit) {
  co_return co_await parts_.readers.run(
      [id, before, limit](store::Database& database) -> Result<std::vector<FiringRecord>> {
        auto const schedule = require(database, id);
        if (!schedule) return std::unexpected(schedule.error());
        return list_firings(database, schedule->number, before, limit);
      });
}

Task<Result<RecordedEvent>> Schedules::accept(contract::IncomingEvent event) {
  if (auto const bytes = json::serialize(event.data).size(); bytes > kEventBytesMax)
    co_return fail(ErrorCode::too_large, "/data: it has {} bytes, over the limit of {}", bytes,
                   kEventBytesMax);
  WallTime const now = parts_.clock.now();
  if (!event.time) event.time = now;
  auto recorded = co_await parts_.writer.run([event, now](store::Transaction& transaction) {
    return record_event(transaction.db(), event, {}, {}, now);
  });
  if (recorded && !recorded->firings.empty()) parts_.changed();
  co_return recorded;
}

Task<Result<RecordedEvent>> Schedules::deliver(std::string name, net::Headers headers,
                                               std::string body) {
  auto const hook = co_await parts_.readers.run(
      [name](store::Database& database) { return find_hook(database, name); });
  if (!hook) co_return std::unexpected(hook.error());
  // A hook that does not exist answers as one with another secret: names are not to be guessed.
  auto const known = hook->value_or(HookRecord{});
  WallTime const now = parts_.clock.now();
  auto const delivery = read_delivery(known.hook, known.secret, headers, body, now);
  if (!delivery) co_return std::unexpected(delivery.error());
  auto recorded = co_await parts_.writer.run(
      [delivery = *delivery, name, now](store::Transaction& transaction) {
        return record_event(transaction.db(), delivery.event, name, delivery.marks, now);
      });
  if (recorded && !recorded->firings.empty()) parts_.changed();
  co_return recorded;
}

Secret Schedules::new_secret() {
  std::array<std::byte, kSecretBytes> bytes{};
  parts_.random.fill(bytes);
  return Secret{"whsec_" + to_hex({reinterpret_cast<char const*>(bytes.data()), bytes.size()})};
}

Task<Result<Schedules::PutHook>> Schedules::create_hook(contract::Hook hook) {
  WallTime const now = parts_.clock.now();
  HookRecord const record{
      .hook = std::move(hook), .secret = new_secret(), .created_at = now, .updated_at = now};
  co_return co_await parts_.writer.run(
      [record](store::Transaction& transaction) -> Result<PutHook> {
        auto const known = find_hook(transaction.db(), record.hook.name);
        if (!known) return std::unexpected(known.error());
        if (*known)
          return fail_next(ErrorCode::conflict,
                           fmt::format("there is a hook {} already", record.hook.name),
                           "PUT replaces it; DELETE removes it");
        auto const put = put_hook(transaction.db(), record);
        if (!put) return std::unexpected(put.error());
        return PutHook{record, true, true};
      });
}

Task<Result<Schedules::PutHook>> Schedules::replace_hook(contract::Hook hook, SecretChange secret) {
  HookRecord record{.hook = std::move(hook),
                    .secret = new_secret(),
                    .created_at = {},
                    .updated_at = parts_.clock.now()};
  co_return co_await parts_.writer.run(
      [record, secret](store::Transaction& transaction) mutable -> Result<PutHook> {
        auto const known = find_hook(transaction.db(), record.hook.name);
        if (!known) return std::unexpected(known.error());
        if (!*known) return std::unexpected(no_hook(record.hook.name));
        record.created_at = (*known)->created_at;
        if (secret == SecretChange::keep) record.secret = (*known)->secret;
        auto const put = put_hook(transaction.db(), record);
        if (!put) return std::unexpected(put.error());
        return PutHook{record, false, secret == SecretChange::renew};
      });
}

Task<Result<HookRecord>> Schedules::get_hook(std::string name) {
  auto found = co_await parts_.readers.run(
      [name](store::Database& database) { return find_hook(database, name); });
  if (!found) co_return std::unexpected(found.error());
  if (!*found) co_return std::unexpected(no_hook(name));
  co_return **std::move(found);
}

Task<Result<std::vector<HookRecord>>> Schedules::list_hooks() {
  co_return co_await parts_.readers.run(
      [](store::Database& database) { return schedule::list_hooks(database); });
}

Task<Status> Schedules::delete_hook(std::string name) {
  co_return co_await parts_.writer.run([name](store::Transaction& transaction) -> Status {
    auto const deleted = schedule::delete_hook(transaction.db(), name);
    if (!deleted) return std::unexpected(deleted.error());
    if (!*deleted) return std::unexpected(no_hook(name));
    return {};
  });
}

}  // namespace drover::schedule
