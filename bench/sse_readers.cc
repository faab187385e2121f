#include "sse_readers.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>

#include "machine.h"

namespace drover::bench {

namespace {

constexpr int kLookMs = 200;
constexpr auto kSilenceMax = std::chrono::seconds{30};

}  // namespace

Result<SseReaders> SseReaders::connect(std::uint16_t port, std::string const& path, int count) {
  os::Fd poller{::epoll_create1(EPOLL_CLOEXEC)};
  if (!poller.valid()) return fail_errno("make a poller for", "the readers");
  SseReaders readers{std::move(poller)};
  std::string const request = fmt::format(
      "GET {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAccept: text/event-stream\r\n\r\n", path, port);
  readers.readers_.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i)
    DROVER_TRY(readers.add(port, request));
  DROVER_TRY(readers.pump(0, nullptr));
  return readers;
}

Status SseReaders::add(std::uint16_t port, std::string const& request) {
  os::Fd socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (!socket.valid()) return fail_errno("open", "a socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return fail_errno("connect to", "the event server");
  int const on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size()))
    return fail_errno("send to", "the event server");
  epoll_event interest{};
  interest.events = EPOLLIN;
  interest.data.u64 = readers_.size();
  if (::epoll_ctl(poller_.get(), EPOLL_CTL_ADD, socket.get(), &interest) != 0)
    return fail_errno("watch", "a socket");
  readers_.push_back({.socket = std::move(socket), .line = {}, .open = false, .received = 0});
  return {};
}

bool SseReaders::all_at(int target) const {
  return std::ranges::all_of(
      readers_, [&](Reader const& reader) { return reader.open && reader.received >= target; });
}

Result<Samples> SseReaders::receive(int events) {
  for (Reader& reader : readers_)
    reader.received = 0;
  Samples samples;
  DROVER_TRY(pump(events, &samples));
  return samples;
}

Status SseReaders::pump(int target, Samples* samples) {
  std::array<epoll_event, 256> ready;
  auto last_byte = std::chrono::steady_clock::now();
  while (!all_at(target)) {
    DROVER_TRY(check_interrupt());
    int const count =
        ::epoll_wait(poller_.get(), ready.data(), static_cast<int>(ready.size()), kLookMs);
    if (count < 0 && errno != EINTR) return fail_errno("wait for", "events");
    auto const now = std::chrono::steady_clock::now();
    if (count > 0) last_byte = now;
    if (now - last_byte > kSilenceMax)
      return fail(ErrorCode::timeout, "no event has come for {} s", kSilenceMax.count());
    for (int i = 0; i < count; ++i)
      DROVER_TRY(read(readers_[ready[static_cast<std::size_t>(i)].data.u64], samples));
  }
  return {};
}

Status SseReaders::read(Reader& reader, Samples* samples) {
  std::array<char, 16384> buffer;
  ssize_t const got = ::recv(reader.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  if (got < 0) return fail_errno("read from", "the event server");
  if (got == 0) return fail(ErrorCode::upstream, "the event server closed a stream");
  std::int64_t const now = monotonic_ns();
  std::string_view rest{buffer.data(), static_cast<std::size_t>(got)};
  for (auto end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    if (reader.line.empty()) {
      take_line(reader, rest.substr(0, end), now, samples);
    } else {
      reader.line.append(rest.substr(0, end));
      take_line(reader, reader.line, now, samples);
      reader.line.clear();
    }
    rest.remove_prefix(end + 1);
  }
  reader.line.append(rest);
  return {};
}

void SseReaders::take_line(Reader& reader, std::string_view line, std::int64_t now,
                           Samples* samples) {
  if (line == "\r") reader.open = true;  // the empty line behind the head
  if (!line.starts_with("data:")) return;
  auto const at = line.rfind("\"t\":");
  if (at == std::string_view::npos) return;
  std::int64_t handed_in = 0;
  std::from_chars(line.data() + at + 4, line.data() + line.size(), handed_in);
  ++reader.received;
  if (samples != nullptr) samples->add(ms_between(handed_in, now));
}

}  // namespace drover::bench
