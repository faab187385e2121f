#include "fleet/reconciler.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "fleet/engine_pass.h"

namespace drover::fleet {

using std::chrono::steady_clock;

namespace {

// Engines tell each thing by itself; what belongs together is one pass.
constexpr Millis kCalm{300};

void say(std::string_view event, std::vector<std::string> const& names) {
  if (!names.empty())
    log::info(event,
              {{"count", names.size()}, {"instances", fmt::format("{}", fmt::join(names, ","))}});
}

// One line a class; of those where nothing happened only when somebody asked.
void report(Summary const& summary, Scope const& scope) {
  say("fleet-created", summary.created);
  say("fleet-updated", summary.updated);
  say("fleet-removed", summary.removed);
  if (scope.waits == Waits::ignored) say("fleet-unchanged", summary.unchanged);
  if (summary.failed.empty()) return;
  std::vector<std::string> names;
  for (auto const& failure : summary.failed)
    names.push_back(failure.instance);
  log::warn("fleet-failed", {{"count", names.size()},
                             {"instances", fmt::format("{}", fmt::join(names, ","))},
                             {"reason", summary.failed.front().error.text()}});
}

}  // namespace

Reconciler::Reconciler(ReconcilerParts parts, ReconcilerOptions options)
    : parts_(std::move(parts)),
      options_(std::move(options)),
      states_(parts_.writer, parts_.clock, parts_.prepare_host, parts_.wipe_host, options_.users),
      book_(parts_.clock, parts_.random, options_.backoff),
      changed_(parts_.executor),
      tasks_(parts_.executor, "fleet") {}

Status Reconciler::load(store::Database& database) {
  DROVER_TRY(states_.load(database));
  book_.note_wanted(wanted_now(), states_.known());
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
  // Whoever asks before the pass sees what is to come.
  if (book_.names_of(agent).empty()) book_.note_wanted(wanted_now(), states_.known());
  dirty_.insert(std::move(agent));
  changed_.notify();
}

steady_clock::time_point Reconciler::next_look() const {
  return book_.next_try(steady_clock::now() + options_.period);
}

Task<void> Reconciler::run() {
  while (!stopping_) {
    auto const wake = next_look();
    while (!stopping_ && !all_dirty_ && dirty_.empty() && steady_clock::now() < wake) {
      auto const seen = changed_.version();
      co_await changed_.wait(seen, wake);
      book_.tell_states();
    }
    auto const calm = steady_clock::now() + (looked_ ? kCalm : Millis{0});
    while (!stopping_ && steady_clock::now() < calm) {
      auto const seen = changed_.version();
      co_await changed_.wait(seen, calm);
    }
    if (stopping_) co_return;
    Scope scope;
    if (!all_dirty_ && dirty_.size() == 1) scope.agent = *dirty_.begin();
    co_await pass(std::move(scope));
    book_.tell_states();
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
  return wanted_fleet(parts_.agents(), states_.known(), options_.places);
}

// One whose rows and agents are all somewhere else is not asked.
bool Reconciler::concerns(FleetEngine const& engine, Scope const& scope,
                          Wanted const& wanted) const {
  for (auto const& [name, instance] : wanted.instances)
    if (instance.backend == engine.backend() && scope.has(instance.of.agent)) return true;
  for (auto const& [name, known] : states_.known())
    if (known.backend == engine.backend() && scope.has(known.of.agent)) return true;
  return false;
}

Task<void> Reconciler::begin_alone() {
  while (busy_) {
    auto const seen = changed_.version();
    co_await changed_.wait(seen);
  }
  busy_ = true;
}

void Reconciler::end_alone() {
  busy_ = false;
  changed_.notify();
}

Task<Summary> Reconciler::pass(Scope scope) {
  co_await begin_alone();
  // What comes from here on may not be seen by this pass.
  if (scope.agent) {
    dirty_.erase(*scope.agent);
  } else {
    all_dirty_ = false;
    dirty_.clear();
  }
  auto summary = co_await pass_alone(scope);
  looked_ = true;
  end_alone();
  report(summary, scope);
  co_return summary;
}

Task<Summary> Reconciler::pass_alone(Scope scope) {
  Summary summary;
  auto wanted = wanted_now();
  auto const remembered = co_await states_.remember(wanted);
  if (!remembered) {
    for (auto const& [name, instance] : wanted.instances)
      if (scope.has(instance.of.agent)) {
        book_.note_failure(name, remembered.error());
        summary.failed.push_back({name, remembered.error()});
      }
    co_return summary;
  }
  if (*remembered > 0) wanted = wanted_now();  // with the users that they were given
  book_.note_wanted(wanted, states_.known());
  for (auto const& refused : wanted.refused)
    if (scope.has(refused.of.agent)) summary.failed.push_back({refused.instance, refused.error});
  co_await pass_engines(scope, wanted, summary);
  fail_without_engine(scope, wanted, summary);
  book_.end_waits(scope);
  bool const any = !summary.created.empty() || !summary.removed.empty() ||
                   !summary.updated.empty() || !summary.failed.empty();
  if (scope.agent && !any && summary.unchanged.empty()) summary.unchanged.push_back(*scope.agent);
  co_return summary;
}

Task<void> Reconciler::pass_engines(Scope scope, Wanted const& wanted, Summary& summary) {
  for (FleetEngine* const engine : parts_.engines) {
    if (stopping_ || !concerns(*engine, scope, wanted)) continue;
    PassParts parts{.executor = parts_.executor,
                    .engine = *engine,
                    .book = book_,
                    .states = states_,
                    .wanted = wanted,
                    .stopping = stopping_};
    PassOptions options;
    options.scope = scope;
    options.prefix = options_.places.prefix;
    options.grace = options_.grace;
    options.at_once = options_.at_once;
    EnginePass pass{std::move(parts), std::move(options)};
    co_await pass.run(summary);
  }
  // Whether that is a loop only their engine knows, if it began before this server.
  for (auto const& name : book_.restarting())
    co_await look_after(name);
}

void Reconciler::fail_without_engine(Scope const& scope, Wanted const& wanted, Summary& summary) {
  for (auto const& [name, instance] : wanted.instances) {
    if (!scope.has(instance.of.agent) || engine_of(instance.backend) != nullptr) continue;
    Error const error{ErrorCode::unsupported,
                      fmt::format("this server has no backend {} for {}", instance.backend, name),
                      "drover doctor says what is in the way"};
    book_.note_failure(name, error);
    summary.failed.push_back({name, error});
  }
}

// ---- what engines say ---------------------------------------------------------------------------

void Reconciler::hear(FleetEngine const& engine, EngineNews const& news) {
  if (stopping_) return;
  auto* const record = book_.find_by_container(news.container);
  if (record == nullptr) {
    if (news.container.empty()) tasks_.spawn(look_after_all(std::string{engine.backend()}), "look");
    trigger();
    return;
  }
  if (news.kind == EngineNews::Kind::came)
    book_.note_came(*record);
  else if (news.kind != EngineNews::Kind::look)
    book_.note_ended(*record, news);
  tasks_.spawn(look_after(record->instance.name), "look");
  trigger(record->instance.of.agent);
}

// How often it was started again, and what it runs, is the engine's to say.
Task<void> Reconciler::look_after(std::string instance) {
  auto const place = place_of(instance);
  if (!place || stopping_) co_return;
  auto const coming = book_.find(instance)->comings;
  auto vitals = co_await place->engine->describe(place->container);
  if (vitals) book_.note_vitals(instance, place->container, coming, *std::move(vitals));
}

// What it did while it was not listened to: its containers may have been started again.
Task<void> Reconciler::look_after_all(std::string backend) {
  for (auto const& one : book_.live())
    if (one.backend == backend) co_await look_after(one.name);
}

FleetEngine* Reconciler::engine_of(std::string_view backend) const {
  for (FleetEngine* const engine : parts_.engines)
    if (engine->backend() == backend) return engine;
  return nullptr;
}

// ---- the end of a state -------------------------------------------------------------------------

Task<Status> Reconciler::wipe(std::string agent, std::optional<std::string> instance) {
  auto const asked = unwanted_states(agent, instance);
  if (!asked) co_return std::unexpected(asked.error());
  // Whatever of it still runs goes first.
  auto const summary = co_await reconcile_one(agent);
  for (auto const& failure : summary.failed)
    if (std::ranges::find(*asked, failure.instance) != asked->end())
      co_return std::unexpected(failure.error);
  // No pass may make again what goes, and somebody may want it by now.
  co_await begin_alone();
  auto names = unwanted_states(agent, instance);
  Status done;
  if (names)
    done = co_await wipe_alone(*std::move(names));
  else
    done = std::unexpected(names.error());
  end_alone();
  co_return done;
}

Result<std::vector<std::string>> Reconciler::unwanted_states(
    std::string const& agent, std::optional<std::string> const& instance) const {
  std::vector<std::string> names;
  for (auto const& [name, known] : states_.known())
    if (known.of.agent == agent && (!instance || *instance == name)) names.push_back(name);
  if (names.empty())
    return fail(ErrorCode::not_found, "the agent {} has no state{}", agent,
                instance ? fmt::format(" of an instance {}", *instance) : "");
  auto const wanted = wanted_now();
  for (auto const& name : names) {
    bool const refused = std::ranges::any_of(wanted.refused, [&](Refused const& one) {
      return one.instance == name && one.of.agent == agent;
    });
    if (refused || wanted.instances.contains(name))
      return fail_next(ErrorCode::conflict,
                       fmt::format("{} is wanted, so its state is not wiped", name),
                       "disable its agent first, or give it fewer replicas");
  }
  return names;
}

Task<Status> Reconciler::wipe_alone(std::vector<std::string> names) {
  for (auto const& name : names) {
    auto const known = states_.known().at(name);
    auto* const engine = engine_of(known.backend);
    if (engine == nullptr)
      co_return fail(ErrorCode::unsupported,
                     "this server has no backend {}, which has the state of {}", known.backend,
                     name);
    auto const wiped = co_await states_.wipe(*engine, name);
    if (!wiped) co_return wiped;
    book_.note_wanted(wanted_now(), states_.known());
    log::info("fleet-wiped", {{"instance", name}});
  }
  co_return Status{};
}

}  // namespace drover::fleet
