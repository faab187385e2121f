#include "net/blocking_http.h"

#include <optional>
#include <utility>

#include "base/check.h"
#include "base/time.h"
#include "net/curl_easy.h"

namespace drover::net {
namespace {

// How soon an abort is noticed; bytes that arrive end the wait earlier.
constexpr int kPollMs = 40;

struct Exchange {
  HeadReader head;
  std::string pending;  // body bytes that libcurl has handed over and nobody has taken
  bool head_overflowed = false;
};

std::size_t on_header(char* bytes, std::size_t, std::size_t n, void* exchange) {
  auto* const self = static_cast<Exchange*>(exchange);
  self->head_overflowed = self->head.take({bytes, n}) == HeadReader::Outcome::too_large;
  return self->head_overflowed ? 0 : n;
}

std::size_t on_body(char* bytes, std::size_t, std::size_t n, void* exchange) {
  static_cast<Exchange*>(exchange)->pending.append(bytes, n);
  return n;
}

bool passed(BootTime since, Millis limit, BootTime now) {
  return limit.count() > 0 && now - since >= limit;
}

}  // namespace

struct BlockingHttp::Impl {
  explicit Impl(std::atomic<bool> const* abort_flag) : abort(abort_flag) {
    init_curl();
    multi.reset(::curl_multi_init());
    DROVER_CHECK(multi != nullptr);
  }

  using Sink = std::function<StreamStep(std::string_view)>;
  Result<HttpResponse> perform(ClientRequest const& request, Sink const* sink);
  Status run(CurlRequest const& curl, Exchange& exchange, HttpResponse& response, Sink const* sink);
  Result<StreamStep> deliver(CurlRequest const& curl, Exchange& exchange, HttpResponse& response,
                             Sink const* sink);
  // The result of the transfer once it has ended.
  std::optional<CURLcode> ended() const;

  std::atomic<bool> const* abort;
  CurlMulti multi;  // holds the connections between requests
  SystemClock clock;
};

Result<HttpResponse> BlockingHttp::Impl::perform(ClientRequest const& request, Sink const* sink) {
  CurlRequest curl{request};
  DROVER_TRY(curl.prepare());
  Exchange exchange;
  ::curl_easy_setopt(curl.easy(), CURLOPT_HEADERFUNCTION, &on_header);
  ::curl_easy_setopt(curl.easy(), CURLOPT_HEADERDATA, &exchange);
  ::curl_easy_setopt(curl.easy(), CURLOPT_WRITEFUNCTION, &on_body);
  ::curl_easy_setopt(curl.easy(), CURLOPT_WRITEDATA, &exchange);
  CURLMcode const added = ::curl_multi_add_handle(multi.get(), curl.easy());
  if (added != CURLM_OK) {
    return fail(ErrorCode::internal, "cannot start a transfer: {}", ::curl_multi_strerror(added));
  }
  HttpResponse response;
  Status const result = run(curl, exchange, response, sink);
  ::curl_multi_remove_handle(multi.get(), curl.easy());
  if (!result) return std::unexpected(result.error());
  return response;
}

Status BlockingHttp::Impl::run(CurlRequest const& curl, Exchange& exchange, HttpResponse& response,
                               Sink const* sink) {
  ClientTimeouts const& limits = curl.request().timeouts;
  BootTime const started = clock.boot_now();
  BootTime heard = started;
  while (true) {
    int running = 0;
    ::curl_multi_perform(multi.get(), &running);
    BootTime const now = clock.boot_now();
    if (!exchange.pending.empty()) heard = now;
    bool const was_waiting = response.status == 0;
    auto const step = deliver(curl, exchange, response, sink);
    if (!step) return std::unexpected(step.error());
    if (*step == StreamStep::stop) return {};
    if (was_waiting && response.status != 0) heard = now;
    if (auto const code = ended()) {
      if (exchange.head_overflowed) return std::unexpected(curl.head_too_large());
      if (*code != CURLE_OK) return std::unexpected(curl.error_of(*code));
      return {};
    }
    if (abort != nullptr && abort->load()) return std::unexpected(curl.cancelled());
    if (passed(started, limits.total, now))
      return std::unexpected(curl.timed_out("the whole response", limits.total));
    if (response.status == 0 && passed(started, limits.head, now))
      return std::unexpected(curl.timed_out("the wait for the response", limits.head));
    if (response.status != 0 && passed(heard, limits.idle, now))
      return std::unexpected(curl.timed_out("a silence inside the response", limits.idle));
    ::curl_multi_poll(multi.get(), nullptr, 0, kPollMs, nullptr);
  }
}

// Outside libcurl's callbacks, so that `sink` may do as it likes, throw included.
Result<StreamStep> BlockingHttp::Impl::deliver(CurlRequest const& curl, Exchange& exchange,
                                               HttpResponse& response, Sink const* sink) {
  if (!exchange.head.complete()) return StreamStep::more;
  if (response.status == 0) {
    response.status = exchange.head.head().status;
    response.headers = exchange.head.head().headers;
  }
  if (exchange.pending.empty()) return StreamStep::more;
  std::string const bytes = std::exchange(exchange.pending, {});
  bool const success = response.status >= 200 && response.status < 300;
  if (sink != nullptr && success) return (*sink)(bytes);
  if (bytes.size() > curl.request().body_bytes_max - response.body.size())
    return std::unexpected(curl.body_too_large());
  response.body.append(bytes);
  return StreamStep::more;
}

std::optional<CURLcode> BlockingHttp::Impl::ended() const {
  int left = 0;
  while (CURLMsg const* message = ::curl_multi_info_read(multi.get(), &left)) {
    if (message->msg == CURLMSG_DONE) return message->data.result;
  }
  return std::nullopt;
}

BlockingHttp::BlockingHttp(std::atomic<bool> const* abort) : impl_(std::make_unique<Impl>(abort)) {}

BlockingHttp::~BlockingHttp() = default;

Result<HttpResponse> BlockingHttp::request(ClientRequest const& request) {
  return impl_->perform(request, nullptr);
}

Result<HttpResponse> BlockingHttp::stream(
    ClientRequest const& request, std::function<StreamStep(std::string_view)> const& on_bytes) {
  return impl_->perform(request, &on_bytes);
}

}  // namespace drover::net
