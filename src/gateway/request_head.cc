#include "gateway/request_head.h"

#include <array>

#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>

#include "base/json.h"

namespace drover::gateway {

namespace {

using model::WireFormat;

constexpr std::size_t kDepthMax = 64;
// Beyond what any model answers, and far from overflow.
constexpr std::int64_t kTokensMax = 100'000'000;
constexpr std::int64_t kChoicesMax = 1024;

// Follows the nesting and keeps only a few members of the outermost object.
struct HeadHandler {
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);
  using error_code = boost::system::error_code;

  int depth = 0;
  bool is_object = false;
  bool repeated = false;
  bool redirected = false;  // names an upstream or a key
  std::string key;          // of the outermost object
  std::string inner;        // of an object right below it
  std::string text;
  std::optional<std::string> model;
  std::optional<std::int64_t> max_tokens;
  std::optional<std::int64_t> max_completion_tokens;
  std::optional<std::int64_t> max_output_tokens;
  std::optional<std::int64_t> choices;
  std::optional<bool> stream;
  std::optional<bool> include_usage;
  int stream_options = 0;

  [[nodiscard]] bool at_member(std::string_view name) const { return depth == 1 && key == name; }

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) {
    if (depth == 0) is_object = true;
    ++depth;
    return true;
  }
  bool on_object_end(std::size_t, error_code&) {
    --depth;
    return true;
  }
  bool on_array_begin(error_code&) {
    ++depth;
    return true;
  }
  bool on_array_end(std::size_t, error_code&) {
    --depth;
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t size, error_code&) {
    if (depth > 2) return true;
    std::string& into = depth == 1 ? key : inner;
    if (size == part.size()) into.clear();
    into.append(part.data(), part.size());
    return true;
  }
  bool on_key(json::string_view part, std::size_t size, error_code& error) {
    on_key_part(part, size, error);
    if (at_member("base_url") || at_member("api_base") || at_member("api_key")) redirected = true;
    if (at_member("stream_options") && ++stream_options > 1) repeated = true;
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t size, error_code&) {
    if (!at_member("model")) return true;
    if (size == part.size()) text.clear();
    text.append(part.data(), part.size());
    return true;
  }
  bool on_string(json::string_view part, std::size_t size, error_code& error) {
    on_string_part(part, size, error);
    if (at_member("model")) keep(model, text);
    return true;
  }
  bool on_number_part(json::string_view, error_code&) { return true; }
  bool on_int64(std::int64_t value, json::string_view, error_code&) {
    if (at_member("max_tokens")) keep(max_tokens, value);
    if (at_member("max_completion_tokens")) keep(max_completion_tokens, value);
    if (at_member("max_output_tokens")) keep(max_output_tokens, value);
    if (at_member("n")) keep(choices, value);
    return true;
  }
  bool on_uint64(std::uint64_t, json::string_view, error_code&) { return true; }
  bool on_double(double, json::string_view, error_code&) { return true; }
  bool on_bool(bool value, error_code&) {
    if (at_member("stream")) keep(stream, value);
    if (depth == 2 && key == "stream_options" && inner == "include_usage")
      keep(include_usage, value);
    return true;
  }
  bool on_null(error_code&) { return true; }
  bool on_comment_part(json::string_view, error_code&) { return true; }
  bool on_comment(json::string_view, error_code&) { return true; }

 private:
  // Readers differ on which of two equal keys counts; a metered request may not depend on that.
  template <class T>
  void keep(std::optional<T>& slot, T const& value) {
    if (slot) repeated = true;
    slot = value;
  }
};

// What limits the answer, in the words of this format.
Result<std::optional<std::int64_t>> tokens_max_of(HeadHandler const& found, WireFormat format) {
  std::string_view name = "max_tokens";
  std::optional<std::int64_t> value = found.max_tokens;
  if (format == WireFormat::responses) {
    name = "max_output_tokens";
    value = found.max_output_tokens;
  } else if (format == WireFormat::chat && found.max_completion_tokens) {
    name = "max_completion_tokens";
    value = found.max_completion_tokens;
  }
  bool const missing = !value && format == WireFormat::messages;
  if (missing || (value && *value < 1))
    return fail(ErrorCode::invalid_argument, "/{}: expected an integer above 0", name);
  if (value && *value > kTokensMax)
    return fail(ErrorCode::invalid_argument, "/{}: at most {}", name, kTokensMax);
  return value;
}

}  // namespace

Result<RequestHead> read_request_head(std::string_view body, WireFormat format) {
  json::parse_options options;
  options.max_depth = kDepthMax;
  json::basic_parser<HeadHandler> parser{options};
  boost::system::error_code error;
  std::size_t const read = parser.write_some(false, body.data(), body.size(), error);
  if (error || body.find_first_not_of(" \t\r\n", read) != std::string_view::npos)
    return fail(ErrorCode::invalid_argument, "the model request is not valid JSON at byte {}",
                read);
  HeadHandler const& found = parser.handler();
  if (!found.is_object)
    return fail(ErrorCode::invalid_argument, "the model request is not a JSON object");
  if (found.repeated)
    return fail(ErrorCode::invalid_argument,
                "the model request repeats model, stream or a limit of tokens");
  if (found.redirected)
    return fail(ErrorCode::invalid_argument,
                "the model request names an upstream or a key (base_url, api_base, api_key); both "
                "are the server's to choose");
  if (!found.model) return fail(ErrorCode::invalid_argument, "/model: expected a string");
  auto const tokens_max = tokens_max_of(found, format);
  if (!tokens_max) return std::unexpected(tokens_max.error());
  RequestHead head;
  head.model = *found.model;
  head.tokens_max = *tokens_max;
  head.choices = found.choices.value_or(1);
  if (head.choices < 1 || head.choices > kChoicesMax)
    return fail(ErrorCode::invalid_argument, "/n: expected an integer from 1 to {}", kChoicesMax);
  head.stream = found.stream.value_or(false);
  head.has_stream_options = found.stream_options > 0;
  head.include_usage = found.include_usage.value_or(false);
  return head;
}

}  // namespace drover::gateway
