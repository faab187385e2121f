#include "os/cgroup.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <thread>

#include "base/text.h"
#include "os/files.h"

namespace drover::os {

namespace {

constexpr std::string_view kMainGroup = "drover-main";
constexpr auto kRetryPause = Millis{1};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    auto const end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parts;
}

// std::ranges::contains, which libstdc++ 12 does not have.
template <class Range, class Value>
bool contains(Range const& range, Value const& value) {
  return std::ranges::find(range, value) != std::ranges::end(range);
}

bool has_word(std::string_view text, std::string_view word) {
  while (!text.empty() && text.back() == '\n')
    text.remove_suffix(1);
  return contains(split(text, ' '), word);
}

Status write_value(std::string const& path, std::string_view value) {
  Fd const fd{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  if (!fd.valid()) return fail_errno("open", path);
  if (::write(fd.get(), value.data(), value.size()) < 0)
    return fail_errno(fmt::format("write \"{}\" to", value), path);
  return {};
}

std::string read_or_empty(std::string const& path) {
  return read_file(path, std::size_t{1} << 20U).value_or("");
}

std::optional<std::int64_t> to_integer(std::string_view text) {
  while (!text.empty() && text.back() == '\n')
    text.remove_suffix(1);
  std::int64_t value = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::uint64_t counter(std::string const& path) {
  return static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, to_integer(read_or_empty(path)).value_or(0)));
}

// The value of `key` in a file of "key value" lines.
std::uint64_t keyed(std::string const& path, std::string_view key) {
  std::string const content = read_or_empty(path);
  for (auto const line : split(content, '\n')) {
    auto const words = split(line, ' ');
    if (words.size() == 2 && words[0] == key)
      return static_cast<std::uint64_t>(
          std::max<std::int64_t>(0, to_integer(words[1]).value_or(0)));
  }
  return 0;
}

// A path field of mountinfo: space, tab, newline and backslash are octal escapes.
std::string unescape(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      result += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                  (text[i + 3] - '0'));
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

// `own` as seen below a mount whose root is `root`; the mount point where it is out of sight.
std::string below_mount(std::string const& mount, std::string const& root, std::string_view own) {
  if (own == "/" || own.starts_with("/..")) return mount;
  if (root == "/") return mount + std::string{own};
  if (own == root || !own.starts_with(root + "/")) return mount;
  return mount + std::string{own.substr(root.size())};
}

std::string parent_of(std::string const& folder) {
  return folder.substr(0, folder.rfind('/'));
}

bool writable(std::string const& folder) {
  return ::access(folder.c_str(), W_OK) == 0;
}

// Makes `controller` available to children of `folder`; a v2 group with processes of its own
// cannot, so this process moves into a child first where it is alone there.
bool enable_v2(std::string const& folder, std::string_view controller) {
  if (!has_word(read_or_empty(folder + "/cgroup.controllers"), controller)) return false;
  std::string const control = folder + "/cgroup.subtree_control";
  if (has_word(read_or_empty(control), controller)) return true;
  if (!writable(folder)) return false;
  std::string const wish = fmt::format("+{}", controller);
  if (write_value(control, wish)) return true;
  std::string const own = fmt::format("{}\n", ::getpid());
  if (read_or_empty(folder + "/cgroup.procs") != own) return false;
  std::string const main = fmt::format("{}/{}", folder, kMainGroup);
  if (::mkdir(main.c_str(), 0755) != 0 && errno != EEXIST) return false;
  if (!write_value(main + "/cgroup.procs", "0")) return false;
  if (write_value(control, wish)) return true;
  (void)write_value(folder + "/cgroup.procs", "0");
  return false;
}

CgroupDuty constexpr kControllers[] = {CgroupDuty::memory, CgroupDuty::pids, CgroupDuty::cpu,
                                       CgroupDuty::freezer};

std::size_t index(CgroupDuty duty) {
  return static_cast<std::size_t>(duty);
}

}  // namespace

