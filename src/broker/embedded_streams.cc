#include "broker/embedded_streams.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <list>
#include <map>
#include <string>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/check.h"

namespace drover::broker {

namespace asio = boost::asio;

namespace {

using Steady = std::chrono::steady_clock;

// Rows deleted in one job of the writer, so that trimming never holds up a run.
constexpr std::int64_t kTrimChunk = 500;

// What the file says about the events after a cursor, in one snapshot.
struct FileBatch {
  std::vector<EventPtr> events;
  std::int64_t first_seq = 1;
  std::int64_t last_seq = 0;
  bool closed = false;
};

Result<FileBatch> read_file(store::Database& database, std::string const& name,
                            std::int64_t after_seq, std::size_t events_max, std::size_t bytes_max) {
  FileBatch batch;
  auto stream =
      database.query("SELECT id, first_seq, last_seq, closed FROM streams WHERE name=?", name);
  if (!stream) return std::unexpected(stream.error());
  auto const found = stream->step();
  if (!found) return std::unexpected(found.error());
  if (!*found) return batch;
  batch.first_seq = stream->integer(1);
  batch.last_seq = stream->integer(2);
  batch.closed = stream->integer(3) != 0;
  auto rows = database.query(
      "SELECT seq, type, body FROM stream_events WHERE stream=? AND seq>? ORDER BY seq LIMIT ?",
      stream->integer(0), after_seq, events_max);
  if (!rows) return std::unexpected(rows.error());
  for (std::size_t bytes = 0; bytes < bytes_max;) {
    auto const row = rows->step();
    if (!row) return std::unexpected(row.error());
    if (!*row) break;
    batch.events.push_back(
        std::make_shared<StreamEvent const>(rows->integer(0), rows->text(1), rows->text(2)));
    bytes += batch.events.back()->sse().size();
  }
  return batch;
}

}  // namespace

// The memory of all streams; lives on the event loop.
struct EmbeddedStreams::Hub {
  // One stream that has readers or recent events. `last_seq` is the newest published since the
  // entry exists; 0 when none was.
  struct Live {
    std::string name;
    std::deque<EventPtr> ring;  // consecutive; ends with last_seq
    std::size_t bytes = 0;
    std::int64_t last_seq = 0;
    bool closed = false;
    std::vector<Reader*> readers;
    std::list<Live*>::iterator order;
  };

  Hub(store::Readers& from, asio::any_io_executor executor, StreamOptions wanted)
      : files(&from), loop(std::move(executor)), options(wanted) {}

  store::Readers* files;
  asio::any_io_executor loop;
  StreamOptions options;
  std::map<std::string, Live, std::less<>> live;
  std::list<Live*> by_age;  // least recently published first
  std::size_t ring_bytes = 0;
  std::size_t readers = 0;
  std::uint64_t file_reads = 0;
  bool stopped = false;
  std::function<void(Published const&)> publish_handler;

  Live& entry(std::string const& name);
  void publish(std::string const& name, std::vector<EventPtr> const& events, bool closing);
  void drop_oldest(Live& stream);
  void drop_ring(Live& stream);
  void forget_if_unused(Live& stream);
};

class EmbeddedStreams::Reader final : public StreamReader {
 public:
  Reader(std::shared_ptr<Hub> hub, std::string const& name, std::int64_t after_seq)
      : hub_(std::move(hub)), stream_(&hub_->entry(name)), cursor_(after_seq), timer_(hub_->loop) {
    stream_->readers.push_back(this);
    ++hub_->readers;
  }
  ~Reader() override {
    std::erase(stream_->readers, this);
    --hub_->readers;
    hub_->forget_if_unused(*stream_);
  }

  Task<Result<ReadBatch>> next(std::size_t events_max, Millis wait) override;
  void stop() override {
    stopped_ = true;
    wake();
  }
  [[nodiscard]] std::int64_t cursor() const override { return cursor_; }

  void wake() { timer_.cancel(); }

 private:
  [[nodiscard]] bool served_by_ring() const;
  [[nodiscard]] bool needs_file() const;
  void take_from_ring(ReadBatch& batch, std::size_t events_max);
  [[nodiscard]] Status take_from_file(ReadBatch& batch, FileBatch file);

