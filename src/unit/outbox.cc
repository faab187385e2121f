#include "unit/outbox.h"

#include "base/text.h"
#include "unit/unit_api.h"

namespace drover::unit {

void Outbox::add_delta(std::string_view type, std::string_view turn_id, std::string_view text,
                       BootTime now) {
  if (delta_type_ != type || delta_turn_ != turn_id) close_delta();
  if (delta_text_.empty()) {
    delta_type_ = type;
    delta_turn_ = turn_id;
    delta_since_ = now;
  }
  delta_text_ += text;
  while (delta_text_.size() > kDeltaBytesMax) {
    std::string rest = delta_text_;
    delta_text_ = utf8_prefix(rest, kDeltaBytesMax);
    rest.erase(0, delta_text_.size());
    close_delta();
    delta_text_ = std::move(rest);
  }
}

void Outbox::add(std::string line) {
  close_delta();
  bytes_ += line.size() + 1;
  lines_.push_back(std::move(line));
}

void Outbox::close_delta() {
  if (delta_text_.empty()) return;
  std::string line = delta_event(delta_type_, delta_turn_, delta_text_);
  delta_text_.clear();
  bytes_ += line.size() + 1;
  lines_.push_back(std::move(line));
}

std::optional<BootTime> Outbox::due() const {
  if (!lines_.empty() || delta_text_.size() >= kDeltaBytes) return BootTime{};
  if (delta_text_.empty()) return {};
  return delta_since_ + kDeltaWait;
}

std::string Outbox::take_batch() {
  close_delta();
  std::string batch;
  for (std::size_t count = 0; count < kBatchEventsMax && !lines_.empty(); ++count) {
    std::string const& line = lines_.front();
    if (!batch.empty() && batch.size() + line.size() + 1 > kBatchBytesMax) break;
    batch += line;
    batch += '\n';
    bytes_ -= line.size() + 1;
    lines_.pop_front();
  }
  return batch;
}

}  // namespace drover::unit