std::string_view to_string(CgroupDuty duty) {
  switch (duty) {
    case CgroupDuty::memory:
      return "memory";
    case CgroupDuty::pids:
      return "pids";
    case CgroupDuty::cpu:
      return "cpu";
    case CgroupDuty::freezer:
      return "freezer";
    case CgroupDuty::tree:
      return "tree";
  }
  return "?";
}

std::vector<CgroupMembership> parse_cgroups(std::string_view mountinfo,
                                            std::string_view memberships) {
  std::vector<CgroupMembership> result;
  for (auto const line : split(mountinfo, '\n')) {
    auto const dash = line.find(" - ");
    if (dash == std::string_view::npos) continue;
    auto const before = split(line.substr(0, dash), ' ');
    auto const after = split(line.substr(dash + 3), ' ');
    if (before.size() < 6 || after.size() < 3) continue;
    if (after[0] != "cgroup" && after[0] != "cgroup2") continue;
    CgroupMembership found{.mount = unescape(before[4]),
                           .own = unescape(before[4]),
                           .version = after[0] == "cgroup2" ? CgroupVersion::v2 : CgroupVersion::v1,
                           .controllers = {}};
    if (found.version == CgroupVersion::v1)
      for (auto const option : split(after[2], ','))
        found.controllers.emplace_back(option);
    // "4:memory:/path" for v1, "0::/path" for v2.
    for (auto const entry : split(memberships, '\n')) {
      auto const first = entry.find(':');
      auto const second = entry.find(':', first + 1);
      if (first == std::string_view::npos || second == std::string_view::npos) continue;
      auto const names = split(entry.substr(first + 1, second - first - 1), ',');
      bool const mine = found.version == CgroupVersion::v2
                            ? names.empty()
                            : std::ranges::any_of(names, [&](std::string_view name) {
                                return !name.empty() && contains(found.controllers, name);
                              });
      if (mine) found.own = below_mount(found.mount, unescape(before[3]), entry.substr(second + 1));
    }
    result.push_back(std::move(found));
  }
  return result;
}

CgroupHost CgroupHost::detect() {
  return detect(read_or_empty("/proc/self/mountinfo"), read_or_empty("/proc/self/cgroup"));
}

CgroupHost CgroupHost::detect(std::string_view mountinfo, std::string_view memberships) {
  CgroupHost host;
  for (std::size_t i = 0; i < kCgroupDuties; ++i)
    host.why_not_[i] = fmt::format("no mounted cgroup hierarchy has the {} controller",
                                   to_string(static_cast<CgroupDuty>(i)));
  auto const table = parse_cgroups(mountinfo, memberships);
  auto const offer = [&host](CgroupDuty duty, std::string folder, CgroupVersion version) {
    if (host.places_[index(duty)]) return;
    if (!writable(folder)) {
      host.why_not_[index(duty)] = fmt::format("{} is not writable", printable(folder));
      return;
    }
    host.places_[index(duty)] = CgroupPlace{std::move(folder), version};
  };
  for (auto const& entry : table) {
    if (entry.version == CgroupVersion::v1) {
      for (auto const duty : kControllers)
        if (contains(entry.controllers, to_string(duty))) offer(duty, entry.own, CgroupVersion::v1);
      continue;
    }
    std::string const own = entry.own.ends_with(kMainGroup) ? parent_of(entry.own) : entry.own;
    // One tree serves all v2 duties, since a process is in one group of it only: the own group
    // where its controllers are delegated, else (for root) the top of the mount.
    auto const serves = [](std::string const& folder) {
      return enable_v2(folder, "memory") && enable_v2(folder, "pids");
    };
    std::string tree = own;
    if (!serves(own) && own != entry.mount && writable(entry.mount) && serves(entry.mount))
      tree = entry.mount;
    offer(CgroupDuty::tree, tree, CgroupVersion::v2);
    for (auto const duty : {CgroupDuty::memory, CgroupDuty::pids, CgroupDuty::cpu}) {
      if (enable_v2(tree, to_string(duty)))
        offer(duty, tree, CgroupVersion::v2);
      else if (!host.places_[index(duty)] &&
               has_word(read_or_empty(tree + "/cgroup.controllers"), to_string(duty)))
        host.why_not_[index(duty)] = fmt::format("the {} controller is not delegated to {}",
                                                 to_string(duty), printable(tree));
    }
  }
  return host;
}

