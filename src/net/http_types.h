#pragma once
// HTTP in plain values, shared by the server, the clients and the unit: headers, request and
// response values, percent-coding, and the strict checks that keep a value from becoming syntax.
// Pure functions and values; thread-compatible.
#include <chrono>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "net/address.h"

namespace drover::net {

struct Header {
  std::string name;
  std::string value;
};

// In the order they came. Lookup ignores case and gives the first.
class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<Header> headers) : items_(headers) {}

  void add(std::string name, std::string value) {
    items_.push_back({std::move(name), std::move(value)});
  }
  // nullptr where there is none; borrowed from this object.
  [[nodiscard]] std::string const* find(std::string_view name) const;
  [[nodiscard]] std::size_t count(std::string_view name) const;
  // Whether a comma-separated header (Connection, Transfer-Encoding) holds `token`.
  [[nodiscard]] bool has_token(std::string_view name, std::string_view token) const;

  [[nodiscard]] auto begin() const { return items_.begin(); }
  [[nodiscard]] auto end() const { return items_.end(); }
  [[nodiscard]] std::size_t size() const { return items_.size(); }
  [[nodiscard]] bool empty() const { return items_.empty(); }

 private:
  std::vector<Header> items_;
};

// The status line and headers of a response.
struct HttpHead {
  int status = 0;
  Headers headers;
};

struct HttpResponse {
  int status = 0;
  Headers headers;
  std::string body;
};

// Zero means no limit; `idle` is the longest silence inside a body.
struct ClientTimeouts {
  Millis connect{10'000};
  Millis head{120'000};
  Millis idle{90'000};
  Millis total{0};
};

// One request of HttpClient or BlockingHttp. Redirects are answers, never followed.
// Members left empty do nothing.
struct ClientRequest {
  std::string method = "GET";
  std::string url{};  // http or https
  Headers headers{};
  std::string body{};
  ClientTimeouts timeouts{};
  std::string unix_socket{};       // connect there, whatever host the url names
  std::string ca_file{};           // trust these certificates (PEM) in place of the system's
  std::string certificate_file{};  // this client's own (PEM), with its key
  std::string key_file{};
  std::size_t body_bytes_max = std::size_t{16} << 20U;  // of a response that is read whole
  // Checked of each address that is connected to, after the name was resolved; forbidden where it
  // is out of reach. Other than `anywhere` also goes past every proxy, which would connect instead.
  // A pooled connection is not checked again: one HttpClient is used with one reach.
  Reach reach = Reach::anywhere;
};

[[nodiscard]] bool is_token(std::string_view text);  // RFC 9110 token: methods, header names
[[nodiscard]] bool is_header_value(
    std::string_view text);  // no CR, LF, NUL or other control but tab
// invalid_argument that names the header (never its value) when one could break out of its line.
[[nodiscard]] Status check_headers(Headers const& headers);

// "%41" to "A". Refuses a broken escape, NUL, and what is not UTF-8 afterwards.
[[nodiscard]] Result<std::string> percent_decode(std::string_view text);
// All but the unreserved characters of RFC 3986 become %XX.
[[nodiscard]] std::string percent_encode(std::string_view text);

using Query = std::map<std::string, std::string, std::less<>>;
// "a=1&b=2"; "+" is a space. A key that comes twice is an error, because readers would disagree.
[[nodiscard]] Result<Query> parse_query(std::string_view text);

struct Target {
  std::string path;  // decoded, starts with "/"; "*" for OPTIONS *
  Query query;
};
// The origin-form of a request target. An encoded slash is refused: it would change the segments.
[[nodiscard]] Result<Target> parse_target(std::string_view text);

[[nodiscard]] std::string_view reason_phrase(int status);
// {"error":{"code","message","next"?}}, the error body of every drover API.
[[nodiscard]] std::string error_body(Error const& error);
// A URL fit for messages: without user, query and fragment, which may hold secrets.
[[nodiscard]] std::string url_for_people(std::string_view url);

}  // namespace drover::net