  std::shared_ptr<Hub> hub_;
  Hub::Live* stream_;  // stays while it has readers
  std::int64_t cursor_;
  asio::steady_timer timer_;
  // Whether the file was read up to a point from which on the ring or a wait takes over.
  bool synced_ = false;
  bool ended_ = false;
  bool stopped_ = false;
};

EmbeddedStreams::Hub::Live& EmbeddedStreams::Hub::entry(std::string const& name) {
  auto const [found, created] = live.try_emplace(name);
  Live& stream = found->second;
  if (!created) return stream;
  stream.name = name;
  stream.order = by_age.insert(by_age.end(), &stream);
  return stream;
}

void EmbeddedStreams::Hub::publish(std::string const& name, std::vector<EventPtr> const& events,
                                   bool closing) {
  Live& stream = entry(name);
  for (EventPtr const& event : events) {
    DROVER_CHECK(stream.last_seq == 0 || event->seq() == stream.last_seq + 1);
    stream.last_seq = event->seq();
    stream.bytes += event->sse().size();
    ring_bytes += event->sse().size();
    stream.ring.push_back(event);
  }
  stream.closed = stream.closed || closing;
  while (stream.ring.size() > options.ring_events_max || stream.bytes > options.ring_bytes_max)
    drop_oldest(stream);
  by_age.splice(by_age.end(), by_age, stream.order);
  // One wake-up for each reader that waits, however many events there are.
  for (Reader* reader : stream.readers)
    reader->wake();
  while (ring_bytes > options.rings_bytes_max) {
    auto const oldest =
        std::ranges::find_if(by_age, [](Live const* other) { return !other->ring.empty(); });
    DROVER_CHECK(oldest != by_age.end());
    Live& other = **oldest;
    drop_ring(other);
    forget_if_unused(other);
  }
  if (auto const still = live.find(name); still != live.end() && still->second.closed)
    forget_if_unused(still->second);
  if (publish_handler)
    publish_handler({name, events.front()->seq(), events.back()->seq(), closing});
}

void EmbeddedStreams::Hub::drop_oldest(Live& stream) {
  std::size_t const bytes = stream.ring.front()->sse().size();
  stream.bytes -= bytes;
  ring_bytes -= bytes;
  stream.ring.pop_front();
}

void EmbeddedStreams::Hub::drop_ring(Live& stream) {
  while (!stream.ring.empty())
    drop_oldest(stream);
}

// A stream without readers is kept for those to come while it is open and has recent events.
void EmbeddedStreams::Hub::forget_if_unused(Live& stream) {
  if (!stream.readers.empty()) return;
  if (!stream.closed && !stream.ring.empty()) return;
  drop_ring(stream);
  by_age.erase(stream.order);
  live.erase(live.find(stream.name));
}

bool EmbeddedStreams::Reader::served_by_ring() const {
  return !stream_->ring.empty() && stream_->last_seq > cursor_ &&
         stream_->ring.front()->seq() <= cursor_ + 1;
}

// Before the first look into the file nobody knows what it has; afterwards everything newer passes
// through publish(), and only what the ring has dropped again is to be fetched.
bool EmbeddedStreams::Reader::needs_file() const {
  return !served_by_ring() && (!synced_ || stream_->last_seq > cursor_);
}

void EmbeddedStreams::Reader::take_from_ring(ReadBatch& batch, std::size_t events_max) {
  auto at = static_cast<std::size_t>(cursor_ + 1 - stream_->ring.front()->seq());
  std::size_t bytes = 0;
  for (; at < stream_->ring.size() && batch.events.size() < events_max &&
         bytes < hub_->options.batch_bytes_max;
       ++at) {
    batch.events.push_back(stream_->ring[at]);
    bytes += stream_->ring[at]->sse().size();
  }
  cursor_ = batch.events.back()->seq();
  synced_ = true;
  ended_ = stream_->closed && cursor_ == stream_->last_seq;
}

Status EmbeddedStreams::Reader::take_from_file(ReadBatch& batch, FileBatch file) {
  if (cursor_ > file.last_seq)
    return fail_next(ErrorCode::invalid_argument,
                     fmt::format("event {} of stream {} does not exist; its last is {}", cursor_,
                                 stream_->name, file.last_seq),
                     "read from 0");
  if (file.first_seq > cursor_ + 1) {
    batch.gap_until = file.first_seq;
    cursor_ = file.first_seq - 1;
  }
  if (file.events.empty() && cursor_ < file.last_seq)
    return fail_next(ErrorCode::data_corrupt,
                     fmt::format("stream {} has lost its events {} to {}", stream_->name,
                                 cursor_ + 1, file.last_seq),
                     "run \"sqlite3 FILE 'PRAGMA integrity_check'\" on the store");
  batch.events = std::move(file.events);
  if (!batch.events.empty()) cursor_ = batch.events.back()->seq();
  synced_ = cursor_ >= file.last_seq;
  ended_ = synced_ && file.closed;
  return {};
}

Task<Result<ReadBatch>> EmbeddedStreams::Reader::next(std::size_t events_max, Millis wait) {
  DROVER_CHECK(events_max > 0);
  auto const deadline = Steady::now() + wait;
  ReadBatch batch;
  for (;;) {
    if (stopped_ || hub_->stopped)
      co_return fail(ErrorCode::cancelled, "reading stream {} was stopped", stream_->name);
    if (!ended_ && served_by_ring()) {
      take_from_ring(batch, events_max);
    } else if (!ended_ && needs_file()) {
      ++hub_->file_reads;
      auto job = [name = stream_->name, after = cursor_, events_max,
                  bytes_max = hub_->options.batch_bytes_max](store::Database& database) {
        return read_file(database, name, after, events_max, bytes_max);
      };
      auto file = co_await hub_->files->run(std::move(job));
      if (!file) co_return std::unexpected(std::move(file).error());
      auto const taken = take_from_file(batch, std::move(*file));
      if (!taken) co_return std::unexpected(taken.error());
    }
    batch.ended = ended_;
    if (batch.ended || batch.gap_until || !batch.events.empty()) co_return batch;
    // What was published while the file was read.
    if (needs_file() || served_by_ring()) continue;
    if (Steady::now() >= deadline) co_return batch;
    timer_.expires_at(deadline);
    co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    auto const cancelled = co_await asio::this_coro::cancellation_state;
    if (cancelled.cancelled() != asio::cancellation_type::none)
      co_return fail(ErrorCode::cancelled, "reading stream {} was cancelled", stream_->name);
  }
}

EmbeddedStreams::EmbeddedStreams(store::Writer& writer, store::Readers& readers, Clock const& clock,
                                 asio::any_io_executor loop, StreamOptions options)
    : hub_(std::make_shared<Hub>(readers, std::move(loop), options)),
      writer_(&writer),
      clock_(&clock) {}

EmbeddedStreams::~EmbeddedStreams() {
  stop();
}

void EmbeddedStreams::stop() {
  hub_->stopped = true;
  for (auto& [name, stream] : hub_->live)
    for (Reader* reader : stream.readers)
      reader->wake();
}

void EmbeddedStreams::on_publish(std::function<void(Published const&)> handler) {
  hub_->publish_handler = std::move(handler);
}

StreamStats EmbeddedStreams::stats() const {
  auto const has_ring = [](auto const& named) { return !named.second.ring.empty(); };
  return {.readers = hub_->readers,
          .rings = static_cast<std::size_t>(std::ranges::count_if(hub_->live, has_ring)),
          .ring_bytes = hub_->ring_bytes,
          .file_reads = hub_->file_reads};
}

Result<std::unique_ptr<StreamReader>> EmbeddedStreams::open_reader(StreamName const& name,
                                                                   std::int64_t after_seq) {
  if (hub_->stopped)
    return fail(ErrorCode::unavailable, "stream {} takes no new readers: drover is stopping",
                name.str());
  if (after_seq < 0)
    return fail(ErrorCode::invalid_argument, "{} is no event number: they count from 1", after_seq);
  if (hub_->readers >= hub_->options.readers_max)
    return fail_next(
        ErrorCode::unavailable,
        fmt::format("there are {} readers of event streams, which is the limit", hub_->readers),
        "close some, or raise the limit");
  return std::make_unique<Reader>(hub_, name.str(), after_seq);
}

namespace {

struct Place {
  std::int64_t stream = 0;
  std::int64_t last_seq = 0;
};

// Takes the next `count` numbers of the stream.
Result<Place> reserve(store::Database& database, std::string const& name, std::int64_t count,
                      std::int64_t closing) {
  auto updated = database.query(
      "UPDATE streams SET last_seq=last_seq+?2, closed=?3 WHERE name=?1 AND closed=0 "
      "RETURNING id, last_seq",
      name, count, closing);
  if (!updated) return std::unexpected(updated.error());
  auto const row = updated->step();
  if (!row) return std::unexpected(row.error());
  if (*row) {
    Place const place{updated->integer(0), updated->integer(1)};
    DROVER_TRY(updated->run());
    return place;
  }
  DROVER_TRY(database.run(
      "INSERT INTO streams(name, last_seq, closed) VALUES(?, ?, ?) ON CONFLICT DO NOTHING", name,
      count, closing));
  if (database.changes() == 0)
    return fail(ErrorCode::conflict, "stream {} is closed: its last event was written", name);
  return Place{database.last_insert_id(), count};
}

}  // namespace

Result<std::vector<std::int64_t>> EmbeddedStreams::append(store::Transaction& transaction,
                                                          StreamName const& name,
                                                          std::vector<EventDraft> const& drafts) {
  std::vector<std::int64_t> numbers;
  if (drafts.empty()) return numbers;
  if (drafts.size() > kAppendEventsMax)
    return fail(ErrorCode::too_large, "{} events in one append to stream {}; the limit is {}",
                drafts.size(), name.str(), kAppendEventsMax);
  auto const is_closing = [](EventDraft const& draft) {
    return draft.kind == EventDraft::Kind::closing;
  };
  bool const closing = is_closing(drafts.back());
  if (std::any_of(drafts.begin(), drafts.end() - 1, is_closing))
    return fail(ErrorCode::conflict, "stream {} is closed: an event follows the closing one",
                name.str());
  auto& database = transaction.db();
  auto const count = static_cast<std::int64_t>(drafts.size());
  auto const place = reserve(database, name.str(), count, closing ? 1 : 0);
  if (!place) return std::unexpected(place.error());
  WallTime const at = clock_->now();
  std::vector<EventPtr> events;
  std::int64_t seq = place->last_seq - count;
  for (EventDraft const& draft : drafts) {
    auto event = number_event(draft, ++seq, at);
    if (!event) return std::unexpected(event.error());
    DROVER_TRY(database.run(
        "INSERT INTO stream_events(stream, seq, at_ms, type, body) VALUES(?, ?, ?, ?, ?)",
        place->stream, seq, to_unix_ms(at), draft.type, (*event)->body()));
    numbers.push_back(seq);
    events.push_back(std::move(*event));
  }
  transaction.on_commit([hub = hub_, name = name.str(), events = std::move(events), closing] {
    hub->publish(name, events, closing);
  });
  return numbers;
}

namespace {

struct OldEvents {
  std::int64_t rows = 0;
  std::map<std::int64_t, std::int64_t> last_by_stream;
};

// The oldest rows of all streams, if they are older than `before_ms`. Rows are in order of time.
Result<OldEvents> find_old(store::Database& database, std::int64_t before_ms) {
  auto rows = database.query("SELECT stream, seq, at_ms FROM stream_events ORDER BY id LIMIT ?",
                             kTrimChunk);
  if (!rows) return std::unexpected(rows.error());
  OldEvents old;
  for (;;) {
    auto const row = rows->step();
    if (!row) return std::unexpected(row.error());
    if (!*row || rows->integer(2) >= before_ms) return old;
    old.last_by_stream[rows->integer(0)] = rows->integer(1);
    ++old.rows;
  }
}

// Deletes events of one stream up to `last`, and says from where on it still has them.
Result<std::int64_t> cut(store::Database& database, std::int64_t stream, std::int64_t last) {
  DROVER_TRY(database.run("DELETE FROM stream_events WHERE stream=? AND seq<=?", stream, last));
  std::int64_t const gone = database.changes();
  DROVER_TRY(
      database.run("UPDATE streams SET first_seq=max(first_seq, ?) WHERE id=?", last + 1, stream));
  return gone;
}

// One chunk; 0 when nothing is left to do.
Result<std::int64_t> trim_old(store::Database& database, std::int64_t before_ms) {
  auto const old = find_old(database, before_ms);
  if (!old) return std::unexpected(old.error());
  std::int64_t gone = 0;
  for (auto const& [stream, last] : old->last_by_stream) {
    auto const deleted = cut(database, stream, last);
    if (!deleted) return deleted;
    gone += *deleted;
  }
  return gone;
}

Result<std::int64_t> trim_long(store::Database& database, std::int64_t events_max) {
  auto too_long = database.query(
      "SELECT id, min(last_seq-?1, first_seq-1+?2) FROM streams WHERE last_seq-first_seq+1>?1 "
      "LIMIT 1",
      events_max, kTrimChunk);
  if (!too_long) return std::unexpected(too_long.error());
  auto const row = too_long->step();
  if (!row) return std::unexpected(row.error());
  if (!*row) return 0;
  return cut(database, too_long->integer(0), too_long->integer(1));
}

}  // namespace

Task<Result<std::int64_t>> EmbeddedStreams::trim(TrimPolicy policy) {
  std::int64_t gone = 0;
  if (policy.age_max) {
    std::int64_t const before_ms = to_unix_ms(clock_->now() - *policy.age_max);
    for (std::int64_t deleted = 1; deleted > 0;) {
      auto const chunk = co_await writer_->run([before_ms](store::Transaction& transaction) {
        return trim_old(transaction.db(), before_ms);
      });
      if (!chunk) co_return std::unexpected(chunk.error());
      deleted = *chunk;
      gone += deleted;
    }
  }
  if (policy.events_max) {
    for (std::int64_t deleted = 1; deleted > 0;) {
      auto const chunk =
          co_await writer_->run([events_max = *policy.events_max](store::Transaction& transaction) {
            return trim_long(transaction.db(), events_max);
          });
      if (!chunk) co_return std::unexpected(chunk.error());
      deleted = *chunk;
      gone += deleted;
    }
  }
  co_return gone;
}

}  // namespace drover::broker
