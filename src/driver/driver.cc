#include "driver/driver.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "driver/driver_run.h"
#include "os/files.h"
#include "workflow/collation.h"

namespace drover::driver {

namespace {

using SteadyPoint = os::AsyncEvent::TimePoint;

// For a process that is computing when the server stops.
constexpr Millis kStepGrace{2'000};

// A process that never stops asking for what cannot be read is looked at again, after the others.
constexpr int kRoundsMax = 100;

struct Advanced {
  std::optional<Result<workflow::Iterated>> iterated{};  // nullopt: it has to wait for a place
  std::vector<CommandJob> commands{};
  std::vector<workflow::Effect> cancelled{};  // all that were, of a first look
  bool again = false;                         // an effect was ended by the look itself
  bool rewound = false;                       // its journal is another than before
  std::uint64_t rested_at = 0;
  std::string rests_at{};
  Weight weight = Weight::light;
  bool is_in_memory = false;
};

// What one look at a run does: the process, then the commands that it asks for.
Result<Advanced> look(DrivenRun& run, CommandPool& commands,
                      std::vector<std::string> const& under_way, DrivenRun::Start start) {
  DROVER_TRY(run.take());
  for (int round = 0;; ++round) {
    auto stepped = run.step(start);
    if (!stepped) return std::unexpected(stepped.error());
    if (!*stepped) return Advanced{};
    auto iterated = **std::move(stepped);
    bool const waits = iterated.state == workflow::IterateState::waiting;
    bool const has_command =
        waits && std::ranges::any_of(iterated.actions, [](workflow::NextAction const& action) {
          return names_a_command(action.effect.kind, action.definition);
        });
    Advanced advanced;
    if (!has_command) {
      advanced.iterated = std::move(iterated);
      return advanced;
    }
    DROVER_TRY(commands.ready());
    auto begun = run.begin_commands(iterated.actions, under_way);
    if (!begun) return std::unexpected(begun.error());
    if (begun->settled > 0 && begun->jobs.empty() && round < kRoundsMax) continue;
    advanced.iterated = std::move(iterated);
    advanced.commands = std::move(begun->jobs);
    advanced.again = begun->settled > 0;
    return advanced;
  }
}

enum class First : std::uint8_t { no, yes };
Advanced advance_blocking(DrivenRun& run, CommandPool& commands,
                          std::vector<std::string> const& under_way, First first,
                          DrivenRun::Start start) {
  auto looked = look(run, commands, under_way, start);
  Advanced advanced;
  if (looked)
    advanced = *std::move(looked);
  else
    advanced.iterated = std::unexpected(looked.error());
  if (first == First::yes) advanced.cancelled = run.cancelled();
  advanced.rewound = run.was_rewound();
  advanced.rested_at = run.rested_at();
  advanced.rests_at = run.rests_at();
  advanced.weight = run.weight();
  advanced.is_in_memory = run.is_in_memory();
  // What was read goes with the process, or where there is none.
  if (!advanced.is_in_memory) run.rest();
  return advanced;
}

WorkflowState state_of(workflow::Iterated const& iterated) {
  switch (iterated.state) {
    case workflow::IterateState::waiting:
      return WorkflowState::running;
    case workflow::IterateState::completed:
      return WorkflowState::completed;
    case workflow::IterateState::failed:
      return WorkflowState::failed;
    case workflow::IterateState::halted:
      return WorkflowState::halted;
  }
  return WorkflowState::failed;
}

}  // namespace

Driver::Driver(DriverParts parts, DriverOptions options)
    : parts_(parts),
      options_(std::move(options)),
      pool_(options_.threads),
      commands_(std::make_unique<CommandPool>(options_.commands, parts.clock)),
      ended_(parts.io.get_executor()),
      tasks_(parts.io.get_executor(), "workflows"),
      processes_(options_.processes),
      light_(options_.light) {
  DROVER_CHECK(stop_hosts_.valid());
  options_.host.stop_fd = stop_hosts_.get();
}

Driver::~Driver() = default;

void Driver::add(Carrier carrier, EffectCarrier& who) {
  carriers_[carrier] = &who;
}

Task<Status> Driver::start() {
  auto alarm = os::WallAlarm::create(parts_.io.get_executor(), [this] { ring(); });
  if (!alarm) co_return std::unexpected(alarm.error());
  alarm_ = *std::move(alarm);
  auto watch = JournalWatch::create(
      parts_.io.get_executor(),
      [this](std::string const& id, std::uint64_t seq) { on_journal(id, seq); });
  if (!watch) co_return std::unexpected(watch.error());
  watch_ = *std::move(watch);
  auto open = co_await parts_.readers.run(
      [](store::Database& database) { return unfinished_workflows(database); });
  if (!open) co_return std::unexpected(open.error());
  if (!open->empty()) log::info("workflows-taken-up", {{"workflows", open->size()}});
  for (auto& record : *open)
    drive(located(std::move(record)));
  co_return Status{};
}

Task<void> Driver::stop() {
  stopping_ = true;
  for (auto const& [carrier, who] : carriers_)
    who->close();
  ended_.notify();
  // A process that computes is cut off: it is replayed by the next server.
  auto const end = SteadyPoint::clock::now() + kStepGrace;
  auto const is_busy = [](auto const& entry) { return entry.second->busy; };
  while (std::ranges::any_of(runs_, is_busy) && SteadyPoint::clock::now() < end)
    co_await ended_.wait(ended_.version(), end);
  auto rests = all_rests();
  co_await note_rests(std::move(rests));
  std::uint64_t const one = 1;
  static_cast<void>(!os::write_all(stop_hosts_.get(),
                                   {reinterpret_cast<char const*>(&one), sizeof one}, "a stop"));
  // What runs is killed, and lost; the journal says that it had begun.
  auto kill = [pool = std::exchange(commands_, nullptr)]() mutable {
    pool.reset();
    return true;
  };
  co_await pool_.run(std::move(kill));
  co_await tasks_.join();
  for (auto const& [carrier, who] : carriers_)
    co_await who->join();
  watch_.reset();
  alarm_.reset();
  runs_.clear();
}

Driver::RunPtr Driver::drive(WorkflowRecord record) {
  std::string const id = record.id;
  auto run = std::make_shared<Run>(std::move(record), options_, parts_.clock, parts_.random);
  runs_[id] = run;
  run->driven->known_to_rest(run->record.rests_at);
  if (auto const watched = watch_->add(id, run->driven->folder()); !watched)
    log::warn("workflow-not-watched", {{"workflow", id}, {"reason", watched.error().text()}});
  run->step = true;
  wake(run);
  return run;
}

void Driver::wake(RunPtr const& run) {
  if (run->busy || run->over || stopping_) return;
  run->busy = true;
  tasks_.spawn(advance(run), "advance");
}

void Driver::on_journal(std::string const& id, std::uint64_t seq) {
  auto const found = runs_.find(id);
  if (found == runs_.end()) return;
  RunPtr const run = found->second;
  if (seq == JournalWatch::kAnything) {
    // Also where it is being looked at, for the look may be at what was there before.
    run->step = true;
    wake(run);
    return;
  }
  run->heard_of = std::max(run->heard_of, seq);
  if (run->busy || seq <= run->rested_at) return;
  run->step = true;
  wake(run);
}

// One look after another, until there is nothing left to look for.
Task<void> Driver::advance(RunPtr run) {
  std::string const id = run->record.id;
  while (!stopping_ && !run->over && (run->step || !run->requests.empty())) {
    auto const start = processes_.has(id) ? DrivenRun::Start::allowed : DrivenRun::Start::refused;
    run->step = false;
    if (residents_of(*run).has(id)) residents_of(*run).begin(id, parts_.clock.boot_now());
    set_timer(run, std::nullopt);
    auto const requests = std::exchange(run->requests, {});
    std::vector<std::string> under_way;
    for (auto const& [effect_id, carrier] : run->under_way)
      under_way.push_back(effect_id);
    auto const first = run->looked_at ? First::no : First::yes;
    auto work = [driven = run->driven, pool = commands_, requests, under_way, first, start] {
      DrivenRun::Hold const held{*driven};
      for (auto const& request : requests)
        request->reply = request->act(*driven);
      return advance_blocking(*driven, *pool, under_way, first, start);
    };
    Advanced advanced = co_await pool_.run(std::move(work));
    run->weight = advanced.weight;
    run->is_in_memory = advanced.is_in_memory;
    ended_.notify();
    if (!advanced.iterated) {
      wait_for_place(run);
      continue;
    }
    run->record.rests_at = advanced.rests_at;
    run->looked_at = true;
    // The server before this one may have died between the cancel and the end of what it cancelled.
    for (auto const& effect : advanced.cancelled)
      if (auto const who = carriers_.find(carrier_of(effect.kind)); who != carriers_.end())
        who->second->stop(run->record.id, effect.id);
    run->rested_at = advanced.rested_at;
    run->step = run->step || advanced.again;
    co_await settle(run, *std::move(advanced.iterated), std::move(advanced.commands));
    if (advanced.rewound) run->heard_of = run->rested_at;
    if (run->heard_of > run->rested_at) run->step = true;
  }
  // Of nobody's look any more.
  for (auto const& request : run->requests)
    request->reply = fail(ErrorCode::conflict, "the workflow {} has ended", run->record.id);
  run->requests.clear();
  run->busy = false;
  note_resident(*run);
  ended_.notify();
  keep_few_resident();
}

Task<void> Driver::settle(RunPtr run, Result<workflow::Iterated> iterated,
                          std::vector<CommandJob> commands) {
  if (stopping_) co_return;
  if (!iterated) {
    co_await note_failure(run, iterated.error());
    co_return;
  }
  run->failures = 0;
  std::vector<Carrier> served;
  for (auto const& [carrier, who] : carriers_)
    served.push_back(carrier);
  auto plan = plan_rest(*iterated, run->under_way, served);
  for (auto const& effect_id : plan.stop)
    stop_effect(run, effect_id);
  if (iterated->state != workflow::IterateState::waiting) {
    co_await end(run, *std::move(iterated));
    co_return;
  }
  set_timer(run, plan.wake);
  for (auto& command : commands)
    begin_command(run, std::move(command));
  for (auto& action : plan.begin) {
    auto const carrier = carrier_of(action.effect.kind);
    run->under_way.emplace(action.effect.id, carrier);
    // As task.json has it: after a restart it comes from there, and the same effect has to be the
    // same request.
    json::value definition = workflow::sorted_members(action.definition);
    EffectJob job{run->record, std::move(action.effect), std::move(definition)};
    tasks_.spawn(carry(run, carriers_.at(carrier), std::move(job)), "carry");
  }
  if (run->record.state == WorkflowState::running) co_return;
  run->record.state = WorkflowState::running;
  run->record.reason.clear();
  co_await save(run->record);
}

Task<void> Driver::note_failure(RunPtr run, Error error) {
  auto const wait = wait_after_failure(++run->failures);
  set_timer(run, parts_.clock.now() + wait);
  std::string const reason = error.text();
  if (run->record.state == WorkflowState::blocked && run->record.reason == reason) co_return;
  log::warn("workflow-blocked", {{"workflow", run->record.id}, {"reason", reason}});
  run->record.state = WorkflowState::blocked;
  run->record.reason = reason;
  co_await save(run->record);
}

Task<void> Driver::end(RunPtr run, workflow::Iterated iterated) {
  bool const cancelled = run->record.state == WorkflowState::cancelled;
  if (!cancelled || iterated.state != workflow::IterateState::halted) {
    run->record.state = state_of(iterated);
    run->record.reason = iterated.state == workflow::IterateState::completed ? "" : iterated.reason;
  }
  run->over = true;
  set_timer(run, std::nullopt);
  watch_->remove(run->record.id);
  residents_of(*run).leave(run->record.id);
  if (!iterated.continued_as.empty()) {
    WorkflowRecord next = run->record;
    next.id = iterated.continued_as;
    next.folder = (std::filesystem::path{run->record.folder}.parent_path() / next.id).string();
    next.state = WorkflowState::running;
    auto const enrolled = co_await enrol(std::move(next), Again::leave);
    if (!enrolled)
      log::error("workflow-not-continued",
                 {{"workflow", run->record.id}, {"reason", enrolled.error().text()}});
  }
  co_await save(run->record);
  log::info("workflow-ended",
            {{"workflow", run->record.id}, {"state", to_string(run->record.state)}});
  runs_.erase(run->record.id);
  auto clear = [driven = run->driven] {
    auto const saved = driven->save_state();
    driven->rest();
    return saved;
  };
  auto const cleared = co_await pool_.run(std::move(clear));
  if (!cleared)
    log::warn("workflow-state-not-saved",
              {{"workflow", run->record.id}, {"reason", cleared.error().text()}});
  ended_.notify();
}

// Where it is not recorded now, the next server finds the run again and records it.
Task<void> Driver::save(WorkflowRecord record) {
  record.updated_at = parts_.clock.now();
  auto const saved = co_await parts_.writer.run([record](store::Transaction& transaction) {
    return update_workflow(transaction.db(), record);
  });
  if (!saved)
    log::error("workflow-not-recorded",
               {{"workflow", record.id}, {"reason", saved.error().text()}});
}

void Driver::set_timer(RunPtr const& run, std::optional<WallTime> at) {
  if (run->timer_ms) timers_.erase({*run->timer_ms, run->record.id});
  run->timer_ms.reset();
  if (at) {
    run->timer_ms = to_unix_ms(*at);
    timers_.emplace(*run->timer_ms, run->record.id);
  }
  std::optional<WallTime> first;
  if (!timers_.empty()) first = from_unix_ms(timers_.begin()->first);
  alarm_->set(first);
}

void Driver::ring() {
  auto const now_ms = to_unix_ms(parts_.clock.now());
  while (!timers_.empty() && timers_.begin()->first <= now_ms) {
    auto const found = runs_.find(timers_.begin()->second);
    timers_.erase(timers_.begin());
    if (found == runs_.end()) continue;
    found->second->timer_ms.reset();
    found->second->step = true;
    wake(found->second);
  }
  std::optional<WallTime> first;
  if (!timers_.empty()) first = from_unix_ms(timers_.begin()->first);
  alarm_->set(first);
}

}  // namespace drover::driver
