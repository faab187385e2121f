#include "fleet/instance_book.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace drover::fleet {

using std::chrono::steady_clock;

namespace {

// Of a container that lives for weeks the count alone says nothing: its last run was a short one.
void note_restarts(Seen& seen, Vitals const& vitals, WallTime now) {
  bool const lately = vitals.started && now - *vitals.started < kLoopWindow;
  bool const again = vitals.phase == Phase::restarting && lately;
  seen.engine_restarts = again ? vitals.restarts : 0;
  if (vitals.phase == Phase::running || vitals.phase == Phase::paused) return;
  if (vitals.exit_code) seen.last_end.exit_code = vitals.exit_code;
  seen.last_end.out_of_memory = seen.last_end.out_of_memory || vitals.out_of_memory;
}

}  // namespace

// ---- which there are ----------------------------------------------------------------------------

InstanceRecord& InstanceBook::record_of(std::string const& name) {
  auto const [found, added] = records_.try_emplace(name);
  InstanceRecord& record = found->second;
  if (!added) return record;
  record.instance.name = name;
  record.backoff = redis::Backoff{backoff_};
  record.since = clock_.now();
  return record;
}

InstanceRecord& InstanceBook::begin(std::string const& name, Replica const& of,
                                    std::string const& backend) {
  InstanceRecord& record = record_of(name);
  record.instance.of = of;
  record.instance.backend = backend;
  return record;
}

void InstanceBook::note_wanted(Wanted const& wanted, KnownInstances const& known) {
  for (auto& [name, record] : records_)
    record.seen.wanted = false;
  for (auto const& [name, one] : known)
    begin(name, one.of, one.backend).instance.uid = one.uid;
  for (auto const& [name, instance] : wanted.instances) {
    auto& record = begin(name, instance.of, instance.backend);
    record.seen.wanted = true;
    record.image = instance.workload.image;
  }
  for (auto const& refused : wanted.refused) {
    // A name that is another's has that one's record.
    auto const since = known.find(refused.instance);
    bool const others = wanted.instances.contains(refused.instance) ||
                        (since != known.end() && since->second.of != refused.of);
    if (others) continue;
    auto& record =
        begin(refused.instance, refused.of, since == known.end() ? "" : since->second.backend);
    record.seen.wanted = true;
    record.seen.failure = refused.error;
  }
  std::erase_if(records_, [&known](auto const& entry) {
    return !entry.second.seen.wanted && !known.contains(entry.first) && !entry.second.live;
  });
}

void InstanceBook::take_in(std::vector<Actual> const& actual, std::string_view backend,
                           Scope const& scope) {
  for (auto& [name, record] : records_) {
    if (record.instance.backend != backend || !scope.has(record.instance.of.agent)) continue;
    Actual const* best = nullptr;
    for (Actual const& one : actual)
      if (one.instance == name && (best == nullptr || one.phase == Phase::running)) best = &one;
    take_in_one(record, best);
  }
}

void InstanceBook::take_in_one(InstanceRecord& record, Actual const* best) {
  if (best == nullptr) {
    record.seen.phase.reset();
    set_live(record, false);
    record.instance.container.clear();
    return;
  }
  if (record.instance.container != best->id) {
    set_live(record, false);
    record.vitals = {};
    record.seen.came.reset();
  }
  record.instance.container = best->id;
  record.instance.hash = best->hash;
  record.seen.phase = best->phase;
  bool const runs = best->phase == Phase::running;
  if (runs && !record.seen.came) record.seen.came = clock_.boot_now();
  set_live(record, runs);
}

// ---- what was tried -----------------------------------------------------------------------------

void InstanceBook::note_failure(std::string const& instance, Error error) {
  auto& record = record_of(instance);
  record.retry_at = steady_clock::now() + record.backoff.next(random_);
  record.seen.failure = std::move(error);
}

void InstanceBook::note_success(std::string const& instance) {
  auto& record = record_of(instance);
  record.seen.failure.reset();
  record.seen.foreign = false;
  bool const calm = record.seen.came && clock_.boot_now() - *record.seen.came >= kCalmRun;
  record.retry_at = {};
  if (calm || record.seen.ends.empty()) record.backoff.reset();
}

