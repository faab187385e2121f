#pragma once
// From the bytes of a streamed answer, in any cut, to items and one Response: the SSE parser and
// the decoder together. Not thread-safe.
#include <expected>
#include <string_view>
#include <vector>

#include "model/stream_decoder.h"
#include "net/sse.h"

namespace drover::model {

class ModelStream {
 public:
  [[nodiscard]] std::expected<void, Failure> feed(std::string_view bytes,
                                                  std::vector<StreamItem>& out);
  [[nodiscard]] bool complete() const { return decoder_.complete(); }
  // The connection has ended: the answer, or the failure `cut`.
  [[nodiscard]] std::expected<Response, Failure> finish();

 private:
  net::SseParser parser_;
  StreamDecoder decoder_;
};

}  // namespace drover::model
