#include "broker/redis_mirror.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "broker/redis_scripts.h"
#include "redis/failure.h"

namespace drover::broker {

namespace {

// Streams looked up in one read of the store.
constexpr std::int64_t kScanStreams = 1000;
// Names of second streams that are remembered; looked up again when there are more.
constexpr std::size_t kSecondsMax = 1000;

struct Standing {
  std::int64_t id = 0;
  std::string name;
  std::int64_t last_seq = 0;
  bool closed = false;
};

// Streams behind row `after` that are open or had their last event since `since_ms`.
Result<std::vector<Standing>> read_streams(store::Database& database, std::int64_t after,
                                           std::int64_t since_ms) {
  auto rows = database.query(
      "SELECT id, name, last_seq, closed FROM streams WHERE id>? AND last_seq>0 AND (closed=0 OR"
      " EXISTS(SELECT 1 FROM stream_events e WHERE e.stream=streams.id AND e.seq=streams.last_seq"
      " AND e.at_ms>=?)) ORDER BY id LIMIT ?",
      after, since_ms, kScanStreams);
  if (!rows) return std::unexpected(rows.error());
  std::vector<Standing> all;
  for (;;) {
    auto const found = rows->step();
    if (!found) return std::unexpected(found.error());
    if (!*found) return all;
    all.push_back(
        {rows->integer(0), std::string{rows->text(1)}, rows->integer(2), rows->integer(3) != 0});
  }
}

std::int64_t seconds(Millis time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time).count();
}

}  // namespace

RedisMirror::RedisMirror(redis::Client& client, OutputStreams& streams, store::Readers& readers,
                         Clock const& clock, SecondStream second, MirrorOptions options)
    : client_(client),
      streams_(streams),
      readers_(readers),
      clock_(clock),
      second_(std::move(second)),
      options_(options) {}

void RedisMirror::published(EmbeddedStreams::Published const& events) {
  if (overrun_) return;
  book_.published(events.name, events.first_seq, events.last_seq, events.closed);
  if (book_.behind() <= options_.behind_max) return;
  log::info("redis-mirror-overrun", {{"streams", book_.behind()}});
  book_.clear();
  overrun_ = true;
}

Task<Status> RedisMirror::round(RedisData data) {
  if (data == RedisData::doubtful || overrun_) {
    overrun_ = false;
    auto const doubted = co_await doubt_all();
    if (!doubted) co_return doubted;
  }
  while (!book_.done()) {
    auto const copied = co_await copy_some();
    if (!copied) co_return copied;
  }
  co_return Status{};
}

Task<Status> RedisMirror::doubt_all() {
  std::int64_t const since = to_unix_ms(clock_.now() - options_.keep);
  std::int64_t after = 0;
  for (;;) {
    auto const streams = co_await readers_.run(
        [after, since](store::Database& database) { return read_streams(database, after, since); });
    if (!streams) co_return std::unexpected(streams.error());
    for (Standing const& stream : *streams)
      book_.doubt(stream.name, stream.last_seq, stream.closed);
    if (std::cmp_less(streams->size(), kScanStreams)) co_return Status{};
    after = streams->back().id;
  }
}

Task<Result<std::vector<EventPtr>>> RedisMirror::read(MirrorBook::Next const& next,
                                                      std::int64_t after) {
  auto name = StreamName::parse(next.name);
  if (!name) co_return std::unexpected(name.error());
  auto reader = streams_.open_reader(*name, after);
  if (!reader) co_return std::unexpected(reader.error());
  auto batch = co_await (*reader)->next(options_.batch_events, Millis{0});
  if (!batch) co_return std::unexpected(batch.error());
  co_return std::move(batch->events);
}

Task<Result<std::optional<std::string>>> RedisMirror::second_of(std::string name) {
  if (!second_) co_return std::nullopt;
  auto const known = seconds_.find(name);
  if (known != seconds_.end()) co_return known->second;
  auto second = co_await second_(name);
  if (!second) co_return second;
  if (seconds_.size() >= kSecondsMax) seconds_.clear();
  seconds_.emplace(std::move(name), *second);
  co_return second;
}

// The script's call that copies what is next of this stream, or asks how far Redis has it.
Task<Result<redis::Script::Call>> RedisMirror::call_of(MirrorBook::Next next) {
  redis::Script::Call call;
  call.keys.push_back(next.name);
  auto const second = co_await second_of(next.name);
  if (!second) co_return std::unexpected(second.error());
  if (*second) call.keys.push_back(**second);
  Millis const keep = next.closed ? options_.keep : options_.keep_open;
  std::vector<EventPtr> events;
  std::int64_t follows = 0;
  if (next.after) {
    // Redis keeps only so many: a longer way back would be trimmed as it is copied.
    std::int64_t const after = std::max(*next.after, next.last_seq - options_.events_max);
    auto read_events = co_await read(next, after);
    if (!read_events) co_return std::unexpected(read_events.error());
    events = *std::move(read_events);
    // Across a gap, of what was trimmed here, there is nothing that the events could follow.
    bool const is_next = !events.empty() && events.front()->seq() == *next.after + 1;
    follows = is_next ? *next.after : 0;
  }
  call.arguments = {fmt::to_string(follows), fmt::to_string(options_.events_max),
                    fmt::to_string(seconds(keep))};
  for (EventPtr const& event : events) {
    call.arguments.push_back(fmt::to_string(event->seq()));
    call.arguments.emplace_back(event->body());
  }
  co_return call;
}

Task<Status> RedisMirror::copy_some() {
  auto const streams = book_.next(options_.batch_streams);
  std::vector<redis::Script::Call> calls;
  for (MirrorBook::Next const& next : streams) {
    auto call = co_await call_of(next);
    if (!call) co_return std::unexpected(call.error());
    calls.push_back(*std::move(call));
  }
  auto const replies = co_await client_.run_all(append_script(), std::move(calls));
  if (!replies) co_return std::unexpected(replies.error());
  for (std::size_t i = 0; i < streams.size(); ++i) {
    auto const noted = note(streams[i], (*replies)[i]);
    if (!noted) co_return noted;
  }
  co_return co_await remove_foreign();
}

// The store is an older copy than the one that was mirrored: what it says now is what holds.
Task<Status> RedisMirror::remove_foreign() {
  if (foreign_.empty()) co_return Status{};
  redis::Command remove{"DEL"};
  for (std::string const& name : foreign_) {
    log::warn("redis-stream-foreign", {{"stream", name}});
    remove.push_back(name);
  }
  auto const removed = co_await client_.call(std::move(remove), "remove a stream");
  if (!removed) co_return std::unexpected(removed.error());
  for (std::string const& name : std::exchange(foreign_, {}))
    book_.answered(name, 0);
  co_return Status{};
}

Status RedisMirror::note(MirrorBook::Next const& next, redis::Reply const& reply) {
  if (reply.is_error()) return std::unexpected(redis::to_error(reply, "take over events"));
  if (reply.kind != redis::Reply::Kind::integer)
    return fail(ErrorCode::upstream, "Redis answered the copy of {} with no number", next.name);
  if (next.after && reply.integer < *next.after)
    log::info("redis-stream-lost", {{"stream", next.name}, {"from", reply.integer + 1}});
  if (!next.after && reply.integer > next.last_seq) {
    foreign_.push_back(next.name);
    return {};
  }
  book_.answered(next.name, reply.integer);
  return {};
}

}  // namespace drover::broker
