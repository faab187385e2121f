#include "gateway/request_head.h"

#include <optional>

#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>

#include "base/json.h"

namespace drover::gateway {

namespace {

constexpr std::size_t kDepthMax = 64;

// Follows the nesting and keeps only three members of the outermost object.
struct HeadHandler {
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);
  using error_code = boost::system::error_code;

  int depth = 0;
  bool is_object = false;
  bool repeated = false;
  std::string key;
  std::string text;
  std::optional<std::string> model;
  std::optional<std::int64_t> max_tokens;
  std::optional<bool> stream;

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
    if (depth != 1) return true;
    if (size == part.size()) key.clear();
    key.append(part.data(), part.size());
    return true;
  }
  bool on_key(json::string_view part, std::size_t size, error_code& error) {
    return on_key_part(part, size, error);
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
    return true;
  }
  bool on_uint64(std::uint64_t, json::string_view, error_code&) { return true; }
  bool on_double(double, json::string_view, error_code&) { return true; }
  bool on_bool(bool value, error_code&) {
    if (at_member("stream")) keep(stream, value);
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

}  // namespace

Result<RequestHead> read_request_head(std::string_view body) {
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
                "the model request repeats model, max_tokens or stream");
  if (!found.model) return fail(ErrorCode::invalid_argument, "/model: expected a string");
  if (!found.max_tokens || *found.max_tokens < 1)
    return fail(ErrorCode::invalid_argument, "/max_tokens: expected an integer above 0");
  return RequestHead{*found.model, *found.max_tokens, found.stream.value_or(false)};
}

}  // namespace drover::gateway
