#include "sim/server.h"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "broker/schema.h"
#include "schedule/schema.h"
#include "schedule/target.h"
#include "sim/rows.h"
#include "worker/run_store.h"
#include "worker/sweep.h"
#include "worker/waiting.h"

namespace drover::sim {

namespace {

constexpr std::string_view kStore = "drover.db";
constexpr std::size_t kSlotsOfASchedule = 8;
constexpr std::int64_t kWatchedMax = 100;
constexpr std::size_t kReadMax = 100;
constexpr Millis kSweepEvery{2'000};

store::OpenOptions on_disk() {
  store::OpenOptions options;
  options.vfs = kVfs;
  options.home = store::OpenOptions::Home::vfs;
  return options;
}

template <class T>
T require(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

std::vector<store::Migration> migrations() {
  std::vector<store::Migration> all{broker::migrations().begin(), broker::migrations().end()};
  for (auto const& one : worker::run_migrations())
    all.push_back(one);
  all.insert(all.end(), schedule::migrations().begin(), schedule::migrations().end());
  return all;
}

void add_schedule(store::Database& database, std::string const& id, std::string_view when) {
  std::string const job =
      R"({"dispatch":{"identity":{"subject":"dev","launcher":"user:dev"},"runner":"native",)"
      R"("workspaces":[{"id":"demo","mode":"rw"}],"trigger":"message","start":{"entrypoint":{"inline":"go"}}},)" +
      std::string{when} + "}";
  schedule::ScheduleRecord record;
  record.id = ScheduleId::trusted(id);
  record.job = require(contract::parse_schedule_job(job));
  record.version = 1;
  SystemClock const clock;
  record.created_at = record.updated_at = clock.now();
  auto const timing = require(schedule::timing_of(record.job, id));
  record.next = schedule::first_time(timing, clock.now());
  record.due = schedule::due_time(timing, *record.next);
  require(schedule::insert_schedule(database, record));
}

Task<Result<bool>> done(Status status) {
  if (!status) co_return std::unexpected(status.error());
  co_return true;
}

}  // namespace

Disk::Image Server::first_image(With schedules) {
  Machine const machine;
  Dice dice{0};
  Disk disk{dice, {}};
  {
    auto database =
        require(store::Database::open(std::string{kStore}, store::OpenMode::writer, on_disk()));
    require(store::migrate(database, migrations()));
    if (schedules == With::schedules) {
      add_schedule(database, "once", R"("cron":"* * * * *","misfire":"once","overlap":"skip")");
      add_schedule(database, "all", R"("cron":"*/2 * * * *","misfire":"all","overlap":"queue")");
      add_schedule(database, "skip", R"("cron":"*/3 * * * *","misfire":"skip","overlap":"allow")");
    }
  }
  return disk.image();
}

Server::~Server() = default;

Status Server::open() {
  auto database = store::Database::open(std::string{kStore}, store::OpenMode::writer, on_disk());
  if (!database) return std::unexpected(database.error());
  store::WriterOptions options;
  options.drive = store::WriterDrive::by_owner;
  options.on_no_space = [this] { parts_.disk.give_reserve(); };
  writer_ = std::make_unique<store::Writer>(*std::move(database), io_.get_executor(), options);
  store::ReaderOptions reading;
  reading.open = on_disk();
  readers_ = std::make_unique<store::Readers>(std::string{kStore}, pool_, reading);
  inspect();
  streams_ = std::make_unique<broker::EmbeddedStreams>(*writer_, *readers_, parts_.clock,
                                                       io_.get_executor());
  queue_ = std::make_unique<broker::EmbeddedQueue>(*writer_, parts_.clock, io_.get_executor());
  queue_->on_exit([this](store::Transaction& transaction, broker::QueueExit const& exit) {
    transaction.on_commit([trace = &parts_.trace, exit] {
      trace->note("{} left the queue by itself", exit.entry.run);
    });
    return worker::end_exited_run(transaction, *streams_, exit, parts_.clock.now());
  });
  queue_->on_expired([this](broker::ExpiredLease const& lease) {
    parts_.trace.note("lease of {} epoch {} is over", lease.run,
                      static_cast<std::int64_t>(lease.epoch));
    parts_.audit.lost(lease);
  });
  return take_up();
}

template <class T>
Result<T> Server::finish(Task<Result<T>> task) {
  std::optional<Result<T>> result;
  start(std::move(task), [&result](Result<T> value) { result = std::move(value); });
  while (!result) {
    io_.restart();
    bool const moved = io_.poll() > 0;
    if (write() == store::WriterStep::nothing && !moved)
      return fail(ErrorCode::internal, "the start of the server stands still");
  }
  return *std::move(result);
}

Status Server::take_up() {
  auto const loaded = finish(queue_->load());
  if (!loaded) return std::unexpected(loaded.error());
  auto const recovered = finish(recover_schedules());
  if (!recovered) return std::unexpected(recovered.error());
  // What fails of it, such as on a full disk, is the next sweep's.
  auto const swept = finish(sweep());
  if (!swept) parts_.trace.note("sweep failed: {}", swept.error().message);
  next_sweep_ = parts_.clock.boot_now().since_boot + kSweepEvery;
  if (parts_.redis == nullptr) return {};
  messenger_ = std::make_unique<Messenger>(MessengerParts{io_, *parts_.redis, parts_.trace, *queue_,
                                                          *streams_, *readers_, parts_.defect});
  messenger_->start();
  return {};
}

// As worker/watchdog does.
Task<Result<bool>> Server::sweep() {
  if (parts_.defect == Defect::no_watch) co_return true;
  auto const expired = co_await write_of_end([this](store::Transaction& transaction) {
    return worker::expire_waiting(transaction, *streams_, parts_.clock.now());
  });
  if (!expired) co_return std::unexpected(expired.error());
  if (*expired > 0) parts_.trace.note("{} questions were not answered", *expired);
  auto const seen = co_await readers_->run(
      [](store::Database& database) { return worker::find_mismatches(database); });
  if (!seen) co_return std::unexpected(seen.error());
  if (seen->empty()) co_return true;
  auto const settled = co_await write_of_end([this, seen = *seen](store::Transaction& transaction) {
    return worker::settle(transaction, *streams_, *queue_, seen, parts_.clock.now());
  });
  if (!settled) co_return std::unexpected(settled.error());
  for (worker::Mismatch const& mismatch : *settled)
    parts_.audit.did_not_fit(mismatch);
  co_return true;
}

Task<Result<bool>> Server::recover_schedules() {
  auto const recovered =
      co_await writer_->run([now = parts_.clock.now()](store::Transaction& transaction) -> Status {
        DROVER_TRY(schedule::arm_anew(transaction.db(), now));
        DROVER_TRY(schedule::recover(transaction.db(), now, {}));
        return {};
      });
  co_return co_await done(recovered);
}

void Server::poll() {
  WallTime const now = parts_.clock.now();
  if (!in_round_ && (scheduler_wakes_ || (next_round_ && *next_round_ <= now))) {
    in_round_ = true;
    scheduler_wakes_ = false;
    start(schedule_round(), [this](Result<bool> played) {
      in_round_ = false;
      if (played) return;
      parts_.trace.note("round failed");
      next_round_ = WallTime{};  // at the next opportunity
    });
  }
  Nanos const boot = parts_.clock.boot_now().since_boot;
  if (!sweeping_ && boot >= next_sweep_) {
    sweeping_ = true;
    start(sweep(), [this, boot](Result<bool> const& swept) {
      sweeping_ = false;
      next_sweep_ = boot + kSweepEvery;
      if (!swept) parts_.trace.note("sweep failed");
    });
  }
  io_.restart();
  while (io_.poll() > 0)
    io_.restart();
}

void Server::checkpoint() {
  auto const moved = writer_->checkpoint();
  parts_.trace.note("checkpoint {}", moved ? "done" : "failed");
}

void Server::inspect() {
  auto const inspected = readers_->run_blocking([this](store::Database& database) -> Status {
    parts_.audit.inspect(database);
    return {};
  });
  require(inspected);
}

template <class Work>
Task<std::invoke_result_t<Work&, store::Transaction&>> Server::write_of_end(Work work) {
  auto first = co_await writer_->run(work);
  if (first || first.error().code != ErrorCode::no_space) co_return first;
  co_return co_await writer_->run(std::move(work));
}

void Server::inspect_copies() {
  require(readers_->run_blocking([this](store::Database& database) -> Status {
    parts_.audit.inspect_copies(database, parts_.redis->copies());
    return {};
  }));
}

std::int64_t Server::unfinished() {
  return require(readers_->run_blocking([](store::Database& database) -> Result<std::int64_t> {
    return one_integer(database, "SELECT count(*) FROM runs WHERE finished_ms IS NULL");
  }));
}

void Server::edit_by_hand(Dice& dice, Trace& trace, Audit& audit) {
  auto database = store::Database::open(std::string{kStore}, store::OpenMode::writer, on_disk());
  if (!database) return;
  bool const strands = dice.one_in(2);
  auto const choice = strands ? "SELECT run FROM dispatch_queue ORDER BY id"
                              : "SELECT id FROM runs WHERE finished_ms IS NOT NULL ORDER BY id";
  std::vector<std::string> runs;
  {
    auto rows = database->query(choice);
    while (rows && rows->step().value_or(false))
      runs.emplace_back(rows->text(0));
  }
  if (runs.empty()) return;
  std::string const run = runs[dice.below(runs.size())];
  auto const edited = strands ? database->run("DELETE FROM dispatch_queue WHERE run=?", run)
                              : database->run(
                                    "INSERT INTO dispatch_queue(run, task_type, pool, priority,"
                                    " fifo_groups, not_before_ms, enqueued_at_ms, epoch)"
                                    " SELECT id, 'background-agent', 'default', 0, '', 0, 0, epoch"
                                    " FROM runs WHERE id=?",
                                    run);
  // Also where it failed, for nobody knows what the disk then has.
  audit.edited(RunId::trusted(run));
  trace.note("by hand: {} {}{}", run, strands ? "loses its place" : "gets a place",
             edited ? "" : ", which fails");
}

// As worker/dispatcher does.
Task<Result<worker::NewRun>> Server::new_run(Wish wish) {
  WallTime const now = parts_.clock.now();
  worker::NewRun fresh;
  if (wish.session) {
    auto known = co_await readers_->run([id = *wish.session](store::Database& database) {
      return worker::find_session(database, id);
    });
    if (!known) co_return std::unexpected(known.error());
    fresh.session = *std::move(known);
  } else {
    fresh.new_session = true;
    fresh.session.id = SessionId::create(parts_.clock, random_);
    fresh.session.subject = wish.tenant;
    fresh.session.created_at = now;
  }
  fresh.session.updated_at = now;
  worker::RunRecord& run = fresh.run;
  run.id = RunId::create(parts_.clock, random_);
  run.session = fresh.session.id;
  run.prompt = wish.key;
  run.idempotency_key = wish.key;
  run.limits.wait_s = wish.wait_s;
  run.created_at = now;
  broker::QueueEntry& entry = fresh.entry;
  entry.run = run.id;
  entry.task_type = "background-agent";
  entry.pool = "default";
  entry.tenant = wish.tenant;
  entry.priority = wish.priority;
  entry.fifo_groups = wish.groups;
  entry.fifo_groups.push_back(fmt::format("session:{}", fresh.session.id));
  if (wish.slot_key) entry.keys.push_back({*wish.slot_key, wish.slots});
  entry.enqueued_at = now;
  entry.not_before = now + wish.delay;
  if (wish.queue_time) entry.expires_at = entry.not_before + *wish.queue_time;
  entry.retry.delay = Millis{200};
  co_return fresh;
}

Task<Result<Accepted>> Server::known_run(std::string key, Error otherwise) {
  auto const known = co_await readers_->run(
      [key](store::Database& database) { return worker::find_run_by_key(database, key); });
  if (!known) co_return std::unexpected(known.error());
  if (!*known) co_return std::unexpected(std::move(otherwise));
  co_return Accepted{(*known)->id, (*known)->session};
}

Status Server::record(store::Transaction& transaction, worker::NewRun& fresh) {
  if (parts_.defect == Defect::deaf_session && !fresh.new_session) {
    auto const enqueued = queue_->enqueue(transaction, fresh.entry);
    if (!enqueued) return std::unexpected(enqueued.error());
    DROVER_TRY(worker::insert_run(transaction.db(), fresh.run));
    return worker::append_events(transaction, *streams_, fresh.run,
                                 {worker::state_event(fresh.run, contract::RunState::queued)});
  }
  auto const recorded = worker::record_new_run(transaction, *streams_, *queue_, fresh);
  if (!recorded) return std::unexpected(recorded.error());
  return {};
}

Task<Result<Accepted>> Server::dispatch(Wish wish) {
  Error unknown{ErrorCode::not_found, "no run has that key", {}};
  auto known = co_await known_run(wish.key, std::move(unknown));
  if (known || known.error().code != ErrorCode::not_found) co_return known;
  if (!parts_.disk.reserve_held()) co_return fail(ErrorCode::no_space, "the reserve is given up");
  std::string const key = wish.key;
  auto fresh = co_await new_run(std::move(wish));
  if (!fresh) co_return std::unexpected(fresh.error());
  Accepted const accepted{fresh->run.id, fresh->session.id};
  auto job = [this, one = *std::move(fresh)](store::Transaction& transaction) mutable {
    return record(transaction, one);
  };
  if (parts_.defect == Defect::early_answer) {
    boost::asio::co_spawn(io_, writer_->run(std::move(job)),
                          [](std::exception_ptr const&, Status const&) {});
    co_return accepted;
  }
  auto const stored = co_await writer_->run(std::move(job));
  if (stored) co_return accepted;
  co_return co_await known_run(key, stored.error());
}

Task<Result<std::optional<GivenRun>>> Server::claim(WorkerId worker, Millis wait, Nanos asked_at,
                                                    std::optional<broker::OfferedRun> offered) {
  broker::ClaimRequest request;
  request.worker = std::move(worker);
  request.lease = kLease;
  request.wait = wait;
  if (offered && messenger_) messenger_->taken_up(*offered);
  request.only = std::move(offered);
  request.within = [this, asked_at](store::Transaction& transaction,
                                    broker::Claim const& claim) -> Status {
    if (!parts_.disk.reserve_held()) return fail(ErrorCode::no_space, "the reserve is given up");
    transaction.on_commit(
        [audit = &parts_.audit, claim, asked_at] { audit->claimed(claim, asked_at, kLease); });
    return worker::begin_attempt(transaction, *streams_, claim, parts_.clock.now());
  };
  auto claim = co_await queue_->claim(std::move(request));
  if (!claim) co_return std::unexpected(claim.error());
  if (!*claim) co_return std::nullopt;
  auto found = co_await readers_->run([run = (*claim)->entry.run](store::Database& database) {
    return worker::find_run_in_session(database, run);
  });
  if (!found) co_return std::unexpected(found.error());
  // What earlier attempts spent counts.
  budgets_.try_emplace({found->run.id, found->run.epoch},
                       std::make_shared<gateway::Budget>(kBudget, found->run.cost_microdollars));
  co_return GivenRun{**std::move(claim), std::move(found->run), std::move(found->session)};
}

Task<Result<bool>> Server::renew(broker::Claim claim, Nanos asked_at) {
  Status renewed;
  if (parts_.defect != Defect::deaf_heart) renewed = queue_->renew(claim, kLease);
  if (renewed) parts_.audit.renewed(claim, asked_at, kLease);
  co_return co_await done(std::move(renewed));
}

void Server::on_wrote(store::Transaction& transaction, worker::RunRecord const& run) {
  transaction.on_commit(
      [audit = &parts_.audit, id = run.id, epoch = run.epoch] { audit->wrote(id, epoch); });
}

void Server::on_left(store::Transaction& transaction, broker::Claim const& claim) {
  transaction.on_commit([this, run = claim.entry.run, epoch = claim.epoch] {
    parts_.audit.left(run, static_cast<std::int64_t>(epoch));
    if (watched_.contains(run)) scheduler_wakes_ = true;
  });
}

Task<Result<bool>> Server::append(worker::RunRecord run, std::optional<contract::RunState> from,
                                  std::int64_t number, std::vector<std::string> says,
                                  std::string workspace) {
  auto const known = take_account(run);
  if (!known) co_return std::unexpected(known.error());
  std::int64_t& last = stored_batches_[{run.id, run.epoch}];
  if (number <= last) co_return true;
  std::vector<broker::EventDraft> drafts;
  for (std::string const& text : says)
    drafts.push_back({"text", fmt::format(R"({{"says":"{}"}})", text)});
  auto const written =
      co_await writer_->run([this, run, from, drafts, workspace,
                             what = says.front()](store::Transaction& transaction) -> Status {
        on_wrote(transaction, run);
        transaction.on_commit([repositories = &parts_.repositories, workspace, id = run.id,
                               what = fmt::format("{}/{}", run.id, what)] {
          repositories->change(workspace, id, what);
        });
        if (parts_.defect == Defect::unfenced_events)
          return worker::append_events(transaction, *streams_, run, drafts);
        if (from) return worker::write_run(transaction, *streams_, run, *from, drafts);
        return worker::append_unit_events(transaction, *streams_, run, drafts);
      });
  if (written) last = std::max(last, number);
  co_return co_await done(written);
}

// As worker/joined_workers, which holds what it gave out until that has ended: whoever comes with
// another claim is refused.
Result<Server::BudgetPtr> Server::budget_of(worker::RunRecord const& run) {
  auto const found = budgets_.find({run.id, run.epoch});
  if (found == budgets_.end())
    return fail(ErrorCode::conflict, "attempt {} of {} is over", run.epoch, run.id);
  return found->second;
}

// What the turn spent becomes part of the run, as worker/supervisor has it.
Status Server::take_account(worker::RunRecord& run) {
  auto const budget = budget_of(run);
  if (!budget) return std::unexpected(budget.error());
  run.cost_microdollars = (*budget)->spent();
  run.reserved_microdollars = (*budget)->reserved();
  return {};
}

Task<Result<bool>> Server::record_spend(worker::RunRecord run, BudgetPtr budget) {
  run.cost_microdollars = budget->spent();
  run.reserved_microdollars = budget->reserved();
  auto const written = co_await writer_->run([this, run](store::Transaction& transaction) {
    return worker::record_spend(transaction, *streams_, run, {});
  });
  co_return co_await done(written);
}

// As worker/store_control and gateway/model_proxy do.
Task<Result<bool>> Server::call_model(GivenRun given, std::int64_t bill, bool says_cost,
                                      Nanos time) {
  auto const stands = queue_->renew(given.claim, kLease);
  if (!stands) co_return std::unexpected(stands.error());
  auto const held = budget_of(given.run);
  if (!held) co_return std::unexpected(held.error());
  BudgetPtr const budget = *held;
  auto const allowed = budget->reserve(kCallMost);
  if (!allowed) co_return std::unexpected(allowed.error());
  if (parts_.defect != Defect::free_calls) {
    auto const reserved = co_await record_spend(given.run, budget);
    if (!reserved) {
      budget->settle(kCallMost, 0);
      co_return reserved;
    }
  }
  parts_.audit.billed(given.run.id, bill);
  boost::asio::steady_timer answer{io_, time};
  co_await answer.async_wait(boost::asio::use_awaitable);
  budget->settle(kCallMost, says_cost ? bill : kCallMost);
  auto const recorded = co_await record_spend(given.run, budget);
  if (!recorded) parts_.trace.note("the cost of a call of {} is not recorded", given.run.id);
  // The answer is with the unit already.
  co_return true;
}

Task<Result<bool>> Server::record_committing(worker::RunRecord run, contract::RunState from) {
  auto const known = take_account(run);
  if (!known) co_return std::unexpected(known.error());
  auto const written =
      co_await write_of_end([this, run, from](store::Transaction& transaction) -> Status {
        on_wrote(transaction, run);
        return worker::write_run(transaction, *streams_, run, from);
      });
  co_return co_await done(written);
}

Task<Result<bool>> Server::end_run(GivenRun given, contract::RunState from) {
  auto const known = take_account(given.run);
  if (!known) co_return std::unexpected(known.error());
  auto const written =
      co_await write_of_end([this, given, from](store::Transaction& transaction) -> Status {
        on_wrote(transaction, given.run);
        on_left(transaction, given.claim);
        return worker::end_claimed_run(transaction, *streams_, *queue_, given.claim, given.run,
                                       given.session, from, {}, parts_.clock.now());
      });
  if (written) budgets_.erase({given.run.id, given.run.epoch});
  co_return co_await done(written);
}

Task<Result<bool>> Server::put_back(GivenRun given, contract::RunState from) {
  auto const known = take_account(given.run);
  if (!known) co_return std::unexpected(known.error());
  auto const random = random_.below(1'000'000);
  auto const written =
      co_await write_of_end([this, given, from, random](store::Transaction& transaction) -> Status {
        on_wrote(transaction, given.run);
        on_left(transaction, given.claim);
        return worker::put_back_run(transaction, *streams_, *queue_, given.claim, given.run, from,
                                    {}, worker::failure_of(given.run, random), Millis{0});
      });
  if (written) budgets_.erase({given.run.id, given.run.epoch});
  co_return co_await done(written);
}

Task<Result<bool>> Server::cancel(RunId run) {
  auto const outcome = co_await write_of_end([this, run](store::Transaction& transaction) {
    return worker::cancel_run(transaction, *streams_, *queue_, run, parts_.clock.now());
  });
  if (!outcome) co_return std::unexpected(outcome.error());
  parts_.trace.note("cancel {}: {}", run, static_cast<int>(*outcome));
  if (*outcome == broker::CancelOutcome::claimed) parts_.on_cancel(run);
  co_return true;
}

Task<Result<std::pair<std::int64_t, bool>>> Server::read(RunId run, std::int64_t after) {
  auto reader = streams_->open_reader(broker::StreamName::of_run(run), after);
  if (!reader) co_return std::unexpected(reader.error());
  auto const batch = co_await (*reader)->next(kReadMax, Millis{0});
  if (!batch) co_return std::unexpected(batch.error());
  for (broker::EventPtr const& event : batch->events)
    parts_.audit.shown(run, event->seq(), event->body());
  co_return std::pair{(*reader)->cursor(), batch->ended};
}

Task<Result<bool>> Server::schedule_round() {
  schedule::RoundPlan plan = rounds_.plan(parts_.clock.now());
  plan.starts_max = kSlotsOfASchedule;
  plan.watched_max = kWatchedMax;
  auto const round = co_await writer_->run([plan](store::Transaction& transaction) {
    return schedule::play_round(transaction.db(), plan);
  });
  if (!round) co_return std::unexpected(round.error());
  rounds_.note(plan);
  next_round_ = round->wake;
  if (round->more) scheduler_wakes_ = true;
  for (schedule::Start const& one : round->starts) {
    auto const started = co_await start_firing(one);
    if (!started) co_return started;
  }
  co_return co_await watch(round->to_watch);
}

Task<Result<bool>> Server::start_firing(schedule::Start start) {
  Wish wish;
  wish.key = schedule::idempotency_key(start.schedule.id, start.firing);
  wish.tenant = "cron";
  auto const run = co_await dispatch(wish);
  WallTime const now = parts_.clock.now();
  auto const noted = co_await writer_->run([run, now, start](store::Transaction& transaction) {
    schedule::Outcome outcome;
    outcome.state = schedule::FiringState::failed;
    if (run) return schedule::note_run(transaction.db(), start.firing.id, run->run);
    return schedule::try_again(transaction.db(), start.firing.id, start.schedule.job.retry, outcome,
                               now, {});
  });
  scheduler_wakes_ = true;
  if (run) parts_.audit.accepted(wish.key, run->run);
  parts_.trace.note("firing {} {}", wish.key, run ? run->run.str() : "not dispatched");
  co_return co_await done(noted);
}

// Those whose run has ended have ended.
Task<Result<bool>> Server::watch(std::vector<schedule::FiringRun> firings) {
  watched_.clear();
  for (auto const& [firing, run] : firings)
    watched_.insert(run);
  for (schedule::FiringRun const& one : firings) {
    auto const record = co_await readers_->run(
        [run = one.run](store::Database& database) { return worker::find_run(database, run); });
    if (!record) co_return std::unexpected(record.error());
    if (!contract::is_terminal(record->state)) continue;
    auto const ended =
        co_await writer_->run([one, now = parts_.clock.now()](store::Transaction& transaction) {
          return schedule::finish(transaction.db(), one.firing, {}, now, {});
        });
    if (!ended) co_return std::unexpected(ended.error());
    scheduler_wakes_ = true;
  }
  co_return true;
}

}  // namespace drover::sim
