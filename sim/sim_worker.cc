#include "sim/sim_worker.h"

#include <algorithm>
#include <utility>

#include "worker/waiting.h"

namespace drover::sim {

namespace {

constexpr Millis kClaimWait{4'000};
constexpr int kTriesMax = 4;
constexpr Millis kLockWait{2'000};
constexpr int kLockTries = 10;
constexpr Millis kStep{3'000};  // without an event of the unit

worker::TurnEnd::Kind draw_end(Dice& dice) {
  using Kind = worker::TurnEnd::Kind;
  switch (dice.below(10)) {
    case 0:
    case 1:
      return Kind::unit_lost;
    default:
      return Kind::done;
  }
}

// A large tree on a slow disk takes longer than a lease.
Nanos git_step(Dice& dice) {
  return dice.between(Millis{1}, dice.one_in(6) ? Nanos{2 * kLease} : Nanos{Millis{300}});
}

}  // namespace

void SimWorker::in(Nanos delay, std::function<void()> what) {
  parts_.agenda.in(delay,
                   [this, process = process_, what = std::move(what)] { resume(process, what); });
}

void SimWorker::resume(std::uint64_t process, std::function<void()> what) {
  if (process != process_) return;
  if (parts_.agenda.now() >= paused_until_) return what();
  parts_.agenda.at(paused_until_,
                   [this, process, what = std::move(what)] { resume(process, what); });
}

template <class T>
void SimWorker::ask(Ask<T> ask, Done<T> done, Millis timeout) {
  parts_.network.call<T>(
      node_, std::move(ask),
      [this, process = process_, done = std::move(done)](Result<T> result) {
        resume(process, [done, result = std::move(result)] { done(result); });
      },
      timeout);
}

void SimWorker::step(AttemptPtr const& attempt, Ask<bool> ask, std::function<void()> next,
                     std::function<void()> again) {
  this->ask<bool>(std::move(ask), [this, attempt, next = std::move(next),
                                   again = std::move(again)](Result<bool> const& done) {
    if (attempt->over) return;
    if (done) {
      attempt->tries = 0;
      return next();
    }
    if (done.error().code == ErrorCode::conflict) return leave(attempt, "fenced");
    // A full disk may have room again; what else fails again and again is for another attempt.
    if (done.error().code != ErrorCode::no_space && ++attempt->tries > kTriesMax)
      return leave(attempt, "given up");
    in(Millis{700}, [attempt, again] {
      if (!attempt->over) again();
    });
  });
}

void SimWorker::start() {
  ++process_;
  id_ = WorkerId::trusted(fmt::format("wrk-{}-{}", node_, process_));
  paused_until_ = Nanos{0};
  attempts_.clear();
  asking_ = 0;
  parts_.trace.note("{} starts", id_);
  look_for_work();
}

void SimWorker::kill() {
  parts_.trace.note("{} is killed with {} runs", id_, attempts_.size());
  parts_.repositories.abandon(id_);
  ++process_;
  attempts_.clear();
}

void SimWorker::cancel(RunId const& run) {
  for (AttemptPtr const& attempt : attempts_)
    if (attempt->given.run.id == run) attempt->cancel = true;
}

void SimWorker::look_for_work() {
  if (attempts_.size() + asking_ >= kSlots) return;
  ++asking_;
  if (parts_.redis != nullptr) return look_for_offers();
  ask_for(std::nullopt);
}

// As broker/redis_claimer does.
void SimWorker::look_for_offers() {
  using Taken = std::optional<Redis::Held>;
  parts_.redis->ask<Taken>([name = id_.str()](Redis& redis) { return redis.take(name); },
                           [this, process = process_](std::optional<Taken> taken) {
                             resume(process, [this, taken] {
                               if (taken && *taken) return ask_for(**taken);
                               --asking_;
                               in(parts_.dice.between(Millis{50}, Millis{500}),
                                  [this] { look_for_work(); });
                             });
                           });
}

void SimWorker::ask_for(std::optional<Redis::Held> held) {
  std::optional<broker::OfferedRun> offered;
  if (held) offered = held->offer.offered;
  Millis const wait = held ? Millis{0} : kClaimWait;
  Ask<std::optional<GivenRun>> const claim = [id = id_, at = parts_.agenda.now(), wait,
                                              offered](Server& server) {
    return server.claim(id, wait, at, offered);
  };
  auto const given = [this, held](Result<std::optional<GivenRun>> claimed) {
    --asking_;
    // It was taken up, or refused: the entry goes.
    if (held)
      parts_.redis->ask<bool>(
          [one = *held](Redis& redis) {
            redis.remove(one.offer.lane, one.id);
            return true;
          },
          [](std::optional<bool>) {});
    if (claimed && *claimed) begin(**std::move(claimed));
    in(parts_.dice.between(Millis{10}, Millis{500}), [this] { look_for_work(); });
  };
  ask<std::optional<GivenRun>>(claim, given, wait + Millis{3'000});
}

void SimWorker::begin(GivenRun given) {
  auto const attempt = std::make_shared<Attempt>();
  attempts_.push_back(attempt);
  attempt->given = std::move(given);
  attempt->to_say = static_cast<std::int64_t>(parts_.dice.below(4));
  worker::RunRecord const& run = attempt->given.run;
  attempt->from = run.state;
  attempt->workspace = workspace_of(attempt->given.claim.entry);
  bool const resumed = run.attempts > 1 || run.state == contract::RunState::committing;
  attempt->base = parts_.repositories.check_out(
      attempt->workspace, resumed ? Repositories::Begin::resumed : Repositories::Begin::anew);
  parts_.trace.note("{} has {} epoch {} ({})", id_, run.id, run.epoch,
                    contract::to_string(run.state));
  heartbeat(attempt);
  if (run.state == contract::RunState::committing)
    return conclude(attempt, worker::resume_committing(run));
  if (run.cancel_requested) return end_turn(attempt, worker::TurnEnd::Kind::cancelled);
  // No unit comes up.
  if (parts_.dice.one_in(12)) return end_turn(attempt, worker::TurnEnd::Kind::start_failed);
  if (parts_.dice.one_in(12)) return end_turn(attempt, worker::TurnEnd::Kind::no_space);
  in(parts_.dice.between(Millis{1}, Millis{400}), [this, attempt] { say(attempt); });
}

void SimWorker::heartbeat(AttemptPtr const& attempt) {
  in(kLease / 3, [this, attempt] {
    if (attempt->over) return;
    Ask<bool> const renew = [claim = attempt->given.claim, at = parts_.agenda.now()](
                                Server& server) { return server.renew(claim, at); };
    ask<bool>(renew, [this, attempt](Result<bool> const& renewed) {
      if (attempt->over) return;
      if (!renewed && renewed.error().code == ErrorCode::conflict &&
          parts_.defect != Defect::unfenced_worker)
        leave(attempt, "fenced by its heartbeat");
    });
    heartbeat(attempt);
  });
}

void SimWorker::say(AttemptPtr const& attempt) {
  if (attempt->over) return;
  if (attempt->cancel) return end_turn(attempt, worker::TurnEnd::Kind::cancelled);
  if (parts_.dice.one_in(24)) return fall_silent(attempt);
  if (attempt->said == attempt->to_say) return end_turn(attempt, draw_end(parts_.dice));
  if (!attempt->called && parts_.dice.one_in(3)) return call_model(attempt);
  attempt->called = false;
  bool const first = attempt->said == 0;
  std::optional<contract::RunState> from;
  if (first) from = attempt->from;
  worker::RunRecord run = attempt->given.run;
  run.state = contract::RunState::running;
  // The same again where it is sent again.
  std::vector<std::string> says;
  for (std::int64_t i = 0; i <= attempt->said % 2; ++i)
    says.push_back(fmt::format("{}.{}.{}", run.epoch, attempt->said + 1, i));
  Ask<bool> const append = [run, from, number = attempt->said + 1, says,
                            workspace = attempt->workspace](Server& server) {
    return server.append(run, from, number, says, workspace);
  };
  auto const next = [this, attempt, says] {
    ++attempt->said;
    attempt->from = attempt->given.run.state = contract::RunState::running;
    for (std::string const& text : says)
      parts_.audit.acknowledged(attempt->given.run.id, text);
    in(parts_.dice.between(Millis{5}, Millis{1'500}), [this, attempt] { say(attempt); });
  };
  step(attempt, append, next, [this, attempt] { say(attempt); });
}

// What the unit does not get an answer to, it asks again: then it is billed twice.
void SimWorker::call_model(AttemptPtr const& attempt) {
  auto const bill = static_cast<std::int64_t>(parts_.dice.below(kCallMost));
  bool const says_cost = !parts_.dice.one_in(6);
  Nanos const time = parts_.dice.between(Millis{1}, Millis{2'000});
  Ask<bool> const call = [given = attempt->given, bill, says_cost, time](Server& server) {
    return server.call_model(given, bill, says_cost, time);
  };
  ask<bool>(call, [this, attempt](Result<bool> const& called) {
    if (attempt->over) return;
    if (!called && called.error().code == ErrorCode::conflict) return leave(attempt, "fenced");
    if (!called && called.error().code == ErrorCode::budget_exhausted)
      return end_turn(attempt, worker::TurnEnd::Kind::done);
    attempt->called = called.has_value();
    say(attempt);
  });
}

void SimWorker::fall_silent(AttemptPtr const& attempt) {
  if (parts_.defect == Defect::blind_eye) return;
  in(kStep, [this, attempt] {
    if (!attempt->over) end_turn(attempt, worker::TurnEnd::Kind::silent);
  });
}

void SimWorker::end_turn(AttemptPtr const& attempt, worker::TurnEnd::Kind kind) {
  worker::TurnEnd end;
  end.kind = kind;
  end.ok = !parts_.dice.one_in(8);
  if (end.ok && parts_.dice.one_in(3)) end.reason = contract::RunReason::waiting_input;
  end.detail = "simulated";
  auto const& entry = attempt->given.claim.entry;
  conclude(attempt, worker::decide(end, entry.failed + 1, entry.retry.attempts_max));
}

void SimWorker::conclude(AttemptPtr const& attempt, worker::Outcome const& outcome) {
  worker::RunRecord& run = attempt->given.run;
  run.reason = outcome.reason;
  run.detail = outcome.detail;
  if (outcome.state != contract::RunState::queued) {
    if (outcome.tree != worker::TreeAction::leave) return record_committing(attempt, outcome);
    return finish(attempt, outcome);
  }
  run.state = outcome.state;
  if (!outcome.counts) run.attempts -= 1;
  Ask<bool> const put_back = [given = attempt->given, from = attempt->from](Server& server) {
    return server.put_back(given, from);
  };
  // What is not recorded is taken up when the lease is over.
  ask<bool>(put_back, [this, attempt](Result<bool> const& done) {
    if (!attempt->over) leave(attempt, done ? "put back" : "not put back");
  });
}

void SimWorker::record_committing(AttemptPtr const& attempt, worker::Outcome const& outcome) {
  worker::RunRecord& run = attempt->given.run;
  run.state = contract::RunState::committing;
  Ask<bool> const record = [run, from = attempt->from](Server& server) {
    return server.record_committing(run, from);
  };
  auto const next = [this, attempt, outcome] {
    worker::RunRecord const& committing = attempt->given.run;
    parts_.audit.committing_answered(committing.id, committing.epoch);
    attempt->from = committing.state;
    if (parts_.defect == Defect::early_end) finish(attempt, outcome);
    in(parts_.dice.between(Millis{1}, Millis{300}), [this, attempt, outcome] {
      if (!attempt->over || parts_.defect == Defect::early_end) govern(attempt, outcome);
    });
  };
  if (parts_.defect == Defect::unfenced_worker)
    return ask<bool>(record, [this, attempt, outcome](Result<bool> const& recorded) {
      worker::RunRecord const& committing = attempt->given.run;
      if (recorded) parts_.audit.committing_answered(committing.id, committing.epoch);
      govern(attempt, outcome);
    });
  step(attempt, record, next, [this, attempt, outcome] { record_committing(attempt, outcome); });
}

// The steps of workspace/governor, between any two of which a worker may be killed or stopped.
void SimWorker::govern(AttemptPtr const& attempt, worker::Outcome const& outcome) {
  worker::RunRecord const& run = attempt->given.run;
  auto const before = parts_.repositories.made_before(attempt->workspace, run.id);
  if (before != 0) return governed(attempt, outcome, before);
  commit(attempt, outcome, kLockTries);
}

void SimWorker::commit(AttemptPtr const& attempt, worker::Outcome const& outcome, int tries) {
  if (!parts_.repositories.lock(attempt->workspace, id_)) {
    if (tries == 0) return committed(attempt, outcome, fail(ErrorCode::conflict, "locked"));
    return in(kLockWait / kLockTries,
              [this, attempt, outcome, tries] { commit(attempt, outcome, tries - 1); });
  }
  auto const changes = parts_.repositories.snapshot(attempt->workspace);
  in(git_step(parts_.dice), [this, attempt, outcome, changes] {
    auto const made = parts_.repositories.commit(attempt->workspace, attempt->given.run.id,
                                                 attempt->base, changes);
    parts_.repositories.unlock(attempt->workspace);
    committed(attempt, outcome, made);
  });
}

void SimWorker::committed(AttemptPtr const& attempt, worker::Outcome outcome,
                          Result<Repositories::CommitId> const& made) {
  worker::RunRecord const& run = attempt->given.run;
  if (made && *made != 0) parts_.audit.effect(run.id, run.epoch);
  if (!made && outcome.tree == worker::TreeAction::commit) {
    outcome.state = contract::RunState::failed;
    outcome.reason = contract::RunReason::commit_failed;
  }
  governed(attempt, outcome, made.value_or(0));
}

void SimWorker::governed(AttemptPtr const& attempt, worker::Outcome const& outcome,
                         Repositories::CommitId commit) {
  in(git_step(parts_.dice), [this, attempt, outcome, commit] {
    worker::RunRecord& run = attempt->given.run;
    bool const aside = outcome.tree == worker::TreeAction::set_aside;
    if (commit != 0 && aside) parts_.repositories.set_aside(attempt->workspace, commit);
    if (commit != 0) {
      worker::CommitRecord record;
      record.summary.workspace = WorkspaceId::trusted("demo");
      record.summary.sha = record.parent = fmt::format("{:040}", commit);
      record.summary.branch = aside ? "refs/drover/rescue" : "main";
      record.summary.subject = run.id.str();
      run.commits.push_back(std::move(record));
    }
    if (!attempt->over) finish(attempt, outcome);
  });
}

void SimWorker::finish(AttemptPtr const& attempt, worker::Outcome const& outcome) {
  worker::RunRecord& run = attempt->given.run;
  run.state = outcome.state;
  WallTime const now = parts_.clock.now();
  if (run.state == contract::RunState::waiting)
    run.answer_by = worker::answer_by(run, now);
  else
    run.finished_at = now;
  Ask<bool> const end = [given = attempt->given, from = attempt->from](Server& server) {
    return server.end_run(given, from);
  };
  step(
      attempt, end, [this, attempt] { leave(attempt, "ended"); },
      [this, attempt, outcome] { finish(attempt, outcome); });
}

void SimWorker::leave(AttemptPtr const& attempt, std::string_view why) {
  parts_.trace.note("{} leaves {} epoch {}: {}", id_, attempt->given.run.id,
                    attempt->given.run.epoch, why);
  attempt->over = true;
  attempts_.remove(attempt);
  look_for_work();
}

}  // namespace drover::sim
