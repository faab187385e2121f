#include "workflow/host_process.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>

#include <boost/json.hpp>

#include "base/text.h"

namespace drover::workflow {

namespace {

constexpr std::size_t kLineMax = std::size_t{512} << 20U;
constexpr Millis kEndWait{2'000};

struct Pipe {
  os::Fd reader;
  os::Fd writer;
};

// A socket, for a write to a host that is gone must not end drover with SIGPIPE.
Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return fail_errno("make a pipe for", "the host");
  return Pipe{os::Fd{ends[0]}, os::Fd{ends[1]}};
}

}  // namespace

Result<HostProcess> HostProcess::start(HostSpec const& spec, HostPlace place) {
  auto to_host = make_pipe();
  if (!to_host) return std::unexpected(to_host.error());
  auto from_host = make_pipe();
  if (!from_host) return std::unexpected(from_host.error());
  HostLaunch launch;
  launch.node = spec.node;
  launch.program = host_program();
  launch.place = std::move(place);
  launch.in = to_host->reader.get();
  launch.out = from_host->writer.get();
  BareHosts bare{HostEnvironment::inherited};
  HostLauncher& launcher = spec.launcher ? *spec.launcher : bare;
  auto started = launcher.start(launch);
  if (!started) return std::unexpected(started.error());
  return HostProcess{*std::move(started), std::move(to_host->writer), std::move(from_host->reader),
                     spec};
}

Error HostProcess::ended() {
  auto const exit = program_->wait(kEndWait);
  if (!exit || !*exit)
    return {ErrorCode::upstream, "the program that runs the process ended",
            "what it said last is above"};
  auto const& [status, out_of_memory] = **exit;
  if (status.code == 127)
    return {ErrorCode::unsupported, "there is no Node to run the process with",
            "install Node 18 or newer, or name it in DROVER_NODE"};
  if (out_of_memory)
    return {ErrorCode::upstream, "the process was killed for want of memory",
            "what is large is for its effects, which may leave it in files"};
  std::string const how = status.signal != 0 ? fmt::format("by signal {}", status.signal)
                                             : fmt::format("with status {}", status.code);
  return {ErrorCode::upstream, fmt::format("the program that runs the process ended {}", how),
          "what it said last is above"};
}

Status HostProcess::write(json::value const& message) {
  std::string const line = json::serialize(message) + "\n";
  std::string_view rest = line;
  while (!rest.empty()) {
    ssize_t const written = ::send(in_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EPIPE) return std::unexpected(ended());
    if (written < 0) return fail_errno("write to", "the host");
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Status HostProcess::wait_for_more() const {
  auto const end = std::chrono::steady_clock::now() + step_;
  for (;;) {
    auto const left = std::chrono::ceil<Millis>(end - std::chrono::steady_clock::now());
    std::array<pollfd, 2> ready{{{out_.get(), POLLIN, 0}, {stop_fd_, POLLIN, 0}}};
    int const polled =
        left.count() > 0 ? ::poll(ready.data(), ready.size(), static_cast<int>(left.count())) : 0;
    if (polled < 0 && errno == EINTR) continue;
    if (polled < 0) return fail_errno("wait for", "the host");
    if (ready[1].revents != 0)
      return fail(ErrorCode::cancelled, "the process had not come to rest when drover stopped");
    if (polled > 0) return {};
    return fail_next(
        ErrorCode::timeout,
        fmt::format("the process did not come to rest within {} s", step_.count() / 1000),
        "a process asks through ctx for all that takes time; timers of its own keep "
        "it from resting");
  }
}

Result<json::value> HostProcess::read() {
  std::array<char, 65536> chunk{};
  for (;;) {
    if (auto const end = buffer_.find('\n', searched_); end != std::string::npos) {
      JsonBounds bounds;
      bounds.bytes_max = kLineMax;
      bounds.depth_max = 512;
      auto value = parse_json(std::string_view{buffer_}.substr(0, end), bounds);
      buffer_.erase(0, end + 1);
      searched_ = 0;
      if (!value) return fail(ErrorCode::upstream, "the host: {}", value.error().message);
      return value;
    }
    searched_ = buffer_.size();
    if (buffer_.size() > kLineMax)
      return fail(ErrorCode::too_large, "a message of the host is over {} bytes", kLineMax);
    DROVER_TRY(wait_for_more());
    ssize_t const got = ::read(out_.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read from", "the host");
    if (got == 0) return std::unexpected(ended());
    buffer_.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace drover::workflow
