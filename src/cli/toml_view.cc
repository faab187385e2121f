#include "cli/toml_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include <boost/json.hpp>

namespace drover::cli {

namespace {

bool is_bare(std::string_view key) {
  auto const plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  };
  return !key.empty() && std::ranges::all_of(key, plain);
}

void append_escaped(std::string& out, char c) {
  auto const byte = static_cast<unsigned char>(c);
  if (c == '"' || c == '\\') {
    out += '\\';
    out += c;
  } else if (byte < 0x20 || byte == 0x7f) {
    out += fmt::format("\\u{:04x}", byte);
  } else {
    out += c;
  }
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char const c : text)
    append_escaped(out, c);
  return out + "\"";
}

// Lines as lines: what prompts are.
std::string quoted_lines(std::string_view text) {
  std::string out = "\"\"\"\n";
  for (char const c : text) {
    if (c == '\n' || c == '\t')
      out += c;
    else
      append_escaped(out, c);
  }
  return out + "\"\"\"";
}

std::string key_text(std::string_view key) {
  return is_bare(key) ? std::string{key} : quoted(key);
}

std::string number_text(double number) {
  std::string text = fmt::format("{}", number);
  // Without a point or an exponent it would be read as a whole number.
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

enum class Shape : std::uint8_t { block, line };

Result<std::string> value_text(json::value const& value, std::string const& place, Shape shape);

Result<std::string> list_text(json::array const& list, std::string const& place, Shape shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < list.size(); ++i) {
    auto const item = value_text(list[i], fmt::format("{}/{}", place, i), Shape::line);
    if (!item) return item;
    if (i > 0) out += ", ";
    out += *item;
  }
  out += "]";
  constexpr std::size_t kWide = 90;
  if (shape == Shape::line || out.size() <= kWide) return out;
  out = "[\n";
  for (std::size_t i = 0; i < list.size(); ++i)
    out += "  " + value_text(list[i], place, Shape::line).value() + ",\n";
  return out + "]";
}

Result<std::string> inline_table(json::object const& object, std::string const& place) {
  std::string out = "{";
  std::string_view separator;
  for (auto const& member : object) {
    auto const text =
        value_text(member.value(), place + "/" + escape_pointer(member.key()), Shape::line);
    if (!text) return text;
    out += fmt::format("{}{} = {}", separator, key_text(member.key()), *text);
    separator = ", ";
  }
  return out + "}";
}

Result<std::string> value_text(json::value const& value, std::string const& place, Shape shape) {
  switch (value.kind()) {
    case json::kind::null:
      break;
    case json::kind::bool_:
      return value.get_bool() ? "true" : "false";
    case json::kind::int64:
      return fmt::format("{}", value.get_int64());
    case json::kind::uint64:
      if (value.get_uint64() <= INT64_MAX) return fmt::format("{}", value.get_uint64());
      break;
    case json::kind::double_:
      return number_text(value.get_double());
    case json::kind::string: {
      std::string_view const text = value.get_string();
      bool const lines = shape == Shape::block && text.contains('\n');
      return lines ? quoted_lines(text) : quoted(text);
    }
    case json::kind::array:
      return list_text(value.get_array(), place, shape);
    case json::kind::object:
      return inline_table(value.get_object(), place);
  }
  return fail(ErrorCode::unsupported, "{}: TOML has no form for {}", place, json::serialize(value));
}

bool is_list_of_tables(json::value const& value) {
  auto const* const list = value.if_array();
  return list != nullptr && !list->empty() &&
         std::ranges::all_of(*list, [](json::value const& item) { return item.is_object(); });
}

Status append_table(std::string& out, json::object const& object, std::string const& path,
                    std::string const& place);

Status append_member_tables(std::string& out, std::string_view key, json::value const& value,
                            std::string const& path, std::string const& place) {
  std::string const name = path.empty() ? key_text(key) : path + "." + key_text(key);
  std::string const inside = place + "/" + escape_pointer(key);
  if (value.is_object()) {
    out += fmt::format("\n[{}]\n", name);
    return append_table(out, value.get_object(), name, inside);
  }
  std::size_t number = 0;
  for (json::value const& item : value.get_array()) {
    out += fmt::format("\n[[{}]]\n", name);
    DROVER_TRY(append_table(out, item.get_object(), name, fmt::format("{}/{}", inside, number++)));
  }
  return {};
}

Status append_table(std::string& out, json::object const& object, std::string const& path,
                    std::string const& place) {
  auto const is_table = [](json::value const& value) {
    return value.is_object() || is_list_of_tables(value);
  };
  // A plain member behind a table's head would be the table's.
  for (auto const& member : object) {
    if (is_table(member.value())) continue;
    auto const text =
        value_text(member.value(), place + "/" + escape_pointer(member.key()), Shape::block);
    if (!text) return std::unexpected(text.error());
    out += fmt::format("{} = {}\n", key_text(member.key()), *text);
  }
  for (auto const& member : object)
    if (is_table(member.value()))
      DROVER_TRY(append_member_tables(out, member.key(), member.value(), path, place));
  return {};
}

}  // namespace

Result<std::string> render_toml(json::object const& object) {
  std::string out;
  DROVER_TRY(append_table(out, object, "", ""));
  return out;
}

}  // namespace drover::cli
