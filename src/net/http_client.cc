// How libcurl and the loop meet: libcurl says which sockets and which timer it waits for
// (on_socket, on_timer, which only touch Asio), the loop tells it when one is due (act), and act
// then collects the transfers that have ended. No function of curl_multi_* is called from within a
// callback, and no coroutine is resumed from within one: waking goes through a timer's completion.
#include "net/http_client.h"

#include <chrono>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/check.h"
#include "net/curl_easy.h"

namespace drover::net {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Time = std::chrono::steady_clock::time_point;

constexpr long kIdleConnectionsMax = 64;

Time deadline_after(Millis limit) {
  return limit.count() == 0 ? Time::max() : std::chrono::steady_clock::now() + limit;
}

}  // namespace

namespace detail {

// The multi handle on the loop.
class CurlLoop final : public std::enable_shared_from_this<CurlLoop> {
 public:
  explicit CurlLoop(asio::io_context& io);
  ~CurlLoop();
  CurlLoop(CurlLoop const&) = delete;
  CurlLoop& operator=(CurlLoop const&) = delete;

  [[nodiscard]] Status add(CurlTransfer& transfer);
  void remove(CurlTransfer& transfer);  // one that is not there is no error
  void close();
  [[nodiscard]] asio::io_context& io() { return io_; }

 private:
  struct Watch {
    explicit Watch(asio::io_context& io) : descriptor(io) {}
    asio::posix::stream_descriptor descriptor;  // borrowed from libcurl: released, never closed
    int fd = -1;
    int wanted = 0;  // CURL_POLL_IN, _OUT or _INOUT
    bool reading = false;
    bool writing = false;
    bool removed = false;
  };

  static int on_socket(CURL* easy, curl_socket_t fd, int what, void* loop, void* watch);
  static int on_timer(CURLM* multi, long wait_ms, void* loop);
  void watch_socket(int fd, int wanted);
  void forget_socket(int fd);
  void wait(std::shared_ptr<Watch> const& watch);
  void act(int fd, int ready);
  void collect_ended();

  asio::io_context& io_;
  asio::steady_timer timer_;
  std::unordered_map<int, std::shared_ptr<Watch>> watches_;  // shared with the waits under way
  std::unordered_set<CurlTransfer*> transfers_;
  CurlMulti multi_;
  bool closed_ = false;
};

// One request and its response, as far as it has come.
class CurlTransfer {
 public:
  CurlTransfer(std::shared_ptr<CurlLoop> loop, ClientRequest request)
      : loop_(std::move(loop)),
        curl_(std::move(request)),
        wake_(loop_->io()),
        total_deadline_(deadline_after(curl_.request().timeouts.total)) {}
  ~CurlTransfer() { loop_->remove(*this); }
  CurlTransfer(CurlTransfer const&) = delete;
  CurlTransfer& operator=(CurlTransfer const&) = delete;

  [[nodiscard]] Status start();
  Task<Status> wait_head();
  Task<Result<std::optional<std::string>>> read(std::optional<Millis> within);
  void abort(Error error);
  void ended(CURLcode code);

  [[nodiscard]] CurlRequest const& curl() const { return curl_; }
  [[nodiscard]] HttpHead const& head() const { return head_.head(); }

 private:
  static std::size_t on_header(char* bytes, std::size_t size, std::size_t n, void* transfer);
  static std::size_t on_body(char* bytes, std::size_t size, std::size_t n, void* transfer);
  Task<void> wait_until(Time deadline);
  [[nodiscard]] Error overdue(std::string_view phase, Millis limit) const;
  [[nodiscard]] std::string take_pending();

  std::shared_ptr<CurlLoop> loop_;  // shared with the client, which may end first
  CurlRequest curl_;
  HeadReader head_;
  std::string pending_;
  std::optional<Error> error_;
  asio::steady_timer wake_;
  Time total_deadline_;
  bool head_overflowed_ = false;
  bool paused_ = false;
  bool done_ = false;
};

CurlLoop::CurlLoop(asio::io_context& io) : io_(io), timer_(io) {
  init_curl();
  multi_.reset(::curl_multi_init());
  DROVER_CHECK(multi_ != nullptr);
  ::curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETFUNCTION, &CurlLoop::on_socket);
  ::curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETDATA, this);
  ::curl_multi_setopt(multi_.get(), CURLMOPT_TIMERFUNCTION, &CurlLoop::on_timer);
  ::curl_multi_setopt(multi_.get(), CURLMOPT_TIMERDATA, this);
  ::curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, kIdleConnectionsMax);
}

CurlLoop::~CurlLoop() {
  // Closing the pooled connections calls on_socket, which needs the rest of this object.
  multi_.reset();
  for (auto const& [fd, watch] : watches_) {
    watch->removed = true;
    watch->descriptor.release();
  }
}

