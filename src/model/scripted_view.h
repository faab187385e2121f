#pragma once
// What of a request a script looks at, in any of the wire formats. Internal to the scripted model.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/wire_format.h"

namespace drover::model {

struct RequestView {
  std::string model;
  std::string system;
  std::string last_user_text;
  struct Result {
    std::string text;
    std::optional<bool> is_error;  // only the Messages API says it
  };
  std::vector<Result> results;  // since the last answer of the model
  std::vector<std::string> tools;
  std::int64_t answers = 0;  // of the model, in the request
  bool stream = false;
  bool wants_usage = false;  // chat: stream_options.include_usage
};

// nullopt where it holds no conversation.
[[nodiscard]] std::optional<RequestView> view_of(json::value const& request, WireFormat format);

}  // namespace drover::model
