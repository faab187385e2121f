#pragma once
// JSON from outside, with bounds, and typed access that names the JSON pointer (RFC 6901) of what
// does not fit. Boost.JSON values throughout; this header needs only its forward declarations.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "base/error.h"

namespace drover {

namespace json = boost::json;

struct JsonBounds {
  std::size_t bytes_max = std::size_t{16} << 20U;
  std::size_t depth_max = 64;
};

// Strict RFC 8259: refuses duplicate keys, ill-formed UTF-8, lone surrogates, numbers outside a
// double, trailing text. The error says the byte offset.
[[nodiscard]] Result<json::value> parse_json(std::string_view text, JsonBounds bounds = {});

// One member of an object, or an error that names `<pointer>/<key>` and what was expected.
// The object's own pointer is "" at the root.
class JsonObject {
 public:
  // Refuses anything but an object.
  [[nodiscard]] static Result<JsonObject> of(json::value const& value, std::string pointer = "");

  // One that is known to be one; borrowed as well.
  [[nodiscard]] static JsonObject of(json::object const& object, std::string pointer = "") {
    return JsonObject{object, std::move(pointer)};
  }

  [[nodiscard]] Result<std::string> string(std::string_view key) const;
  [[nodiscard]] Result<std::int64_t> integer(std::string_view key) const;
  [[nodiscard]] Result<double> number(std::string_view key) const;
  [[nodiscard]] Result<bool> boolean(std::string_view key) const;
  [[nodiscard]] Result<JsonObject> object(std::string_view key) const;
  // Absent and null both give nullopt; another type is an error.
  [[nodiscard]] Result<std::optional<std::string>> optional_string(std::string_view key) const;
  [[nodiscard]] Result<std::optional<std::int64_t>> optional_integer(std::string_view key) const;
  [[nodiscard]] Result<std::optional<double>> optional_number(std::string_view key) const;
  [[nodiscard]] Result<std::optional<bool>> optional_boolean(std::string_view key) const;

  [[nodiscard]] json::value const* find(std::string_view key) const;
  [[nodiscard]] std::string pointer_to(std::string_view key) const;
  [[nodiscard]] json::object const& raw() const { return *object_; }

 private:
  JsonObject(json::object const& object, std::string pointer)
      : object_(&object), pointer_(std::move(pointer)) {}
  [[nodiscard]] std::unexpected<Error> mismatch(std::string_view key,
                                                std::string_view expected) const;
  json::object const* object_;  // borrowed from the value given to of()
  std::string pointer_;
};

// Lenient reads for data that was validated before, or whose absence is no error.
[[nodiscard]] std::string_view string_or(json::object const& object, std::string_view key,
                                         std::string_view fallback);
[[nodiscard]] std::int64_t integer_or(json::object const& object, std::string_view key,
                                      std::int64_t fallback);

// "boolean", "string", … as in JSON Schema.
[[nodiscard]] std::string_view json_type_name(json::value const& value);
// "~" and "/" of a key escaped for a JSON pointer.
[[nodiscard]] std::string escape_pointer(std::string_view key);

}  // namespace drover
