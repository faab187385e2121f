#include "sandbox/members.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdlib>

namespace drover::sandbox {

std::optional<ino_t> pid_namespace_of(pid_t pid) {
  struct stat info{};
  if (::stat(fmt::format("/proc/{}/ns/pid", pid).c_str(), &info) != 0) return std::nullopt;
  return info.st_ino;
}

std::vector<pid_t> members_of(ino_t pid_namespace) {
  std::vector<pid_t> members;
  DIR* const folder = ::opendir("/proc");
  if (folder == nullptr) return members;
  while (dirent const* const entry = ::readdir(folder)) {
    auto const pid = static_cast<pid_t>(std::strtol(entry->d_name, nullptr, 10));
    if (pid > 0 && pid_namespace_of(pid) == pid_namespace) members.push_back(pid);
  }
  ::closedir(folder);
  return members;
}

std::vector<pid_t> members_of_init(pid_t init) {
  auto const pid_namespace = pid_namespace_of(init);
  return pid_namespace ? members_of(*pid_namespace) : std::vector<pid_t>{};
}

}  // namespace drover::sandbox
