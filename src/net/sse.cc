#include "net/sse.h"

#include <algorithm>

namespace drover::net {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr auto kMarkBytes = static_cast<std::uint8_t>(kByteOrderMark.size());
constexpr std::size_t kRetryDigitsMax = 12;

std::size_t find_line_end(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size() && text[i] != '\n' && text[i] != '\r')
    ++i;
  return i;
}

std::string one_line(std::string_view text) {
  std::string out{text};
  std::ranges::replace_if(out, [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
  return out;
}

}  // namespace

Result<std::vector<SseEvent>> SseParser::feed(std::string_view bytes) {
  std::vector<SseEvent> events;
  bytes = skip_byte_order_mark(bytes);
  while (!bytes.empty() && !overflowed_) {
    if (after_cr_) {
      after_cr_ = false;
      if (bytes.front() == '\n') bytes.remove_prefix(1);
      continue;
    }
    std::size_t const end = find_line_end(bytes);
    if (!fits(end)) {
      overflowed_ = true;
      break;
    }
    if (end == bytes.size()) {
      line_.append(bytes);
      break;
    }
    after_cr_ = bytes[end] == '\r';
    if (line_.empty()) {
      take_line(bytes.substr(0, end), events);
    } else {
      line_.append(bytes.substr(0, end));
      take_line(line_, events);
      line_.clear();
    }
    bytes.remove_prefix(end + 1);
  }
  if (!overflowed_) return events;
  return fail(ErrorCode::too_large, "a server-sent event is larger than {} bytes",
              event_bytes_max_);
}

std::string_view SseParser::skip_byte_order_mark(std::string_view bytes) {
  while (mark_bytes_seen_ < kMarkBytes && !bytes.empty()) {
    if (bytes.front() != kByteOrderMark[mark_bytes_seen_]) {
      // No mark after all: what looked like its start is text.
      line_.assign(kByteOrderMark.substr(0, mark_bytes_seen_));
      mark_bytes_seen_ = kMarkBytes;
      break;
    }
    ++mark_bytes_seen_;
    bytes.remove_prefix(1);
  }
  return bytes;
}

bool SseParser::fits(std::size_t more) const {
  std::size_t const held = data_.size() + line_.size() + event_.size();
  return held <= event_bytes_max_ && more <= event_bytes_max_ - held;
}

void SseParser::take_line(std::string_view line, std::vector<SseEvent>& out) {
  if (line.empty()) return dispatch(out);
  std::size_t const colon = line.find(':');
  if (colon == 0) return;  // a comment
  if (colon == std::string_view::npos) return take_field(line, "");
  std::string_view value = line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  take_field(line.substr(0, colon), value);
}

void SseParser::take_field(std::string_view name, std::string_view value) {
  if (name == "data") {
    if (has_data_) data_.push_back('\n');
    data_.append(value);
    has_data_ = true;
  } else if (name == "event") {
    event_.assign(value);
  } else if (name == "id") {
    if (value.find('\0') == std::string_view::npos) last_id_.assign(value);
  } else if (name == "retry") {
    bool const digits = !value.empty() && value.size() <= kRetryDigitsMax &&
                        std::ranges::all_of(value, [](char c) { return c >= '0' && c <= '9'; });
    if (digits) retry_ms_ = std::stoull(std::string{value});
  }
}

void SseParser::dispatch(std::vector<SseEvent>& out) {
  if (has_data_) {
    out.push_back({event_.empty() ? "message" : std::move(event_), std::move(data_), last_id_});
  }
  event_.clear();
  data_.clear();
  has_data_ = false;
}

std::string format_sse(std::string_view id, std::string_view event, std::string_view data) {
  std::string out;
  out.reserve(id.size() + event.size() + data.size() + 32);
  if (!id.empty()) out.append("id: ").append(one_line(id)).push_back('\n');
  if (!event.empty()) out.append("event: ").append(one_line(event)).push_back('\n');
  while (true) {
    std::size_t const end = find_line_end(data);
    out.append("data: ").append(data.substr(0, end)).push_back('\n');
    if (end == data.size()) break;
    data.remove_prefix(data.substr(end).starts_with("\r\n") ? end + 2 : end + 1);
  }
  out.push_back('\n');
  return out;
}

std::string format_sse_comment(std::string_view text) {
  return ": " + one_line(text) + "\n\n";
}

}  // namespace drover::net
