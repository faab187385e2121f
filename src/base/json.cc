#include "base/json.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <set>
#include <vector>

#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>

#include "base/text.h"

namespace drover {

namespace {

// Boost.JSON keeps the last of duplicate keys, and reads a double to its last bit but one. This
// handler sees the text itself: it refuses the keys, and has the doubles as they are meant.
struct TextChecker {
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);
  using error_code = boost::system::error_code;

  std::vector<std::set<std::string, std::less<>>> keys;
  std::string partial;
  std::optional<std::string> duplicate;
  std::vector<double> doubles;  // in the order of the text

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) {
    keys.emplace_back();
    return true;
  }
  bool on_object_end(std::size_t, error_code&) {
    keys.pop_back();
    return true;
  }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t, error_code&) { return true; }
  bool on_key_part(json::string_view part, std::size_t, error_code&) {
    partial.append(part.data(), part.size());
    return true;
  }
  bool on_key(json::string_view part, std::size_t, error_code& error) {
    partial.append(part.data(), part.size());
    if (!keys.back().insert(partial).second) {
      duplicate = partial;
      error = json::make_error_code(json::error::extra_data);
      return false;
    }
    partial.clear();
    return true;
  }
  bool on_string_part(json::string_view, std::size_t, error_code&) { return true; }
  bool on_string(json::string_view, std::size_t, error_code&) { return true; }
  bool on_number_part(json::string_view, error_code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, error_code&) { return true; }
  bool on_uint64(std::uint64_t, json::string_view, error_code&) { return true; }
  bool on_double(double value, json::string_view text, error_code& error) {
    if (!std::isfinite(value)) {
      error = json::make_error_code(json::error::exponent_overflow);
      return false;
    }
    double exact = value;
    (void)std::from_chars(text.data(), text.data() + text.size(), exact);
    doubles.push_back(std::isfinite(exact) ? exact : value);
    return true;
  }
  bool on_bool(bool, error_code&) { return true; }
  bool on_null(error_code&) { return true; }
  bool on_comment_part(json::string_view, error_code&) { return true; }
  bool on_comment(json::string_view, error_code&) { return true; }
};

// Depth first, as the text has them; `at` counts.
void set_doubles(json::value& value, std::vector<double> const& doubles, std::size_t& at) {
  if (value.is_double()) {
    value = doubles.at(at++);
  } else if (value.is_array()) {
    for (json::value& item : value.get_array())
      set_doubles(item, doubles, at);
  } else if (value.is_object()) {
    for (auto& member : value.get_object())
      set_doubles(member.value(), doubles, at);
  }
}

json::parse_options options(JsonBounds bounds) {
  json::parse_options result;
  result.max_depth = bounds.depth_max;
  return result;
}

}  // namespace

Result<json::value> parse_json(std::string_view text, JsonBounds bounds) {
  if (text.size() > bounds.bytes_max)
    return fail(ErrorCode::too_large, "the JSON text has {} bytes, over the limit of {}",
                text.size(), bounds.bytes_max);
  json::basic_parser<TextChecker> checker{options(bounds)};
  boost::system::error_code error;
  std::size_t const read = checker.write_some(false, text.data(), text.size(), error);
  if (checker.handler().duplicate)
    return fail(ErrorCode::invalid_argument, "the JSON text repeats the key '{}' in one object",
                printable(*checker.handler().duplicate, 80));
  if (error)
    return fail(ErrorCode::invalid_argument, "the text is not valid JSON at byte {}: {}", read,
                error.message());
  if (text.find_first_not_of(" \t\r\n", read) != std::string_view::npos)
    return fail(ErrorCode::invalid_argument, "the JSON text goes on after its end, at byte {}",
                read);
  json::value value = json::parse(text, error, {}, options(bounds));
  if (error)
    return fail(ErrorCode::invalid_argument, "the text is not valid JSON: {}", error.message());
  std::size_t at = 0;
  if (!checker.handler().doubles.empty()) set_doubles(value, checker.handler().doubles, at);
  return value;
}

