#include "gateway/usage_meter.h"

#include <boost/json.hpp>

#include "base/json.h"

namespace drover::gateway {

namespace {

constexpr std::size_t kBodyBytesMax = std::size_t{16} << 20U;

void read_from(json::object const& holder, model::Usage& usage) {
  auto const* value = holder.if_contains("usage");
  if (value != nullptr && value->is_object()) model::read_usage(value->get_object(), usage);
}

}  // namespace

void UsageMeter::feed(std::string_view bytes) {
  if (broken_) return;
  if (format_ == Format::json) {
    if (body_.size() + bytes.size() > kBodyBytesMax) {
      broken_ = true;
      return;
    }
    body_ += bytes;
    return;
  }
  auto const events = parser_.feed(bytes);
  if (!events) {
    broken_ = true;
    return;
  }
  for (net::SseEvent const& event : *events) {
    if (event.event == "message_start" || event.event == "message_delta") read_event(event.data);
    if (event.event == "message_stop") complete_ = true;
  }
}

void UsageMeter::read_event(std::string_view data) {
  auto const value = parse_json(data);
  if (!value || !value->is_object()) {
    broken_ = true;
    return;
  }
  auto const& event = value->get_object();
  auto const* message = event.if_contains("message");
  read_from(message != nullptr && message->is_object() ? message->get_object() : event, usage_);
}

void UsageMeter::finish() {
  if (format_ != Format::json || broken_) return;
  auto const value = parse_json(body_);
  if (!value || !value->is_object()) return;
  read_from(value->get_object(), usage_);
  complete_ = value->get_object().contains("usage");
}

}  // namespace drover::gateway
