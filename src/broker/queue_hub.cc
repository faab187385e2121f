#include "broker/queue_hub.h"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.h"
#include "broker/queue_rows.h"

namespace drover::broker {

namespace asio = boost::asio;

namespace {

// The wall clock may be set forward: what waits for it is looked at no less often than this.
constexpr std::chrono::seconds kWallCheck{60};
// An entry whose leaving could not be written, such as on a full disk, is tried again.
constexpr Millis kExitRetry{1'000};

Task<void> record_lost_lease(store::Writer* writer, ExpiredLease lease) {
  auto job = [lease](store::Transaction& transaction) {
    return write_lost_lease(transaction.db(), lease);
  };
  auto const done = co_await writer->run(std::move(job));
  // The next claim overwrites the mark; until then cancel() says "claimed".
  if (!done) log::warn("lease-not-cleared", {{"run", lease.run}, {"reason", done.error().message}});
}

// False when the row has gone: acknowledged or cancelled meanwhile, whose hook tells the core.
Result<bool> take_out(store::Database& database, QueueExit const& exit, WallTime now) {
  if (exit.kind == QueueExit::Kind::expired) return delete_overdue(database, exit.entry.run);
  DeadLetter const letter{exit.entry, exit.reason,
                          fmt::format("its worker's lease ran out {} times", exit.entry.lost), now};
  return bury_claimed(database, letter);
}

}  // namespace

EmbeddedQueue::Hub::Waiter::Waiter(Hub& owner, ClaimRequest const& wanted, std::size_t most)
    : hub(&owner), request(&wanted), claims_max(most), timer(owner.loop) {
  place = hub->waiters.insert(hub->waiters.end(), this);
  hub->waiting = hub->waiters.size();
}

EmbeddedQueue::Hub::Waiter::~Waiter() {
  if (served) return;
  hub->waiters.erase(place);
  hub->waiting = hub->waiters.size();
}

EmbeddedQueue::Hub::Hub(store::Writer& to, Clock const& time, asio::any_io_executor executor,
                        QueueOptions wanted)
    : writer(&to),
      clock(&time),
      loop(std::move(executor)),
      options(std::move(wanted)),
      core(options.limits, time.boot_now()),
      timer(loop) {
  if (options.start == QueueStart::paused) core.pause({QueueName::Kind::all, {}});
}

std::vector<Picked> EmbeddedQueue::Hub::pick(ClaimRequest const& request, std::size_t most) {
  QueueTime const time = now();
  std::vector<Picked> picked;
  while (picked.size() < most) {
    BootTime const until = time.boot + request.lease;
    auto one = request.only
                   ? core.claim_offered(*request.only, request.filter, request.worker, until, time)
                   : core.claim(request.filter, request.worker, until, time);
    if (!one) break;
    picked.push_back(*std::move(one));
  }
  return picked;
}

void EmbeddedQueue::Hub::give_back(std::vector<Picked> const& picked) {
  for (Picked const& one : picked)
    core.release(one.entry.run, one.entry.epoch,
                 {.not_before = one.entry.not_before, .delay = {}, .failed = one.entry.failed},
                 now());
  changed();
}

void EmbeddedQueue::Hub::changed() {
  serve_waiters();
  depth = core.stats().entries;
  arm();
  if (change_handler) change_handler();
}

void EmbeddedQueue::Hub::serve_waiters() {
  for (auto at = waiters.begin(); at != waiters.end() && core.maybe_ready();) {
    Waiter& waiter = **at;
    auto picked = pick(*waiter.request, waiter.claims_max);
    if (picked.empty()) {
      ++at;
      continue;
    }
    waiter.picked = std::move(picked);
    waiter.served = true;
    waiter.timer.cancel();
    at = waiters.erase(at);
    waiting = waiters.size();
  }
}

// The timer is moved only forward in time: one that comes too early finds nothing due and is set
// anew, which is cheaper than setting it at every claim.
void EmbeddedQueue::Hub::arm() {
  auto due = core.next_due(now());
  if (!due || stopped) return;
  if (core.waits_for_wall()) due = std::min<Nanos>(*due, kWallCheck);
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
  auto overdue = core.take_overdue(time);
  core.wake(time);
  for (ExpiredLease const& lease : expired) {
    log::warn("lease-expired", {{"run", lease.run},
                                {"epoch", static_cast<std::int64_t>(lease.epoch)},
                                {"worker", lease.worker}});
    if (expired_handler) expired_handler(lease);
    if (lease.poison) {
      start_exit({QueueExit::Kind::dead, *core.find(lease.run)->entry, DeadReason::poison});
    } else {
      asio::co_spawn(loop, record_lost_lease(writer, lease), asio::detached);
    }
  }
  for (QueueEntry& entry : overdue)
    start_exit({QueueExit::Kind::expired, std::move(entry), DeadReason::attempts});
  changed();
}

namespace {

template <class Hub>
Task<void> carry_out_exit(std::shared_ptr<Hub> hub, QueueExit exit) {
  while (!hub->stopped) {
    auto job = [hub, exit](store::Transaction& transaction) -> Status {
      auto const out = take_out(transaction.db(), exit, hub->clock->now());
      if (!out) return std::unexpected(out.error());
      if (!*out) return {};
      if (hub->exit_handler) DROVER_TRY(hub->exit_handler(transaction, exit));
      transaction.on_commit([hub, run = exit.entry.run] {
        hub->core.remove(run, hub->now());
        hub->changed();
      });
      return {};
    };
    auto const done = co_await hub->writer->run(std::move(job));
    if (done) co_return;
    log::error("queue-exit-not-recorded",
               {{"run", exit.entry.run}, {"reason", done.error().text()}});
    asio::steady_timer pause{hub->loop, kExitRetry};
    co_await pause.async_wait(asio::use_awaitable);
  }
}

}  // namespace

void EmbeddedQueue::Hub::start_exit(QueueExit exit) {
  asio::co_spawn(loop, carry_out_exit(shared_from_this(), std::move(exit)), asio::detached);
}

}  // namespace drover::broker
