#include "sandbox/probe.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "os/files.h"
#include "sandbox/landlock_abi.h"
#include "sandbox/launcher.h"

namespace drover::sandbox {

namespace {

constexpr std::array kLimits = {os::CgroupDuty::memory, os::CgroupDuty::pids, os::CgroupDuty::cpu};

// Followed by the pid of who tries. A session's group never begins so: its id has a letter there.
constexpr std::array<std::string_view, 2> kTries = {"check-", "probe-"};
constexpr Millis kSweepWait{200};

// Of a group that is named as a try's is.
std::optional<pid_t> trier_of(std::string_view group) {
  for (std::string_view const kind : kTries) {
    std::string const begin = cgroup_name(std::string{kind});
    if (!group.starts_with(begin)) continue;
    std::string_view const digits = group.substr(begin.size());
    pid_t pid = 0;
    auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
    if (error == std::errc{} && end == digits.data() + digits.size() && pid > 0) return pid;
  }
  return std::nullopt;
}

bool is_gone(pid_t pid) {
  return ::kill(pid, 0) != 0 && errno == ESRCH;
}

// The value of a sysctl, or -1 where this kernel has none of the name.
long sysctl(std::string const& path) {
  auto const text = os::read_file(path, 64);
  return text ? std::strtol(text->c_str(), nullptr, 10) : -1;
}

Layer start_layer(Launcher& launcher) {
  SandboxSpec spec;
  spec.id = fmt::format("probe-{}", ::getpid());
  spec.argv = {"/bin/true"};
  spec.landlock = SecondWall::if_available;
  auto sandbox = launcher.launch(spec);
  Layer layer{.name = "namespaces", .state = LayerState::missing, .how = {}, .fix = {}};
  if (!sandbox) {
    layer.how = sandbox.error().message;
    layer.fix = sandbox.error().next;
    return layer;
  }
  auto const exit = sandbox->wait(Launcher::kSetUpWait);
  if (!exit || !*exit || !(*exit)->status.ok()) {
    layer.how = "a program did not end well in the sandbox";
    return layer;
  }
  layer.state = LayerState::enforced;
  layer.how = launcher.privilege() == Privilege::root
                  ? "own user, mount, pid, ipc, uts, cgroup and network namespaces; session uids"
                  : "own user, mount, pid, ipc, uts, cgroup and network namespaces of one uid";
  return layer;
}

Layer landlock_layer(int abi) {
  if (abi >= 6) return {"landlock", LayerState::enforced, fmt::format("ABI {}", abi), ""};
  if (abi > 0)
    return {"landlock", LayerState::degraded,
            fmt::format("ABI {}: files, without the scoping of sockets and signals", abi),
            "a kernel from 6.12 on scopes abstract sockets and signals as well"};
  return {"landlock", LayerState::missing, "this kernel has no Landlock",
          "boot a kernel from 5.13 on with landlock in its lsm= list"};
}

Layer limit_layer(os::CgroupHost const& host, os::CgroupDuty duty, Privilege privilege) {
  Layer layer{.name = std::string{os::to_string(duty)},
              .state = LayerState::enforced,
              .how = {},
              .fix = {}};
  if (auto const* const place = host.place(duty)) {
    layer.how = fmt::format("cgroup {} at {}",
                            place->version == os::CgroupVersion::v1 ? "v1" : "v2", place->folder);
    return layer;
  }
  if (duty == os::CgroupDuty::pids && privilege == Privilege::unprivileged) {
    layer.how = "RLIMIT_NPROC of the sandbox's user namespace";
    return layer;
  }
  layer.state = LayerState::missing;
  layer.how = host.why_not(duty);
  layer.fix = fmt::format(
      "start drover where the {} controller is delegated: systemd-run {}--scope "
      "-p Delegate=yes drover up",
      layer.name, ::geteuid() == 0 ? "" : "--user ");
  return layer;
}

Layer freeze_layer(os::CgroupHost const& host) {
  if (host.place(os::CgroupDuty::tree) != nullptr)
    return {"freeze", LayerState::enforced, "cgroup v2 cgroup.freeze", ""};
  if (host.place(os::CgroupDuty::freezer) != nullptr)
    return {"freeze", LayerState::enforced, "cgroup v1 freezer", ""};
  return {"freeze", LayerState::degraded, "SIGSTOP to every process of the sandbox",
          "a writable cgroup v2 group freezes at once: systemd-run --user --scope -p Delegate=yes"};
}

Layer ownership_layer(Launcher& launcher) {
  if (launcher.privilege() == Privilege::unprivileged)
    return {"ownership", LayerState::enforced,
            fmt::format("the agent's files belong to uid {}", ::geteuid()), ""};
  // Maps root to a session uid on /usr, the one folder that every sandbox mounts.
  auto const ids = launcher.user_namespaces().get(
      {.inside_uid = 0, .outside_uid = 200'000, .inside_gid = 0, .outside_gid = 200'000});
  if (!ids) return {"ownership", LayerState::missing, ids.error().message, namespace_fix()};
  return {"ownership", LayerState::enforced, "idmapped mounts, where the file system has them", ""};
}

}  // namespace

std::string_view to_string(LayerState state) {
  switch (state) {
    case LayerState::enforced:
      return "enforced";
    case LayerState::degraded:
      return "degraded";
    case LayerState::missing:
      return "missing";
  }
  return "?";
}

std::string namespace_fix() {
  if (sysctl("/proc/sys/user/max_user_namespaces") == 0)
    return "sysctl -w user.max_user_namespaces=15000 (it is 0)";
  if (::geteuid() == 0) return "";
  if (sysctl("/proc/sys/kernel/unprivileged_userns_clone") == 0)
    return "sysctl -w kernel.unprivileged_userns_clone=1, or run drover as root";
  if (sysctl("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1) {
    auto const folder = os::executable_folder().value_or("/usr/bin");
    return fmt::format(
        "AppArmor restricts user namespaces; give drover a profile: write \"abi <abi/4.0>, include "
        "<tunables/global> profile drover {}/drover flags=(unconfined) {{ userns, }}\" to "
        "/etc/apparmor.d/drover and run apparmor_parser -r /etc/apparmor.d/drover",
        folder);
  }
  return "";
}

void sweep_probes(Launcher const& launcher) {
  std::set<std::string> left;
  for (os::CgroupDuty const duty :
       {os::CgroupDuty::memory, os::CgroupDuty::pids, os::CgroupDuty::cpu, os::CgroupDuty::freezer,
        os::CgroupDuty::tree}) {
    auto const* const place = launcher.cgroups().place(duty);
    if (place == nullptr) continue;
    std::error_code error;
    for (auto const& entry : std::filesystem::directory_iterator{place->folder, error}) {
      std::string name = entry.path().filename();
      if (auto const pid = trier_of(name); pid && is_gone(*pid)) left.insert(std::move(name));
    }
  }
  for (std::string const& name : left) {
    os::Cgroup group = os::Cgroup::existing(launcher.cgroups(), name);
    auto swept = group.kill();
    if (swept) swept = group.remove(kSweepWait);
    if (!swept) log::warn("probe-not-swept", {{"group", name}, {"reason", swept.error().text()}});
  }
}

Status require_sandbox(Launcher& launcher) {
  sweep_probes(launcher);
  SandboxSpec spec;
  spec.id = fmt::format("check-{}", ::getpid());
  spec.argv = {"/bin/true"};
  auto sandbox = launcher.launch(spec);
  if (!sandbox) return std::unexpected(sandbox.error());
  auto const exit = sandbox->wait(Launcher::kSetUpWait);
  if (!exit) return std::unexpected(exit.error());
  if (*exit && (*exit)->status.ok()) return {};
  return fail(ErrorCode::unsupported, "cannot start the sandbox: /bin/true did not end well in it");
}

std::vector<Layer> missing_limits(Launcher const& launcher) {
  std::vector<Layer> missing;
  for (auto const duty : kLimits) {
    Layer layer = limit_layer(launcher.cgroups(), duty, launcher.privilege());
    if (layer.state == LayerState::missing) missing.push_back(std::move(layer));
  }
  return missing;
}

std::vector<Layer> probe(Launcher& launcher) {
  auto const privilege = launcher.privilege();
  auto const& cgroups = launcher.cgroups();
  std::vector<Layer> layers;
  layers.push_back(start_layer(launcher));
  // The launch above has installed the filter, or has failed and said so.
  bool const started = layers.front().state == LayerState::enforced;
  layers.push_back({"seccomp", started ? LayerState::enforced : LayerState::missing,
                    started ? "system calls filtered" : "not reached", ""});
  layers.push_back(landlock_layer(launcher.landlock_abi()));
  layers.push_back(ownership_layer(launcher));
  for (auto const duty : kLimits)
    layers.push_back(limit_layer(cgroups, duty, privilege));
  layers.push_back(freeze_layer(cgroups));
  layers.push_back({"kill", started ? LayerState::enforced : LayerState::missing,
                    "the pid namespace ends with its init", ""});
  return layers;
}

}  // namespace drover::sandbox
