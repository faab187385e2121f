#include "cli/workflow_places.h"

#include <unistd.h>

#include <filesystem>

#include "base/text.h"
#include "os/files.h"
#include "sandbox/probe.h"

namespace drover::cli {

namespace {

constexpr std::size_t kValueMax = std::size_t{256} << 20U;

std::string variable(Context const& context, std::string_view name) {
  return context.environment(name).value_or("");
}

}  // namespace

workflow::RunsPlaces runs_places(Context const& context, std::string const& runs_dir) {
  workflow::RunsPlaces places;
  places.runs_dir = runs_dir;
  places.env_runs_dir = variable(context, "BABYSITTER_RUNS_DIR");
  places.env_scope = variable(context, "BABYSITTER_RUNS_SCOPE");
  places.env_global_folder = variable(context, "BABYSITTER_GLOBAL_STATE_DIR");
  places.home = variable(context, "HOME");
  places.cwd = std::filesystem::current_path().string();
  return places;
}

namespace {

std::string node_of(Context const& context) {
  auto named = variable(context, "DROVER_NODE");
  return named.empty() ? "node" : named;
}

driver::SandboxedHosts::MakeLauncher make_launcher(Context const& context) {
  return [setting =
              variable(context, "DROVER_SANDBOX")]() -> Result<std::shared_ptr<sandbox::Launcher>> {
    auto const maker = sandbox::parse_maker(setting);
    if (!maker) return std::unexpected(maker.error());
    return sandbox::Launcher::create(*maker);
  };
}

}  // namespace

Result<workflow::HostSpec> host_spec(Context const& context, std::optional<driver::HostWall> wall) {
  workflow::HostSpec spec;
  spec.node = node_of(context);
  auto const set = driver::parse_host_wall(variable(context, driver::kHostWallSetting));
  if (!set) return std::unexpected(set.error());
  if (wall.value_or(*set) == driver::HostWall::none) return spec;
  auto const state = state_folder(context.environment);
  std::vector<std::string> hidden;
  if (state) hidden.push_back(*state);
  spec.launcher = std::make_shared<driver::SandboxedHosts>(make_launcher(context),
                                                           driver::host_surroundings(hidden));
  return spec;
}

driver::CommandPoolOptions command_pool_options(Context const& context) {
  driver::CommandPoolOptions options;
  options.node = node_of(context);
  options.launcher = [make =
                          make_launcher(context)]() -> Result<std::shared_ptr<sandbox::Launcher>> {
    auto launcher = make();
    if (!launcher) return launcher;
    DROVER_TRY(sandbox::require_sandbox(**launcher));
    return launcher;
  };
  return options;
}

Result<std::string> read_text_argument(std::string const& file, std::string const& folder) {
  if (file == "-") return os::read_all(STDIN_FILENO, "stdin", kValueMax);
  return os::read_file((std::filesystem::path{folder} / file).string(), kValueMax);
}

Result<std::optional<json::value>> read_json_argument(std::string const& file,
                                                      std::string const& folder) {
  auto const text = read_text_argument(file, folder);
  if (!text) return std::unexpected(text.error());
  if (trim(*text).empty()) return std::nullopt;
  JsonBounds bounds;
  bounds.bytes_max = kValueMax;
  auto value = parse_json(*text, bounds);
  if (!value)
    return fail(ErrorCode::invalid_argument, "{}: {}", printable(file, 300), value.error().message);
  return *std::move(value);
}

}  // namespace drover::cli
