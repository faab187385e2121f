#include "net/curl_easy.h"

#include <sys/socket.h>

#include <algorithm>

#include "base/check.h"
#include "base/text.h"

namespace drover::net {
namespace {

constexpr std::size_t kHeadBytesMax = std::size_t{128} << 10U;
constexpr long kNoConnectLimitMs = 24L * 3600 * 1000;  // libcurl reads 0 as its default, 300 s

ErrorCode code_of(CURLcode code) {
  switch (code) {
    case CURLE_URL_MALFORMAT:
      return ErrorCode::invalid_argument;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
      return ErrorCode::unavailable;
    case CURLE_OPERATION_TIMEDOUT:
      return ErrorCode::timeout;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_FAILED_INIT:
      return ErrorCode::internal;
    default:
      return ErrorCode::upstream;
  }
}

std::string_view next_of(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return "check the host name and this machine's DNS";
    case CURLE_COULDNT_CONNECT:
      return "check that the server runs and listens there";
    case CURLE_PEER_FAILED_VERIFICATION:
      return "check the server's certificate, or give the CA that signed it";
    default:
      return "";
  }
}

}  // namespace

void init_curl() {
  static CURLcode const result = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  DROVER_CHECK(result == CURLE_OK);
}

HeadReader::Outcome HeadReader::take(std::string_view line) {
  if (complete_) return Outcome::more;  // trailers say nothing that anybody here reads
  bytes_ += line.size();
  if (bytes_ > kHeadBytesMax) return Outcome::too_large;
  while (line.ends_with('\n') || line.ends_with('\r'))
    line.remove_suffix(1);
  if (line.empty()) {
    complete_ = head_.status >= 200;
    return complete_ ? Outcome::complete : Outcome::more;
  }
  if (line.starts_with("HTTP/")) {
    head_ = {};  // after an interim response
    std::size_t const space = line.find(' ');
    for (char c : line.substr(std::min(space, line.size() - 1) + 1, 3)) {
      if (c >= '0' && c <= '9') head_.status = head_.status * 10 + (c - '0');
    }
    return Outcome::more;
  }
  std::size_t const colon = line.find(':');
  if (colon != std::string_view::npos)
    head_.headers.add(std::string{line.substr(0, colon)},
                      std::string{trim(line.substr(colon + 1))});
  return Outcome::more;
}

Status CurlRequest::prepare() {
  init_curl();
  if (!is_token(request_.method)) {
    return fail(ErrorCode::invalid_argument, "'{}' is not an HTTP method",
                printable(request_.method));
  }
  if (!is_header_value(request_.url) || request_.url.find(' ') != std::string::npos) {
    return fail(ErrorCode::invalid_argument, "'{}' is not a URL", where());
  }
  std::string_view const scheme =
      std::string_view{request_.url}.substr(0, request_.url.find("://"));
  if (!iequals(scheme, "http") && !iequals(scheme, "https")) {
    return fail(ErrorCode::invalid_argument, "'{}' is not an http or https URL", where());
  }
  easy_.reset(::curl_easy_init());
  DROVER_CHECK(easy_ != nullptr);
  CURL* const easy = easy_.get();
  DROVER_TRY(set_headers());
  set_method();
  ::curl_easy_setopt(easy, CURLOPT_URL, request_.url.c_str());
  ::curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  ::curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail_.data());
  ::curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // or a slow resolver would hold up the end
  ::curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
  ::curl_easy_setopt(easy, CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2});
  ::curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  ::curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  auto const connect_ms = static_cast<long>(request_.timeouts.connect.count());
  ::curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     connect_ms > 0 ? connect_ms : kNoConnectLimitMs);
  if (!request_.ca_file.empty()) ::curl_easy_setopt(easy, CURLOPT_CAINFO, request_.ca_file.c_str());
  if (!request_.certificate_file.empty()) {
    ::curl_easy_setopt(easy, CURLOPT_SSLCERT, request_.certificate_file.c_str());
    ::curl_easy_setopt(easy, CURLOPT_SSLKEY, request_.key_file.c_str());
  }
  if (!request_.unix_socket.empty()) {
    ::curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request_.unix_socket.c_str());
    ::curl_easy_setopt(easy, CURLOPT_PROXY, "");
  }
  set_reach();
  return {};
}

