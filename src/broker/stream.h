#pragma once
// Output streams: named, numbered from 1, closed by one last event.
//
// The interface; `embedded_streams.h` has the implementation over the store.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "base/time.h"
#include "os/blocking_pool.h"
#include "store/writer.h"

namespace drover::broker {

// 1 to 200 bytes of letters, digits and ":._-".
class StreamName {
 public:
  [[nodiscard]] static Result<StreamName> parse(std::string_view text);
  // What a run says: `task:run:<run>`.
  [[nodiscard]] static StreamName of_run(RunId const& run);

  [[nodiscard]] std::string const& str() const { return text_; }
  friend auto operator<=>(StreamName const&, StreamName const&) = default;

 private:
  explicit StreamName(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// One event as it is stored and served. Immutable; shared by all its readers.
class StreamEvent {
 public:
  StreamEvent(std::int64_t seq, std::string_view type, std::string_view body);

  [[nodiscard]] std::int64_t seq() const { return seq_; }
  [[nodiscard]] std::string_view type() const;
  // The JSON object that starts with `"seq":n,"at":"...",`.
  [[nodiscard]] std::string_view body() const;
  // The whole server-sent event: id, event, data, empty line.
  [[nodiscard]] std::string const& sse() const { return sse_; }

 private:
  std::int64_t seq_;
  std::string sse_;
  std::size_t type_at_;
  std::size_t type_size_;
  std::size_t body_at_;
};

// shared_ptr: one buffer for every reader and the ring, gone with the last of them.
using EventPtr = std::shared_ptr<StreamEvent const>;

// The frame alone, for a writer of shared buffers; keeps the event alive.
[[nodiscard]] std::shared_ptr<std::string const> sse_frame(EventPtr const& event);

struct EventDraft {
  enum class Kind : std::uint8_t {
    normal,
    closing,  // the stream's last: what is appended after it is refused
  };
  std::string type;  // "tool-call": 1 to 64 of a-z, 0-9 and "-"
  // One JSON object as a serialiser prints it: no line break, no members "seq" and "at".
  std::string json;
  Kind kind = Kind::normal;
};

// Bounds of one append; too_large above them.
inline constexpr std::size_t kEventBytesMax = std::size_t{1} << 20U;
inline constexpr std::size_t kAppendEventsMax = 1000;

// The draft numbered and dated, or what is wrong with it.
[[nodiscard]] Result<EventPtr> number_event(EventDraft const& draft, std::int64_t seq, WallTime at);

struct ReadBatch {
  std::vector<EventPtr> events;  // in order; empty when the wait passed without any
  // Events before this number were trimmed before this reader had seen them.
  std::optional<std::int64_t> gap_until;
  bool ended = false;  // the closing event has been delivered: nothing more will come
};

// A cursor on one stream. Belongs to the event loop. One next() at a time.
class StreamReader {
 public:
  virtual ~StreamReader() = default;
  // At most `events_max` events after the cursor, as soon as there is one; an empty batch after
  // `wait`. A reader that is behind gets many at once. cancelled after stop().
  [[nodiscard]] virtual Task<Result<ReadBatch>> next(std::size_t events_max, Millis wait) = 0;
  // Ends a next() that waits, and every later one.
  virtual void stop() = 0;
  // The number of the last event delivered.
  [[nodiscard]] virtual std::int64_t cursor() const = 0;
};

struct TrimPolicy {
  std::optional<Millis> age_max;           // events older than this go
  std::optional<std::int64_t> events_max;  // of each stream only the newest so many stay
};

class OutputStreams {
 public:
  virtual ~OutputStreams() = default;
  // Inside a job of the Writer, on its thread: numbers and stores the events, all or none; readers
  // see them once the job is durable. Returns their numbers. Creates the stream at its first event.
  // conflict when the stream is closed.
  [[nodiscard]] virtual Result<std::vector<std::int64_t>> append(
      store::Transaction& transaction, StreamName const& name,
      std::vector<EventDraft> const& drafts) = 0;
  // The first event delivered is number `after_seq` + 1. A stream without events yet is waited for.
  // The reader must not outlive the streams. unavailable when there are too many readers.
  [[nodiscard]] virtual Result<std::unique_ptr<StreamReader>> open_reader(
      StreamName const& name, std::int64_t after_seq) = 0;
  // Returns how many events went. A reader that had not seen them gets `gap_until`.
  [[nodiscard]] virtual Task<Result<std::int64_t>> trim(TrimPolicy policy) = 0;
};

}  // namespace drover::broker
