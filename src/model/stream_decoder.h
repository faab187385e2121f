#pragma once
// From the events of a streamed Messages answer to text, tool calls and one complete Response.
// Pure and incremental: one object decodes one answer. Not thread-safe.
#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "model/failure.h"
#include "model/messages.h"

namespace drover::model {

// What can be shown at once. Tool calls come whole, when their block ends.
struct StreamItem {
  enum class Kind : std::uint8_t { text, thinking, tool_call };
  Kind kind = Kind::text;
  std::string text;
  ToolCall call;
};

class StreamDecoder {
 public:
  static constexpr std::size_t kBlocksMax = 1024;
  static constexpr std::size_t kBytesMax = std::size_t{16} << 20U;  // of one answer

  // `data` of one server-sent event; appends what it gives to `out`. Fails with kind stream on an
  // `error` event, malformed on anything that is not the API's. Unknown event types are skipped,
  // as the API asks of its clients. After a failure the object is of no more use.
  [[nodiscard]] std::expected<void, Failure> feed(std::string_view data,
                                                  std::vector<StreamItem>& out);

  // message_stop has been seen. A stream that ends before this was cut.
  [[nodiscard]] bool complete() const { return complete_; }
  // The answer; needs complete().
  [[nodiscard]] Response take();

 private:
  using Step = std::expected<void, Failure>;
  struct Block {
    std::string type;
    std::string text;       // text, thinking, or partial JSON of a tool's arguments
    std::string signature;  // of thinking
    std::string id;
    std::string name;
    std::string verbatim;  // a block of a type that goes back unchanged
    json::object input;    // given whole with the start of the block
  };

  Step on_message_start(json::object const& event);
  Step on_block_start(json::object const& event);
  Step on_block_delta(json::object const& event, std::vector<StreamItem>& out);
  Step on_block_stop(std::vector<StreamItem>& out);
  Step on_message_delta(json::object const& event);
  void finish_tool_use(std::vector<StreamItem>& out);

  Response response_;
  Block block_;
  std::size_t bytes_ = 0;
  bool started_ = false;
  bool in_block_ = false;
  bool complete_ = false;
};

}  // namespace drover::model
