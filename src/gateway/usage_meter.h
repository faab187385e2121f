#pragma once
// Reads what a model's answer cost, and whether it failed, out of the bytes that pass through,
// whole or streamed, in each wire format. Bounded in memory by an event or a body of 16 MiB. Pure.
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "model/failure.h"
#include "model/messages.h"
#include "model/wire_format.h"
#include "net/sse.h"

namespace drover::gateway {

class UsageMeter {
 public:
  enum class Shape : std::uint8_t { whole, stream };
  UsageMeter(model::WireFormat format, Shape shape) : format_(format), shape_(shape) {}

  void feed(std::string_view bytes);
  // Call at the end of the answer.
  void finish();

  [[nodiscard]] model::Usage const& usage() const { return usage_; }
  // Whether the answer said what it used to its end. When not, the reservation is the truth.
  [[nodiscard]] bool complete() const { return complete_ && !broken_; }
  // An error inside a stream that began with 200.
  [[nodiscard]] std::optional<model::Failure> const& failure() const { return failure_; }

 private:
  void read_event(net::SseEvent const& event);
  void read_messages(json::object const& event);
  void read_responses(json::object const& event);
  void read_chat(json::object const& chunk);
  bool read_usage_of(json::object const& holder);
  void fail_with(json::object const& error);

  model::WireFormat format_;
  Shape shape_;
  net::SseParser parser_;
  std::string body_;  // Shape::whole
  model::Usage usage_;
  std::optional<model::Failure> failure_;
  bool has_usage_ = false;
  bool complete_ = false;
  bool broken_ = false;
};

}  // namespace drover::gateway
