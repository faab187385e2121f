#include "server/machine.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <cstdlib>
#include <utility>

#include "base/log.h"
#include "os/files.h"
#include "runtime/backend_chooser.h"
#include "runtime/docker_backend.h"
#include "runtime/process_backend.h"
#include "sandbox/probe.h"
#include "server/loop_run.h"

namespace drover::server {

namespace {

Result<std::shared_ptr<sandbox::Launcher>> create_launcher() {
  char const* const setting = std::getenv("DROVER_SANDBOX");
  auto const maker = sandbox::parse_maker(setting == nullptr ? "" : setting);
  if (!maker) return std::unexpected(maker.error());
  return sandbox::Launcher::create(*maker);
}

Status reap_sandboxes(MachineParts const& parts, std::string const& state_folder) {
  runtime::ProcessBackendSettings settings;
  settings.record_folder = state_folder + "/workloads";
  if (!os::exists(settings.record_folder)) return {};
  auto launcher = create_launcher();
  if (!launcher) return std::unexpected(launcher.error());
  runtime::ProcessBackend backend{parts.io.get_executor(), parts.pool, parts.clock,
                                  *std::move(launcher), settings};
  auto const reaped = backend.reap_orphans();
  if (!reaped) return std::unexpected(reaped.error());
  return {};
}

// On a loop of its own, until the engine has been compared with the folder.
Status reap_containers(MachineParts const& parts, BackendSettings settings,
                       std::string const& state_folder) {
  settings.docker.folder = state_folder + "/docker";
  if (!os::exists(settings.docker.folder)) return {};
  boost::asio::io_context io;
  runtime::DockerBackend backend{io, parts.pool, parts.clock, parts.random,
                                 std::move(settings.docker)};
  DROVER_TRY(backend.recover());
  return run_to_end(io, backend.check());
}

}  // namespace

Result<std::string> find_unit_program() {
  auto folder = os::executable_folder();
  if (!folder) return folder;
  for (std::string_view const place : {"/drover-unit", "/../libexec/drover/drover-unit"}) {
    auto path = os::real_path(*folder + std::string{place});
    if (path) return path;
  }
  return fail_next(ErrorCode::unsupported,
                   fmt::format("the program drover-unit is not beside drover in {}", *folder),
                   "install both, or build both with ./dev build");
}

Status reap_units(MachineParts const& parts, BackendSettings settings,
                  std::string const& state_folder) {
  DROVER_TRY(reap_sandboxes(parts, state_folder));
  return reap_containers(parts, std::move(settings), state_folder);
}

namespace {

Result<std::unique_ptr<runtime::ProcessBackend>> make_process_backend(
    MachineParts const& parts, std::string const& state_folder, Machine& machine) {
  auto launcher = create_launcher();
  if (!launcher) return std::unexpected(launcher.error());
  // Told now, with the fix, and not by each run that fails.
  DROVER_TRY(sandbox::require_sandbox(**launcher));
  for (sandbox::Layer const& limit : sandbox::missing_limits(**launcher)) {
    log::warn("limit-not-enforced",
              {{"limit", limit.name}, {"reason", limit.how}, {"fix", limit.fix}});
    machine.warnings.push_back(fmt::format("the {} limit of runs is not enforced: {}; {}",
                                           limit.name, limit.how, limit.fix));
  }
  runtime::ProcessBackendSettings settings;
  settings.record_folder = state_folder + "/workloads";
  DROVER_TRY(os::make_folders(settings.record_folder, 0700));
  return std::make_unique<runtime::ProcessBackend>(parts.io.get_executor(), parts.pool, parts.clock,
                                                   *std::move(launcher), settings);
}

}  // namespace

Result<std::shared_ptr<sandbox::Launcher>> make_launcher() {
  auto launcher = create_launcher();
  if (!launcher) return launcher;
  DROVER_TRY(sandbox::require_sandbox(**launcher));
  return launcher;
}

Result<Machine> make_machine(MachineParts const& parts, BackendSettings settings,
                             std::string const& state_folder) {
  Machine machine;
  std::vector<std::unique_ptr<runtime::Runtime>> backends;
  bool const docker_first = settings.backend == kDockerBackend;
  auto process = make_process_backend(parts, state_folder, machine);
  if (process) {
    machine.process = process->get();
    backends.push_back(*std::move(process));
  } else if (!docker_first) {
    return std::unexpected(process.error());
  } else {
    log::info("no-process-backend", {{"reason", process.error().text()}});
  }
  settings.docker.folder = state_folder + "/docker";
  auto docker = std::make_unique<runtime::DockerBackend>(parts.io, parts.pool, parts.clock,
                                                         parts.random, std::move(settings.docker));
  backends.insert(docker_first ? backends.begin() : backends.end(), std::move(docker));
  machine.runtime = std::make_unique<runtime::BackendChooser>(std::move(backends));
  auto program = find_unit_program();
  if (!program) return std::unexpected(program.error());
  machine.unit_program = *std::move(program);
  return machine;
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace drover::server
