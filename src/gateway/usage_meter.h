#pragma once
// Reads what a Messages answer cost out of the bytes that pass through, whole or streamed. Pure.
#include <string>
#include <string_view>

#include "model/messages.h"
#include "net/sse.h"

namespace drover::gateway {

class UsageMeter {
 public:
  enum class Format : std::uint8_t { json, sse };
  explicit UsageMeter(Format format) : format_(format) {}

  void feed(std::string_view bytes);
  // Call at the end of the answer.
  void finish();

  [[nodiscard]] model::Usage const& usage() const { return usage_; }
  // Whether the answer said what it used to its end. When not, the reservation is the truth.
  [[nodiscard]] bool complete() const { return complete_; }

 private:
  void read_event(std::string_view data);

  Format format_;
  net::SseParser parser_;
  std::string body_;  // Format::json
  model::Usage usage_;
  bool complete_ = false;
  bool broken_ = false;
};

}  // namespace drover::gateway