Status CurlLoop::add(CurlTransfer& transfer) {
  if (closed_) return std::unexpected(transfer.curl().cancelled());
  CURL* const easy = transfer.curl().easy();
  ::curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer);
  CURLMcode const code = ::curl_multi_add_handle(multi_.get(), easy);
  if (code != CURLM_OK) {
    return fail(ErrorCode::internal, "cannot start a transfer: {}", ::curl_multi_strerror(code));
  }
  transfers_.insert(&transfer);
  return {};
}

void CurlLoop::remove(CurlTransfer& transfer) {
  if (transfers_.erase(&transfer) == 0) return;
  ::curl_multi_remove_handle(multi_.get(), transfer.curl().easy());
}

void CurlLoop::close() {
  closed_ = true;
  auto const all = transfers_;
  for (CurlTransfer* transfer : all)
    transfer->abort(transfer->curl().cancelled());
  timer_.cancel();
}

int CurlLoop::on_socket(CURL*, curl_socket_t fd, int what, void* loop, void*) {
  auto* const self = static_cast<CurlLoop*>(loop);
  if (what == CURL_POLL_REMOVE) {
    self->forget_socket(fd);
  } else {
    self->watch_socket(fd, what);
  }
  return 0;
}

int CurlLoop::on_timer(CURLM*, long wait_ms, void* loop) {
  auto* const self = static_cast<CurlLoop*>(loop);
  self->timer_.cancel();
  if (wait_ms < 0) return 0;
  self->timer_.expires_after(Millis{wait_ms});
  self->timer_.async_wait([weak = self->weak_from_this()](error_code ec) {
    auto const alive = weak.lock();
    if (!ec && alive) alive->act(CURL_SOCKET_TIMEOUT, 0);
  });
  return 0;
}

void CurlLoop::watch_socket(int fd, int wanted) {
  auto& watch = watches_[fd];
  if (!watch) {
    watch = std::make_shared<Watch>(io_);
    watch->fd = fd;
    error_code ec;
    watch->descriptor.assign(fd, ec);
    DROVER_CHECK(!ec);  // epoll has no room: no transfer could ever end
  }
  watch->wanted = wanted;
  wait(watch);
}

void CurlLoop::forget_socket(int fd) {
  auto const found = watches_.find(fd);
  if (found == watches_.end()) return;
  found->second->removed = true;
  found->second->descriptor.release();
  watches_.erase(found);
}

void CurlLoop::wait(std::shared_ptr<Watch> const& watch) {
  auto ready = [weak = weak_from_this(), watch](bool Watch::* waiting, int poll, int select,
                                                error_code ec) {
    watch.get()->*waiting = false;
    auto const self = weak.lock();
    if (ec || watch->removed || !self) return;
    // libcurl may have changed its mind since the wait began.
    if ((watch->wanted & poll) != 0) self->act(watch->fd, select);
    if (!watch->removed) self->wait(watch);
  };
  if ((watch->wanted & CURL_POLL_IN) != 0 && !watch->reading) {
    watch->reading = true;
    watch->descriptor.async_wait(asio::posix::stream_descriptor::wait_read, [ready](error_code ec) {
      ready(&Watch::reading, CURL_POLL_IN, CURL_CSELECT_IN, ec);
    });
  }
  if ((watch->wanted & CURL_POLL_OUT) != 0 && !watch->writing) {
    watch->writing = true;
    watch->descriptor.async_wait(
        asio::posix::stream_descriptor::wait_write,
        [ready](error_code ec) { ready(&Watch::writing, CURL_POLL_OUT, CURL_CSELECT_OUT, ec); });
  }
}

void CurlLoop::act(int fd, int ready) {
  int running = 0;
  ::curl_multi_socket_action(multi_.get(), fd, ready, &running);
  collect_ended();
}

void CurlLoop::collect_ended() {
  int left = 0;
  while (CURLMsg const* message = ::curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURLcode const code = message->data.result;  // the message does not outlive remove()
    char* found = nullptr;
    ::curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &found);
    reinterpret_cast<CurlTransfer*>(found)->ended(code);
  }
}

Status CurlTransfer::start() {
  DROVER_TRY(curl_.prepare());
  CURL* const easy = curl_.easy();
  ::curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &CurlTransfer::on_header);
  ::curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  ::curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &CurlTransfer::on_body);
  ::curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  return loop_->add(*this);
}

std::size_t CurlTransfer::on_header(char* bytes, std::size_t, std::size_t n, void* transfer) {
  auto* const self = static_cast<CurlTransfer*>(transfer);
  auto const outcome = self->head_.take({bytes, n});
  if (outcome == HeadReader::Outcome::complete) self->wake_.cancel();
  self->head_overflowed_ = outcome == HeadReader::Outcome::too_large;
  return self->head_overflowed_ ? 0 : n;
}

