// What takes all there is of something. Each runs under a limit only.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "sandbox/attacker/attacks.h"
#include "sandbox/attacker/say.h"

namespace drover::attacker {

namespace {

constexpr std::size_t kMib = std::size_t{1} << 20U;

int number_of(std::string const& text) {
  return std::atoi(text.c_str());
}

// 0, or the errno of the write that was refused.
int write_mib(int fd, int count, int& written) {
  static std::vector<char> const block(kMib, 'x');
  for (written = 0; written < count; ++written)
    for (std::size_t done = 0; done < kMib;) {
      ssize_t const one = ::write(fd, block.data() + done, kMib - done);
      if (one < 0) return errno;
      done += static_cast<std::size_t>(one);
    }
  return 0;
}

}  // namespace

int eat_memory(Arguments const& arguments) {
  int const count = number_of(arguments[1]);
  int written = 0;
  if (arguments[0] == "anonymous") {
    for (; written < count; ++written) {
      auto* const block = static_cast<char*>(std::malloc(kMib));
      if (block == nullptr) return 1;
      for (std::size_t page = 0; page < kMib; page += 4096)
        const_cast<char volatile*>(block)[page] = 1;
    }
    return 0;
  }
  int const fd = arguments[0] == "memfd"
                     ? ::memfd_create("bomb", MFD_CLOEXEC)
                     : ::open(arguments[0].c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  if (fd < 0) return 1;
  return write_mib(fd, count, written) == 0 ? 0 : 1;
}

int fork_many(Arguments const& arguments) {
  int const count = number_of(arguments[0]);
  int error = 0;
  std::vector<pid_t> children;
  while (static_cast<int>(children.size()) < count && error == 0) {
    pid_t const pid = ::fork();
    if (pid == 0) {
      ::pause();
      ::_exit(0);
    }
    if (pid < 0)
      error = errno;
    else
      children.push_back(pid);
  }
  say_number("started", static_cast<long long>(children.size()));
  say("fork", error);
  while (arguments.size() > 1 && arguments[1] == "stay")
    ::pause();
  for (pid_t const pid : children)
    ::kill(pid, SIGKILL);
  return 0;
}

int fill_file(Arguments const& arguments) {
  ::signal(SIGXFSZ, SIG_IGN);
  int const fd = ::open(arguments[0].c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  if (fd < 0) return 1;
  int written = 0;
  int const error = write_mib(fd, number_of(arguments[1]), written);
  say_number("mib", written);
  say("fill", error);
  return 0;
}

int fill_inodes(Arguments const& arguments) {
  int const count = number_of(arguments[1]);
  int made = 0;
  int error = 0;
  for (; made < count && error == 0; ++made) {
    std::string const path = arguments[0] + "/inode-" + std::to_string(made);
    int const fd = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    error = result(fd);
    if (fd >= 0) ::close(fd);
  }
  say_number("made", made);
  say("inodes", error);
  return 0;
}

int sparse_file(Arguments const& arguments) {
  ::signal(SIGXFSZ, SIG_IGN);
  int const fd = ::open(arguments[0].c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  off_t const size = static_cast<off_t>(number_of(arguments[1])) << 20U;
  say("truncate", result(::ftruncate(fd, size)));

  return 0;
}

int spin(Arguments const& arguments) {
  using std::chrono::steady_clock;
  auto const end = steady_clock::now() + std::chrono::milliseconds{number_of(arguments[0])};
  while (steady_clock::now() < end) {
  }
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  say_number("cpu_ms", (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
                           (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000);
  return 0;
}

}  // namespace drover::attacker
