#include "base/json_text.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "base/text.h"

namespace drover {

void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string repaired;
  if (!is_utf8(text)) text = repaired = to_utf8(text);
  out += '"';
  std::size_t plain_from = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    auto const c = static_cast<unsigned char>(text[at]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, plain_from, at - plain_from);
    plain_from = at + 1;
    out += '\\';
    switch (c) {
      case '"':
      case '\\':
        out += static_cast<char>(c);
        break;
      case '\n':
        out += 'n';
        break;
      case '\r':
        out += 'r';
        break;
      case '\t':
        out += 't';
        break;
      default:
        out += "u00";
        out += kHex[c >> 4U];
        out += kHex[c & 15U];
    }
  }
  out.append(text, plain_from);
  out += '"';
}

void JsonWriter::key(std::string_view name) {
  if (text_.size() > 1) text_ += ',';
  text_ += '"';
  text_ += name;
  text_ += "\":";
}

void JsonWriter::string(std::string_view name, std::string_view value) {
  key(name);
  append_json_string(text_, value);
}

void JsonWriter::integer(std::string_view name, std::int64_t value) {
  key(name);
  text_ += std::to_string(value);
}

void JsonWriter::number(std::string_view name, double value) {
  key(name);
  text_ += fmt::format("{}", std::isfinite(value) ? value : 0.0);
}

void JsonWriter::boolean(std::string_view name, bool value) {
  key(name);
  text_ += value ? "true" : "false";
}

void JsonWriter::raw(std::string_view name, std::string_view json) {
  key(name);
  text_ += json;
}

std::string JsonWriter::str() && {
  text_ += '}';
  return std::move(text_);
}

}  // namespace drover
