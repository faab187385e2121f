#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include <boost/json.hpp>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/doctor_disk.h"
#include "cli/exit_codes.h"
#include "cli/listing.h"
#include "driver/host_sandbox.h"
#include "os/files.h"
#include "runtime/engine_probe.h"
#include "sandbox/host_facts.h"
#include "sandbox/launcher.h"
#include "sandbox/probe.h"

namespace drover::cli {

namespace {

using sandbox::Layer;
using sandbox::LayerState;

constexpr std::size_t kTextMax = 2000;

Paint paint_of(LayerState state) {
  switch (state) {
    case LayerState::enforced:
      return Paint::green;
    case LayerState::degraded:
      return Paint::yellow;
    case LayerState::missing:
      return Paint::red;
  }
  return Paint::plain;
}

// A line each, the fix below its layer: what a sentence says is not cut off.
void show(Screen& screen, std::vector<Layer> const& layers) {
  std::size_t width = 0;
  for (Layer const& layer : layers)
    width = std::max(width, layer.name.size());
  for (Layer const& layer : layers) {
    auto const state = fmt::format("{:<9}", sandbox::to_string(layer.state));
    screen.print(fmt::format("{:<{}}  {}  {}\n", layer.name, width,
                             paint(screen.out_style(), paint_of(layer.state), state),
                             printable(layer.how, kTextMax)));
    if (!layer.fix.empty())
      screen.print(fmt::format("{:<{}}  fix: {}\n", "", width, printable(layer.fix, kTextMax)));
  }
}

json::object object_of(Layer const& layer) {
  return {{"layer", json::string{layer.name}},
          {"state", json::string{sandbox::to_string(layer.state)}},
          {"how", json::string{layer.how}},
          {"fix", json::string{layer.fix}}};
}

Result<std::vector<std::string>> folders_of(DoctorCommand const& command) {
  std::vector<std::string> folders;
  for (auto const& wanted : command.folders) {
    auto folder = os::real_path(wanted);
    if (!folder) return std::unexpected(folder.error());
    folders.push_back(*std::move(folder));
  }
  return folders;
}

Layer state_layer(Context const& context) {
  auto const folder = state_folder(context.environment);
  auto const facts = folder ? disk_facts(*folder) : std::unexpected(folder.error());
  if (facts) return disk_layer(*facts);
  return {"state folder", LayerState::missing, facts.error().message,
          facts.error().next.empty() ? "set DROVER_STATE_DIR to a folder that you may write in"
                                     : facts.error().next};
}

// Where the code of workflows runs: behind the walls of the layers above, or without any.
Result<Layer> workflow_layer(Environment const& environment, Status const& sandboxes) {
  auto const wall = driver::parse_host_wall(environment(driver::kHostWallSetting).value_or(""));
  if (!wall) return std::unexpected(wall.error());
  constexpr auto const* kName = "workflow processes";
  if (*wall == driver::HostWall::none)
    return Layer{kName, LayerState::missing,
                 "run without a sandbox, with all the rights of whoever runs drover",
                 fmt::format("unset {}", driver::kHostWallSetting)};
  if (!sandboxes)
    return Layer{
        kName, LayerState::missing, "those in JavaScript are refused, for there is no sandbox",
        fmt::format("as above; or give them all your rights: {}=off", driver::kHostWallSetting)};
  return Layer{kName, LayerState::enforced, "in a sandbox without network, files read-only", ""};
}

// Of the engine that a server of this environment would use.
Result<runtime::EngineExamination> engine_of(Environment const& environment) {
  auto const host =
      environment("DROVER_DOCKER_HOST")
          .value_or(environment("DOCKER_HOST").value_or(std::string{runtime::kDockerHostUsual}));
  auto address = runtime::parse_engine_address(host, environment("DOCKER_CERT_PATH").value_or(""));
  if (!address) return std::unexpected(address.error());
  return runtime::examine_engine({.address = *std::move(address),
                                  .oci_runtime = environment("DROVER_DOCKER_RUNTIME").value_or(""),
                                  .root = ::geteuid() == 0});
}

}  // namespace

int execute(Context const& context, DoctorCommand const& command) {
  Screen& screen = context.screen;
  if (command.shows == DoctorShows::apparmor_profile) {
    screen.print(sandbox::apparmor_profile(sandbox::host_facts().program));
    return kExitOk;
  }
  auto const folders = folders_of(command);
  if (!folders) return report(context, folders.error());
  auto const maker = sandbox::parse_maker(context.environment("DROVER_SANDBOX").value_or(""));
  if (!maker) return report(context, maker.error());
  auto examination = sandbox::examine(*folders, *maker);
  auto processes = workflow_layer(context.environment, examination.verdict);
  if (!processes) return report(context, processes.error());
  examination.layers.push_back(*std::move(processes));
  auto engine = engine_of(context.environment);
  if (!engine) return report(context, engine.error());
  for (Layer& layer : engine->layers)
    examination.layers.push_back(std::move(layer));
  if (context.environment("DROVER_BACKEND").value_or("") == "docker")
    examination.verdict = engine->verdict;
  examination.layers.push_back(state_layer(context));
  if (command.format == Format::json)
    for (Layer const& layer : examination.layers)
      screen.print(json_object_line(object_of(layer), screen.out_style()));
  else
    show(screen, examination.layers);
  if (!examination.verdict) {
    screen.report(examination.verdict.error());
    return kExitFailed;
  }
  bool const whole = std::ranges::none_of(
      examination.layers, [](Layer const& layer) { return layer.state == LayerState::missing; });
  screen.note(whole ? "drover: runs are isolated here"
                    : "drover: runs are isolated here; what is missing is refused when it is asked "
                      "for, and left out by default");
  return kExitOk;
}

}  // namespace drover::cli
