#include "base/text.h"

#include <fmt/format.h>

#include <cstdint>

namespace drover {

namespace {

struct Decoded {
  std::uint32_t code_point = 0;
  std::size_t length = 0;  // 0: ill-formed at this byte
};

Decoded decode(std::string_view text, std::size_t at) {
  auto const byte = [&](std::size_t i) -> std::uint32_t {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  auto const tail = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  std::uint32_t const lead = byte(at);
  if (lead < 0x80) return {lead, 1};
  if (lead >= 0xC2 && lead <= 0xDF && tail(at + 1))
    return {(lead & 0x1F) << 6 | (byte(at + 1) & 0x3F), 2};
  if (lead >= 0xE0 && lead <= 0xEF && tail(at + 1) && tail(at + 2)) {
    std::uint32_t const code =
        (lead & 0x0F) << 12 | (byte(at + 1) & 0x3F) << 6 | (byte(at + 2) & 0x3F);
    if (code >= 0x800 && (code < 0xD800 || code > 0xDFFF)) return {code, 3};
  }
  if (lead >= 0xF0 && lead <= 0xF4 && tail(at + 1) && tail(at + 2) && tail(at + 3)) {
    std::uint32_t const code = (lead & 0x07) << 18 | (byte(at + 1) & 0x3F) << 12 |
                               (byte(at + 2) & 0x3F) << 6 | (byte(at + 3) & 0x3F);
    if (code >= 0x10000 && code <= 0x10FFFF) return {code, 4};
  }
  return {};
}

// Bidirectional controls, and the separators that some viewers take for a new line.
bool is_layout_control(std::uint32_t code) {
  return code == 0x2028 || code == 0x2029 || code == 0x061C || code == 0x200E || code == 0x200F ||
         (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

void append_utf8(std::string& out, std::uint32_t code) {
  // Only used for stand-ins in U+0800..U+FFFF.
  out += static_cast<char>(0xE0 | code >> 12);
  out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
  out += static_cast<char>(0x80 | (code & 0x3F));
}

}  // namespace

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    std::size_t const length = decode(text, at).length;
    if (length == 0) return false;
    at += length;
  }
  return true;
}

std::string to_utf8(std::string_view bytes) {
  if (is_utf8(bytes)) return std::string{bytes};
  std::string out;
  out.reserve(bytes.size() + 16);
  for (std::size_t at = 0; at < bytes.size();) {
    std::size_t const length = decode(bytes, at).length;
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      ++at;
    } else {
      out.append(bytes, at, length);
      at += length;
    }
  }
  return out;
}

std::string_view utf8_prefix(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  // A character has at most three continuation bytes; more of them are no character to keep whole.
  while (end > 0 && bytes_max - end < 3 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U)
    --end;
  return text.substr(0, end);
}

std::string terminal_safe(std::string_view text, Lines lines) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    Decoded const decoded = decode(text, at);
    if (decoded.length == 0) {
      out += "\xEF\xBF\xBD";
      ++at;
      continue;
    }
    std::uint32_t const code = decoded.code_point;
    if (code == '\n') {
      out += lines == Lines::keep ? '\n' : ' ';
    } else if (code == '\r') {
      // "\r\n" is a line end; a lone return would let later text overwrite the line.
      bool const line_end = at + 1 < text.size() && text[at + 1] == '\n';
      if (!line_end) append_utf8(out, 0x240D);
    } else if (code == '\t') {
      out += lines == Lines::keep ? '\t' : ' ';
    } else if (code < 0x20) {
      append_utf8(out, 0x2400 + code);
    } else if (code == 0x7F) {
      append_utf8(out, 0x2421);
    } else if (code >= 0x80 && code < 0xA0) {
      out += fmt::format("<U+{:04X}>", code);
    } else if (is_layout_control(code)) {
      out += fmt::format("<U+{:04X}>", code);
    } else {
      out.append(text, at, decoded.length);
    }
    at += decoded.length;
  }
  return out;
}

std::string printable(std::string_view text, std::size_t bytes_max) {
  std::string safe = terminal_safe(utf8_prefix(text, bytes_max), Lines::flatten);
  if (text.size() > bytes_max) safe += "…";
  return safe;
}

std::string_view trim(std::string_view text) {
  auto const first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t start = 0;;) {
    auto const end = text.find(separator, start);
    if (end == std::string_view::npos) {
      parts.push_back(text.substr(start));
      return parts;
    }
    parts.push_back(text.substr(start, end - start));
    start = end + 1;
  }
}

bool iequals(std::string_view left, std::string_view right) {
  if (left.size() != right.size()) return false;
  auto const lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  for (std::size_t i = 0; i < left.size(); ++i)
    if (lower(left[i]) != lower(right[i])) return false;
  return true;
}

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (char const c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

}  // namespace drover
