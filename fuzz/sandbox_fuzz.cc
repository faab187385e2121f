// What a machine and a sandbox tell of themselves: the tables of control groups and mounts, and
// what a program inside prints of its own walls. No crash, and nothing that is unreadable counts as
// safe.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "os/cgroup.h"
#include "sandbox/inside.h"

namespace {

void check_inside(std::string_view text) {
  auto const inside = drover::sandbox::parse_inside(text);
  if (!inside) {
    if (inside.error().message.empty()) std::abort();
    return;
  }
  bool const safe = fault_of_mounts(*inside).empty() && fault_of_network(*inside).empty() &&
                    fault_of_privileges(*inside).empty();
  if (safe && (inside->capabilities != 0 || inside->pid != 1 || inside->mounts.empty()))
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const text{reinterpret_cast<char const*>(data), size};
  check_inside(text);
  auto const half = size / 2;
  for (auto const& entry : drover::os::parse_cgroups(text.substr(0, half), text.substr(half)))
    if (!entry.own.starts_with(entry.mount)) std::abort();
  return 0;
}
