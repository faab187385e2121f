#include "gateway/usage_meter.h"

#include <boost/json.hpp>

#include "base/text.h"
#include "model/openai.h"

namespace drover::gateway {

namespace {

using model::WireFormat;

constexpr std::size_t kBodyBytesMax = std::size_t{16} << 20U;

json::object const* object_at(json::object const& holder, std::string_view key) {
  auto const* const value = holder.if_contains(key);
  return value == nullptr ? nullptr : value->if_object();
}

}  // namespace

void UsageMeter::feed(std::string_view bytes) {
  if (broken_) return;
  if (shape_ == Shape::whole) {
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
  for (net::SseEvent const& event : *events)
    read_event(event);
}

void UsageMeter::read_event(net::SseEvent const& event) {
  if (format_ == WireFormat::chat && trim(event.data) == "[DONE]") {
    complete_ = has_usage_;
    return;
  }
  // Most events are pieces of text, which say nothing here: their JSON is not read.
  if (format_ == WireFormat::messages && event.event == "content_block_delta") return;
  if (format_ == WireFormat::responses && event.event.ends_with(".delta")) return;
  auto const value = parse_json(event.data);
  if (!value || !value->is_object()) {
    broken_ = true;
    return;
  }
  switch (format_) {
    case WireFormat::messages:
      return read_messages(value->get_object());
    case WireFormat::responses:
      return read_responses(value->get_object());
    case WireFormat::chat:
      return read_chat(value->get_object());
  }
}

void UsageMeter::read_messages(json::object const& event) {
  std::string_view const type = string_or(event, "type", "");
  if (type == "message_start") {
    if (auto const* const message = object_at(event, "message")) read_usage_of(*message);
  } else if (type == "message_delta") {
    read_usage_of(event);
  } else if (type == "message_stop") {
    complete_ = true;
  } else if (type == "error") {
    fail_with(event);
  }
}

void UsageMeter::read_responses(json::object const& event) {
  std::string_view const type = string_or(event, "type", "");
  auto const* const response = object_at(event, "response");
  if (type == "error") {
    fail_with(event);
  } else if (type == "response.failed") {
    if (response != nullptr) has_usage_ = read_usage_of(*response);
    complete_ = has_usage_;
    fail_with(response == nullptr ? event : *response);
  } else if (type == "response.completed" || type == "response.incomplete") {
    complete_ = response != nullptr && read_usage_of(*response);
  }
}

void UsageMeter::read_chat(json::object const& chunk) {
  if (read_usage_of(chunk)) has_usage_ = true;
  if (chunk.contains("error")) fail_with(chunk);
}

bool UsageMeter::read_usage_of(json::object const& holder) {
  auto const* const usage = object_at(holder, "usage");
  if (usage == nullptr) return false;
  switch (format_) {
    case WireFormat::messages:
      model::read_usage(*usage, usage_);
      break;
    case WireFormat::responses:
      usage_ = model::read_responses_usage(*usage);
      break;
    case WireFormat::chat:
      usage_ = model::read_chat_usage(*usage);
      break;
  }
  return true;
}

// `error` is the event itself, or holds the error as a member.
void UsageMeter::fail_with(json::object const& error) {
  if (failure_) return;
  auto const* const inner = object_at(error, "error");
  json::object const& from = inner == nullptr ? error : *inner;
  model::Failure failure;
  failure.kind = model::Failure::Kind::stream;
  failure.type = string_or(from, "code", "");
  std::string_view const type = string_or(from, "type", "");
  if (failure.type.empty() && type != "error") failure.type = type;
  failure.message = string_or(from, "message", "the stream reported an error without a reason");
  failure.status = model::status_of_error_type(failure.type);
  failure_ = std::move(failure);
}

void UsageMeter::finish() {
  if (shape_ != Shape::whole || broken_) return;
  auto const value = parse_json(body_);
  if (!value || !value->is_object()) return;
  complete_ = read_usage_of(value->get_object());
}

}  // namespace drover::gateway
