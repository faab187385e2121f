#include <fmt/format.h>

#include <algorithm>

#include <boost/json.hpp>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/doctor_disk.h"
#include "cli/exit_codes.h"
#include "cli/listing.h"
#include "os/files.h"
#include "sandbox/host_facts.h"
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

}  // namespace

int execute(Context const& context, DoctorCommand const& command) {
  Screen& screen = context.screen;
  if (command.shows == DoctorShows::apparmor_profile) {
    screen.print(sandbox::apparmor_profile(sandbox::host_facts().program));
    return kExitOk;
  }
  auto const folders = folders_of(command);
  if (!folders) return report(context, folders.error());
  auto examination = sandbox::examine(*folders);
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
