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

workflow::HostSpec host_spec(Context const& context) {
  workflow::HostSpec spec;
  if (auto const node = variable(context, "DROVER_NODE"); !node.empty()) spec.node = node;
  return spec;
}

driver::CommandPoolOptions command_pool_options(Context const& context) {
  driver::CommandPoolOptions options;
  options.node = host_spec(context).node;
  auto const setting = variable(context, "DROVER_SANDBOX");
  options.launcher = [setting]() -> Result<std::shared_ptr<sandbox::Launcher>> {
    auto const maker = sandbox::parse_maker(setting);
    if (!maker) return std::unexpected(maker.error());
    auto launcher = sandbox::Launcher::create(*maker);
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