std::size_t CurlTransfer::on_body(char* bytes, std::size_t, std::size_t n, void* transfer) {
  auto* const self = static_cast<CurlTransfer*>(transfer);
  if (self->pending_.size() >= kResponsePendingBytesMax) {
    self->paused_ = true;  // libcurl hands the same bytes over again later
    return CURL_WRITEFUNC_PAUSE;
  }
  self->pending_.append(bytes, n);
  self->wake_.cancel();
  return n;
}

void CurlTransfer::ended(CURLcode code) {
  loop_->remove(*this);
  done_ = true;
  if (code != CURLE_OK) error_ = head_overflowed_ ? curl_.head_too_large() : curl_.error_of(code);
  wake_.cancel();
}

void CurlTransfer::abort(Error error) {
  loop_->remove(*this);
  if (!done_) error_ = std::move(error);
  done_ = true;
  wake_.cancel();
}

// Until something happened or the time is over: callers look again at what they wait for.
Task<void> CurlTransfer::wait_until(Time deadline) {
  wake_.expires_at(std::min(deadline, total_deadline_));
  error_code ignored;
  co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

Error CurlTransfer::overdue(std::string_view phase, Millis limit) const {
  if (std::chrono::steady_clock::now() >= total_deadline_)
    return curl_.timed_out("the whole response", curl_.request().timeouts.total);
  return curl_.timed_out(phase, limit);
}

Task<Status> CurlTransfer::wait_head() {
  Millis const limit = curl_.request().timeouts.head;
  Time const deadline = deadline_after(limit);
  while (!head_.complete()) {
    if (error_) co_return std::unexpected(*error_);
    if (done_) co_return std::unexpected(curl_.error_of(CURLE_GOT_NOTHING));
    if (std::chrono::steady_clock::now() >= std::min(deadline, total_deadline_)) {
      abort(overdue("the wait for the response", limit));
      continue;
    }
    co_await wait_until(deadline);
  }
  co_return Status{};
}

std::string CurlTransfer::take_pending() {
  std::string bytes = std::exchange(pending_, {});
  if (paused_ && !done_) {
    paused_ = false;
    ::curl_easy_pause(curl_.easy(), CURLPAUSE_CONT);
  }
  return bytes;
}

Task<Result<std::optional<std::string>>> CurlTransfer::read(std::optional<Millis> within) {
  Millis const limit = within.value_or(curl_.request().timeouts.idle);
  Time const deadline = deadline_after(limit);
  while (pending_.empty()) {
    if (error_) co_return std::unexpected(*error_);
    if (done_) co_return std::nullopt;
    if (std::chrono::steady_clock::now() >= std::min(deadline, total_deadline_)) {
      abort(overdue("a silence inside the response", limit));
      continue;
    }
    co_await wait_until(deadline);
  }
  co_return take_pending();
}

}  // namespace detail

ResponseStream::ResponseStream(std::shared_ptr<detail::CurlTransfer> transfer)
    : transfer_(std::move(transfer)) {}

ResponseStream::~ResponseStream() {
  transfer_->abort(transfer_->curl().cancelled());
}

void ResponseStream::cancel() {
  transfer_->abort(transfer_->curl().cancelled());
}

HttpHead const& ResponseStream::head() const {
  return transfer_->head();
}

Task<Result<std::optional<std::string>>> ResponseStream::read(std::optional<Millis> within) {
  auto const transfer = transfer_;
  co_return co_await transfer->read(within);
}

HttpClient::HttpClient(asio::io_context& io) : loop_(std::make_shared<detail::CurlLoop>(io)) {}

HttpClient::~HttpClient() {
  loop_->close();
}

Task<Result<std::unique_ptr<ResponseStream>>> HttpClient::open(ClientRequest request) {
  auto const transfer = std::make_shared<detail::CurlTransfer>(loop_, std::move(request));
  // Made first, so that the transfer ends with it also where this coroutine is cancelled.
  std::unique_ptr<ResponseStream> stream{new ResponseStream{transfer}};
  auto const started = transfer->start();
  if (!started) co_return std::unexpected(started.error());
  auto const head = co_await transfer->wait_head();
  if (!head) co_return std::unexpected(head.error());
  co_return stream;
}

Task<Result<HttpResponse>> HttpClient::send(ClientRequest request) {
  std::size_t const bytes_max = request.body_bytes_max;
  auto const stream = co_await open(std::move(request));
  if (!stream) co_return std::unexpected(stream.error());
  HttpResponse response{(*stream)->head().status, (*stream)->head().headers, {}};
  while (true) {
    auto const piece = co_await (*stream)->read();
    if (!piece) co_return std::unexpected(piece.error());
    if (!*piece) co_return response;
    if ((*piece)->size() > bytes_max - response.body.size())
      co_return std::unexpected((*stream)->transfer_->curl().body_too_large());
    response.body.append(**piece);
  }
}

}  // namespace drover::net
