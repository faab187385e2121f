#include "gateway/stream_filter.h"

#include <algorithm>
#include <utility>

#include <boost/json.hpp>

#include "base/json.h"
#include "net/sse.h"

namespace drover::gateway {

namespace {

// A key this short would be found in any text.
constexpr std::size_t kKeyBytesMin = 6;

// The end of the first event, behind its blank line; npos where it has not come.
std::size_t event_end(std::string_view bytes) {
  for (std::size_t at = bytes.find_first_of("\r\n"); at != std::string_view::npos;
       at = bytes.find_first_of("\r\n", at + 1))
    for (std::string_view const blank : {"\n\n", "\r\n\r\n", "\r\r"})
      if (bytes.substr(at).starts_with(blank)) return at + blank.size();
  return std::string_view::npos;
}

bool is_usage_only(std::string_view event) {
  if (!event.contains("\"usage\"")) return false;
  net::SseParser parser;
  auto const parsed = parser.feed(event);
  if (!parsed || parsed->size() != 1) return false;
  auto const value = parse_json(parsed->front().data);
  if (!value || !value->is_object()) return false;
  auto const* const choices = value->get_object().if_contains("choices");
  auto const* const usage = value->get_object().if_contains("usage");
  return choices != nullptr && choices->is_array() && choices->get_array().empty() &&
         usage != nullptr && usage->is_object();
}

}  // namespace

std::string KeyFilter::clean(std::string text, Secret const& key) {
  if (key.reveal().size() < kKeyBytesMin) return text;
  for (auto at = text.find(key.reveal()); at != std::string::npos; at = text.find(key.reveal(), at))
    text.replace(at, key.reveal().size(), "***");
  return text;
}

std::string KeyFilter::feed(std::string bytes) {
  std::string const& key = key_.reveal();
  if (key.size() < kKeyBytesMin) return bytes;
  std::string text = clean(std::exchange(held_, {}) + std::move(bytes), key_);
  std::size_t const longest = std::min(text.size(), key.size() - 1);
  for (std::size_t size = longest; size > 0; --size) {
    std::string_view const end = std::string_view{text}.substr(text.size() - size);
    if (!key.starts_with(end)) continue;
    held_ = end;
    text.resize(text.size() - size);
    break;
  }
  return text;
}

std::string KeyFilter::finish() {
  return std::exchange(held_, {});
}

std::string ChatUsageFilter::feed(std::string_view bytes) {
  if (open_) return std::string{bytes};
  held_ += bytes;
  std::string out;
  std::string_view rest = held_;
  for (std::size_t end = event_end(rest); end != std::string::npos; end = event_end(rest)) {
    std::string_view const event = rest.substr(0, end);
    if (!is_usage_only(event)) out += event;
    rest.remove_prefix(end);
  }
  held_.erase(0, held_.size() - rest.size());
  if (held_.size() > kEventBytesMax) {
    open_ = true;
    out += std::exchange(held_, {});
  }
  return out;
}

std::string ChatUsageFilter::finish() {
  return std::exchange(held_, {});
}

}  // namespace drover::gateway
