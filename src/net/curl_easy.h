#pragma once
// Internal to the two clients: a ClientRequest as libcurl options, and libcurl's results as Errors.
#include <curl/curl.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "net/http_types.h"

namespace drover::net {

struct CurlDeleter {
  void operator()(CURL* easy) const { ::curl_easy_cleanup(easy); }
  void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};
struct MultiDeleter {
  void operator()(CURLM* multi) const { ::curl_multi_cleanup(multi); }
};
using CurlMulti = std::unique_ptr<CURLM, MultiDeleter>;

// Collects status line and headers from libcurl's header callback, one line a call.
class HeadReader {
 public:
  enum class Outcome : std::uint8_t { more, complete, too_large };
  [[nodiscard]] Outcome take(std::string_view line);
  [[nodiscard]] bool complete() const { return complete_; }
  [[nodiscard]] HttpHead const& head() const { return head_; }

 private:
  HttpHead head_;
  std::size_t bytes_ = 0;
  bool complete_ = false;
};

// One easy handle with everything it borrows. Not movable: libcurl holds pointers into it.
class CurlRequest {
 public:
  explicit CurlRequest(ClientRequest request) : request_(std::move(request)) {}
  CurlRequest(CurlRequest const&) = delete;
  CurlRequest& operator=(CurlRequest const&) = delete;

  // invalid_argument for a method, URL or header that does not hold. Sets no callbacks.
  [[nodiscard]] Status prepare();
  [[nodiscard]] CURL* easy() const { return easy_.get(); }
  [[nodiscard]] ClientRequest const& request() const { return request_; }
  // What a result other than CURLE_OK means, in a sentence that names the URL without its secrets.
  [[nodiscard]] Error error_of(CURLcode code) const;
  [[nodiscard]] Error timed_out(std::string_view phase, Millis limit) const;
  [[nodiscard]] Error cancelled() const;
  [[nodiscard]] Error body_too_large() const;
  [[nodiscard]] Error head_too_large() const;

 private:
  [[nodiscard]] Status set_headers();
  void set_method();
  void set_reach();
  static curl_socket_t open_socket(void* self, curlsocktype purpose, curl_sockaddr* address);
  [[nodiscard]] std::string where() const { return url_for_people(request_.url); }

  ClientRequest request_;
  std::unique_ptr<CURL, CurlDeleter> easy_;
  std::unique_ptr<curl_slist, CurlDeleter> headers_;
  std::array<char, CURL_ERROR_SIZE> detail_{};
  bool out_of_reach_ = false;  // an address was refused
};

// Initialises libcurl once for the process.
void init_curl();

}  // namespace drover::net
