#include "broker/embedded_queue.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <list>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "broker/queue_core.h"

namespace drover::broker {

namespace asio = boost::asio;

namespace {

using Steady = std::chrono::steady_clock;

// The wall clock may be set forward: delayed entries are looked at no less often than this.
constexpr std::chrono::seconds kWallCheck{60};

std::int64_t number(Epoch epoch) {
  return static_cast<std::int64_t>(epoch);
}

std::string join_lines(std::vector<std::string> const& lines) {
  std::string text;
  for (std::string const& line : lines)
    text.append(text.empty() ? "" : "\n").append(line);
  return text;
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  if (text.empty()) return lines;
  for (std::string_view const line : split(text, '\n'))
    lines.emplace_back(line);
  return lines;
}

// The file keeps milliseconds, and memory must not know better than the file.
WallTime whole_ms(WallTime time) {
  return from_unix_ms(to_unix_ms(time));
}

Error fenced(Claim const& claim) {
  return Error{ErrorCode::conflict,
               fmt::format("fenced: epoch {} of run {} holds no claim any more",
                           number(claim.epoch), claim.entry.run),
               "stop this attempt; nothing it writes is accepted"};
}

struct Row {
  QueueEntry entry;
  std::int64_t order = 0;
};

Result<std::vector<Row>> read_rows(store::Database& database) {
  auto rows = database.query(
      "SELECT id, run, task_type, pool, priority, fifo_groups, concurrency_key, concurrency_max,"
      " not_before_ms, enqueued_at_ms, epoch FROM dispatch_queue ORDER BY id");
  if (!rows) return std::unexpected(rows.error());
  std::vector<Row> all;
  for (;;) {
    auto const found = rows->step();
    if (!found) return std::unexpected(found.error());
    if (!*found) return all;
    Row row;
    row.order = rows->integer(0);
    row.entry.run = RunId::trusted(std::string{rows->text(1)});
    row.entry.task_type = rows->text(2);
    row.entry.pool = rows->text(3);
    row.entry.priority = rows->integer(4);
    row.entry.fifo_groups = split_lines(rows->text(5));
    row.entry.concurrency_key = rows->text(6);
    row.entry.concurrency_max = rows->integer(7);
    row.entry.not_before = from_unix_ms(rows->integer(8));
    row.entry.enqueued_at = from_unix_ms(rows->integer(9));
    row.entry.epoch = Epoch{rows->integer(10)};
    all.push_back(std::move(row));
  }
}

// Makes a claim durable. False when its row has gone meanwhile.
Result<bool> write_claim(store::Transaction& transaction, Claim const& claim, std::int64_t order) {
  DROVER_TRY(transaction.db().run(
      "UPDATE dispatch_queue SET epoch=?1, claimed_by=?2 WHERE id=?3 AND epoch<?1",
      number(claim.epoch), claim.worker.str(), order));
  return transaction.db().changes() == 1;
}

Task<void> forget_claimer(store::Writer* writer, ExpiredLease lease) {
  auto job = [lease](store::Transaction& transaction) -> Status {
    return transaction.db().run("UPDATE dispatch_queue SET claimed_by=NULL WHERE run=? AND epoch=?",
                                lease.run.str(), number(lease.epoch));
  };
  auto const done = co_await writer->run(std::move(job));
  // The next claim overwrites it; until then cancel() says "claimed".
  if (!done) log::warn("lease-not-cleared", {{"run", lease.run}, {"error", done.error().message}});
}

}  // namespace

// The queue's memory; lives on the event loop.
struct EmbeddedQueue::Hub : std::enable_shared_from_this<Hub> {
  // A claim() that waits; lives in its coroutine.
  struct Waiter {
    Waiter(Hub& owner, ClaimRequest const& wanted)
        : hub(&owner), request(&wanted), timer(owner.loop) {
      place = hub->waiters.insert(hub->waiters.end(), this);
    }
    ~Waiter() {
      if (!served) hub->waiters.erase(place);
    }
    Waiter(Waiter const&) = delete;
    Waiter& operator=(Waiter const&) = delete;

    Hub* hub;
    ClaimRequest const* request;
    asio::steady_timer timer;
    std::list<Waiter*>::iterator place;
    std::optional<Picked> picked;
    bool served = false;
  };

  Hub(store::Writer& to, Clock const& time, asio::any_io_executor executor, QueueOptions wanted)
      : writer(&to), clock(&time), loop(std::move(executor)), options(wanted), timer(loop) {}

  store::Writer* writer;
  Clock const* clock;
  asio::any_io_executor loop;
  QueueOptions options;
  QueueCore core;
  std::list<Waiter*> waiters;  // in the order in which they came
  asio::steady_timer timer;
  std::optional<Steady::time_point> armed;
  std::function<void(ExpiredLease const&)> expired_handler;
  std::atomic<std::size_t> depth{0};  // of `core`, for the writer's thread
  std::atomic<bool> loaded{false};
  bool stopped = false;

