#pragma once
// The answer to a model call on its way to the unit, with what it used read as it passes.
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "gateway/usage_meter.h"
#include "model/scripted.h"
#include "net/http_server.h"

namespace drover::gateway {

// Lives as long as the handler. Used on the event loop.
class MeteredReply {
 public:
  explicit MeteredReply(net::HttpReply& reply) : reply_(&reply) {}

  Task<Status> head(int status, net::Headers headers);
  Task<Status> bytes(std::string bytes);
  Task<Status> end();
  // The whole answer is an error of the Messages API: {"type":"error","error":{"type","message"}}.
  Task<Status> error(int status, std::string type, std::string message);

  [[nodiscard]] net::HttpReply& client() { return *reply_; }
  [[nodiscard]] int status() const { return status_; }  // 0: nothing was answered
  [[nodiscard]] model::Usage usage() const { return meter_ ? meter_->usage() : model::Usage{}; }
  // Whether the answer said what it used. Answers of 400 and above use nothing.
  [[nodiscard]] bool usage_known() const {
    return status_ >= 400 || (meter_ && meter_->complete());
  }

 private:
  net::HttpReply* reply_;
  std::optional<UsageMeter> meter_;
  int status_ = 0;
};

// Plays a scripted answer. A `hang` lasts until the client goes or `silence_max` has passed; before
// the head it then becomes a 504, as an upstream that never answers does.
Task<Status> play_plan(model::Plan plan, MeteredReply& reply, Millis silence_max);

}  // namespace drover::gateway
