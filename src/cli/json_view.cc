#include "cli/json_view.h"

#include <boost/json.hpp>

#include "base/text.h"
#include "cli/context.h"

namespace drover::cli {

namespace {

constexpr std::size_t kLineMax = 80;

void append(std::string& out, json::value const& value, std::size_t indent) {
  std::string const flat = json::serialize(value);
  bool const is_object = value.is_object();
  bool const has_members =
      is_object ? !value.get_object().empty() : value.is_array() && !value.get_array().empty();
  std::size_t const column = out.size() - (out.rfind('\n') + 1);
  if (!has_members || (indent > 0 && column + flat.size() <= kLineMax)) {
    out += flat;
    return;
  }
  std::string const margin(indent + 2, ' ');
  std::string_view separator = "\n";
  auto const begin_member = [&] {
    out.append(separator).append(margin);
    separator = ",\n";
  };
  out += is_object ? '{' : '[';
  if (is_object) {
    for (auto const& member : value.get_object()) {
      begin_member();
      out.append(json::serialize(member.key())).append(": ");
      append(out, member.value(), indent + 2);
    }
  } else {
    for (json::value const& item : value.get_array()) {
      begin_member();
      append(out, item, indent + 2);
    }
  }
  out.append("\n").append(indent, ' ');
  out += is_object ? '}' : ']';
}

}  // namespace

std::string render_json(json::value const& value, Style const& style) {
  std::string text;
  append(text, value, 0);
  std::string out;
  for (std::string_view const line : split(text, '\n'))
    out += json_line(line, style);
  return out;
}

}  // namespace drover::cli