void InstanceBook::note_foreign(std::string const& instance, bool foreign) {
  record_of(instance).seen.foreign = foreign;
}

bool InstanceBook::waits(std::string const& instance) const {
  auto const* const record = find(instance);
  return record != nullptr && steady_clock::now() < record->retry_at;
}

void InstanceBook::end_waits(Scope const& scope) {
  for (auto& [name, record] : records_)
    if (scope.has(record.instance.of.agent) && record.retry_at <= steady_clock::now())
      record.retry_at = {};
}

InstanceBook::SteadyTime InstanceBook::next_try(SteadyTime latest) const {
  for (auto const& [name, record] : records_)
    if (record.retry_at != SteadyTime{}) latest = std::min(latest, record.retry_at);
  return latest;
}

// ---- turns --------------------------------------------------------------------------------------

bool InstanceBook::works(InstanceRecord const& record) const {
  auto const& said = record.seen.heartbeat;
  bool const answers = record.held || (said && clock_.boot_now() - *said < kHeartbeatWait);
  return record.live && record.busy == Busy::yes && answers;
}

bool InstanceBook::put_off(InstancePlan const& plan) {
  auto* const record = find(plan.instance);
  if (record == nullptr) return false;
  record->put_off =
      works(*record) && std::ranges::any_of(plan.steps, [&](Step const& step) {
        return step.kind == Step::Kind::remove && step.container == record->instance.container;
      });
  return record->put_off;
}

// A turn begins, and is noted here, without a wait too: so one of the two comes first.
bool InstanceBook::close_for_removal(std::string const& instance, std::string const& container) {
  auto* const record = find(instance);
  if (record == nullptr || record->instance.container != container) return true;
  record->put_off = works(*record);
  if (record->put_off) return false;
  // Its end is ours, and none of a loop.
  record->seen.phase = Phase::removing;
  set_live(*record, false);
  return true;
}

void InstanceBook::note_held(std::string const& instance, bool held) {
  if (auto* const record = find(instance); record != nullptr) record->held = held;
}

void InstanceBook::note_thawed(std::string const& instance) {
  auto* const record = find(instance);
  if (record == nullptr) return;
  record->held = false;
  // It was silent because it had to be.
  if (record->live) record->seen.heartbeat = clock_.boot_now();
}

bool InstanceBook::note_spoiled(std::string const& instance, int program) {
  auto* const record = find(instance);
  if (record == nullptr || !record->live || record->program != program) return false;
  record->spoiled = record->comings;
  return true;
}

bool InstanceBook::is_spoiled(std::string const& instance, std::string const& container) const {
  auto const* const record = find(instance);
  return record != nullptr && record->live && record->instance.container == container &&
         record->spoiled == record->comings;
}

bool InstanceBook::is_held(std::string const& instance) const {
  auto const* const record = find(instance);
  return record != nullptr && record->held;
}

// ---- what is heard ------------------------------------------------------------------------------

void InstanceBook::note_came(InstanceRecord& record) {
  record.seen.phase = Phase::running;
  record.seen.came = clock_.boot_now();
  set_live(record, true);
}

void InstanceBook::note_ended(InstanceRecord& record, EngineNews const& news) {
  bool const was_up = record.seen.phase == Phase::running;
  record.seen.phase =
      news.kind == EngineNews::Kind::ended ? std::optional{Phase::ended} : std::nullopt;
  set_live(record, false);
  if (!was_up) return;
  if (note_end(record.seen, clock_.boot_now(), news.end) == Run::calm) record.backoff.reset();
  // Where its engine does not start it again by itself, that is done after a wait.
  if (!record.seen.ends.empty())
    record.retry_at = steady_clock::now() + record.backoff.next(random_);
}

void InstanceBook::note_vitals(std::string const& instance, std::string const& container,
                               std::uint64_t coming, Vitals vitals) {
  auto* const record = find(instance);
  if (record == nullptr || record->instance.container != container) return;
  bool const another = record->live && record->comings == coming && record->program > 0 &&
                       vitals.phase == Phase::running && vitals.pid > 0 &&
                       vitals.pid != record->program;
  note_restarts(record->seen, vitals, clock_.now());
  record->vitals = std::move(vitals);
  if (!another) return;
  EngineNews const unheard{EngineNews::Kind::ended, container, {}};
  note_ended(*record, unheard);
  note_came(*record);
}

