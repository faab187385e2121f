#include "net/http_types.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/text.h"

namespace drover::net {
namespace {

bool is_token_char(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return c != '\0' && std::string_view{"!#$%&'*+-.^_`|~"}.find(c) != std::string_view::npos;
}

bool is_unreserved(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return c == '-' || c == '.' || c == '_' || c == '~';
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> decode_form(std::string_view text) {
  std::string spaced{text};
  std::ranges::replace(spaced, '+', ' ');
  return percent_decode(spaced);
}

bool has_encoded_slash(std::string_view path) {
  for (std::size_t i = 0; i + 2 < path.size(); ++i) {
    if (path[i] == '%' && path[i + 1] == '2' && (path[i + 2] == 'f' || path[i + 2] == 'F'))
      return true;
  }
  return false;
}

struct Reason {
  int status;
  std::string_view phrase;
};
constexpr std::array kReasons{
    Reason{100, "Continue"},
    Reason{101, "Switching Protocols"},
    Reason{200, "OK"},
    Reason{201, "Created"},
    Reason{202, "Accepted"},
    Reason{204, "No Content"},
    Reason{206, "Partial Content"},
    Reason{301, "Moved Permanently"},
    Reason{302, "Found"},
    Reason{303, "See Other"},
    Reason{304, "Not Modified"},
    Reason{307, "Temporary Redirect"},
    Reason{308, "Permanent Redirect"},
    Reason{400, "Bad Request"},
    Reason{401, "Unauthorized"},
    Reason{402, "Payment Required"},
    Reason{403, "Forbidden"},
    Reason{404, "Not Found"},
    Reason{405, "Method Not Allowed"},
    Reason{406, "Not Acceptable"},
    Reason{408, "Request Timeout"},
    Reason{409, "Conflict"},
    Reason{410, "Gone"},
    Reason{412, "Precondition Failed"},
    Reason{413, "Content Too Large"},
    Reason{415, "Unsupported Media Type"},
    Reason{421, "Misdirected Request"},
    Reason{422, "Unprocessable Content"},
    Reason{429, "Too Many Requests"},
    Reason{431, "Request Header Fields Too Large"},
    Reason{499, "Client Closed Request"},
    Reason{500, "Internal Server Error"},
    Reason{501, "Not Implemented"},
    Reason{502, "Bad Gateway"},
    Reason{503, "Service Unavailable"},
    Reason{504, "Gateway Timeout"},
    Reason{507, "Insufficient Storage"},
    Reason{529, "Overloaded"},
};

}  // namespace

std::string const* Headers::find(std::string_view name) const {
  for (Header const& header : items_) {
    if (iequals(header.name, name)) return &header.value;
  }
  return nullptr;
}

std::size_t Headers::count(std::string_view name) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      items_, [name](Header const& header) { return iequals(header.name, name); }));
}

bool Headers::has_token(std::string_view name, std::string_view token) const {
  for (Header const& header : items_) {
    if (!iequals(header.name, name)) continue;
    for (std::string_view part : split(header.value, ',')) {
      if (iequals(trim(part), token)) return true;
    }
  }
  return false;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_token_char);
}

bool is_header_value(std::string_view text) {
  return std::ranges::none_of(text, [](char c) {
    auto const byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
  });
}

Status check_headers(Headers const& headers) {
  for (Header const& header : headers) {
    if (!is_token(header.name)) {
      return fail(ErrorCode::invalid_argument, "'{}' is not a header name", printable(header.name));
    }
    if (!is_header_value(header.value)) {
      return fail(ErrorCode::invalid_argument,
                  "the value of header {} holds a line break or another control character",
                  header.name);
    }
  }
  return {};
}

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      int const high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      int const low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return fail(ErrorCode::invalid_argument, "'{}' has a broken percent escape at byte {}",
                    printable(text), i);
      }
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (c == '\0') {
      return fail(ErrorCode::invalid_argument, "'{}' holds a NUL byte", printable(text));
    }
    out.push_back(c);
  }
  if (!is_utf8(out)) {
    return fail(ErrorCode::invalid_argument, "'{}' is not UTF-8 once decoded", printable(text));
  }
  return out;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    if (is_unreserved(c)) {
      out.push_back(c);
      continue;
    }
    auto const byte = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(kDigits[byte >> 4U]);
    out.push_back(kDigits[byte & 15U]);
  }
  return out;
}

Result<Query> parse_query(std::string_view text) {
  Query query;
  for (std::string_view pair : split(text, '&')) {
    if (pair.empty()) continue;
    std::size_t const equals = pair.find('=');
    auto key = decode_form(pair.substr(0, equals));
    if (!key) return std::unexpected(key.error());
    auto value = decode_form(equals == std::string_view::npos ? "" : pair.substr(equals + 1));
    if (!value) return std::unexpected(value.error());
    std::string shown = printable(*key);
    if (!query.emplace(std::move(*key), std::move(*value)).second) {
      return fail(ErrorCode::invalid_argument, "the query names '{}' twice", shown);
    }
  }
  return query;
}

Result<Target> parse_target(std::string_view text) {
  if (text == "*") return Target{"*", {}};
  if (text.empty() || text.front() != '/') {
    return fail(ErrorCode::invalid_argument, "the request target '{}' does not start with '/'",
                printable(text));
  }
  std::size_t const question = text.find('?');
  std::string_view const raw_path = text.substr(0, question);
  if (has_encoded_slash(raw_path)) {
    return fail(ErrorCode::invalid_argument, "the path '{}' holds an encoded slash",
                printable(raw_path));
  }
  auto path = percent_decode(raw_path);
  if (!path) return std::unexpected(path.error());
  auto query = parse_query(question == std::string_view::npos ? "" : text.substr(question + 1));
  if (!query) return std::unexpected(query.error());
  return Target{std::move(*path), std::move(*query)};
}

std::string_view reason_phrase(int status) {
  auto const* const found = std::ranges::find(kReasons, status, &Reason::status);
  return found == kReasons.end() ? "Unknown" : found->phrase;
}

std::string error_body(Error const& error) {
  boost::json::object inner;
  inner["code"] = to_string(error.code);
  inner["message"] = to_utf8(error.message);
  if (!error.next.empty()) inner["next"] = to_utf8(error.next);
  boost::json::object outer;
  outer["error"] = std::move(inner);
  return boost::json::serialize(outer);
}

std::string url_for_people(std::string_view url) {
  std::string_view const shown = url.substr(0, url.find_first_of("?#"));
  std::size_t const scheme_end = shown.find("://");
  if (scheme_end == std::string_view::npos) return printable(shown);
  std::size_t const host = scheme_end + 3;
  std::size_t const path = std::min(shown.find('/', host), shown.size());
  std::size_t const at = shown.substr(host, path - host).rfind('@');
  if (at == std::string_view::npos) return printable(shown);
  return printable(fmt::format("{}{}", shown.substr(0, host), shown.substr(host + at + 1)));
}

}  // namespace drover::net
