#include "sandbox/probe.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "os/files.h"
#include "sandbox/host_facts.h"
#include "sandbox/inside.h"
#include "sandbox/landlock_abi.h"
#include "sandbox/launcher.h"
#include "sandbox/passing_id.h"

namespace drover::sandbox {

namespace {

constexpr std::array kLimits = {os::CgroupDuty::memory, os::CgroupDuty::pids, os::CgroupDuty::cpu};

// Followed by who tries. A session's group never begins so: its id has a letter there.
constexpr std::array<std::string_view, 3> kTries = {"check-", "probe-", kProcessHostIds};
constexpr Millis kSweepWait{200};
constexpr std::size_t kOutputBytesMax = std::size_t{256} << 10U;

// Whether a group is named as a try's is, of a process of this pid namespace that is gone.
bool is_left(std::string_view group) {
  ino_t const here = passing_owner().pid_namespace;
  for (std::string_view const kind : kTries) {
    auto const owner = owner_of(group, cgroup_name(std::string{kind}));
    if (owner && owner->pid_namespace == here) return ::kill(owner->pid, 0) != 0 && errno == ESRCH;
  }
  return false;
}

// What a program of the sandbox prints, and how it ended: the whole of a try.
struct Try {
  std::string output;
  bool ok = false;
};

SandboxSpec try_spec(std::vector<std::string> argv) {
  SandboxSpec spec;
  spec.id = passing_id("probe-", passing_owner());
  spec.argv = std::move(argv);
  spec.env = {"PATH=/usr/bin:/bin", "HOME=/home/agent", "LC_ALL=C"};
  spec.landlock = SecondWall::if_available;
  return spec;
}

Result<Try> try_out(Launcher& launcher, SandboxSpec spec) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("create", "a pipe");
  os::Fd const read{ends[0]};
  os::Fd write{ends[1]};
  spec.out = write.get();
  auto sandbox = launcher.launch(spec);
  write.reset();
  if (!sandbox) return std::unexpected(sandbox.error());
  Try result;
  auto output = os::read_all(read.get(), "the sandbox's output", kOutputBytesMax);
  if (!output) return std::unexpected(output.error());
  result.output = *std::move(output);
  auto const exit = sandbox->wait(Launcher::kSetUpWait);
  if (!exit) return std::unexpected(exit.error());
  result.ok = *exit && (*exit)->status.ok();
  return result;
}

Layer enforced(std::string name, std::string how) {
  return {std::move(name), LayerState::enforced, std::move(how), ""};
}

Layer missing(std::string name, std::string how, std::string fix) {
  return {std::move(name), LayerState::missing, std::move(how), std::move(fix)};
}

Layer of_error(std::string name, Error const& error) {
  return missing(std::move(name), error.message, error.next);
}

Layer without_landlock() {
  return missing("landlock", "bubblewrap cannot set up mounts behind it",
                 "let drover make its sandboxes itself: unset DROVER_SANDBOX");
}

Layer without_inodes() {
  return missing("inodes", "bubblewrap cannot bound the files of a tmpfs",
                 "let drover make its sandboxes itself: unset DROVER_SANDBOX");
}

// `fault` is empty where the wall was seen to stand.
Layer seen(std::string name, std::string const& fault, std::string how) {
  if (fault.empty()) return enforced(std::move(name), std::move(how));
  return missing(std::move(name), fault, "this is a defect of drover: please report it");
}

std::string size_of(Inside const& inside, std::uint64_t InsideMount::* bound, unsigned shift) {
  std::string all;
  for (auto const& mount : inside.mounts)
    if (mount.kind == "tmpfs" && !mount.read_only)
      all += fmt::format("{}{} {}", all.empty() ? "" : ", ", mount.target, mount.*bound >> shift);
  return all;
}

// What can be seen from the inside; only the first, and the reason, where nothing starts.
std::vector<Layer> inside_layers(Launcher& launcher) {
  std::vector<std::string> argv{"/bin/cat"};
  for (auto const file : kInsideFiles)
    argv.emplace_back(file);
  auto const tried = try_out(launcher, try_spec(std::move(argv)));
  if (!tried) return {of_error("namespaces", tried.error())};
  if (!tried->ok)
    return {missing("namespaces", "a program did not end well in the sandbox",
                    "this is a defect of drover: please report it")};
  auto const inside = parse_inside(tried->output);
  if (!inside) return {of_error("namespaces", inside.error())};
  bool const by_drover = launcher.maker() == Maker::drover;
  std::string const uids = launcher.privilege() == Privilege::root
                               ? "a host uid of its own for each session"
                               : fmt::format("this user, uid {}", ::geteuid());
  return {
      enforced("namespaces",
               fmt::format("own user, mount, pid, ipc, uts, cgroup and network namespaces, by {}",
                           by_drover ? "drover itself" : "bubblewrap")),
      seen("mounts", fault_of_mounts(*inside, by_drover ? MadeBy::drover : MadeBy::bubblewrap),
           fmt::format("a root made from nothing, read-only; {} mounts, all nosuid",
                       inside->mounts.size())),
      seen("network", fault_of_network(*inside), "no interface but its own loopback"),
      seen("uids", fault_of_privileges(*inside),
           fmt::format("agent {} inside, {} on the host; no capability", kAgentUid, uids)),
      seen("seccomp", inside->seccomp == 2 ? "" : "no filter is installed",
           "system calls filtered"),
      seen("disk", "",
           fmt::format("MiB of its own: {}; limits.disk_mb of workspaces is measured",
                       size_of(*inside, &InsideMount::size_bytes, 20))),
      !by_drover
          ? without_inodes()
          : seen("inodes", "",
                 fmt::format("files of its own: {}", size_of(*inside, &InsideMount::files, 0)))};
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

// A limit counts once a sandbox has started under it.
Layer tried_limit_layer(Launcher& launcher, os::CgroupDuty duty) {
  Layer layer = limit_layer(launcher.cgroups(), duty, launcher.privilege());
  if (layer.state == LayerState::missing) return layer;
  SandboxSpec spec = try_spec({"/bin/true"});
  if (duty == os::CgroupDuty::memory) spec.limits.memory_mb = {64, LimitOrigin::asked};
  if (duty == os::CgroupDuty::pids) spec.limits.pids = {16, LimitOrigin::asked};
  if (duty == os::CgroupDuty::cpu) spec.limits.cpu_milli = {100, LimitOrigin::asked};
  auto const tried = try_out(launcher, std::move(spec));
  if (!tried) return of_error(layer.name, tried.error());
  return layer;
}

std::string freezer_of(os::CgroupHost const& host) {
  if (host.place(os::CgroupDuty::tree) != nullptr) return "cgroup v2 cgroup.freeze";
  if (host.place(os::CgroupDuty::freezer) != nullptr) return "cgroup v1 freezer";
  return "";
}

// Both on one sandbox whose program waits for input that never comes.
std::vector<Layer> hold_layers(Launcher& launcher) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {missing("freeze", "there is no pipe", "")};
  os::Fd const read{ends[0]};
  os::Fd const write{ends[1]};
  SandboxSpec spec = try_spec({"/bin/cat"});
  spec.in = read.get();
  auto sandbox = launcher.launch(spec);
  if (!sandbox) return {of_error("freeze", sandbox.error()), of_error("kill", sandbox.error())};
  std::vector<Layer> layers;
  auto frozen = sandbox->freeze();
  if (frozen) frozen = sandbox->thaw();
  std::string const freezer = freezer_of(launcher.cgroups());
  if (!frozen)
    layers.push_back(of_error("freeze", frozen.error()));
  else if (freezer.empty())
    layers.push_back(
        {"freeze", LayerState::degraded, "SIGSTOP to every process of the sandbox",
         "a writable cgroup v2 group freezes at once: systemd-run --user --scope -p Delegate=yes"});
  else
    layers.push_back(enforced("freeze", freezer));
  auto const killed = sandbox->kill();
  layers.push_back(killed ? enforced("kill", "the pid namespace ends with its init")
                          : of_error("kill", killed.error()));
  return layers;
}

Layer ownership_layer(Launcher& launcher, std::string const& folder) {
  std::string const name = "ownership";
  SandboxSpec spec = try_spec({"/bin/true"});
  spec.mounts.push_back({folder, "/workspace", MountMode::ro, Ownership::owner_is_agent});
  auto const tried = try_out(launcher, std::move(spec));
  if (!tried) return of_error(name, tried.error());
  bool const root = launcher.privilege() == Privilege::root;
  return enforced(name, fmt::format("{} of {}: its files keep their owner on disk",
                                    root ? "idmapped mount" : "this user's own folder",
                                    printable(folder, 200)));
}

// The agent's own, from the host's /usr. drover itself runs no git program.
Layer git_layer(Launcher& launcher) {
  auto const tried = try_out(launcher, try_spec({"/usr/bin/git", "--version"}));
  if (!tried || !tried->ok)
    return {"git", LayerState::degraded, "agents have no git to read the history with",
            "install git on this machine"};
  auto line = printable(tried->output.substr(0, tried->output.find('\n')), 100);
  return enforced("git", fmt::format("{} for agents; drover runs none itself", line));
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
  return namespace_fix(host_facts());
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
      if (is_left(name)) left.insert(std::move(name));
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
  spec.id = passing_id("check-", passing_owner());
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
  if (launcher.maker() == Maker::bubblewrap) missing = {without_landlock(), without_inodes()};
  for (auto const duty : kLimits) {
    Layer layer = limit_layer(launcher.cgroups(), duty, launcher.privilege());
    if (layer.state == LayerState::missing) missing.push_back(std::move(layer));
  }
  return missing;
}

std::vector<Layer> probe(Launcher& launcher, std::vector<std::string> const& folders) {
  sweep_probes(launcher);
  std::vector<Layer> layers = inside_layers(launcher);
  layers.push_back(launcher.maker() == Maker::drover ? landlock_layer(launcher.landlock_abi())
                                                     : without_landlock());
  if (layers.front().state != LayerState::enforced) return layers;
  for (auto const& folder : folders)
    layers.push_back(ownership_layer(launcher, folder));
  for (auto const duty : kLimits)
    layers.push_back(tried_limit_layer(launcher, duty));
  for (auto& layer : hold_layers(launcher))
    layers.push_back(std::move(layer));
  layers.push_back(git_layer(launcher));
  return layers;
}

Examination examine(std::vector<std::string> const& folders, Maker maker) {
  Examination examination;
  auto const launcher = Launcher::create(maker);
  if (!launcher) {
    examination.verdict = std::unexpected(launcher.error());
    examination.layers.push_back(of_error("namespaces", launcher.error()));
    return examination;
  }
  examination.verdict = require_sandbox(**launcher);
  examination.layers = probe(**launcher, folders);
  return examination;
}

}  // namespace drover::sandbox
