#include "os/folder_watch.h"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <vector>

namespace drover::os {

Result<FolderWatch> FolderWatch::on(std::string const& folder) {
  Fd fd{::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
  if (!fd.valid()) return fail_errno("watch", folder);
  FolderWatch watch{std::move(fd)};
  DROVER_TRY(watch.add(folder));
  return watch;
}

Status FolderWatch::add(std::string const& folder) {
  constexpr std::uint32_t kChanges =
      IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR;
  if (::inotify_add_watch(fd_.get(), folder.c_str(), kChanges) < 0)
    return fail_errno("watch", folder);
  return {};
}

Result<FolderWatch::Seen> FolderWatch::wait(Millis timeout, std::initializer_list<int> also) {
  std::vector<pollfd> fds{{fd_.get(), POLLIN, 0}};
  for (int const fd : also)
    fds.push_back({fd, POLLIN, 0});
  constexpr Millis::rep kMillisMax = 1'000'000'000;
  auto const limit = static_cast<int>(std::clamp<Millis::rep>(timeout.count(), 0, kMillisMax));
  int const ready = ::poll(fds.data(), fds.size(), limit);
  if (ready < 0 && errno != EINTR) return fail_errno("wait for a change in", "a folder");
  if (ready == 0) return Seen::timeout;
  std::array<char, 4096> events{};
  while (::read(fd_.get(), events.data(), events.size()) > 0) {
  }
  return Seen::change;
}

bool is_readable(int fd) {
  pollfd look{fd, POLLIN, 0};
  return ::poll(&look, 1, 0) > 0;
}

}  // namespace drover::os
