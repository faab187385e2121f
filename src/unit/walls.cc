#include "unit/walls.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "os/fd.h"
#include "sandbox/landlock_abi.h"

namespace drover::unit {

namespace {

namespace landlock = sandbox::landlock;

int abi_of_kernel() {
  constexpr unsigned kVersionFlag = 1;
  long const abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kVersionFlag);
  return abi < 0 ? 0 : static_cast<int>(abi);
}

Status allow(int ruleset, std::string const& path, std::uint64_t on_folder, std::uint64_t on_file) {
  os::Fd const place{::open(path.c_str(), O_PATH | O_CLOEXEC)};
  if (!place.valid() && errno == ENOENT) return {};
  if (!place.valid()) return fail_errno("open", printable(path));
  struct stat info{};
  if (::fstat(place.get(), &info) != 0) return fail_errno("look at", printable(path));
  sandbox::LandlockPathRule rule;
  rule.allowed = S_ISDIR(info.st_mode) ? on_folder : on_file;
  rule.parent_fd = place.get();
  if (::syscall(SYS_landlock_add_rule, ruleset, sandbox::kLandlockRulePathBeneath, &rule, 0) != 0)
    return fail_errno("allow", printable(path));
  return {};
}

}  // namespace

Status wall_in(std::vector<std::string> const& writable, WallNeed need) {
  int const abi = abi_of_kernel();
  if (abi == 0 && need == WallNeed::if_available) return {};
  if (abi == 0) return fail(ErrorCode::unsupported, "this kernel has no Landlock");
  std::uint64_t const all = landlock::all_rights(abi);
  std::uint64_t const read = landlock::kExecute | landlock::kReadFile | landlock::kReadDir;
  std::uint64_t const write = all & ~(landlock::kMakeChar | landlock::kMakeBlock);
  std::uint64_t const file =
      all & (landlock::kExecute | landlock::kReadFile | landlock::kWriteFile | landlock::kTruncate |
             landlock::kIoctlDevice);
  sandbox::LandlockRuleset attribute;
  attribute.handled_fs = all;
  attribute.scoped = abi >= 6 ? landlock::kScopes : 0;
  os::Fd const ruleset{static_cast<int>(
      ::syscall(SYS_landlock_create_ruleset, &attribute, landlock::attribute_size(abi), 0))};
  if (!ruleset.valid()) return fail_errno("create", "the rules of Landlock");
  DROVER_TRY(allow(ruleset.get(), "/", read, read));
  DROVER_TRY(allow(ruleset.get(), "/dev", file, file));
  DROVER_TRY(allow(ruleset.get(), "/proc", landlock::kWriteFile, file));
  for (std::string const& path : writable)
    DROVER_TRY(allow(ruleset.get(), path, write, file));
  // Without it the kernel asks for a capability.
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno("give up", "privileges");
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
    return fail_errno("put up", "the wall of Landlock");
  return {};
}

}  // namespace drover::unit
