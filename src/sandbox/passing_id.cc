#include "sandbox/passing_id.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>

namespace drover::sandbox {

PassingOwner passing_owner() {
  struct stat info{};
  ino_t const number = ::stat("/proc/self/ns/pid", &info) == 0 ? info.st_ino : 0;
  return {::getpid(), number};
}

std::string passing_id(std::string_view kind, PassingOwner const& owner) {
  return fmt::format("{}{}-{}", kind, owner.pid, owner.pid_namespace);
}

std::optional<PassingOwner> owner_of(std::string_view id, std::string_view kind) {
  if (!id.starts_with(kind)) return std::nullopt;
  char const* const end = id.data() + id.size();
  PassingOwner owner;
  auto const pid = std::from_chars(id.data() + kind.size(), end, owner.pid);
  if (pid.ec != std::errc{} || owner.pid <= 0 || pid.ptr == end || *pid.ptr != '-')
    return std::nullopt;
  auto const number = std::from_chars(pid.ptr + 1, end, owner.pid_namespace);
  bool const whole = number.ptr == end || *number.ptr == '-';
  if (number.ec != std::errc{} || !whole) return std::nullopt;
  return owner;
}

}  // namespace drover::sandbox