void InstanceBook::note_program(std::string const& instance, std::string const& container,
                                int pid) {
  auto* const record = find(instance);
  if (record != nullptr && record->instance.container == container) record->program = pid;
}

bool InstanceBook::note_beat(std::string const& instance, Busy busy) {
  auto* const record = find(instance);
  if (record == nullptr || !record->live) return false;
  record->seen.heartbeat = clock_.boot_now();
  record->heartbeat = clock_.now();
  record->busy = busy;
  return busy == Busy::no && record->put_off;
}

void InstanceBook::set_live(InstanceRecord& record, bool live) {
  if (record.live == live) return;
  record.live = live;
  if (live) ++record.comings;
  if (!live) {
    record.held = false;
    record.program = 0;
    record.busy.reset();
    record.seen.heartbeat.reset();
  }
  for (auto const& listener : listeners_)
    listener(record.instance, live ? LiveChange::came : LiveChange::gone);
}

// ---- what is asked ------------------------------------------------------------------------------

InstanceRecord* InstanceBook::find(std::string const& instance) {
  auto const found = records_.find(instance);
  return found == records_.end() ? nullptr : &found->second;
}

InstanceRecord const* InstanceBook::find(std::string const& instance) const {
  auto const found = records_.find(instance);
  return found == records_.end() ? nullptr : &found->second;
}

InstanceRecord* InstanceBook::find_by_container(std::string const& container) {
  if (container.empty()) return nullptr;
  for (auto& [name, record] : records_)
    if (record.instance.container == container) return &record;
  return nullptr;
}

Result<LiveInstance> InstanceBook::with_container(std::string const& instance) const {
  auto const* const record = find(instance);
  if (record == nullptr) return fail(ErrorCode::not_found, "there is no instance {}", instance);
  if (record->instance.container.empty())
    return fail(ErrorCode::not_found, "the instance {} has no container", instance);
  return record->instance;
}

std::vector<LiveInstance> InstanceBook::live() const {
  std::vector<LiveInstance> all;
  for (auto const& [name, record] : records_)
    if (record.live) all.push_back(record.instance);
  return all;
}

std::vector<std::string> InstanceBook::restarting() const {
  std::vector<std::string> names;
  for (auto const& [name, record] : records_)
    if (record.seen.phase == Phase::restarting) names.push_back(name);
  return names;
}

std::vector<std::string> InstanceBook::names_of(std::string const& agent) const {
  std::vector<std::string> names;
  for (auto const& [name, record] : records_)
    if (record.instance.of.agent == agent) names.push_back(name);
  return names;
}

Health InstanceBook::health_of(InstanceRecord const& record) const {
  auto const now = clock_.boot_now();
  Seen seen = record.seen;
  // Frozen it cannot say anything.
  if (record.held) seen.heartbeat = now;
  return judge(seen, now);
}

InstanceStatus InstanceBook::status_of(InstanceRecord const& record) const {
  InstanceStatus status;
  status.instance = record.instance;
  status.health = health_of(record);
  status.since = status.health.state == record.state ? record.since : clock_.now();
  status.wanted = record.seen.wanted;
  status.restarts = record.vitals.restarts;
  status.image = record.vitals.image.empty() ? record.image : record.vitals.image;
  status.heartbeat = record.heartbeat;
  status.busy = record.busy;
  auto const left = record.retry_at - steady_clock::now();
  if (left > Millis{0}) status.retry_in = std::chrono::duration_cast<Millis>(left);
  return status;
}

std::vector<InstanceStatus> InstanceBook::status() const {
  std::vector<InstanceStatus> all;
  for (auto const& [name, record] : records_)
    all.push_back(status_of(record));
  return all;
}

void InstanceBook::tell_states() {
  for (auto& [name, record] : records_) {
    auto const health = health_of(record);
    if (health.state == record.state) continue;
    log::info("fleet-instance", {{"instance", name},
                                 {"from", to_string(record.state)},
                                 {"to", to_string(health.state)},
                                 {"reason", health.reason}});
    record.state = health.state;
    record.since = clock_.now();
  }
}

}  // namespace drover::fleet
