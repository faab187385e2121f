#include "driver/driven_run.h"

#include <algorithm>

#include "workflow/state_cache.h"

namespace drover::driver {

namespace {

constexpr std::string_view kOwner = "runtime:orchestrateIteration";

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
  if (run_) return run_->take_up(kOwner);
  auto run = workflow::OpenRun::open(folder_, kOwner, clock_, random_);
  if (!run) return std::unexpected(run.error());
  run_.emplace(*std::move(run));
  return {};
}

template <class Act>
auto DrivenRun::locked(Act act) -> decltype(act()) {
  DROVER_TRY(take_up());
  auto result = act();
  run_->release();
  return result;
}

Result<workflow::Iterated> DrivenRun::step() {
  return locked([this] {
    auto iterated = step_locked();
    // Whatever is wrong with the process, the next step replays it from its start.
    if (!iterated) execution_.reset();
    return iterated;
  });
}

Result<workflow::Iterated> DrivenRun::step_locked() {
  if (auto ended = ended_before(run_->record(), run_->history())) return *std::move(ended);
  if (!execution_) {
    auto const prepared = prepare(*run_);
    if (!prepared) return std::unexpected(prepared.error());
    auto started = workflow::Execution::start(*run_, host_);
    if (!started) return std::unexpected(started.error());
    execution_.emplace(*std::move(started));
  }
  auto pass = execution_->pass(*run_);
  if (!pass) return std::unexpected(pass.error());
  auto iterated = conclude(*run_, *std::move(pass));
  seen_ = run_->history().head().seq;
  return iterated;
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
      auto const posted = run_->post(effect->id, std::move(step.result));
      if (!posted) return std::unexpected(posted.error());
      ++begun.settled;
      continue;
    }
    json::object data{{"effectId", effect->id}, {"attempt", effect->begun + 1}};
    marks.push_back({workflow::event_type::kEffectBegun, std::move(data)});
    begun.jobs.push_back({folder_, run_->record(), now.effect, std::move(step.work)});
  }
  // Durable before the first of them begins.
  if (!marks.empty()) DROVER_TRY(run_->append(std::move(marks)));
  seen_ = run_->history().head().seq;
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

std::optional<WallTime> next_timer(workflow::Iterated const& iterated) {
  std::optional<WallTime> next;
  for (auto const& action : iterated.actions) {
    auto const* const definition = action.definition.if_object();
    auto const* const sleep = definition == nullptr ? nullptr : definition->if_contains("sleep");
    if (sleep == nullptr || !sleep->is_object()) continue;
    auto const target = from_unix_ms(integer_or(sleep->get_object(), "targetEpochMs", 0));
    next = next ? std::min(*next, target) : target;
  }
  return next;
}

}  // namespace drover::driver
