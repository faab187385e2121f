#include "driver/command_run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

#include "base/text.h"
#include "os/fd.h"

namespace drover::driver {

namespace {

using SteadyClock = std::chrono::steady_clock;

struct Pipe {
  os::Fd read;
  os::Fd write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno("make a pipe for", "a command");
  Pipe pipe{os::Fd{ends[0]}, os::Fd{ends[1]}};
  if (::fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK) != 0) return fail_errno("prepare", "a pipe");
  return pipe;
}

// Reads what there is; closes at the end. So much at a time, lest one that writes without end keeps
// its deadline from being looked at; a pipe holds less.
Status drain(os::Fd& from, CapturedOutput& into) {
  constexpr int kReadsMax = 64;
  std::array<char, 65536> chunk{};
  for (int i = 0; i < kReadsMax && from.valid(); ++i) {
    ssize_t const got = ::read(from.get(), chunk.data(), chunk.size());
    if (got > 0) {
      into.add({chunk.data(), static_cast<std::size_t>(got)});
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return {};
    if (got < 0) return fail_errno("read the output of", "a command");
    from.reset();
  }
  return {};
}

// Until the sandbox's last process has ended, whatever it leaves open.
Result<CommandHow> follow(sandbox::Sandbox& sandbox, SteadyClock::time_point deadline, int stop_fd,
                          os::Fd& out, os::Fd& err, CommandEnd& end) {
  for (;;) {
    auto const left = std::chrono::duration_cast<Millis>(deadline - SteadyClock::now());
    if (left <= Millis{0}) return CommandHow::timed_out;
    std::array<pollfd, 4> fds{{{sandbox.pidfd(), POLLIN, 0},
                               {stop_fd, POLLIN, 0},
                               {out.get(), POLLIN, 0},
                               {err.get(), POLLIN, 0}}};
    constexpr Millis::rep kMillisMax = 1'000'000'000;
    auto const wait = static_cast<int>(std::min(left.count() + 1, kMillisMax));
    if (::poll(fds.data(), fds.size(), wait) < 0 && errno != EINTR)
      return fail_errno("wait for", "a command");
    DROVER_TRY(drain(out, end.out));
    DROVER_TRY(drain(err, end.err));
    if (fds[0].revents != 0) return CommandHow::exited;
    if (fds[1].revents != 0) return CommandHow::stopped;
  }
}

}  // namespace

void CapturedOutput::add(std::string_view bytes) {
  auto const first = std::min(bytes.size(), kOutputHeadBytes - head_.size());
  head_.append(bytes.substr(0, first));
  bytes.remove_prefix(first);
  tail_.append(bytes);
  if (tail_.size() <= 2 * kOutputTailBytes) return;
  auto const over = tail_.size() - kOutputTailBytes;
  tail_.erase(0, over);
  left_out_ += over;
}

std::string CapturedOutput::text() const {
  std::string_view tail = tail_;
  auto left_out = left_out_;
  if (left_out > 0 && tail.size() > kOutputTailBytes) {
    left_out += tail.size() - kOutputTailBytes;
    tail.remove_prefix(tail.size() - kOutputTailBytes);
  }
  if (left_out == 0) return to_utf8(head_ + tail_);
  return to_utf8(fmt::format("{}\n… {} bytes left out …\n{}", head_, left_out, tail));
}

Result<CommandEnd> run_command(sandbox::Launcher& launcher, sandbox::SandboxSpec spec,
                               Millis timeout, int stop_fd,
                               sandbox::Launcher::Created const& created) {
  auto out = make_pipe();
  if (!out) return std::unexpected(out.error());
  auto err = make_pipe();
  if (!err) return std::unexpected(err.error());
  spec.out = out->write.get();
  spec.err = err->write.get();
  auto const deadline = SteadyClock::now() + timeout;
  auto sandbox = launcher.launch(spec, created);
  if (!sandbox) return std::unexpected(sandbox.error());
  out->write.reset();
  err->write.reset();
  CommandEnd end;
  auto const how = follow(*sandbox, deadline, stop_fd, out->read, err->read, end);
  // Also after an error: nothing of it stays behind.
  auto const killed = sandbox->kill();
  if (!how) return std::unexpected(how.error());
  if (!killed) return std::unexpected(killed.error());
  DROVER_TRY(drain(out->read, end.out));
  DROVER_TRY(drain(err->read, end.err));
  auto const exit = sandbox->wait(sandbox::Sandbox::kKillWait);
  if (!exit) return std::unexpected(exit.error());
  if (!*exit) return fail(ErrorCode::timeout, "a command was killed and has not ended");
  end.how = *how;
  auto const& status = (*exit)->status;
  end.exit_code = status.signal != 0 ? 128 + status.signal : status.code;
  end.out_of_memory = (*exit)->out_of_memory;
  return end;
}

}  // namespace drover::driver
