#include "fleet/engine_pass.h"

#include <algorithm>
#include <utility>

#include "os/task_group.h"

namespace drover::fleet {

EnginePass::EnginePass(PassParts parts, PassOptions options)
    : parts_(std::move(parts)), options_(std::move(options)) {}

Task<void> EnginePass::run(Summary& summary) {
  for (Round const round : {Round::first, Round::second}) {
    if (parts_.stopping) break;
    auto const actual = co_await look();
    if (!actual) {
      fail_all(actual.error());
      break;
    }
    choose_jobs(round, plans(*actual));
    if (jobs_.empty()) break;
    co_await carry_out_jobs();
    note_jobs(round);
  }
  sum_up(summary);
}

// ---- what there is, and what is to be done ------------------------------------------------------

Task<Result<std::vector<Actual>>> EnginePass::look() {
  auto actual = co_await parts_.engine.list();
  if (!actual) co_return actual;
  auto const& known = parts_.states.known();
  std::erase_if(*actual, [&](Actual const& one) {
    if (options_.scope.has(one.agent)) return false;
    auto const found = known.find(one.instance);
    return found == known.end() || !options_.scope.has(found->second.of.agent);
  });
  for (Actual& one : *actual) {
    if (one.phase == Phase::paused && parts_.book.is_held(one.instance)) one.phase = Phase::running;
    one.spoiled = parts_.book.is_spoiled(one.instance, one.id);
  }
  parts_.book.take_in(*actual, parts_.engine.backend(), options_.scope);
  co_return actual;
}

std::vector<InstancePlan> EnginePass::plans(std::vector<Actual> const& actual) const {
  Wanted const& wanted = parts_.wanted;
  WantedInstances here;
  InstanceNames kept;
  for (auto const& [name, instance] : wanted.instances) {
    // Of another agent, which is not in the scope.
    if (!options_.scope.has(instance.of.agent))
      kept.insert(name);
    else if (instance.backend == parts_.engine.backend())
      here.emplace(name, instance);
  }
  auto const& known = parts_.states.known();
  for (auto const& refused : wanted.refused) {
    // A name that is another's has that one's container.
    auto const since = known.find(refused.instance);
    bool const own = since != known.end() && since->second.of == refused.of;
    if (own && !here.contains(refused.instance)) kept.insert(refused.instance);
  }
  return plan(here, kept, actual, options_.prefix);
}

void EnginePass::choose_jobs(Round round, std::vector<InstancePlan> plans) {
  jobs_.clear();
  next_job_ = 0;
  for (InstancePlan& one : plans) {
    if (round == Round::first) outcomes_[one.instance] = one.outcome;
    if (!one.steps.empty()) {
      if (is_worth_a_try(round, one)) jobs_.push_back({std::move(one), {}});
      continue;
    }
    if (one.outcome == Outcome::failed)
      failures_.insert_or_assign(one.instance, Error{ErrorCode::conflict, one.reason, {}});
    else
      failures_.erase(one.instance);
  }
}

bool EnginePass::is_worth_a_try(Round round, InstancePlan const& plan) {
  auto const failed = failures_.find(plan.instance);
  // Only what came in between is worth a second try at once.
  if (round == Round::second && failed != failures_.end() &&
      failed->second.code != ErrorCode::conflict)
    return false;
  if (options_.scope.waits == Waits::respected && parts_.book.waits(plan.instance)) {
    if (round == Round::first) outcomes_.erase(plan.instance);
    return false;
  }
  if (!parts_.book.put_off(plan)) return true;
  outcomes_[plan.instance] = Outcome::unchanged;
  return false;
}

// ---- the steps ----------------------------------------------------------------------------------

Task<void> EnginePass::carry_out_jobs() {
  os::TaskGroup workers{parts_.executor, "fleet"};
  for (std::size_t i = 0; i < std::min(options_.at_once, jobs_.size()); ++i)
    workers.spawn(work_off(), "reconcile");
  co_await workers.join();
}

Task<void> EnginePass::work_off() {
  while (next_job_ < jobs_.size()) {
    Job& job = jobs_[next_job_++];
    if (parts_.stopping)
      job.done = fail(ErrorCode::cancelled, "drover ends");
    else
      job.done = co_await carry_out(job);
  }
}

// Up to the removal of what is at work since it was planned: what comes behind that waits with it.
Task<Status> EnginePass::carry_out(Job& job) {
  std::string const& instance = job.plan.instance;
  std::string made;
  for (Step& step : job.plan.steps) {
    std::string const container = step.container.empty() ? made : step.container;
    Status done;
    switch (step.kind) {
      case Step::Kind::create: {
        auto created = co_await create(instance, step.name);
        if (!created) co_return std::unexpected(created.error());
        made = *std::move(created);
        break;
      }
      case Step::Kind::start:
        done = co_await parts_.engine.start(container);
        break;
      case Step::Kind::unpause:
        done = co_await parts_.engine.unpause(container);
        break;
      case Step::Kind::rename:
        done = co_await parts_.engine.rename(container, step.name);
        break;
      case Step::Kind::remove:
        job.put_off = !parts_.book.close_for_removal(instance, container);
        if (job.put_off) co_return Status{};
        done = co_await parts_.engine.remove(container, options_.grace);
        break;
    }
    if (!done) co_return done;
  }
  co_return Status{};
}

Task<Result<std::string>> EnginePass::create(std::string instance, std::string name) {
  Instance const wanted = parts_.wanted.instances.at(instance);
  auto const state = co_await parts_.states.make(parts_.engine, wanted);
  if (!state) co_return std::unexpected(state.error());
  co_return co_await parts_.engine.create(wanted, std::move(name));
}

// ---- what became of them ------------------------------------------------------------------------

void EnginePass::note_jobs(Round round) {
  for (Job const& job : jobs_) {
    auto const& name = job.plan.instance;
    if (job.put_off) {
      outcomes_[name] = Outcome::unchanged;
      continue;
    }
    if (job.done) {
      failures_.erase(name);
      if (round == Round::second && outcomes_[name] == Outcome::unchanged)
        outcomes_[name] = job.plan.outcome;
      continue;
    }
    failures_.insert_or_assign(name, job.done.error());
    // Nothing of ours has the name, as the second look has shown.
    bool const taken = job.done.error().code == ErrorCode::conflict;
    parts_.book.note_foreign(name, round == Round::second && taken);
  }
}

void EnginePass::fail_all(Error const& error) {
  for (auto const& [name, instance] : parts_.wanted.instances)
    if (instance.backend == parts_.engine.backend() && options_.scope.has(instance.of.agent))
      failures_.insert_or_assign(name, error);
}

void EnginePass::sum_up(Summary& summary) const {
  for (auto const& [name, error] : failures_) {
    parts_.book.note_failure(name, error);
    summary.failed.push_back({name, error});
  }
  for (auto const& [name, outcome] : outcomes_) {
    if (failures_.contains(name)) continue;
    parts_.book.note_success(name);
    if (outcome == Outcome::created) summary.created.push_back(name);
    if (outcome == Outcome::removed) summary.removed.push_back(name);
    if (outcome == Outcome::updated) summary.updated.push_back(name);
    if (outcome == Outcome::unchanged) summary.unchanged.push_back(name);
  }
}

}  // namespace drover::fleet
