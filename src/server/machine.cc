#include "server/machine.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <cstdlib>
#include <utility>

#include "base/log.h"
#include "os/files.h"
#include "sandbox/probe.h"

namespace drover::server {

namespace {

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

Result<std::shared_ptr<sandbox::Launcher>> make_launcher() {
  char const* const setting = std::getenv("DROVER_SANDBOX");
  auto const maker = sandbox::parse_maker(setting == nullptr ? "" : setting);
  if (!maker) return std::unexpected(maker.error());
  return sandbox::Launcher::create(*maker);
}

}  // namespace

Status reap_units(boost::asio::any_io_executor loop, os::BlockingPool& pool, Clock const& clock,
                  std::string const& state_folder) {
  runtime::ProcessBackendSettings settings;
  settings.record_folder = state_folder + "/workloads";
  if (!os::exists(settings.record_folder)) return {};
  auto launcher = make_launcher();
  if (!launcher) return std::unexpected(launcher.error());
  runtime::ProcessBackend backend{std::move(loop), pool, clock, *std::move(launcher), settings};
  auto const reaped = backend.reap_orphans();
  if (!reaped) return std::unexpected(reaped.error());
  return {};
}

Result<Machine> make_machine(boost::asio::any_io_executor loop, os::BlockingPool& pool,
                             Clock const& clock, std::string const& state_folder) {
  auto launcher = make_launcher();
  if (!launcher) return std::unexpected(launcher.error());
  // Told now, with the fix, and not by each run that fails.
  DROVER_TRY(sandbox::require_sandbox(**launcher));
  Machine machine;
  for (sandbox::Layer const& limit : sandbox::missing_limits(**launcher)) {
    log::warn("limit-not-enforced",
              {{"limit", limit.name}, {"reason", limit.how}, {"fix", limit.fix}});
    machine.warnings.push_back(fmt::format("the {} limit of runs is not enforced: {}; {}",
                                           limit.name, limit.how, limit.fix));
  }
  runtime::ProcessBackendSettings settings;
  settings.record_folder = state_folder + "/workloads";
  DROVER_TRY(os::make_folders(settings.record_folder, 0700));
  machine.runtime = std::make_unique<runtime::ProcessBackend>(std::move(loop), pool, clock,
                                                              *std::move(launcher), settings);
  // Units of a process that died are ended, and their runs are resumed from the session's files.
  auto const reaped = machine.runtime->reap_orphans();
  if (!reaped)
    log::error("orphans-not-reaped", {{"reason", reaped.error().text()}});
  else if (!reaped->empty())
    log::info("orphans-reaped", {{"units", reaped->size()}});
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
