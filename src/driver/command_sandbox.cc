#include "driver/command_sandbox.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/text.h"
#include "sandbox/inside_path.h"

namespace drover::driver {

namespace {

using sandbox::Limit;
using sandbox::LimitOrigin;
using sandbox::MountMode;
using sandbox::Ownership;

MountMode mode_of(FolderAccess access) {
  return access == FolderAccess::rw ? MountMode::rw : MountMode::ro;
}

Status add_folder(CommandWork const& work, CommandPlace const& place, sandbox::SandboxSpec& spec) {
  if (work.folder == FolderAccess::none || place.folder.empty()) return {};
  if (place.folder == "/")
    return fail_next(ErrorCode::invalid_argument,
                     "the run's working folder is /, which no sandbox is given",
                     "create the run in the folder that its commands work in");
  auto const add = [&](std::string const& path, FolderAccess access) {
    spec.mounts.push_back({path, path, mode_of(access), Ownership::owner_is_agent});
  };
  add(place.folder, work.folder);
  if (!place.git.empty() && work.folder == FolderAccess::rw && work.git != FolderAccess::rw)
    add(place.git, FolderAccess::ro);
  // A command must not write the journal that says what it did.
  for (std::string const& kept : {place.runs_root, place.run_folder}) {
    if (kept == place.folder || !is_within(kept, place.folder)) continue;
    add(kept, FolderAccess::ro);
    break;
  }
  return {};
}

Result<std::string> working_folder(CommandWork const& work, CommandPlace const& place) {
  bool const has_folder = work.folder != FolderAccess::none && !place.folder.empty();
  std::string const home = has_folder ? place.folder : "/tmp";
  if (work.cwd.empty()) return home;
  auto path = (std::filesystem::path{home} / work.cwd).lexically_normal().string();
  while (path.size() > 1 && path.ends_with('/'))
    path.pop_back();
  if (!is_within(path, home))
    return fail(ErrorCode::invalid_argument, "/cwd: {} is outside of {}, and so not there",
                printable(work.cwd, 200), home);
  return path;
}

std::vector<std::string> arguments(CommandWork const& work, CommandPlace const& place) {
  std::vector<std::string> argv;
  if (work.kind == CommandWork::Kind::shell)
    argv = {"/bin/sh", "-c", work.program, "sh"};
  else
    argv = {place.node, work.program};
  argv.insert(argv.end(), work.args.begin(), work.args.end());
  return argv;
}

}  // namespace

Result<sandbox::SandboxSpec> command_spec(CommandWork const& work, CommandPlace const& place) {
  sandbox::SandboxSpec spec;
  spec.id = place.id;
  spec.argv = arguments(work, place);
  DROVER_TRY(add_folder(work, place, spec));
  auto cwd = working_folder(work, place);
  if (!cwd) return std::unexpected(cwd.error());
  spec.cwd = *std::move(cwd);
  spec.mounts.push_back(
      {place.exchange, std::string{kExchangeInside}, MountMode::rw, Ownership::owner_is_agent});
  spec.extra_ro_paths = place.extra_ro_paths;
  // The definition's own come first: the first of a name counts, but for those that say where the
  // effect's files are.
  spec.env = {fmt::format("BABYSITTER_INPUT_JSON={}/inputs.json", kExchangeInside),
              fmt::format("BABYSITTER_OUTPUT_JSON={}/output.json", kExchangeInside),
              fmt::format("DROVER_WORKFLOW_RUN={}", place.run_id),
              fmt::format("DROVER_EFFECT={}", place.effect_id),
              fmt::format("DROVER_HEARTBEAT={}/{}", kExchangeInside, kHeartbeatFile)};
  if (!work.last_heartbeat.empty())
    spec.env.push_back(fmt::format("DROVER_LAST_HEARTBEAT={}", work.last_heartbeat));
  std::vector<std::string> const usual = {"HOME=/home/agent",
                                          fmt::format("PATH={}", sandbox::kPathInside),
                                          "LANG=C.UTF-8", "TMPDIR=/tmp"};
  for (auto const* const list : {&work.env, &usual})
    for (auto const& variable : *list) {
      auto const name = std::string_view{variable}.substr(0, variable.find('=') + 1);
      bool taken = false;
      for (auto const& each : spec.env)
        taken = taken || each.starts_with(name);
      if (!taken) spec.env.push_back(variable);
    }
  if (work.memory_mb)
    spec.limits.memory_mb = Limit{static_cast<std::uint64_t>(*work.memory_mb), LimitOrigin::asked};
  if (work.pids)
    spec.limits.pids = Limit{static_cast<std::uint64_t>(*work.pids), LimitOrigin::asked};
  if (work.cpu)
    spec.limits.cpu_milli = Limit{static_cast<std::uint64_t>(*work.cpu * 1000), LimitOrigin::asked};
  return spec;
}

}  // namespace drover::driver
