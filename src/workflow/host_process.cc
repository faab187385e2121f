#include "workflow/host_process.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <boost/json.hpp>

#include "base/text.h"
#include "os/files.h"

namespace drover::workflow {

namespace {

constexpr std::size_t kLineMax = std::size_t{512} << 20U;
constexpr Millis kEndWait{2'000};
// Messages on 3 and 4, out of the way of what the process prints.
constexpr auto const* kRedirect = R"(exec "$0" "$@" 3<&0 4>&1 </dev/null >&2)";

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

bool is_plain(std::string_view variable) {
  constexpr std::array<std::string_view, 6> kPlain = {
      "PATH=", "HOME=", "LANG=", "TZ=", "TMPDIR=", "LC_ALL="};
  return std::ranges::any_of(kPlain,
                             [&](std::string_view name) { return variable.starts_with(name); });
}

std::vector<std::string> environment_for(HostEnvironment wanted) {
  std::vector<std::string> variables;
  for (char** each = environ; *each != nullptr; ++each)
    if (wanted == HostEnvironment::inherited || is_plain(*each)) variables.emplace_back(*each);
  return variables;
}

}  // namespace

Result<HostProcess> HostProcess::start(HostSpec const& spec) {
  auto to_host = make_pipe();
  if (!to_host) return std::unexpected(to_host.error());
  auto from_host = make_pipe();
  if (!from_host) return std::unexpected(from_host.error());
  os::ProcessSpec process;
  process.argv = {"/bin/sh", "-c", kRedirect, spec.node, "--eval", std::string{host_program()}};
  process.env = environment_for(spec.environment);
  process.cwd = spec.cwd;
  process.in = to_host->reader.get();
  process.out = from_host->writer.get();
  process.err = STDERR_FILENO;
  auto started = os::Process::spawn(process);
  if (!started) return std::unexpected(started.error());
  return HostProcess{*std::move(started), std::move(to_host->writer), std::move(from_host->reader),
                     spec.step};
}

Error HostProcess::ended() {
  auto const exit = process_.wait(kEndWait);
  if (exit && *exit && (*exit)->code == 127)
    return {ErrorCode::unsupported, "there is no Node to run the process with",
            "install Node 18 or newer, or name it in DROVER_NODE"};
  std::string how;
  if (exit && *exit)
    how = (*exit)->signal != 0 ? fmt::format(" by signal {}", (*exit)->signal)
                               : fmt::format(" with status {}", (*exit)->code);
  return {ErrorCode::upstream, fmt::format("the program that runs the process ended{}", how),
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
    pollfd ready{out_.get(), POLLIN, 0};
    int const polled = ::poll(&ready, 1, static_cast<int>(step_.count()));
    if (polled < 0 && errno == EINTR) continue;
    if (polled < 0) return fail_errno("wait for", "the host");
    if (polled == 0)
      return fail_next(
          ErrorCode::timeout,
          fmt::format("the process did not come to rest within {} s", step_.count() / 1000),
          "a process asks through ctx for all that takes time; timers of its own keep "
          "it from resting");
    ssize_t const got = ::read(out_.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read from", "the host");
    if (got == 0) return std::unexpected(ended());
    buffer_.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace drover::workflow
