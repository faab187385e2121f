#include "net/stream_io.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace drover::net {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t kReadBytes = std::size_t{64} << 10U;
// A client that always has more to read must not keep the loop to itself.
constexpr int kReadsInARowMax = 16;

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK;
}

// Shared by all connections of a thread: a buffer each would cost 64 KiB an idle connection.
std::array<char, kReadBytes>& scratch() {
  thread_local std::array<char, kReadBytes> buffer;
  return buffer;
}

// Drops the first `sent` bytes of parts[first…]; gives the index of the first that has bytes left.
std::size_t advance(std::vector<iovec>& parts, std::size_t first, std::size_t sent) {
  while (first < parts.size() && sent >= parts[first].iov_len) {
    sent -= parts[first].iov_len;
    ++first;
  }
  if (first < parts.size()) {
    parts[first].iov_base = static_cast<char*>(parts[first].iov_base) + sent;
    parts[first].iov_len -= sent;
  }
  return first;
}

}  // namespace

StreamIo::StreamIo(asio::io_context& io, os::Fd fd, Millis write_timeout)
    : socket_(io, fd.release()), timer_(io), write_timeout_(write_timeout) {}

Task<ReadOutcome> StreamIo::read_more() {
  if (++reads_in_a_row_ > kReadsInARowMax) {
    reads_in_a_row_ = 0;
    co_await asio::post(socket_.get_executor(), asio::use_awaitable);
  }
  while (socket_.is_open()) {
    auto& buffer = scratch();
    ssize_t const n = ::recv(socket_.native_handle(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n > 0) {
      input_.append(buffer.data(), static_cast<std::size_t>(n));
      co_return ReadOutcome::bytes;
    }
    if (n == 0) co_return ReadOutcome::end;
    if (errno == EINTR) continue;
    if (!would_block()) co_return ReadOutcome::failed;
    reads_in_a_row_ = 0;
    error_code ec;
    co_await socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                                asio::redirect_error(asio::use_awaitable, ec));
    if (expired_) co_return ReadOutcome::expired;
    if (ec) co_return ReadOutcome::failed;
  }
  co_return ReadOutcome::failed;
}

Task<Status> StreamIo::write(std::vector<iovec> parts) {
  std::size_t first = advance(parts, 0, 0);
  while (first < parts.size()) {
    if (!socket_.is_open()) co_return fail(ErrorCode::unavailable, "the connection is closed");
    msghdr message{};
    message.msg_iov = &parts[first];
    message.msg_iovlen = std::min<std::size_t>(parts.size() - first, IOV_MAX);
    ssize_t const n = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      first = advance(parts, first, static_cast<std::size_t>(n));
      continue;
    }
    if (errno == EINTR) continue;
    if (!would_block()) {
      gone_ = true;
      close();
      co_return fail(ErrorCode::unavailable, "the client closed the connection");
    }
    set_deadline(write_timeout_);
    error_code ec;
    co_await socket_.async_wait(asio::posix::stream_descriptor::wait_write,
                                asio::redirect_error(asio::use_awaitable, ec));
    if (expired_) {
      close();
      co_return fail(ErrorCode::timeout, "the client took no byte for {} ms",
                     write_timeout_.count());
    }
    clear_deadline();
    if (ec) co_return fail(ErrorCode::unavailable, "the connection is closed");
  }
  co_return Status{};
}

void StreamIo::set_deadline(Millis after) {
  expired_ = false;
  deadline_ = std::chrono::steady_clock::now() + after;
  if (deadline_ < armed_at_) arm_timer();
}

void StreamIo::clear_deadline() {
  expired_ = false;
  deadline_ = Time::max();
}

void StreamIo::arm_timer() {
  armed_at_ = deadline_;
  timer_.expires_at(armed_at_);
  timer_.async_wait([self = shared_from_this()](error_code ec) {
    if (!ec) self->on_timer();
  });
}

void StreamIo::on_timer() {
  armed_at_ = Time::max();
  if (deadline_ == Time::max() || !socket_.is_open()) return;
  if (std::chrono::steady_clock::now() < deadline_) return arm_timer();
  deadline_ = Time::max();
  expired_ = true;
  error_code ignored;
  socket_.cancel(ignored);
}

bool StreamIo::peer_gone() {
  if (!gone_ && !socket_.is_open()) gone_ = true;
  if (!gone_ && !watching_) take_what_is_there();
  return gone_;
}

void StreamIo::watch(std::function<void()> on_gone) {
  on_gone_ = std::move(on_gone);
  if (!on_gone_) {
    watch_cancel_.emit(asio::cancellation_type::all);
    return;
  }
  if (!gone_) return start_watch();
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->tell_gone(); });
}

void StreamIo::start_watch() {
  if (watching_ || !socket_.is_open()) return;
  watching_ = true;
  socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                     asio::bind_cancellation_slot(
                         watch_cancel_.slot(),
                         [self = shared_from_this()](error_code ec) { self->on_watch(!ec); }));
}

void StreamIo::on_watch(bool readable) {
  watching_ = false;
  if (!on_gone_ || !socket_.is_open()) return;
  if (readable) take_what_is_there();
  if (gone_) return tell_gone();
  if (input_.size() < kWatchBytesMax) start_watch();
}

void StreamIo::take_what_is_there() {
  auto& buffer = scratch();
  while (input_.size() < kWatchBytesMax) {
    ssize_t const n = ::recv(socket_.native_handle(), buffer.data(),
                             std::min(buffer.size(), kWatchBytesMax - input_.size()), MSG_DONTWAIT);
    if (n > 0) {
      input_.append(buffer.data(), static_cast<std::size_t>(n));
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n == 0 || !would_block()) gone_ = true;
    return;
  }
}

void StreamIo::tell_gone() {
  auto const callback = std::exchange(on_gone_, nullptr);
  if (callback) callback();
}

os::Fd StreamIo::release() {
  watch(nullptr);
  os::Fd fd{socket_.is_open() ? socket_.release() : -1};
  close();
  return fd;
}

void StreamIo::shutdown_send() {
  if (socket_.is_open()) ::shutdown(socket_.native_handle(), SHUT_WR);
}

void StreamIo::close() {
  error_code ignored;
  if (socket_.is_open()) socket_.close(ignored);
  timer_.cancel();
  armed_at_ = Time::max();
  clear_deadline();
}

}  // namespace drover::net
