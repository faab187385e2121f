#include "fleet/reconciler.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "base/log.h"

namespace drover::fleet {

using std::chrono::steady_clock;

namespace {

// Engines tell each thing by itself; what belongs together is one pass.
constexpr Millis kCalm{300};
// The second is for what came between the look and the steps, such as a creation whose answer was
// lost.
constexpr int kRounds = 2;

std::string joined(std::vector<std::string> const& names) {
  return fmt::format("{}", fmt::join(names, ","));
}

}  // namespace

struct Reconciler::Job {
  InstancePlan plan;
  std::optional<Instance> instance;  // where it is wanted
  Status done;
};

// What is worked off together.
struct Reconciler::Round {
  FleetEngine* engine = nullptr;
  std::vector<Job> jobs;
  std::size_t next = 0;
};

Reconciler::Reconciler(ReconcilerParts parts, ReconcilerOptions options)
    : parts_(std::move(parts)),
      options_(std::move(options)),
      changed_(parts_.executor),
      tasks_(parts_.executor, "fleet") {}

Status Reconciler::load(store::Database& database) {
  auto known = load_known(database);
  if (!known) return std::unexpected(known.error());
  known_ = *std::move(known);
  note_wanted(wanted_now());
  return {};
}

void Reconciler::watch() {
  for (FleetEngine* const engine : parts_.engines) {
    auto told = [this, engine](EngineNews const& news) { hear(*engine, news); };
    auto needed = [this, engine] {
      Scope const all;
      return !stopping_ && concerns(*engine, all, wanted_now());
    };
    engine->watch(std::move(told), std::move(needed));
  }
}

// ---- triggers -----------------------------------------------------------------------------------

void Reconciler::trigger() {
  all_dirty_ = true;
  changed_.notify();
}

void Reconciler::trigger(std::string agent) {
  dirty_.insert(std::move(agent));
  changed_.notify();
}

steady_clock::time_point Reconciler::next_look() const {
  auto next = steady_clock::now() + options_.period;
  for (auto const& [name, record] : records_)
    if (record.retry_at != steady_clock::time_point{}) next = std::min(next, record.retry_at);
  return next;
}

Task<void> Reconciler::run() {
  while (!stopping_) {
    auto const wake = next_look();
    while (!stopping_ && !all_dirty_ && dirty_.empty() && steady_clock::now() < wake) {
      auto const seen = changed_.version();
      co_await changed_.wait(seen, wake);
      tell_states();
    }
    if (stopping_) co_return;
    auto const calm = steady_clock::now() + (looked_ ? kCalm : Millis{0});
    while (!stopping_ && steady_clock::now() < calm) {
      auto const seen = changed_.version();
      co_await changed_.wait(seen, calm);
    }
    if (stopping_) co_return;
    Scope scope;
    if (!all_dirty_ && dirty_.size() == 1) scope.agent = *dirty_.begin();
    co_await pass(std::move(scope));
    tell_states();
  }
}

Task<void> Reconciler::looked(steady_clock::time_point deadline) {
  while (!looked_ && !stopping_ && steady_clock::now() < deadline) {
    auto const seen = changed_.version();
    co_await changed_.wait(seen, deadline);
  }
}

Task<void> Reconciler::stop() {
  stopping_ = true;
  changed_.notify();
  for (FleetEngine* const engine : parts_.engines)
    co_await engine->stop();
  co_await tasks_.join();
  while (busy_) {
    auto const seen = changed_.version();
    co_await changed_.wait(seen);
  }
}

Task<Summary> Reconciler::reconcile_all() {
  Scope scope;
  scope.waits = Waits::ignored;
  co_return co_await pass(std::move(scope));
}

Task<Summary> Reconciler::reconcile_one(std::string agent) {
  Scope scope;
  scope.agent = std::move(agent);
  scope.waits = Waits::ignored;
  co_return co_await pass(std::move(scope));
}

// ---- one pass -----------------------------------------------------------------------------------

Wanted Reconciler::wanted_now() const {
  return wanted_fleet(parts_.agents(), known_, options_.places);
}

bool Reconciler::in_scope(Scope const& scope, std::string const& agent) const {
  return !scope.agent || *scope.agent == agent;
}

// One whose rows and agents are all somewhere else is not asked.
bool Reconciler::concerns(FleetEngine const& engine, Scope const& scope,
                          Wanted const& wanted) const {
  for (auto const& [name, instance] : wanted.instances)
    if (instance.backend == engine.backend() && in_scope(scope, instance.of.agent)) return true;
  for (auto const& [name, known] : known_)
    if (known.backend == engine.backend() && in_scope(scope, known.of.agent)) return true;
  return false;
}

Task<Summary> Reconciler::pass(Scope scope) {
  while (busy_) {
    auto const seen = changed_.version();
    co_await changed_.wait(seen);
  }
  busy_ = true;
  // What comes from here on may not be seen by this pass.
  if (scope.agent) {
    dirty_.erase(*scope.agent);
  } else {
    all_dirty_ = false;
    dirty_.clear();
  }
  auto summary = co_await pass_locked(scope);
  busy_ = false;
  looked_ = true;
  changed_.notify();
  report(summary, scope);
  co_return summary;
}

Task<Summary> Reconciler::pass_locked(Scope scope) {
  Summary summary;
  auto wanted = wanted_now();
  auto const remembered = co_await remember(wanted);
  if (!remembered) {
    for (auto const& [name, instance] : wanted.instances)
      if (in_scope(scope, instance.of.agent)) {
        note_failure(name, remembered.error());
        summary.failed.push_back({name, remembered.error()});
      }
    co_return summary;
  }
  if (*remembered > 0) wanted = wanted_now();  // with the users that they were given
  note_wanted(wanted);
  for (auto const& refused : wanted.refused)
    if (in_scope(scope, refused.of.agent))
      summary.failed.push_back({refused.instance, refused.error});
  bool any = !summary.failed.empty();
  for (FleetEngine* const engine : parts_.engines) {
    if (stopping_ || !concerns(*engine, scope, wanted)) continue;
    any = true;
    co_await pass_engine(*engine, scope, wanted, summary);
  }
  for (auto const& [name, instance] : wanted.instances) {
    if (!in_scope(scope, instance.of.agent) || engine_of(instance.backend) != nullptr) continue;
    any = true;
    Error const error{ErrorCode::unsupported,
                      fmt::format("this server has no backend {} for {}", instance.backend, name),
                      "drover doctor says what is in the way"};
    note_failure(name, error);
    summary.failed.push_back({name, error});
  }
  // What was waited for was looked at.
  for (auto& [name, record] : records_)
    if (in_scope(scope, record.instance.of.agent) && record.retry_at <= steady_clock::now())
      record.retry_at = {};
  if (scope.agent && !any) summary.unchanged.push_back(*scope.agent);
  co_return summary;
}

// Before anything of an instance is made: what is made is then known to be ours, whatever happens.
Task<Result<std::size_t>> Reconciler::remember(Wanted const& wanted) {
  std::map<std::string, Known> fresh;
  std::set<uid_t> taken;
  for (auto const& [name, known] : known_)
    taken.insert(known.uid);
  uid_t offset = 0;
  for (auto const& [name, instance] : wanted.instances) {
    if (known_.contains(name)) continue;
    Known known;
    known.of = instance.of;
    known.backend = instance.backend;
    known.volume = instance.volume;
    if (::geteuid() == 0) {
      while (offset < options_.uid_count && taken.contains(options_.uid_first + offset))
        ++offset;
      if (offset == options_.uid_count)
        co_return fail_next(ErrorCode::too_large,
                            fmt::format("all {} users of instances are taken", options_.uid_count),
                            "wipe agents that are no longer needed");
      known.uid = options_.uid_first + offset++;
    }
    fresh.emplace(name, std::move(known));
  }
  if (fresh.empty()) co_return 0;
  auto const now = parts_.clock.now();
  auto const stored =
      co_await parts_.writer.run([fresh, now](store::Transaction& transaction) -> Status {
        for (auto const& [name, known] : fresh)
          DROVER_TRY(put_known(transaction.db(), name, known, now));
        return {};
      });
  if (!stored) co_return std::unexpected(stored.error());
  known_.insert(fresh.begin(), fresh.end());
  co_return fresh.size();
}

Task<Result<std::vector<Actual>>> Reconciler::look(FleetEngine& engine, Scope scope) {
  auto actual = co_await engine.list();
  if (!actual) co_return actual;
  std::erase_if(*actual, [&](Actual const& one) {
    if (in_scope(scope, one.agent)) return false;
    auto const known = known_.find(one.instance);
    return known == known_.end() || !in_scope(scope, known->second.of.agent);
  });
  for (Actual& one : *actual) {
    auto const found = records_.find(one.instance);
    bool const held = found != records_.end() && found->second.held;
    if (held && one.phase == Phase::paused) one.phase = Phase::running;
  }
  take_in(*actual, engine, scope);
  co_return actual;
}

std::vector<InstancePlan> Reconciler::plans_for(FleetEngine const& engine, Scope const& scope,
                                                Wanted const& wanted,
                                                std::vector<Actual> const& actual) const {
  WantedInstances here;
  for (auto const& [name, instance] : wanted.instances)
    if (instance.backend == engine.backend() && in_scope(scope, instance.of.agent))
      here.emplace(name, instance);
  InstanceNames kept;
  // A name that is another's has that one's container.
  for (auto const& refused : wanted.refused) {
    auto const known = known_.find(refused.instance);
    bool const own = known != known_.end() && known->second.of == refused.of;
    if (own && !here.contains(refused.instance)) kept.insert(refused.instance);
  }
  // Of another agent, which is not in the scope.
  for (auto const& [name, instance] : wanted.instances)
    if (!in_scope(scope, instance.of.agent)) kept.insert(name);
  return plan(here, kept, actual, options_.places.prefix);
}

Task<void> Reconciler::pass_engine(FleetEngine& engine, Scope scope, Wanted const& wanted,
                                   Summary& summary) {
  std::map<std::string, Outcome> outcomes;
  std::map<std::string, Error> failures;
  for (int number = 1; number <= kRounds && !stopping_; ++number) {
    auto const actual = co_await look(engine, scope);
    if (!actual) {
      for (auto const& [name, instance] : wanted.instances)
        if (instance.backend == engine.backend() && in_scope(scope, instance.of.agent))
          failures.insert_or_assign(name, actual.error());
      break;
    }
    auto round = std::make_shared<Round>();
    round->engine = &engine;
    for (auto& one : plans_for(engine, scope, wanted, *actual)) {
      if (number == 1) outcomes[one.instance] = one.outcome;
      auto const failed = failures.find(one.instance);
      if (one.steps.empty()) {
        if (one.outcome == Outcome::failed)
          failures.insert_or_assign(one.instance, Error{ErrorCode::conflict, one.reason, {}});
        else if (failed != failures.end())
          failures.erase(failed);
        continue;
      }
      // Only what came in between is worth a second try at once.
      if (number > 1 && failed != failures.end() && failed->second.code != ErrorCode::conflict)
        continue;
      if (number == 1 && scope.waits == Waits::respected && waits(one.instance)) {
        outcomes.erase(one.instance);
        continue;
      }
      if (put_off(one)) {
        outcomes[one.instance] = Outcome::unchanged;
        continue;
      }
      auto const found = wanted.instances.find(one.instance);
      Job job;
      if (found != wanted.instances.end()) job.instance = found->second;
      job.plan = std::move(one);
      round->jobs.push_back(std::move(job));
    }
    if (round->jobs.empty()) break;
    co_await carry_out_all(round);
    for (auto const& job : round->jobs) {
      auto const& name = job.plan.instance;
      if (job.done) {
        failures.erase(name);
        if (number > 1 && outcomes[name] == Outcome::unchanged) outcomes[name] = job.plan.outcome;
      } else {
        failures.insert_or_assign(name, job.done.error());
        // Nothing of ours has the name, as the second look has shown.
        record_of(name).seen.foreign = number > 1 && job.done.error().code == ErrorCode::conflict;
      }
    }
  }
  for (auto const& [name, error] : failures) {
    note_failure(name, error);
    summary.failed.push_back({name, error});
  }
  for (auto const& [name, outcome] : outcomes) {
    if (failures.contains(name)) continue;
    note_success(name);
    if (outcome == Outcome::created) summary.created.push_back(name);
    if (outcome == Outcome::removed) summary.removed.push_back(name);
    if (outcome == Outcome::updated) summary.updated.push_back(name);
    if (outcome == Outcome::unchanged) summary.unchanged.push_back(name);
  }
}

bool Reconciler::put_off(InstancePlan const& plan) {
  auto const found = records_.find(plan.instance);
  if (found == records_.end()) return false;
  Record& record = found->second;
  auto const& said = record.seen.heartbeat;
  bool const answers = record.held || (said && parts_.clock.boot_now() - *said < kHeartbeatWait);
  bool const works = record.live && record.busy == Busy::yes && answers;
  record.put_off =
      works && std::ranges::any_of(plan.steps, [&](Step const& step) {
        return step.kind == Step::Kind::remove && step.container == record.instance.container;
      });
  return record.put_off;
}

// ---- the steps ----------------------------------------------------------------------------------

Task<void> Reconciler::carry_out_all(std::shared_ptr<Round> round) {
  os::TaskGroup workers{parts_.executor, "fleet"};
  for (std::size_t i = 0; i < std::min(options_.at_once, round->jobs.size()); ++i)
    workers.spawn(work_off(round), "reconcile");
  co_await workers.join();
}

Task<void> Reconciler::work_off(std::shared_ptr<Round> round) {
  while (round->next < round->jobs.size()) {
    Job& job = round->jobs[round->next++];
    if (stopping_) {
      job.done = fail(ErrorCode::cancelled, "drover ends");
      continue;
    }
    auto const* const instance = job.instance ? &*job.instance : nullptr;
    job.done = co_await carry_out(*round->engine, job.plan, instance);
  }
}

// `instance` is null for one that nobody wants.
Task<Status> Reconciler::carry_out(FleetEngine& engine, InstancePlan plan,
                                   Instance const* instance) {
  std::string made;
  for (auto& step : plan.steps) {
    std::string const container = step.container.empty() ? made : step.container;
    Status done;
    switch (step.kind) {
      case Step::Kind::create: {
        done = co_await make_state(engine, *instance);
        if (!done) co_return done;
        auto created = co_await engine.create(*instance, step.name);
        if (!created) co_return std::unexpected(created.error());
        made = *std::move(created);
        break;
      }
      case Step::Kind::start:
        done = co_await engine.start(container);
        break;
      case Step::Kind::unpause:
        done = co_await engine.unpause(container);
        break;
      case Step::Kind::rename:
        done = co_await engine.rename(container, step.name);
        break;
      case Step::Kind::remove: {
        auto const found = records_.find(plan.instance);
        if (found != records_.end() && found->second.instance.container == container)
          set_live(found->second, false);
        done = co_await engine.remove(container, options_.grace);
        break;
      }
    }
    if (!done) co_return done;
  }
  co_return Status{};
}

// A state that was made once is never made again: it would be empty, and nobody would know.
Task<Status> Reconciler::make_state(FleetEngine& engine, Instance instance) {
  auto const prepared = co_await parts_.prepare_host(instance);
  if (!prepared) co_return prepared;
  auto const state = co_await engine.volume(instance);
  if (!state) co_return std::unexpected(state.error());
  std::string const what =
      instance.volume.empty() ? "folder of its state" : fmt::format("volume {}", instance.volume);
  if (*state == VolumeState::foreign)
    co_return fail_next(ErrorCode::forbidden,
                        fmt::format("the {} of {} is not of this server", what, instance.name),
                        "remove it if nobody needs it, or set another DROVER_FLEET_PREFIX");
  bool const made = known_.at(instance.name).volume_made;
  if (made && *state == VolumeState::missing)
    co_return fail_next(
        ErrorCode::data_corrupt,
        fmt::format("the {} of {}, which holds its state, is gone", what, instance.name),
        fmt::format("restore it; or, to begin with an empty one, disable the agent, drover agents "
                    "wipe {}, and enable it",
                    instance.of.agent));
  if (made) co_return Status{};
  auto const done = co_await engine.make_volume(instance);
  if (!done) co_return done;
  auto const stored =
      co_await parts_.writer.run([name = instance.name](store::Transaction& transaction) -> Status {
        return set_volume_made(transaction.db(), name, true);
      });
  if (stored) known_.at(instance.name).volume_made = true;
  co_return stored;
}

// ---- what is known ------------------------------------------------------------------------------

Reconciler::Record& Reconciler::record_of(std::string const& name) {
  auto const [found, added] = records_.try_emplace(name);
  Record& record = found->second;
  if (!added) return record;
  record.instance.name = name;
  record.backoff = redis::Backoff{options_.backoff};
  record.since = parts_.clock.now();
  return record;
}

bool Reconciler::waits(std::string const& instance) const {
  auto const found = records_.find(instance);
  return found != records_.end() && steady_clock::now() < found->second.retry_at;
}

void Reconciler::note_wanted(Wanted const& wanted) {
  for (auto& [name, record] : records_)
    record.seen.wanted = false;
  auto const begin = [this](std::string const& name, Replica const& of,
                            std::string const& backend) -> Record& {
    Record& record = record_of(name);
    record.instance.of = of;
    record.instance.backend = backend;
    return record;
  };
  for (auto const& [name, known] : known_)
    begin(name, known.of, known.backend).instance.uid = known.uid;
  for (auto const& [name, instance] : wanted.instances) {
    auto& record = begin(name, instance.of, instance.backend);
    record.seen.wanted = true;
    record.image = instance.workload.image;
  }
  for (auto const& refused : wanted.refused) {
    // A name that is another's has that one's record.
    auto const known = known_.find(refused.instance);
    bool const others = wanted.instances.contains(refused.instance) ||
                        (known != known_.end() && known->second.of != refused.of);
    if (others) continue;
    auto& record =
        begin(refused.instance, refused.of, known == known_.end() ? "" : known->second.backend);
    record.seen.wanted = true;
    record.seen.failure = refused.error;
  }
  std::erase_if(records_, [this](auto const& entry) {
    return !entry.second.seen.wanted && !known_.contains(entry.first) && !entry.second.live;
  });
}

void Reconciler::note_failure(std::string const& instance, Error error) {
  auto& record = record_of(instance);
  record.retry_at = steady_clock::now() + record.backoff.next(parts_.random);
  record.seen.failure = std::move(error);
}

void Reconciler::note_success(std::string const& instance) {
  auto& record = record_of(instance);
  record.seen.failure.reset();
  record.seen.foreign = false;
  auto const now = parts_.clock.boot_now();
  bool const calm = record.seen.came && now - *record.seen.came >= kCalmRun;
  record.retry_at = {};
  if (calm || record.seen.ends.empty()) record.backoff.reset();
}

void Reconciler::take_in(std::vector<Actual> const& actual, FleetEngine const& engine,
                         Scope const& scope) {
  auto const now = parts_.clock.boot_now();
  for (auto& [name, record] : records_) {
    if (record.instance.backend != engine.backend() || !in_scope(scope, record.instance.of.agent))
      continue;
    Actual const* best = nullptr;
    for (Actual const& one : actual)
      if (one.instance == name && (best == nullptr || one.phase == Phase::running)) best = &one;
    if (best == nullptr) {
      record.seen.phase.reset();
      set_live(record, false);
      record.instance.container.clear();
      continue;
    }
    if (record.instance.container != best->id) {
      set_live(record, false);
      record.vitals = {};
      record.seen.came.reset();
    }
    record.instance.container = best->id;
    record.instance.hash = best->hash;
    record.seen.phase = best->phase;
    if (best->phase == Phase::running && !record.seen.came) record.seen.came = now;
    set_live(record, best->phase == Phase::running);
  }
}

void Reconciler::set_live(Record& record, bool live) {
  if (record.live == live) return;
  record.live = live;
  if (!live) {
    record.held = false;
    record.busy.reset();
    record.seen.heartbeat.reset();
  }
  for (auto const& listener : live_listeners_)
    listener(record.instance, live ? LiveChange::came : LiveChange::gone);
}

// One line a class; of those where nothing happened only when somebody asked.
void Reconciler::report(Summary const& summary, Scope const& scope) const {
  auto const say = [](std::string_view event, std::vector<std::string> const& names) {
    if (!names.empty()) log::info(event, {{"count", names.size()}, {"instances", joined(names)}});
  };
  say("fleet-created", summary.created);
  say("fleet-updated", summary.updated);
  say("fleet-removed", summary.removed);
  if (scope.waits == Waits::ignored) say("fleet-unchanged", summary.unchanged);
  if (summary.failed.empty()) return;
  std::vector<std::string> names;
  for (auto const& failure : summary.failed)
    names.push_back(failure.instance);
  log::warn("fleet-failed", {{"count", names.size()},
                             {"instances", joined(names)},
                             {"reason", summary.failed.front().error.text()}});
}

Health Reconciler::health_of(Record const& record) const {
  auto const now = parts_.clock.boot_now();
  Seen seen = record.seen;
  // Frozen it cannot say anything.
  if (record.held) seen.heartbeat = now;
  return judge(seen, now);
}

// A state is told once, when it is another.
void Reconciler::tell_states() {
  for (auto& [name, record] : records_) {
    auto const health = health_of(record);
    if (health.state == record.state) continue;
    log::info("fleet-instance", {{"instance", name},
                                 {"from", to_string(record.state)},
                                 {"to", to_string(health.state)},
                                 {"reason", health.reason}});
    record.state = health.state;
    record.since = parts_.clock.now();
  }
}

// ---- what engines say ---------------------------------------------------------------------------

Reconciler::Record* Reconciler::find_by_container(std::string const& container) {
  for (auto& [name, record] : records_)
    if (!container.empty() && record.instance.container == container) return &record;
  return nullptr;
}

void Reconciler::hear(FleetEngine&, EngineNews const& news) {
  if (stopping_) return;
  auto* const record = find_by_container(news.container);
  if (record == nullptr) {
    trigger();
    return;
  }
  auto const now = parts_.clock.boot_now();
  if (news.kind == EngineNews::Kind::came) {
    record->seen.phase = Phase::running;
    record->seen.came = now;
    set_live(*record, true);
  } else if (news.kind != EngineNews::Kind::look) {
    bool const was_up = record->seen.phase == Phase::running;
    record->seen.phase =
        news.kind == EngineNews::Kind::ended ? std::optional{Phase::ended} : std::nullopt;
    set_live(*record, false);
    if (was_up && note_end(record->seen, now) == Run::calm) record->backoff.reset();
    // Where its engine does not start it again by itself, that is done after a wait.
    if (was_up && !record->seen.ends.empty())
      record->retry_at = steady_clock::now() + record->backoff.next(parts_.random);
  }
  tasks_.spawn(look_after(record->instance.name), "look");
  trigger(record->instance.of.agent);
}

// How often it was started again, and what it runs, is the engine's to say.
Task<void> Reconciler::look_after(std::string instance) {
  auto const found = records_.find(instance);
  if (found == records_.end() || found->second.instance.container.empty()) co_return;
  auto* const engine = engine_of(found->second.instance.backend);
  if (engine == nullptr || stopping_) co_return;
  std::string const container = found->second.instance.container;
  auto vitals = co_await engine->describe(container);
  auto const again = records_.find(instance);
  if (!vitals || again == records_.end() || again->second.instance.container != container)
    co_return;
  again->second.vitals = *std::move(vitals);
}

FleetEngine* Reconciler::engine_of(std::string_view backend) const {
  for (FleetEngine* const engine : parts_.engines)
    if (engine->backend() == backend) return engine;
  return nullptr;
}

// ---- what is asked ------------------------------------------------------------------------------

InstanceStatus Reconciler::status_of(Record const& record) const {
  InstanceStatus status;
  status.instance = record.instance;
  status.health = health_of(record);
  status.since = status.health.state == record.state ? record.since : parts_.clock.now();
  status.wanted = record.seen.wanted;
  status.restarts = record.vitals.restarts;
  status.image = record.vitals.image.empty() ? record.image : record.vitals.image;
  status.heartbeat = record.heartbeat;
  status.busy = record.busy;
  auto const left = record.retry_at - steady_clock::now();
  if (left > Millis{0}) status.retry_in = std::chrono::duration_cast<Millis>(left);
  return status;
}

std::vector<InstanceStatus> Reconciler::status() const {
  std::vector<InstanceStatus> all;
  for (auto const& [name, record] : records_)
    all.push_back(status_of(record));
  return all;
}

Task<std::vector<InstanceStatus>> Reconciler::status_of(std::string agent) {
  std::vector<std::string> names;
  for (auto const& [name, record] : records_)
    if (record.instance.of.agent == agent) names.push_back(name);
  std::vector<InstanceStatus> all;
  for (auto const& name : names) {
    co_await look_after(name);
    if (auto const found = records_.find(name); found != records_.end())
      all.push_back(status_of(found->second));
  }
  co_return all;
}

std::vector<LiveInstance> Reconciler::live() const {
  std::vector<LiveInstance> all;
  for (auto const& [name, record] : records_)
    if (record.live) all.push_back(record.instance);
  return all;
}

void Reconciler::beat(std::string const& instance, Busy busy) {
  auto const found = records_.find(instance);
  if (found == records_.end() || !found->second.live) return;
  found->second.seen.heartbeat = parts_.clock.boot_now();
  found->second.heartbeat = parts_.clock.now();
  found->second.busy = busy;
  if (busy == Busy::no && found->second.put_off) trigger(found->second.instance.of.agent);
}

Result<Reconciler::Record const*> Reconciler::running(std::string const& instance) const {
  auto const found = records_.find(instance);
  if (found == records_.end())
    return fail(ErrorCode::not_found, "there is no instance {}", instance);
  if (found->second.instance.container.empty())
    return fail(ErrorCode::not_found, "the instance {} has no container", instance);
  return &found->second;
}

Task<Result<int>> Reconciler::program(std::string instance) {
  auto const record = running(instance);
  if (!record) co_return std::unexpected(record.error());
  auto* const engine = engine_of((*record)->instance.backend);
  std::string container = (*record)->instance.container;
  auto const vitals = co_await engine->describe(std::move(container));
  if (!vitals) co_return std::unexpected(vitals.error());
  if (vitals->phase == Phase::running && vitals->pid > 0) co_return vitals->pid;
  co_return fail(ErrorCode::not_found, "the program of {} does not run", instance);
}

Task<Status> Reconciler::freeze(std::string instance) {
  auto const record = running(instance);
  if (!record) co_return std::unexpected(record.error());
  auto* const engine = engine_of((*record)->instance.backend);
  std::string container = (*record)->instance.container;
  // A pass that comes in between is to know.
  records_.find(instance)->second.held = true;
  auto const paused = co_await engine->freeze(std::move(container));
  auto const again = records_.find(instance);
  if (!paused && again != records_.end()) again->second.held = false;
  co_return paused;
}

Task<Status> Reconciler::thaw(std::string instance) {
  auto const record = running(instance);
  if (!record) co_return std::unexpected(record.error());
  auto* const engine = engine_of((*record)->instance.backend);
  std::string container = (*record)->instance.container;
  auto const unpaused = co_await engine->unpause(std::move(container));
  auto const again = records_.find(instance);
  if (unpaused && again != records_.end()) {
    again->second.held = false;
    // It was silent because it had to be.
    if (again->second.live) again->second.seen.heartbeat = parts_.clock.boot_now();
  }
  co_return unpaused;
}

Task<Result<Usage>> Reconciler::usage(std::string instance) {
  auto const record = running(instance);
  if (!record) co_return std::unexpected(record.error());
  auto* const engine = engine_of((*record)->instance.backend);
  std::string container = (*record)->instance.container;
  co_return co_await engine->usage(std::move(container));
}

Task<Result<std::string>> Reconciler::logs(std::string instance, int lines) {
  auto const record = running(instance);
  if (!record) co_return std::unexpected(record.error());
  auto* const engine = engine_of((*record)->instance.backend);
  std::string container = (*record)->instance.container;
  co_return co_await engine->logs(std::move(container), lines);
}

// ---- the end of a state -------------------------------------------------------------------------

Task<Status> Reconciler::wipe(std::string agent, std::optional<std::string> instance) {
  std::vector<std::string> names;
  for (auto const& [name, known] : known_)
    if (known.of.agent == agent && (!instance || *instance == name)) names.push_back(name);
  if (names.empty())
    co_return fail(ErrorCode::not_found, "the agent {} has no state{}", agent,
                   instance ? fmt::format(" of an instance {}", *instance) : "");
  // Whatever of it still runs goes first.
  auto const summary = co_await reconcile_one(agent);
  auto const wanted = wanted_now();
  for (auto const& name : names) {
    bool refused = false;
    for (auto const& one : wanted.refused)
      refused = refused || (one.instance == name && one.of.agent == agent);
    if (refused || wanted.instances.contains(name))
      co_return fail_next(ErrorCode::conflict,
                          fmt::format("{} is wanted, so its state is not wiped", name),
                          "disable its agent first, or give it fewer replicas");
    for (auto const& failure : summary.failed)
      if (failure.instance == name) co_return std::unexpected(failure.error);
  }
  for (auto const& name : names) {
    auto const wiped = co_await wipe_one(name);
    if (!wiped) co_return wiped;
    log::info("fleet-wiped", {{"instance", name}});
  }
  co_return Status{};
}

Task<Status> Reconciler::wipe_one(std::string instance) {
  auto const known = known_.at(instance);
  auto* const engine = engine_of(known.backend);
  if (engine == nullptr)
    co_return fail(ErrorCode::unsupported,
                   "this server has no backend {}, which has the state of {}", known.backend,
                   instance);
  Instance gone;
  gone.name = instance;
  gone.of = known.of;
  gone.backend = known.backend;
  gone.volume = known.volume;
  gone.uid = known.uid;
  auto const there = co_await engine->list();
  if (!there) co_return std::unexpected(there.error());
  for (auto const& one : *there)
    if (one.instance == instance)
      co_return fail(ErrorCode::conflict, "{} still has a container", instance);
  // What is half gone is no state that is missing.
  auto const forgotten =
      co_await parts_.writer.run([instance](store::Transaction& transaction) -> Status {
        return set_volume_made(transaction.db(), instance, false);
      });
  if (!forgotten) co_return forgotten;
  known_.at(instance).volume_made = false;
  auto const wiped = co_await engine->wipe_volume(gone);
  if (!wiped) co_return wiped;
  auto const host = co_await parts_.wipe_host(gone);
  if (!host) co_return host;
  auto const removed =
      co_await parts_.writer.run([instance](store::Transaction& transaction) -> Status {
        return remove_known(transaction.db(), instance);
      });
  if (!removed) co_return removed;
  known_.erase(instance);
  note_wanted(wanted_now());
  co_return Status{};
}

}  // namespace drover::fleet