CgroupPlace const* CgroupHost::place(CgroupDuty duty) const {
  auto const& found = places_[index(duty)];
  return found ? &*found : nullptr;
}

std::string const& CgroupHost::why_not(CgroupDuty duty) const {
  return why_not_[index(duty)];
}

Cgroup Cgroup::existing(CgroupHost const& host, std::string const& name) {
  Cgroup group;
  for (std::size_t i = 0; i < kCgroupDuties; ++i) {
    auto const duty = static_cast<CgroupDuty>(i);
    auto const* const place = host.place(duty);
    if (place == nullptr) continue;
    // The v1 freezer is for machines without the v2 tree only.
    if (duty == CgroupDuty::freezer && host.place(CgroupDuty::tree) != nullptr) continue;
    group.members_.push_back({place->folder + "/" + name, place->version, duty});
  }
  return group;
}

Cgroup Cgroup::from_folders(std::vector<std::string> folders) {
  Cgroup group;
  for (auto& folder : folders) {
    bool const tree = exists(folder + "/cgroup.kill");
    // As a freezer, a v1 group is thawed when it is killed.
    group.members_.push_back({std::move(folder), tree ? CgroupVersion::v2 : CgroupVersion::v1,
                              tree ? CgroupDuty::tree : CgroupDuty::freezer});
  }
  return group;
}

Result<Cgroup> Cgroup::create(CgroupHost const& host, std::string const& name,
                              CgroupLimits const& limits) {
  std::pair<CgroupDuty, bool> const wanted[] = {
      {CgroupDuty::memory, limits.memory_bytes.has_value()},
      {CgroupDuty::pids, limits.pids.has_value()},
      {CgroupDuty::cpu, limits.cpu_milli.has_value()}};
  for (auto const& [duty, asked] : wanted)
    if (asked && host.place(duty) == nullptr)
      return fail(ErrorCode::unsupported, "the {} limit cannot be enforced: {}", to_string(duty),
                  host.why_not(duty));
  Cgroup group = existing(host, name);
  // A v1 group costs an attach of about 0.3 ms, so only those that are asked for something.
  // Memory and pids are always there, for the out-of-memory reason and the count.
  std::erase_if(group.members_, [&](Member const& one) {
    return one.version == CgroupVersion::v1 && one.duty == CgroupDuty::cpu && !limits.cpu_milli;
  });
  auto const abandon = [&](Error error) -> Result<Cgroup> {
    (void)group.remove(Millis{100});
    return std::unexpected(std::move(error));
  };
  for (auto const& one : group.members_)
    if (::mkdir(one.folder.c_str(), 0755) != 0 && errno != EEXIST)
      return abandon(system_error(errno, "create the control group", one.folder));
  if (auto const applied = group.apply(host, limits); !applied) return abandon(applied.error());
  return group;
}

namespace {

// The smallest share among the groups above, in thousandths of a CPU: v1 refuses a child that
// asks for more than its parent has.
std::uint64_t clamp_to_parents(std::string folder, std::uint64_t cpu_milli) {
  for (;;) {
    auto const quota = to_integer(read_or_empty(folder + "/cpu.cfs_quota_us"));
    auto const period = to_integer(read_or_empty(folder + "/cpu.cfs_period_us"));
    if (!quota || !period || folder.empty()) return cpu_milli;
    if (*quota > 0 && *period > 0)
      cpu_milli = std::min(cpu_milli, static_cast<std::uint64_t>(*quota * 1000 / *period));
    folder = parent_of(folder);
  }
}

// An open cgroup.events, from its start.
bool is_frozen(int events) {
  std::array<char, 256> buffer{};
  ssize_t const got = ::pread(events, buffer.data(), buffer.size(), 0);
  if (got <= 0) return false;
  std::string_view const text{buffer.data(), static_cast<std::size_t>(got)};
  return text.find("frozen 1") != std::string_view::npos;
}

constexpr std::uint64_t kCpuPeriodUs = 100'000;
constexpr std::uint64_t kCpuPeriodUsMax = 1'000'000;  // the kernel's own ceiling
constexpr std::uint64_t kCpuQuotaUsMin = 1'000;       // and its floor

struct CpuShare {
  std::uint64_t quota_us = 0;
  std::uint64_t period_us = kCpuPeriodUs;
};

// A small share is taken out of a longer period: rounded up to the floor it could be more than the
// parent's, which v1 refuses.
CpuShare share_of(std::uint64_t cpu_milli) {
  CpuShare share;
  if (cpu_milli * kCpuPeriodUs / 1000 < kCpuQuotaUsMin) share.period_us = kCpuPeriodUsMax;
  share.quota_us = std::max(kCpuQuotaUsMin, cpu_milli * share.period_us / 1000);
  return share;
}

}  // namespace

