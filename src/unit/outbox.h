#pragma once
// Events on their way out: text deltas are joined for a few milliseconds, everything else goes at
// once, and whatever gathers while a request is under way goes with the next. Pure: time comes in,
// request bodies go out. Not thread-safe.
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace drover::unit {

class Outbox {
 public:
  static constexpr Millis kDeltaWait{15};
  static constexpr std::size_t kDeltaBytes = 2048;         // enough to send without waiting
  static constexpr std::size_t kDeltaBytesMax = 64 << 10;  // of one event
  static constexpr std::size_t kBatchBytesMax = 512 << 10;
  static constexpr std::size_t kBatchEventsMax = 500;
  static constexpr std::size_t kBytesMax = 8 << 20;  // waiting; over it the producer must wait

  // `type` is message-delta or thinking-delta.
  void add_delta(std::string_view type, std::string_view turn_id, std::string_view text,
                 BootTime now);
  void add(std::string line);

  // When the next batch should go; nullopt while there is nothing to send.
  [[nodiscard]] std::optional<BootTime> due() const;
  // NDJSON within the limits, in order. The caller keeps it until it is acknowledged.
  [[nodiscard]] std::string take_batch();
  [[nodiscard]] bool empty() const { return lines_.empty() && delta_text_.empty(); }
  [[nodiscard]] bool over_limit() const { return bytes_ > kBytesMax; }

 private:
  void close_delta();

  std::deque<std::string> lines_;
  std::size_t bytes_ = 0;  // of lines_
  std::string delta_type_;
  std::string delta_turn_;
  std::string delta_text_;
  BootTime delta_since_;
};

}  // namespace drover::unit
