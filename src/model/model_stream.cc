#include "model/model_stream.h"

namespace drover::model {

std::expected<void, Failure> ModelStream::feed(std::string_view bytes,
                                               std::vector<StreamItem>& out) {
  auto const events = parser_.feed(bytes);
  if (!events) {
    Failure failure;
    failure.kind = Failure::Kind::malformed;
    failure.message = events.error().message;
    return std::unexpected(std::move(failure));
  }
  for (net::SseEvent const& event : *events) {
    if (decoder_.complete()) break;
    if (auto fed = decoder_.feed(event.data, out); !fed) return fed;
  }
  return {};
}

std::expected<Response, Failure> ModelStream::finish() {
  if (decoder_.complete()) return decoder_.take();
  Failure failure;
  failure.kind = Failure::Kind::cut;
  failure.message = "the model's answer was cut before its end";
  return std::unexpected(std::move(failure));
}

}  // namespace drover::model
