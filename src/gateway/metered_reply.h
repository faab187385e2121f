#pragma once
// The answer to a model call on its way to the unit, in the wire format that it asked in, with what
// it used read as it passes.
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "gateway/stream_filter.h"
#include "gateway/usage_meter.h"
#include "model/scripted.h"
#include "net/http_server.h"

namespace drover::gateway {

// Lives as long as the handler. Used on the event loop.
class MeteredReply {
 public:
  explicit MeteredReply(net::HttpReply& reply,
                        model::WireFormat format = model::WireFormat::messages)
      : reply_(&reply), format_(format) {}

  // Before head(): the key that must not come back, and whether the usage of a chat stream was
  // asked for here and not by the unit.
  void guard(Secret key) { key_filter_.emplace(std::move(key)); }
  void hide_usage() { usage_filter_.emplace(); }

  Task<Status> head(int status, net::Headers headers);
  Task<Status> bytes(std::string bytes);
  Task<Status> end();
  // The whole answer is an error in the format's own shape.
  Task<Status> error(int status, std::string type, std::string message,
                     std::optional<Millis> retry_after = std::nullopt);

  [[nodiscard]] net::HttpReply& client() { return *reply_; }
  [[nodiscard]] model::WireFormat format() const { return format_; }
  [[nodiscard]] int status() const { return status_; }  // 0: nothing was answered
  [[nodiscard]] model::Usage usage() const { return meter_ ? meter_->usage() : model::Usage{}; }
  // Whether the answer said what it used. Answers of 400 and above use nothing.
  [[nodiscard]] bool usage_known() const {
    return status_ >= 400 || (meter_ && meter_->complete());
  }
  // An error inside the stream.
  [[nodiscard]] std::optional<model::Failure> failure() const {
    return meter_ ? meter_->failure() : std::nullopt;
  }

 private:
  Task<Status> write(std::string bytes);

  net::HttpReply* reply_;
  model::WireFormat format_;
  std::optional<UsageMeter> meter_;
  std::optional<KeyFilter> key_filter_;
  std::optional<ChatUsageFilter> usage_filter_;
  int status_ = 0;
};

// Plays a scripted answer. A `hang` lasts until the client goes or `silence_max` has passed; before
// the head it then becomes a 504, as an upstream that never answers does.
Task<Status> play_plan(model::Plan plan, MeteredReply& reply, Millis silence_max);

}  // namespace drover::gateway