std::string escape_pointer(std::string_view key) {
  std::string out;
  for (char const c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

std::string_view json_type_name(json::value const& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "boolean";
    case json::kind::int64:
    case json::kind::uint64:
      return "integer";
    case json::kind::double_:
      return "number";
    case json::kind::string:
      return "string";
    case json::kind::array:
      return "array";
    case json::kind::object:
      return "object";
  }
  return "null";
}

Result<JsonObject> JsonObject::of(json::value const& value, std::string pointer) {
  if (!value.is_object())
    return fail(ErrorCode::invalid_argument, "{}: expected an object, found {}",
                pointer.empty() ? "the JSON text" : pointer, json_type_name(value));
  return JsonObject{value.get_object(), std::move(pointer)};
}

json::value const* JsonObject::find(std::string_view key) const {
  return object_->if_contains(key);
}

std::string JsonObject::pointer_to(std::string_view key) const {
  return pointer_ + "/" + escape_pointer(key);
}

std::unexpected<Error> JsonObject::mismatch(std::string_view key, std::string_view expected) const {
  auto const* value = find(key);
  return fail(ErrorCode::invalid_argument, "{}: expected {}, found {}", pointer_to(key), expected,
              value == nullptr ? "nothing" : json_type_name(*value));
}

Result<std::string> JsonObject::string(std::string_view key) const {
  auto const* value = find(key);
  if (value == nullptr || !value->is_string()) return mismatch(key, "a string");
  return std::string{value->get_string()};
}

Result<std::int64_t> JsonObject::integer(std::string_view key) const {
  auto const* value = find(key);
  if (value == nullptr || !value->is_int64()) return mismatch(key, "an integer");
  return value->get_int64();
}

Result<double> JsonObject::number(std::string_view key) const {
  auto const* value = find(key);
  if (value == nullptr || !value->is_number()) return mismatch(key, "a number");
  return value->to_number<double>();
}

Result<bool> JsonObject::boolean(std::string_view key) const {
  auto const* value = find(key);
  if (value == nullptr || !value->is_bool()) return mismatch(key, "true or false");
  return value->get_bool();
}

Result<JsonObject> JsonObject::object(std::string_view key) const {
  auto const* value = find(key);
  if (value == nullptr || !value->is_object()) return mismatch(key, "an object");
  return JsonObject{value->get_object(), pointer_to(key)};
}

namespace {

bool absent(json::value const* value) {
  return value == nullptr || value->is_null();
}

template <class T>
Result<std::optional<T>> as_optional(Result<T> result) {
  if (!result) return std::unexpected(std::move(result).error());
  return std::optional<T>{*std::move(result)};
}

}  // namespace

Result<std::optional<std::string>> JsonObject::optional_string(std::string_view key) const {
  if (absent(find(key))) return std::nullopt;
  return as_optional(string(key));
}

Result<std::optional<std::int64_t>> JsonObject::optional_integer(std::string_view key) const {
  if (absent(find(key))) return std::nullopt;
  return as_optional(integer(key));
}

Result<std::optional<double>> JsonObject::optional_number(std::string_view key) const {
  if (absent(find(key))) return std::nullopt;
  return as_optional(number(key));
}

Result<std::optional<bool>> JsonObject::optional_boolean(std::string_view key) const {
  if (absent(find(key))) return std::nullopt;
  return as_optional(boolean(key));
}

std::string_view string_or(json::object const& object, std::string_view key,
                           std::string_view fallback) {
  auto const* value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return fallback;
  return {value->get_string().data(), value->get_string().size()};
}

std::int64_t integer_or(json::object const& object, std::string_view key, std::int64_t fallback) {
  auto const* value = object.if_contains(key);
  if (value == nullptr || !value->is_int64()) return fallback;
  return value->get_int64();
}

}  // namespace drover
