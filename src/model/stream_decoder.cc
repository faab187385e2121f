#include "model/stream_decoder.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include <boost/json.hpp>

#include "base/check.h"
#include "base/text.h"

namespace drover::model {

namespace {

std::unexpected<Failure> malformed(std::string message) {
  Failure failure;
  failure.kind = Failure::Kind::malformed;
  failure.message = std::move(message);
  return std::unexpected(std::move(failure));
}

Failure stream_error(json::object const& event) {
  Failure failure;
  failure.kind = Failure::Kind::stream;
  failure.message = "the stream reported an error without a reason";
  auto const* const error = event.if_contains("error");
  if (error != nullptr && error->is_object()) {
    failure.type = string_or(error->get_object(), "type", "");
    failure.message = string_or(error->get_object(), "message", failure.message);
  }
  failure.status = status_of_error_type(failure.type);
  return failure;
}

json::object const* object_at(json::object const& object, std::string_view key) {
  auto const* const member = object.if_contains(key);
  return member == nullptr ? nullptr : member->if_object();
}

constexpr unsigned kDepthMax = 64;

}  // namespace

std::expected<void, Failure> StreamDecoder::feed(std::string_view data,
                                                 std::vector<StreamItem>& out) {
  bytes_ += data.size();
  if (bytes_ > kBytesMax)
    return malformed(fmt::format("the answer is over the limit of {} bytes", kBytesMax));
  // Events are small and many: parse them in a buffer on the stack.
  std::array<unsigned char, 4096> buffer;
  json::monotonic_resource memory{buffer.data(), buffer.size()};
  json::parse_options options;
  options.max_depth = kDepthMax;
  boost::system::error_code error;
  json::value const value = json::parse(data, error, &memory, options);
  if (error || !value.is_object())
    return malformed(
        fmt::format("an event of the stream is not a JSON object: {}", printable(data, 80)));
  json::object const& event = value.get_object();
  std::string_view const type = string_or(event, "type", "");
  if (type == "error") return std::unexpected(stream_error(event));
  if (type == "message_start") return on_message_start(event);
  if (type == "content_block_start") return on_block_start(event);
  if (type == "content_block_delta") return on_block_delta(event, out);
  if (type == "content_block_stop") return on_block_stop(out);
  if (type == "message_delta") return on_message_delta(event);
  if (type == "message_stop") {
    if (!started_ || in_block_) return malformed("the stream ended inside a content block");
    complete_ = true;
  }
  return {};
}

StreamDecoder::Step StreamDecoder::on_message_start(json::object const& event) {
  auto const* const message = object_at(event, "message");
  if (message == nullptr || started_)
    return malformed("the stream has a message_start out of place");
  started_ = true;
  response_.id = string_or(*message, "id", "");
  response_.model = string_or(*message, "model", "");
  if (auto const* const usage = object_at(*message, "usage")) read_usage(*usage, response_.usage);
  return {};
}

StreamDecoder::Step StreamDecoder::on_block_start(json::object const& event) {
  auto const* const start = object_at(event, "content_block");
  if (start == nullptr || !started_ || in_block_ || complete_)
    return malformed("the stream has a content_block_start out of place");
  if (response_.blocks.size() >= kBlocksMax)
    return malformed(fmt::format("the answer has more than {} content blocks", kBlocksMax));
  in_block_ = true;
  block_ = Block{};
  block_.type = string_or(*start, "type", "");
  if (block_.type == "text") {
    block_.text = string_or(*start, "text", "");
  } else if (block_.type == "thinking") {
    block_.text = string_or(*start, "thinking", "");
    block_.signature = string_or(*start, "signature", "");
  } else if (block_.type == "tool_use") {
    block_.id = string_or(*start, "id", "");
    block_.name = string_or(*start, "name", "");
    // On the heap: the event's own memory ends with the event.
    if (auto const* const input = object_at(*start, "input"))
      block_.input = json::object(*input, json::storage_ptr{});
  } else {
    block_.verbatim = json::serialize(*start);
  }
  return {};
}

StreamDecoder::Step StreamDecoder::on_block_delta(json::object const& event,
                                                  std::vector<StreamItem>& out) {
  auto const* const delta = object_at(event, "delta");
  if (delta == nullptr || !in_block_)
    return malformed("the stream has a content_block_delta out of place");
  std::string_view const type = string_or(*delta, "type", "");
  if (type == "text_delta" && block_.type == "text") {
    std::string_view const text = string_or(*delta, "text", "");
    block_.text += text;
    if (!text.empty()) out.push_back({StreamItem::Kind::text, std::string{text}, {}});
  } else if (type == "thinking_delta" && block_.type == "thinking") {
    std::string_view const text = string_or(*delta, "thinking", "");
    block_.text += text;
    if (!text.empty()) out.push_back({StreamItem::Kind::thinking, std::string{text}, {}});
  } else if (type == "signature_delta") {
    block_.signature += string_or(*delta, "signature", "");
  } else if (type == "input_json_delta" && block_.type == "tool_use") {
    block_.text += string_or(*delta, "partial_json", "");
  }
  return {};
}

StreamDecoder::Step StreamDecoder::on_block_stop(std::vector<StreamItem>& out) {
  if (!in_block_) return malformed("the stream has a content_block_stop out of place");
  in_block_ = false;
  if (block_.type == "text") {
    response_.text += block_.text;
    // The API refuses empty text blocks in a request.
    if (!block_.text.empty()) response_.blocks.push_back(text_block(block_.text));
  } else if (block_.type == "thinking") {
    json::object thinking;
    thinking["type"] = "thinking";
    thinking["thinking"] = block_.text;
    thinking["signature"] = block_.signature;
    response_.blocks.push_back(json::serialize(thinking));
  } else if (block_.type == "tool_use") {
    finish_tool_use(out);
  } else {
    response_.blocks.push_back(block_.verbatim);
  }
  return {};
}

void StreamDecoder::finish_tool_use(std::vector<StreamItem>& out) {
  ToolCall call{block_.id, block_.name, block_.input, {}};
  if (!block_.text.empty()) {
    auto parsed = parse_json(block_.text);
    if (!parsed) {
      call.invalid = fmt::format("the arguments are not valid JSON: {}", parsed.error().message);
    } else if (!parsed->is_object()) {
      call.invalid =
          fmt::format("the arguments are {}, expected an object", json_type_name(*parsed));
    } else {
      call.input = std::move(parsed->as_object());
    }
  }
  response_.blocks.push_back(tool_use_block(call));
  out.push_back({StreamItem::Kind::tool_call, {}, call});
  response_.calls.push_back(std::move(call));
}

StreamDecoder::Step StreamDecoder::on_message_delta(json::object const& event) {
  if (!started_) return malformed("the stream has a message_delta out of place");
  if (auto const* const usage = object_at(event, "usage")) read_usage(*usage, response_.usage);
  auto const* const delta = object_at(event, "delta");
  if (delta == nullptr) return {};
  auto const* const reason = delta->if_contains("stop_reason");
  if (reason != nullptr && reason->is_string())
    response_.stop_reason = parse_stop_reason(reason->get_string());
  return {};
}

Response StreamDecoder::take() {
  DROVER_CHECK(complete_);
  return std::exchange(response_, {});
}

}  // namespace drover::model
