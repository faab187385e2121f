// A library for LD_PRELOAD: every sync of the program takes as long as the file $SLOW_SYNC/delay_ms
// says at that moment, and is noted in $SLOW_SYNC/log with the thread that made it: "main" or
// "other", the call, and the file. Without a delay there is neither.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace {

long delay_ms(char const* folder) {
  char path[4096];
  snprintf(path, sizeof path, "%s/delay_ms", folder);
  int const fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[32] = {};
  auto const size = read(fd, text, sizeof text - 1);
  close(fd);
  return size > 0 ? strtol(text, nullptr, 10) : 0;
}

void write_log(char const* folder, char const* call, int fd) {
  char place[64];
  snprintf(place, sizeof place, "/proc/self/fd/%d", fd);
  char file[2048] = {};
  if (readlink(place, file, sizeof file - 1) < 0) file[0] = '?';
  char line[2200];
  int const size = snprintf(line, sizeof line, "%s %s %s\n",
                            syscall(SYS_gettid) == getpid() ? "main" : "other", call, file);
  char path[4096];
  snprintf(path, sizeof path, "%s/log", folder);
  int const log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log < 0) return;
  // What is not noted lets the test fail, which looks for the notes of the store.
  (void)!write(log, line, static_cast<size_t>(size));
  close(log);
}

void take_time(char const* call, int fd) {
  char const* const folder = getenv("SLOW_SYNC");
  if (folder == nullptr) return;
  long const delay = delay_ms(folder);
  if (delay <= 0) return;
  write_log(folder, call, fd);
  timespec left{delay / 1000, (delay % 1000) * 1'000'000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

}  // namespace

extern "C" {

int fsync(int fd) {
  take_time("fsync", fd);
  return static_cast<int>(syscall(SYS_fsync, fd));
}
int fdatasync(int fd) {
  take_time("fdatasync", fd);
  return static_cast<int>(syscall(SYS_fdatasync, fd));
}
int syncfs(int fd) noexcept {
  take_time("syncfs", fd);
  return static_cast<int>(syscall(SYS_syncfs, fd));
}
int sync_file_range(int fd, off64_t offset, off64_t count, unsigned flags) {
  // Without these it only begins to write, and waits for nothing.
  constexpr unsigned kWaits = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WAIT_AFTER;
  if ((flags & kWaits) != 0) take_time("sync_file_range", fd);
  return static_cast<int>(syscall(SYS_sync_file_range, fd, offset, count, flags));
}

}  // extern "C"