  [[nodiscard]] QueueTime now() const { return {clock->now(), clock->boot_now()}; }
  [[nodiscard]] std::optional<Picked> pick(ClaimRequest const& request);
  void changed();
  void serve_waiters();
  void arm();
  void tick();
};

std::optional<Picked> EmbeddedQueue::Hub::pick(ClaimRequest const& request) {
  QueueTime const time = now();
  return core.claim(request.filter, request.worker, time.boot + request.lease, time);
}

// After every change of the core.
void EmbeddedQueue::Hub::changed() {
  serve_waiters();
  depth = core.stats().entries;
  arm();
}

void EmbeddedQueue::Hub::serve_waiters() {
  for (auto at = waiters.begin(); at != waiters.end() && core.has_ready();) {
    Waiter& waiter = **at;
    auto picked = pick(*waiter.request);
    if (!picked) {
      ++at;
      continue;
    }
    waiter.picked = std::move(picked);
    waiter.served = true;
    waiter.timer.cancel();
    at = waiters.erase(at);
  }
}

// The timer is moved only forward in time: one that comes too early finds nothing due and is set
// anew, which is cheaper than setting it at every claim.
void EmbeddedQueue::Hub::arm() {
  auto due = core.next_due(now());
  if (!due || stopped) return;
  if (core.stats().delayed > 0) due = std::min<Nanos>(*due, kWallCheck);
  auto const at = Steady::now() + std::max<Nanos>(*due, Millis{1});
  if (armed && *armed <= at) return;
  armed = at;
  timer.expires_at(at);
  timer.async_wait([weak = weak_from_this()](boost::system::error_code const& cancelled) {
    auto const hub = weak.lock();
    if (cancelled || !hub) return;
    hub->armed.reset();
    hub->tick();
  });
}

void EmbeddedQueue::Hub::tick() {
  QueueTime const time = now();
  auto const expired = core.expire(time);
  core.wake_delayed(time);
  for (ExpiredLease const& lease : expired) {
    log::warn("lease-expired",
              {{"run", lease.run}, {"epoch", number(lease.epoch)}, {"worker", lease.worker}});
    asio::co_spawn(loop, forget_claimer(writer, lease), asio::detached);
    if (expired_handler) expired_handler(lease);
  }
  changed();
}

EmbeddedQueue::EmbeddedQueue(store::Writer& writer, Clock const& clock, asio::any_io_executor loop,
                             QueueOptions options)
    : hub_(std::make_shared<Hub>(writer, clock, std::move(loop), options)) {}

EmbeddedQueue::~EmbeddedQueue() {
  stop();
  hub_->timer.cancel();
}

void EmbeddedQueue::stop() {
  hub_->stopped = true;
  for (Hub::Waiter* waiter : hub_->waiters)
    waiter->timer.cancel();
}

void EmbeddedQueue::tick() {
  hub_->tick();
}

void EmbeddedQueue::on_expired(std::function<void(ExpiredLease const&)> handler) {
  hub_->expired_handler = std::move(handler);
}

QueueStats EmbeddedQueue::stats() const {
  QueueStats stats = hub_->core.stats();
  stats.waiting_claimers = hub_->waiters.size();
  return stats;
}

Task<Result<std::size_t>> EmbeddedQueue::load() {
  auto job = [hub = hub_](store::Transaction& transaction) -> Result<std::size_t> {
    DROVER_TRY(transaction.db().run(
        "UPDATE dispatch_queue SET claimed_by=NULL WHERE claimed_by IS NOT NULL"));
    auto rows = read_rows(transaction.db());
    if (!rows) return std::unexpected(rows.error());
    std::size_t const count = rows->size();
    hub->loaded = true;
    transaction.on_commit([hub, all = std::move(*rows)] {
      QueueTime const time = hub->now();
      for (Row const& row : all)
        DROVER_CHECK(hub->core.add(row.entry, row.order, time));
      hub->changed();
    });
    return count;
  };
  co_return co_await hub_->writer->run(std::move(job));
}

Status EmbeddedQueue::enqueue(store::Transaction& transaction, QueueEntry const& entry) {
  DROVER_CHECK(hub_->loaded);
  DROVER_TRY(check_entry(entry));
  if (hub_->depth >= hub_->options.entries_max)
    return fail_next(ErrorCode::unavailable,
                     fmt::format("the dispatch queue is full ({} runs)", hub_->options.entries_max),
                     "wait until some have run, or add workers");
  QueueEntry stored = entry;
  stored.not_before = whole_ms(stored.not_before);
  stored.enqueued_at = whole_ms(stored.enqueued_at);
  DROVER_TRY(transaction.db().run(
      "INSERT INTO dispatch_queue(run, task_type, pool, priority, fifo_groups, concurrency_key,"
      " concurrency_max, not_before_ms, enqueued_at_ms, epoch) VALUES(?,?,?,?,?,?,?,?,?,?)"
      " ON CONFLICT DO NOTHING",
      stored.run.str(), stored.task_type, stored.pool, stored.priority,
      join_lines(stored.fifo_groups), stored.concurrency_key, stored.concurrency_max,
      to_unix_ms(stored.not_before), to_unix_ms(stored.enqueued_at), number(stored.epoch)));
  if (transaction.db().changes() == 0)
    return fail(ErrorCode::conflict, "run {} is in the dispatch queue already", stored.run);
  transaction.on_commit(
      [hub = hub_, stored = std::move(stored), order = transaction.db().last_insert_id()] {
        DROVER_CHECK(hub->core.add(stored, order, hub->now()));
        hub->changed();
      });
  return {};
}

Task<Result<std::optional<Claim>>> EmbeddedQueue::claim(ClaimRequest request) {
  // The hub stays when the queue goes while this waits.
  std::shared_ptr<Hub> const hub = hub_;
  auto const deadline = Steady::now() + request.wait;
  for (;;) {
    if (hub->stopped)
      co_return fail(ErrorCode::unavailable,
                     "the dispatch queue gives out no work: drover is stopping");
    auto picked = hub->pick(request);
    if (!picked) {
      if (Steady::now() >= deadline) co_return std::nullopt;
      if (hub->waiters.size() >= hub->options.claimers_max)
        co_return fail(ErrorCode::unavailable, "{} claimers wait for work, which is the limit",
                       hub->waiters.size());
      Hub::Waiter waiter{*hub, request};
      waiter.timer.expires_at(deadline);
      co_await waiter.timer.async_wait(asio::as_tuple(asio::use_awaitable));
      picked = std::move(waiter.picked);
      auto const cancelled = co_await asio::this_coro::cancellation_state;
      if (cancelled.cancelled() != asio::cancellation_type::none || (hub->stopped && picked)) {
        if (picked)
          hub->core.release(picked->entry.run, picked->entry.epoch, picked->entry.not_before,
                            hub->now());
        hub->changed();
        co_return fail(ErrorCode::cancelled, "the claim was cancelled");
      }
    }
    if (!picked) continue;
    Claim claim;
    claim.epoch = picked->entry.epoch;
    claim.worker = request.worker;
    claim.lease = fmt::format("{}/{}", picked->entry.run, number(claim.epoch));
    claim.entry = std::move(picked->entry);
    auto job = [claim, order = picked->order,
                within = request.within](store::Transaction& transaction) -> Result<bool> {
      auto written = write_claim(transaction, claim, order);
      if (!written || !*written || !within) return written;
      DROVER_TRY(within(transaction, claim));
      return true;
    };
    // No sooner than a lease is held its end is to be watched.
    hub->arm();
    auto const durable = co_await hub->writer->run(std::move(job));
    if (durable && *durable) co_return claim;
    // Gone: acknowledged or cancelled while this was on its way, whose hook has told the core.
    if (durable) continue;
    hub->core.release(claim.entry.run, claim.epoch, claim.entry.not_before, hub->now());
    hub->changed();
    co_return std::unexpected(durable.error());
  }
}

Status EmbeddedQueue::renew(Claim const& claim, Millis lease) {
  auto renewed = hub_->core.renew(claim.entry.run, claim.epoch, hub_->clock->boot_now() + lease);
  if (renewed) hub_->arm();
  return renewed;
}

Status EmbeddedQueue::ack(store::Transaction& transaction, Claim const& claim) {
  DROVER_TRY(transaction.db().run(
      "DELETE FROM dispatch_queue WHERE run=? AND epoch=? AND claimed_by IS NOT NULL",
      claim.entry.run.str(), number(claim.epoch)));
  if (transaction.db().changes() == 0) return std::unexpected(fenced(claim));
  transaction.on_commit([hub = hub_, run = claim.entry.run] {
    hub->core.remove(run, hub->now());
    hub->changed();
  });
  return {};
}

Status EmbeddedQueue::release(store::Transaction& transaction, Claim const& claim, Millis delay) {
  WallTime const not_before = whole_ms(hub_->clock->now() + delay);
  DROVER_TRY(
      transaction.db().run("UPDATE dispatch_queue SET not_before_ms=?, claimed_by=NULL"
                           " WHERE run=? AND epoch=? AND claimed_by IS NOT NULL",
                           to_unix_ms(not_before), claim.entry.run.str(), number(claim.epoch)));
  if (transaction.db().changes() == 0) return std::unexpected(fenced(claim));
  transaction.on_commit([hub = hub_, run = claim.entry.run, epoch = claim.epoch, not_before] {
    hub->core.release(run, epoch, not_before, hub->now());
    hub->changed();
  });
  return {};
}

Result<CancelOutcome> EmbeddedQueue::cancel(store::Transaction& transaction, RunId const& run) {
  auto& database = transaction.db();
  DROVER_TRY(
      database.run("DELETE FROM dispatch_queue WHERE run=? AND claimed_by IS NULL", run.str()));
  if (database.changes() == 1) {
    transaction.on_commit([hub = hub_, run] {
      hub->core.remove(run, hub->now());
      hub->changed();
    });
    return CancelOutcome::removed;
  }
  auto row = database.query("SELECT 1 FROM dispatch_queue WHERE run=?", run.str());
  if (!row) return std::unexpected(row.error());
  auto const found = row->step();
  if (!found) return std::unexpected(found.error());
  return *found ? CancelOutcome::claimed : CancelOutcome::absent;
}

}  // namespace drover::broker
