#pragma once
// Server-sent events, both ways, after the WHATWG HTML standard §9.2.
// SseParser is incremental and pure: bytes in any cut, complete events out. Not thread-safe.
// Bytes are passed on as they are; whoever reads the data checks its UTF-8 (parse_json does).
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace drover::net {

// One event, and one unfinished line, may be this large.
inline constexpr std::size_t kSseEventBytesMax = std::size_t{16} << 20U;

struct SseEvent {
  std::string event;  // "message" where the stream named none
  std::string data;
  std::string id;  // the last id seen, which stays in force for later events
};

class SseParser {
 public:
  explicit SseParser(std::size_t event_bytes_max = kSseEventBytesMax)
      : event_bytes_max_(event_bytes_max) {}

  // The events that these bytes completed, in order. too_large when an event passes the bound;
  // the parser then refuses all further bytes with the same error. An event that the stream's end
  // cuts off is dropped, as the standard says: the caller sees it missing.
  [[nodiscard]] Result<std::vector<SseEvent>> feed(std::string_view bytes);

  // What to send as Last-Event-ID when connecting again; empty where none was seen.
  [[nodiscard]] std::string const& last_event_id() const { return last_id_; }
  // The server's wish for the wait before connecting again.
  [[nodiscard]] std::optional<std::uint64_t> retry_ms() const { return retry_ms_; }

 private:
  [[nodiscard]] std::string_view skip_byte_order_mark(std::string_view bytes);
  void take_line(std::string_view line, std::vector<SseEvent>& out);
  void take_field(std::string_view name, std::string_view value);
  void dispatch(std::vector<SseEvent>& out);
  [[nodiscard]] bool fits(std::size_t more) const;

  std::size_t event_bytes_max_;
  std::string line_;  // the start of a line whose end has not come
  std::string event_;
  std::string data_;
  std::string last_id_;
  std::optional<std::uint64_t> retry_ms_;
  std::uint8_t mark_bytes_seen_ = 0;  // of the byte order mark; 3: behind it or there is none
  bool has_data_ = false;
  bool after_cr_ = false;  // an LF that comes next belongs to the CR before it
  bool overflowed_ = false;
};

// One event as sent; empty `id` or `event` leave their line out. Line breaks of any kind in `data`
// become further data lines; in `id` and `event`, which are one line by nature, they become spaces.
[[nodiscard]] std::string format_sse(std::string_view id, std::string_view event,
                                     std::string_view data);
// A comment, which keeps a connection alive and is no event.
[[nodiscard]] std::string format_sse_comment(std::string_view text);

}  // namespace drover::net
