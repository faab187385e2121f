// For LD_PRELOAD: the program dies by SIGKILL just before its Nth call that changes a folder or
// makes something durable. DROVER_TEST_DIES_AT is N; only processes named `drover` count.
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>

namespace {

void count() {
  static std::atomic<long> calls{0};
  static char const* const at = getenv("DROVER_TEST_DIES_AT");
  if (at == nullptr || strcmp(program_invocation_short_name, "drover") != 0) return;
  if (++calls == strtol(at, nullptr, 10)) kill(getpid(), SIGKILL);
}

template <class Function>
Function next(char const* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int fsync(int fd) {
  static auto const real = next<int (*)(int)>("fsync");
  count();
  return real(fd);
}
int linkat(int from_folder, char const* from, int to_folder, char const* to, int flags) noexcept {
  static auto const real = next<int (*)(int, char const*, int, char const*, int)>("linkat");
  count();
  return real(from_folder, from, to_folder, to, flags);
}
int rename(char const* from, char const* to) noexcept {
  static auto const real = next<int (*)(char const*, char const*)>("rename");
  count();
  return real(from, to);
}
int mkdir(char const* path, mode_t mode) noexcept {
  static auto const real = next<int (*)(char const*, mode_t)>("mkdir");
  count();
  return real(path, mode);
}
int unlink(char const* path) noexcept {
  static auto const real = next<int (*)(char const*)>("unlink");
  count();
  return real(path);
}
}