Status Cgroup::apply(CgroupHost const& host, CgroupLimits const& limits) {
  if (auto const* const memory = member(CgroupDuty::memory); memory && limits.memory_bytes) {
    bool const v2 = memory->version == CgroupVersion::v2;
    std::string const bytes = fmt::format("{}", *limits.memory_bytes);
    DROVER_TRY(
        write_value(memory->folder + (v2 ? "/memory.max" : "/memory.limit_in_bytes"), bytes));
    // Swap counts too: otherwise a bomb fills the host's swap. The files are absent without swap.
    std::string const swap =
        memory->folder + (v2 ? "/memory.swap.max" : "/memory.memsw.limit_in_bytes");
    if (exists(swap)) DROVER_TRY(write_value(swap, v2 ? "0" : bytes));
  }
  if (auto const* const pids = member(CgroupDuty::pids); pids && limits.pids)
    DROVER_TRY(write_value(pids->folder + "/pids.max", fmt::format("{}", *limits.pids)));
  auto const* const cpu = member(CgroupDuty::cpu);
  if (cpu == nullptr || !limits.cpu_milli) return {};
  std::uint64_t milli = *limits.cpu_milli;
  if (cpu->version == CgroupVersion::v1)
    milli = clamp_to_parents(host.place(CgroupDuty::cpu)->folder, milli);
  auto const share = share_of(milli);
  if (cpu->version == CgroupVersion::v2)
    return write_value(cpu->folder + "/cpu.max",
                       fmt::format("{} {}", share.quota_us, share.period_us));
  DROVER_TRY(write_value(cpu->folder + "/cpu.cfs_period_us", fmt::format("{}", share.period_us)));
  return write_value(cpu->folder + "/cpu.cfs_quota_us", fmt::format("{}", share.quota_us));
}

Cgroup::Member const* Cgroup::member(CgroupDuty duty) const {
  auto const found = std::ranges::find(members_, duty, &Member::duty);
  return found == members_.end() ? nullptr : &*found;
}

Result<Fd> Cgroup::open_tree_folder() const {
  auto const* const tree = member(CgroupDuty::tree);
  if (tree == nullptr) return Fd{};
  Fd fd{::open(tree->folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!fd.valid()) return fail_errno("open the control group", tree->folder);
  return fd;
}

Result<std::vector<Fd>> Cgroup::open_entries() const {
  std::vector<Fd> entries;
  std::vector<std::string> seen;  // v1 may mount several controllers together
  for (auto const& one : members_) {
    if (one.version != CgroupVersion::v1 || contains(seen, one.folder)) continue;
    seen.push_back(one.folder);
    std::string const path = one.folder + "/tasks";
    entries.emplace_back(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!entries.back().valid()) return fail_errno("open", path);
  }
  return entries;
}

bool Cgroup::can_freeze() const {
  return member(CgroupDuty::tree) != nullptr || member(CgroupDuty::freezer) != nullptr;
}

Status Cgroup::set_frozen(Millis timeout, bool frozen) {
  auto const deadline = std::chrono::steady_clock::now() + timeout;
  auto const late = [&](std::string const& folder) {
    return fail(ErrorCode::timeout, "the processes of {} did not {} within {} ms",
                printable(folder), frozen ? "freeze" : "thaw", timeout.count());
  };
  if (auto const* const tree = member(CgroupDuty::tree)) {
    DROVER_TRY(write_value(tree->folder + "/cgroup.freeze", frozen ? "1" : "0"));
    std::string const path = tree->folder + "/cgroup.events";
    Fd const events{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!events.valid()) return fail_errno("open", path);
    for (;;) {
      // Reading arms the notification, so read first and then wait for the next change.
      if (is_frozen(events.get()) == frozen) return {};
      auto const left = std::chrono::ceil<Millis>(deadline - std::chrono::steady_clock::now());
      if (left.count() <= 0) return late(tree->folder);
      pollfd entry{.fd = events.get(), .events = POLLPRI, .revents = 0};
      (void)::poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(left.count(), INT_MAX)));
    }
  }
  auto const* const freezer = member(CgroupDuty::freezer);
  if (freezer == nullptr)
    return fail(ErrorCode::unsupported, "no cgroup here can freeze processes");
  std::string_view const wish = frozen ? "FROZEN" : "THAWED";
  for (;;) {
    // Written again each time: v1 gives up on a process that was in the middle of a fork.
    DROVER_TRY(write_value(freezer->folder + "/freezer.state", wish));
    if (read_or_empty(freezer->folder + "/freezer.state").starts_with(wish)) return {};
    if (std::chrono::steady_clock::now() >= deadline) return late(freezer->folder);
    std::this_thread::sleep_for(kRetryPause);
  }
}

