#include "driver/driven_run.h"

#include <sys/stat.h>

#include <algorithm>

#include "driver/command_results.h"
#include "workflow/process_hosts.h"
#include "workflow/state_cache.h"

namespace drover::driver {

namespace {

constexpr std::string_view kOwner = "runtime:orchestrateIteration";

// One that is not there is that of nobody.
JournalIdentity identity_of(std::string const& journal) {
  struct stat info{};
  if (::stat(journal.c_str(), &info) != 0) return {};
  return {info.st_dev, info.st_ino};
}

}  // namespace

Status DrivenRun::take() {
  if (taken_) return {};
  DROVER_TRY(os::make_folders(folder_.at("state")));
  auto lock = os::FileLock::acquire(folder_.at("state/driver.lock"));
  if (!lock && lock.error().code == ErrorCode::conflict)
    return fail_next(ErrorCode::conflict,
                     fmt::format("another process drives the run: {}", lock.error().message),
                     "let it, or end it first");
  if (!lock) return std::unexpected(lock.error());
  DROVER_TRY(reap_commands(folder_));
  taken_ = *std::move(lock);
  return {};
}

Status DrivenRun::take_up() {
  if (run_ && run_->is_held()) return {};
  if (run_) {
    auto const taken = run_->take_up(kOwner);
    // Looked at with the lock held, which whoever replaces a journal holds too. One that was
    // replaced contradicts what was read, or seems to have nothing new.
    if (journal_ == identity_of(folder_.journal())) return taken;
    rest();
    rewound_ = true;
  }
  auto run = workflow::OpenRun::open(folder_, kOwner, clock_, random_);
  if (!run) return std::unexpected(run.error());
  run_.emplace(*std::move(run));
  journal_ = identity_of(folder_.journal());
  bool const takes_node = workflow::runs_in_node(run_->record().entrypoint);
  weight_ = takes_node ? Weight::process : Weight::light;
  return {};
}

void DrivenRun::let_go_of_lock() {
  kept_ = false;
  if (run_) run_->release();
}

template <class Act>
auto DrivenRun::locked(Act act) -> decltype(act()) {
  DROVER_TRY(take_up());
  auto result = act();
  if (!kept_ && run_) run_->release();
  return result;
}

Result<workflow::Iterated> DrivenRun::step() {
  auto iterated = step(Start::allowed);
  if (!iterated) return std::unexpected(iterated.error());
  return **std::move(iterated);
}

Result<std::optional<workflow::Iterated>> DrivenRun::step(Start start) {
  return locked([this, start] {
    auto iterated = step_locked(start);
    // Whatever is wrong with the process, the next step replays it from its start.
    if (!iterated) execution_.reset();
    return iterated;
  });
}

Result<std::optional<workflow::Iterated>> DrivenRun::step_locked(Start start) {
  if (auto ended = ended_before(run_->record(), run_->history())) return *std::move(ended);
  if (!execution_ && !rests_at_.empty() && rests_at_ == file_name(run_->history().head())) {
    auto waiting = workflow::resting(*run_);
    if (!waiting) return waiting;
    if (*waiting) {
      seen_ = run_->history().head().seq;
      return waiting;
    }
  }
  if (!execution_ && start == Start::refused && weight_ == Weight::process) return std::nullopt;
  auto iterated = step_process();
  if (!iterated) return std::unexpected(iterated.error());
  return *std::move(iterated);
}

Result<workflow::Iterated> DrivenRun::step_process() {
  if (!execution_) {
    auto const prepared = prepare(*run_);
    if (!prepared) return std::unexpected(prepared.error());
    auto started = workflow::Execution::start(*run_, host_);
    if (!started) return std::unexpected(started.error());
    execution_.emplace(*std::move(started));
  }
  auto iterated = workflow::step(*run_, *execution_);
  if (!iterated) return iterated;
  seen_ = run_->history().head().seq;
  note_rest(*iterated);
  return iterated;
}

// One that did not ask for something that the journal has open has to be asked again.
void DrivenRun::note_rest(workflow::Iterated const& iterated) {
  bool const rests = iterated.state == workflow::IterateState::waiting && iterated.warnings.empty();
  rests_at_ = rests ? file_name(run_->history().head()) : "";
}

Result<DrivenRun::Begun> DrivenRun::begin_commands(std::vector<workflow::NextAction> const& actions,
                                                   std::vector<std::string> const& under_way) {
  auto const is_new = [&](workflow::NextAction const& action) {
    return names_a_command(action.effect.kind, action.definition) &&
           std::ranges::find(under_way, action.effect.id) == under_way.end();
  };
  if (std::ranges::none_of(actions, is_new)) return Begun{};
  return locked([&] { return begin_locked(actions, under_way); });
}

Result<DrivenRun::Begun> DrivenRun::begin_locked(std::vector<workflow::NextAction> const& actions,
                                                 std::vector<std::string> const& under_way) {
  Begun begun;
  std::vector<workflow::NewEvent> marks;
  for (auto const& action : actions) {
    if (std::ranges::find(under_way, action.effect.id) != under_way.end()) continue;
    // As the journal has it now: somebody may have posted meanwhile.
    auto const* const effect = run_->history().by_id(action.effect.id);
    if (effect == nullptr) continue;
    workflow::NextAction const now{*effect, action.definition};
    auto step = decide_command(now);
    if (step.act == CommandStep::Act::leave) continue;
    if (step.act == CommandStep::Act::settle) {
      auto result = with_heartbeat(std::move(step.result), said_last(folder_, effect->id));
      auto const posted = run_->post(effect->id, std::move(result));
      if (!posted) return std::unexpected(posted.error());
      ++begun.settled;
      continue;
    }
    json::object data{{"effectId", effect->id}, {"attempt", effect->begun + 1}};
    marks.push_back({workflow::event_type::kEffectBegun, std::move(data)});
    begun.jobs.push_back({folder_, run_->record(), now.effect, std::move(step.work)});
  }
  // Durable before the first of them begins.
  bool const rests = begun.settled == 0 && rests_at_ == file_name(run_->history().head());
  if (!marks.empty()) DROVER_TRY(run_->append(std::move(marks)));
  seen_ = run_->history().head().seq;
  // That they have begun is nothing for the process.
  rests_at_ = rests ? file_name(run_->history().head()) : "";
  return begun;
}

Status DrivenRun::post(std::string const& effect_id, workflow::TaskResult result) {
  return locked([&]() -> Status {
    auto const posted = run_->post(effect_id, std::move(result));
    if (!posted) return std::unexpected(posted.error());
    return {};
  });
}

Status DrivenRun::cancel(std::string const& effect_id, std::string const& reason) {
  return locked([&]() -> Status {
    auto const cancelled = run_->cancel(effect_id, reason);
    if (!cancelled) return std::unexpected(cancelled.error());
    return {};
  });
}

Status DrivenRun::signal(std::string const& name, json::value payload) {
  return locked([&]() -> Status {
    if (ended_before(run_->record(), run_->history()))
      return fail(ErrorCode::conflict, "run {} has ended", run_->record().run_id);
    json::object data{{"name", name}, {"payload", std::move(payload)}};
    return run_->append(workflow::NewEvent{workflow::event_type::kSignal, std::move(data)});
  });
}

Status DrivenRun::halt(std::string const& reason) {
  return locked([&]() -> Status {
    if (ended_before(run_->record(), run_->history())) return {};
    std::vector<std::string> open;
    for (auto const& effect : run_->history().effects())
      if (effect.status == workflow::EffectStatus::requested) open.push_back(effect.id);
    for (auto const& effect_id : open) {
      auto const cancelled = run_->cancel(effect_id, reason);
      if (!cancelled) return std::unexpected(cancelled.error());
    }
    json::object data{{"reason", reason}};
    DROVER_TRY(run_->append(workflow::NewEvent{workflow::event_type::kRunHalted, std::move(data)}));
    return run_->save_state("manual_halt");
  });
}

Result<json::value> DrivenRun::query(std::string const& name, json::value const& arguments) {
  // Of the process itself, also where its directory says what it waits for.
  rests_at_.clear();
  auto const rested = step();
  if (!rested) return std::unexpected(rested.error());
  if (!execution_) return fail(ErrorCode::conflict, "the run has ended, and its process with it");
  return execution_->query(name, arguments);
}

std::vector<workflow::Effect> DrivenRun::cancelled() const {
  std::vector<workflow::Effect> all;
  if (!run_) return all;
  for (auto const& effect : run_->history().effects())
    if (effect.status == workflow::EffectStatus::cancelled) all.push_back(effect);
  return all;
}

void DrivenRun::rest() {
  execution_.reset();
  run_.reset();
}

Status DrivenRun::save_state() {
  if (!run_ || seen_ == saved_) return {};
  auto const saved = locked([this] { return run_->save_state("journal_mismatch"); });
  saved_ = seen_;
  return saved;
}

}  // namespace drover::driver
