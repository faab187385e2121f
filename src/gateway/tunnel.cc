#include "gateway/tunnel.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>

#include "os/async_event.h"

namespace drover::gateway {

namespace {

namespace asio = boost::asio;
using std::chrono::steady_clock;

constexpr std::size_t kHeldBytesMax = std::size_t{64} << 10U;

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK;
}

// One of the two, and its waits. Shared with their handlers, which may run after the tunnel's end.
struct End {
  End(asio::any_io_executor const& executor, os::Fd fd) : socket(executor, fd.release()) {}
  asio::posix::stream_descriptor socket;
  bool awaits_read = false;
  bool awaits_write = false;
  bool ended = false;  // said all it has to say
};

struct State {
  State(asio::any_io_executor const& executor, TunnelEnds ends)
      : inside(executor, std::move(ends.inside)),
        outside(executor, std::move(ends.outside)),
        changed(executor) {}
  End inside;
  End outside;
  os::AsyncEvent changed;
  bool broken = false;
};
using StatePtr = std::shared_ptr<State>;

void await_ready(StatePtr const& state, End& end, bool End::* flag,
                 asio::posix::descriptor_base::wait_type type) {
  if (end.*flag) return;
  end.*flag = true;
  end.socket.async_wait(type, [state, &end, flag](boost::system::error_code) {
    end.*flag = false;
    state->changed.notify();
  });
}

// One direction: what is held of it, and how much went.
struct Direction {
  End* from;
  End* to;
  std::string held;
  std::int64_t bytes = 0;
  bool closed = false;  // `to` was told that nothing follows

  // Moves what can be moved without waiting; whether anything was.
  bool move(StatePtr const& state) {
    bool moved = false;
    while (!state->broken) {
      if (held.empty() && !from->ended && !receive(state)) return moved;
      if (!held.empty() && !send(state)) return moved;
      moved = true;
      if (held.empty() && from->ended) {
        if (!closed) ::shutdown(to->socket.native_handle(), SHUT_WR);
        closed = true;
        return moved;
      }
    }
    return moved;
  }

 private:
  bool receive(StatePtr const& state) {
    std::array<char, kHeldBytesMax> buffer;
    ssize_t const size = ::recv(from->socket.native_handle(), buffer.data(), buffer.size(), 0);
    if (size > 0) {
      held.assign(buffer.data(), static_cast<std::size_t>(size));
      return true;
    }
    if (size == 0) {
      from->ended = true;
      return true;
    }
    if (would_block() || errno == EINTR)
      await_ready(state, *from, &End::awaits_read, asio::posix::descriptor_base::wait_read);
    else
      state->broken = true;
    return false;
  }

  bool send(StatePtr const& state) {
    ssize_t const size = ::send(to->socket.native_handle(), held.data(), held.size(), MSG_NOSIGNAL);
    if (size >= 0) {
      bytes += size;
      held.erase(0, static_cast<std::size_t>(size));
      return true;
    }
    if (would_block() || errno == EINTR)
      await_ready(state, *to, &End::awaits_write, asio::posix::descriptor_base::wait_write);
    else
      state->broken = true;
    return false;
  }
};

}  // namespace

Task<TunnelReport> run_tunnel(TunnelEnds ends, Millis silence_max, TunnelSwitchPtr off) {
  auto const executor = co_await asio::this_coro::executor;
  std::string first = std::move(ends.from_inside);
  auto const state = std::make_shared<State>(executor, std::move(ends));
  // Ends the waits, whose handlers hold the state.
  struct Closing {
    State* state;
    TunnelSwitch* off;
    ~Closing() {
      off->on_end(nullptr);
      boost::system::error_code ignored;
      state->inside.socket.close(ignored);
      state->outside.socket.close(ignored);
    }
  };
  Closing const closing{state.get(), off.get()};
  off->on_end([state] { state->changed.notify(); });
  Direction out{&state->inside, &state->outside, std::move(first), 0, false};
  Direction in{&state->outside, &state->inside, {}, 0, false};
  auto deadline = steady_clock::now() + silence_max;
  while (!off->ended() && !state->broken && !(out.closed && in.closed)) {
    auto const seen = state->changed.version();
    bool const went_out = out.move(state);
    bool const went_in = in.move(state);
    if (went_out || went_in) deadline = steady_clock::now() + silence_max;
    if (out.closed && in.closed) break;
    if (steady_clock::now() >= deadline) break;
    co_await state->changed.wait(seen, deadline);
  }
  TunnelReport report;
  report.bytes_out = out.bytes;
  report.bytes_in = in.bytes;
  co_return report;
}

}  // namespace drover::gateway