Status Cgroup::freeze(Millis timeout) {
  return set_frozen(timeout, true);
}
Status Cgroup::thaw(Millis timeout) {
  return set_frozen(timeout, false);
}

Status Cgroup::kill() {
  for (auto const& one : members_) {
    if (!exists(one.folder)) continue;
    if (one.duty == CgroupDuty::tree && exists(one.folder + "/cgroup.kill")) {
      DROVER_TRY(write_value(one.folder + "/cgroup.kill", "1"));
      continue;
    }
    std::string const procs = read_or_empty(one.folder + "/cgroup.procs");
    for (auto const line : split(procs, '\n'))
      if (auto const pid = to_integer(line); pid && *pid > 1)
        ::kill(static_cast<pid_t>(*pid), SIGKILL);
    if (one.duty == CgroupDuty::freezer) (void)write_value(one.folder + "/freezer.state", "THAWED");
  }
  return {};
}

Status Cgroup::remove(Millis timeout) {
  auto const deadline = std::chrono::steady_clock::now() + timeout;
  for (auto const& one : members_) {
    while (::rmdir(one.folder.c_str()) != 0 && errno != ENOENT) {
      // The last process leaves its group a moment after its parent may see it dead.
      if (errno != EBUSY || std::chrono::steady_clock::now() >= deadline)
        return fail_errno("remove the control group", one.folder);
      std::this_thread::sleep_for(kRetryPause);
    }
  }
  return {};
}

std::uint64_t Cgroup::oom_kills() const {
  auto const* const memory = member(CgroupDuty::memory);
  if (memory == nullptr) return 0;
  bool const v2 = memory->version == CgroupVersion::v2;
  return keyed(memory->folder + (v2 ? "/memory.events" : "/memory.oom_control"), "oom_kill");
}

CgroupUsage Cgroup::usage() const {
  CgroupUsage usage;
  if (auto const* const memory = member(CgroupDuty::memory)) {
    bool const v2 = memory->version == CgroupVersion::v2;
    usage.memory_bytes =
        counter(memory->folder + (v2 ? "/memory.current" : "/memory.usage_in_bytes"));
    usage.memory_peak_bytes =
        counter(memory->folder + (v2 ? "/memory.peak" : "/memory.max_usage_in_bytes"));
  }
  if (auto const* const pids = member(CgroupDuty::pids))
    usage.pids = counter(pids->folder + "/pids.current");
  if (auto const* const tree = member(CgroupDuty::tree))
    usage.cpu_us = keyed(tree->folder + "/cpu.stat", "usage_usec");
  return usage;
}

std::vector<std::string> Cgroup::folders() const {
  std::vector<std::string> result;
  for (auto const& one : members_)
    result.push_back(one.folder);
  return result;
}

}  // namespace drover::os