void CurlRequest::set_reach() {
  if (request_.reach == Reach::anywhere) return;
  ::curl_easy_setopt(easy_.get(), CURLOPT_PROXY, "");
  ::curl_easy_setopt(easy_.get(), CURLOPT_OPENSOCKETFUNCTION, &CurlRequest::open_socket);
  ::curl_easy_setopt(easy_.get(), CURLOPT_OPENSOCKETDATA, this);
}

// The one moment at which the address is known and nothing was sent to it.
curl_socket_t CurlRequest::open_socket(void* self, curlsocktype, curl_sockaddr* address) {
  auto& request = *static_cast<CurlRequest*>(self);
  if (!may_reach(request.request_.reach, kind_of(address->addr))) {
    request.out_of_reach_ = true;
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

Status CurlRequest::set_headers() {
  DROVER_TRY(check_headers(request_.headers));
  curl_slist* list = ::curl_slist_append(nullptr, "Expect:");  // no wait for 100 Continue
  for (Header const& header : request_.headers) {
    // libcurl's own notation for an empty value ends in a semicolon.
    std::string const line =
        header.value.empty() ? header.name + ";" : header.name + ": " + header.value;
    list = ::curl_slist_append(list, line.c_str());
  }
  if (!request_.body.empty() && request_.headers.find("Content-Type") == nullptr)
    list = ::curl_slist_append(list, "Content-Type:");  // not libcurl's guess at a form
  headers_.reset(list);
  ::curl_easy_setopt(easy_.get(), CURLOPT_HTTPHEADER, list);
  return {};
}

void CurlRequest::set_method() {
  CURL* const easy = easy_.get();
  std::string const& method = request_.method;
  bool const takes_body = method == "POST" || method == "PUT" || method == "PATCH";
  if (takes_body || !request_.body.empty()) {
    ::curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(request_.body.size()));
    ::curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request_.body.data());
    ::curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method.c_str());
  } else if (method == "HEAD") {
    ::curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (method != "GET") {
    ::curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method.c_str());
  }
}

Error CurlRequest::error_of(CURLcode code) const {
  if (out_of_reach_ && code == CURLE_COULDNT_CONNECT)
    return {ErrorCode::forbidden,
            fmt::format("{} {}: the address is in a network that this request may not reach",
                        request_.method, where()),
            {}};
  if (code == CURLE_OPERATION_TIMEDOUT) return timed_out("connecting", request_.timeouts.connect);
  std::string const detail{trim(detail_.data())};
  std::string const reason =
      detail.empty() ? ::curl_easy_strerror(code) : printable(detail, std::size_t{200});
  return {code_of(code), fmt::format("{} {}: {}", request_.method, where(), reason),
          std::string{next_of(code)}};
}

Error CurlRequest::timed_out(std::string_view phase, Millis limit) const {
  return {ErrorCode::timeout,
          fmt::format("{} {}: {} took longer than {} ms", request_.method, where(), phase,
                      limit.count()),
          {}};
}

Error CurlRequest::cancelled() const {
  return {ErrorCode::cancelled, fmt::format("{} {} was cancelled", request_.method, where()), {}};
}

Error CurlRequest::body_too_large() const {
  return {ErrorCode::too_large,
          fmt::format("{} {}: the response is larger than {} bytes", request_.method, where(),
                      request_.body_bytes_max),
          {}};
}

Error CurlRequest::head_too_large() const {
  return {ErrorCode::too_large,
          fmt::format("{} {}: the response's headers are larger than {} bytes", request_.method,
                      where(), kHeadBytesMax),
          {}};
}

}  // namespace drover::net
