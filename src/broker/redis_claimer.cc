#include "broker/redis_claimer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/check.h"
#include "base/log.h"
#include "broker/redis_entries.h"
#include "broker/redis_scripts.h"
#include "redis/failure.h"

namespace drover::broker {

namespace asio = boost::asio;

namespace {

using redis::Command;
using redis::Reply;
using Steady = std::chrono::steady_clock;

constexpr Millis kBlockGrace{2'000};
// After a read was cut: for so long Redis may take its connection for one that lives, and its own
// entries are looked at so often.
constexpr Millis kDoubt{2'000};
constexpr Millis kDoubtBlock{200};

std::string key_of(std::string const& stream, std::string const& id) {
  return stream + " " + id;
}

}  // namespace

// A next() that waits; lives in its coroutine.
struct RedisClaimer::Waiter {
  explicit Waiter(RedisClaimer& claimer) : owner(&claimer), timer(claimer.loop_) {
    place = owner->waiters_.insert(owner->waiters_.end(), this);
  }
  ~Waiter() {
    if (!released) owner->waiters_.erase(place);
  }
  Waiter(Waiter const&) = delete;
  Waiter& operator=(Waiter const&) = delete;

  void release() {
    released = true;
    timer.cancel();
  }
  RedisClaimer* owner;
  asio::steady_timer timer;
  std::list<Waiter*>::iterator place;
  std::optional<Held> held;
  bool released = false;  // off the list
};

RedisClaimer::RedisClaimer(asio::any_io_executor loop, redis::Client& client, Random& random,
                           Lanes lanes, ClaimerOptions options)
    : loop_(std::move(loop)),
      client_(client),
      random_(random),
      lanes_(std::move(lanes)),
      options_(std::move(options)),
      changed_(loop_) {}

RedisClaimer::~RedisClaimer() {
  DROVER_CHECK(tasks_ == 0);
}

void RedisClaimer::spawn(Task<void> task) {
  ++tasks_;
  asio::co_spawn(loop_, std::move(task), [this](std::exception_ptr const& thrown) {
    --tasks_;
    changed_.notify();
    if (thrown) std::rethrow_exception(thrown);
  });
}

void RedisClaimer::start() {
  spawn(run());
  spawn(watch_link());
}

void RedisClaimer::close() {
  stopping_ = true;
  release_waiters();
  stop_reading("drover is stopping");
  changed_.notify();
  client_.changed().notify();
}

Task<void> RedisClaimer::stop() {
  close();
  while (tasks_ > 0) {
    auto const seen = changed_.version();
    if (tasks_ > 0) co_await changed_.wait(seen);
  }
  std::vector<Held> held;
  for (auto& [key, one] : held_)
    held.push_back(std::move(one));
  auto const handed = co_await hand_back(std::move(held));
  std::vector<Command> commands;
  for (std::string const& stream : grouped_)
    commands.push_back({"XGROUP", "DELCONSUMER", stream, worker_group(), options_.consumer});
  auto const left = co_await client_.pipeline(std::move(commands));
  // Whoever is next reclaims what is still held in this name.
  if (!handed || !left) log::info("redis-claimer-left", {{"consumer", options_.consumer}});
}

void RedisClaimer::stop_reading(std::string why) {
  if (blocking_) blocking_->close({ErrorCode::cancelled, std::move(why), {}});
}

// What is delivered to a connection while it is closed waits until it is reclaimed: streams that
// are read already are no reason to close it.
void RedisClaimer::lanes_changed() {
  if (streams() != grouped_) stop_reading("there are other streams to read");
  changed_.notify();
}

void RedisClaimer::release_waiters() {
  for (Waiter* waiter : std::exchange(waiters_, {}))
    waiter->release();
}

Task<std::optional<RedisClaimer::Held>> RedisClaimer::next(os::AsyncEvent::TimePoint deadline) {
  if (!usable() || Steady::now() >= deadline) co_return std::nullopt;
  Waiter waiter{*this};
  changed_.notify();
  waiter.timer.expires_at(deadline);
  co_await waiter.timer.async_wait(asio::as_tuple(asio::use_awaitable));
  co_return std::move(waiter.held);
}

void RedisClaimer::done(Held const& held) {
  held_.erase(key_of(held.stream, held.id));
  done_.push_back(held);
  if (removing_) return;
  removing_ = true;
  spawn(remove_done());
}

void RedisClaimer::give_back(Held held) {
  held_.erase(key_of(held.stream, held.id));
  spawn(hand_one_back(std::move(held)));
}

Task<void> RedisClaimer::hand_one_back(Held held) {
  std::vector<Held> one{std::move(held)};
  auto const handed = co_await hand_back(std::move(one));
  // Whoever reclaims it tries it.
  if (!handed) log::debug("redis-offer-not-handed-back", {{"reason", handed.error().message}});
}

// Those that come while others are on their way go together with the next.
Task<void> RedisClaimer::remove_done() {
  while (!done_.empty()) {
    std::map<std::string, std::vector<std::string>> by_stream;
    for (Held const& held : std::exchange(done_, {}))
      by_stream[held.stream].push_back(held.id);
    std::vector<Command> commands;
    for (auto const& [stream, ids] : by_stream)
      append_removal(commands, stream, ids);
    auto const removed = co_await client_.pipeline(std::move(commands));
    // The entry is reclaimed then, refused, and removed again.
    if (!removed) log::debug("redis-offer-not-removed", {{"reason", removed.error().message}});
  }
  removing_ = false;
}

Task<void> RedisClaimer::watch_link() {
  while (!stopping_) {
    auto const seen = client_.changed().version();
    if (!client_.is_connected()) {
      usable_ = false;
      stop_reading("Redis is away");
      release_waiters();
    } else if (client_.generation() != generation_) {
      generation_ = client_.generation();
      grouped_.clear();
      usable_ = true;
    }
    changed_.notify();
    if (!stopping_) co_await client_.changed().wait(seen);
  }
}

Task<void> RedisClaimer::run() {
  redis::Backoff backoff;
  while (!stopping_) {
    auto const seen = changed_.version();
    if (!client_.is_connected() || (waiters_.empty() && held_.empty())) {
      co_await changed_.wait(seen);
      continue;
    }
    if (waiters_.empty()) {
      auto const kept = co_await keep_held();
      if (!kept) log::debug("redis-offers-not-kept", {{"reason", kept.error().message}});
      co_await changed_.wait(seen, Steady::now() + options_.reclaim_every);
      continue;
    }
    auto const done = co_await round();
    if (done) {
      usable_ = client_.is_connected();
      backoff.reset();
      continue;
    }
    if (stopping_ || done.error().code == ErrorCode::cancelled) continue;
    log::warn("redis-claim-failed", {{"reason", done.error().text()}});
    usable_ = false;
    release_waiters();
    asio::steady_timer pause{loop_, backoff.next(random_)};
    co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
    usable_ = client_.is_connected();
  }
}

std::vector<std::string> RedisClaimer::streams() const {
  std::vector<std::string> all;
  for (QueueLane const& lane : lanes_())
    for (std::size_t level = 0; level < kPriorityLevels; ++level)
      all.push_back(
          stream_of({lane.task_type, lane.pool, static_cast<PriorityLevel>(level), lane.labels}));
  return all;
}

Task<Status> RedisClaimer::round() {
  Work work;
  work.streams = streams();
  if (work.streams.empty()) {
    auto const seen = changed_.version();
    co_await changed_.wait(seen, Steady::now() + options_.block);
    co_return Status{};
  }
  if (work.streams != grouped_) {
    auto const made = co_await make_groups(work.streams);
    if (!made) co_return made;
    grouped_ = work.streams;
  }
  Status done;
  if (Steady::now() - reclaimed_at_ >= options_.reclaim_every) {
    reclaimed_at_ = Steady::now();
    done = co_await keep_held();
    if (done) done = co_await reclaim(work);
    if (!done) co_return done;
  }
  if (work.entries.empty() && in_doubt()) done = co_await recover(work);
  // Whoever waited may have gone meanwhile.
  if (done && work.entries.empty() && !waiters_.empty()) done = co_await take(work);
  if (done && work.entries.empty() && !waiters_.empty()) done = co_await wait_for_one(work);
  // Also after an error: what was delivered is not to be lost.
  auto surplus = give_out(work.entries);
  if (!done) co_return done;
  co_return co_await hand_back(std::move(surplus));
}

Task<Status> RedisClaimer::make_groups(std::vector<std::string> streams) {
  std::vector<Command> commands;
  for (std::string const& stream : streams)
    commands.push_back({"XGROUP", "CREATE", stream, worker_group(), "0", "MKSTREAM"});
  auto const replies = co_await client_.pipeline(std::move(commands));
  if (!replies) co_return std::unexpected(replies.error());
  for (Reply const& reply : *replies)
    if (reply.is_error() && redis::error_kind(reply) != "BUSYGROUP")
      co_return std::unexpected(redis::to_error(reply, "make the group of workers"));
  co_return Status{};
}

Task<Status> RedisClaimer::take(Work& work) {
  redis::Script::Call call;
  call.keys = work.streams;
  call.arguments = {worker_group(), options_.consumer,
                    fmt::to_string(std::min(waiters_.size(), options_.takes_max)),
                    fmt::to_string(taken_)};
  std::vector<redis::Script::Call> calls;
  calls.push_back(std::move(call));
  auto const replies = co_await client_.run_all(take_script(), std::move(calls));
  if (!replies) co_return std::unexpected(replies.error());
  Reply const& reply = replies->front();
  // The error of a command of a script stands behind the script's own words.
  bool const flushed = is_group_gone(reply) || (reply.is_error() && reply.text.contains("NOGROUP"));
  if (flushed) {
    grouped_.clear();
    co_return Status{};
  }
  if (reply.is_error()) co_return std::unexpected(redis::to_error(reply, "give out work"));
  for (Reply const& one : reply.items) {
    if (one.items.size() != 2) continue;
    Reply list;
    list.items.push_back(one.items[1]);
    for (StreamEntry& entry : entries_of(list))
      work.entries.push_back({one.items[0].text, std::move(entry.id), std::move(entry.fields)});
  }
  taken_ += work.entries.size();
  co_return Status{};
}

Task<Status> RedisClaimer::wait_for_one(Work& work) {
  if (grouped_.empty() || stopping_) co_return Status{};
  if (!blocking_ || !blocking_->is_open()) {
    auto opened = co_await client_.open_own();
    if (!opened) co_return std::unexpected(opened.error());
    blocking_ = *std::move(opened);
    // What there was to stop it came while it was opened.
    if (stopping_ || !client_.is_connected()) stop_reading("Redis is away");
  }
  Millis const block = in_doubt() ? std::min(options_.block, kDoubtBlock) : options_.block;
  Command read{"XREADGROUP", "GROUP", worker_group(), options_.consumer,
               "COUNT",      "1",     "BLOCK",        fmt::to_string(block.count()),
               "STREAMS"};
  read.insert(read.end(), work.streams.begin(), work.streams.end());
  read.insert(read.end(), work.streams.size(), ">");
  std::vector<Command> commands;
  commands.push_back(std::move(read));
  auto const connection = blocking_;
  auto const replies = co_await connection->pipeline(std::move(commands), block + kBlockGrace);
  if (!replies) {
    doubt_until_ = Steady::now() + kDoubt;
    co_return std::unexpected(replies.error());
  }
  Reply const& reply = replies->front();
  if (is_group_gone(reply)) {
    grouped_.clear();
    co_return Status{};
  }
  if (reply.is_error()) co_return std::unexpected(redis::to_error(reply, "give out work"));
  for (Reply const& stream : reply.items) {
    if (stream.items.size() != 2) continue;
    for (StreamEntry& entry : entries_of(stream.items[1]))
      work.entries.push_back({stream.items[0].text, std::move(entry.id), std::move(entry.fields)});
  }
  ++taken_;
  co_return Status{};
}

bool RedisClaimer::in_doubt() const {
  return Steady::now() < doubt_until_;
}

// What Redis gave to a read that nobody heard the end of is this consumer's, and would be so until
// somebody takes it for dead.
Task<Status> RedisClaimer::recover(Work& work) {
  Command read{"XREADGROUP",      "GROUP", worker_group(),
               options_.consumer, "COUNT", fmt::to_string(options_.takes_max),
               "STREAMS"};
  read.insert(read.end(), work.streams.begin(), work.streams.end());
  read.insert(read.end(), work.streams.size(), "0");
  std::vector<Command> commands;
  commands.push_back(std::move(read));
  auto const replies = co_await client_.pipeline(std::move(commands));
  if (!replies) co_return std::unexpected(replies.error());
  Reply const& reply = replies->front();
  if (is_group_gone(reply)) {
    grouped_.clear();
    co_return Status{};
  }
  if (reply.is_error())
    co_return std::unexpected(redis::to_error(reply, "show what this worker has"));
  for (Reply const& stream : reply.items) {
    if (stream.items.size() != 2) continue;
    for (StreamEntry& entry : entries_of(stream.items[1])) {
      if (held_.contains(key_of(stream.items[0].text, entry.id))) continue;
      work.entries.push_back({stream.items[0].text, std::move(entry.id), std::move(entry.fields)});
    }
  }
  co_return Status{};
}

// What a worker has held for too long without beginning: it is dead, or as good as that.
Task<Status> RedisClaimer::reclaim(Work& work) {
  if (waiters_.empty()) co_return Status{};  // they have gone meanwhile; a COUNT of 0 is an error
  std::vector<Command> commands;
  for (std::string const& stream : work.streams)
    commands.push_back({"XAUTOCLAIM", stream, worker_group(), options_.consumer,
                        fmt::to_string(options_.reclaim_after.count()), "0", "COUNT",
                        fmt::to_string(std::min(waiters_.size(), options_.takes_max))});
  auto const replies = co_await client_.pipeline(std::move(commands));
  if (!replies) co_return std::unexpected(replies.error());
  for (std::size_t i = 0; i < replies->size(); ++i) {
    Reply const& reply = (*replies)[i];
    if (is_group_gone(reply)) {
      grouped_.clear();
      continue;
    }
    if (reply.is_error())
      co_return std::unexpected(redis::to_error(reply, "give out what a dead worker holds"));
    if (reply.items.size() < 2) continue;
    for (StreamEntry& entry : entries_of(reply.items[1])) {
      if (held_.contains(key_of(work.streams[i], entry.id))) continue;
      work.entries.push_back({work.streams[i], std::move(entry.id), std::move(entry.fields)});
    }
  }
  co_return Status{};
}

// Beginning may take long: meanwhile nobody else is to think that this worker is dead.
Task<Status> RedisClaimer::keep_held() {
  std::vector<Command> commands;
  for (auto const& [key, held] : held_)
    commands.push_back(
        {"XCLAIM", held.stream, worker_group(), options_.consumer, "0", held.id, "JUSTID"});
  auto const kept = co_await client_.pipeline(std::move(commands));
  if (!kept) co_return std::unexpected(kept.error());
  co_return Status{};
}

Task<Status> RedisClaimer::hand_back(std::vector<Held> held) {
  if (held.empty()) co_return Status{};
  std::vector<redis::Script::Call> calls;
  for (Held const& one : held)
    calls.push_back({{one.stream}, {worker_group(), one.id}});
  auto const replies = co_await client_.run_all(hand_back_script(), std::move(calls));
  if (!replies) co_return std::unexpected(replies.error());
  for (Reply const& reply : *replies)
    if (reply.is_error() && !is_group_gone(reply))
      co_return std::unexpected(redis::to_error(reply, "take an offer back"));
  co_return Status{};
}

// To those who wait, in order; what is left over is returned. What drover did not write goes.
std::vector<RedisClaimer::Held> RedisClaimer::give_out(std::vector<Entry> const& entries) {
  std::vector<Held> surplus;
  for (Entry const& entry : entries) {
    auto offer = offer_of(entry.fields);
    Held held;
    held.stream = entry.stream;
    held.id = entry.id;
    if (!offer) {
      log::warn("redis-offer-unknown", {{"stream", entry.stream}, {"id", entry.id}});
      done(held);
      continue;
    }
    held.offer = *std::move(offer);
    if (waiters_.empty()) {
      surplus.push_back(std::move(held));
      continue;
    }
    Waiter& waiter = *waiters_.front();
    waiters_.pop_front();
    held_.emplace(key_of(held.stream, held.id), held);
    waiter.held = std::move(held);
    waiter.release();
  }
  return surplus;
}

}  // namespace drover::broker
