#include "cli/testing/process.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>

#include "base/check.h"
#include "os/files.h"

namespace drover::cli {

namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts)
    out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    DROVER_CHECK(::pipe2(ends.data(), O_CLOEXEC) == 0);
    read = os::Fd{ends[0]};
    write = os::Fd{ends[1]};
  }
  os::Fd read;
  os::Fd write;
};

}  // namespace

TestProcess::TestProcess(ProcessOptions const& options) {
  // Everything is prepared before the fork: the child only makes system calls.
  auto arguments = options.arguments;
  auto environment = options.environment;
  auto const argv = pointers(arguments);
  auto const envp = pointers(environment);
  if (options.wiring == Wiring::terminal) {
    int terminal = -1;
    winsize const size{.ws_row = 40, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
    pid_ = ::forkpty(&terminal, nullptr, nullptr, &size);
    if (pid_ == 0) {
      ::execve(argv[0], argv.data(), envp.data());
      ::_exit(127);
    }
    DROVER_CHECK(pid_ > 0);
    out_ = os::Fd{terminal};
    return;
  }
  Pipe in;
  Pipe out;
  Pipe err;
  pid_ = ::fork();
  if (pid_ == 0) {
    ::dup2(in.read.get(), 0);
    ::dup2(out.write.get(), 1);
    ::dup2(err.write.get(), 2);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  DROVER_CHECK(pid_ > 0);
  // Small enough for the pipe's buffer, so this does not wait for the child.
  DROVER_CHECK(options.input.size() < 60'000);
  DROVER_CHECK(os::write_all(in.write.get(), options.input, "stdin").has_value());
  out_ = std::move(out.read);
  err_ = std::move(err.read);
}

TestProcess::~TestProcess() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

bool TestProcess::read_some(Millis deadline) {
  std::array<pollfd, 2> waits{pollfd{out_.valid() ? out_.get() : -1, POLLIN, 0},
                              pollfd{err_.valid() ? err_.get() : -1, POLLIN, 0}};
  if (!out_.valid() && !err_.valid()) return false;
  if (::poll(waits.data(), waits.size(), static_cast<int>(deadline.count())) <= 0) return false;
  auto const take = [](os::Fd& fd, short ready, std::string& into) {
    if (ready == 0) return;
    std::array<char, 4096> buffer{};
    ssize_t const got = ::read(fd.get(), buffer.data(), buffer.size());
    // A terminal whose last user has gone gives EIO.
    if (got <= 0) return fd.reset();
    into.append(buffer.data(), static_cast<std::size_t>(got));
  };
  take(out_, waits[0].revents, result_.out);
  take(err_, waits[1].revents, result_.err);
  return true;
}

bool TestProcess::wait_for_output(std::string_view text, Millis deadline) {
  auto const end = std::chrono::steady_clock::now() + deadline;
  while (!result_.out.contains(text)) {
    auto const left = std::chrono::duration_cast<Millis>(end - std::chrono::steady_clock::now());
    if (left <= Millis{0} || !read_some(left)) return result_.out.contains(text);
  }
  return true;
}

void TestProcess::type(std::string_view text) const {
  if (::write(out_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    throw std::runtime_error{"cannot type into the terminal"};
}

void TestProcess::signal(int signal_number) const {
  ::kill(pid_, signal_number);
}

ProcessResult TestProcess::finish(Millis deadline) {
  auto const end = std::chrono::steady_clock::now() + deadline;
  for (;;) {
    auto const left = std::chrono::duration_cast<Millis>(end - std::chrono::steady_clock::now());
    if (left <= Millis{0}) ::kill(pid_, SIGKILL);
    if (left <= Millis{0} || !read_some(left)) break;
  }
  if (std::chrono::steady_clock::now() >= end) ::kill(pid_, SIGKILL);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  result_.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return std::move(result_);
}

}  // namespace drover::cli
