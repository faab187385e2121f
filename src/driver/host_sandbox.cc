#include "driver/host_sandbox.h"

#include <fmt/format.h>

#include <array>
#include <cstdlib>

#include "base/text.h"
#include "driver/program_path.h"
#include "os/files.h"
#include "sandbox/passing_id.h"
#include "sandbox/probe.h"

namespace drover::driver {

namespace {

// Beside those of units and of commands. A few are enough, for no two hosts see each other's
// processes or files; each costs a user namespace once.
constexpr uid_t kUidFirst = 303'000;
constexpr uid_t kUidCount = 32;

class SandboxedProgram : public workflow::HostProgram {
 public:
  explicit SandboxedProgram(sandbox::Sandbox sandbox) : sandbox_(std::move(sandbox)) {}
  Result<std::optional<workflow::HostExit>> wait(Millis timeout) override {
    auto const exit = sandbox_.wait(timeout);
    if (!exit) return std::unexpected(exit.error());
    if (!*exit) return std::nullopt;
    return workflow::HostExit{(*exit)->status, (*exit)->out_of_memory};
  }

 private:
  sandbox::Sandbox sandbox_;
};

Error with_way_out(Error error) {
  if (error.code != ErrorCode::unsupported) return error;
  error.next += fmt::format(
      "{}or let processes of workflows run without one, with all the rights of whoever runs "
      "drover: {}=off",
      error.next.empty() ? "" : "; ", kHostWallSetting);
  return error;
}

}  // namespace

Result<std::shared_ptr<sandbox::Launcher>> SandboxedHosts::launcher() {
  auto known = launcher_.lock();
  if (*known) return *known;
  auto made = make_();
  if (!made) return made;
  // Of drovers that were killed while their processes computed.
  sandbox::sweep_probes(**made);
  *known = *made;
  return made;
}

Result<std::unique_ptr<workflow::HostProgram>> SandboxedHosts::start(
    workflow::HostLaunch const& launch) {
  static std::atomic<std::uint32_t> count{0};
  auto const node = find_program(launch.node);
  if (!node) return std::unexpected(node.error());
  auto view = host_view(launch.place, surroundings_);
  if (!view) return std::unexpected(view.error());
  auto const launcher = this->launcher();
  if (!launcher) return std::unexpected(with_way_out(launcher.error()));
  auto spec = host_spec_of(launch, *std::move(view), {node->path, node->needs}, surroundings_);
  std::uint32_t const number = ++count;
  spec.lifetime = sandbox::Lifetime::launching_thread;
  auto const owner = sandbox::passing_owner();
  spec.id = fmt::format("{}-{}", passing_id(sandbox::kProcessHostIds, owner), number);
  spec.session_uid = kUidFirst + number % kUidCount;
  auto sandbox = (*launcher)->launch(spec);
  if (!sandbox) return std::unexpected(with_way_out(sandbox.error()));
  return std::make_unique<SandboxedProgram>(*std::move(sandbox));
}

Result<HostWall> parse_host_wall(std::string_view text) {
  if (text.empty() || text == "on") return HostWall::sandbox;
  if (text == "off") return HostWall::none;
  return fail(ErrorCode::invalid_argument, "{} takes on or off, and '{}' is neither",
              kHostWallSetting, printable(text, 40));
}

HostSurroundings host_surroundings(std::vector<std::string> const& hidden) {
  HostSurroundings surroundings;
  char const* const home = std::getenv("HOME");
  if (auto folder = os::real_path(home == nullptr ? "" : home)) surroundings.home = *folder;
  for (auto const& each : hidden)
    if (auto folder = os::real_path(each)) surroundings.hidden.push_back(*std::move(folder));
  for (std::string const name : {"LANG", "LC_ALL", "TZ"})
    if (char const* const value = std::getenv(name.c_str()); value != nullptr)
      surroundings.language.push_back(fmt::format("{}={}", name, value));
  return surroundings;
}

}  // namespace drover::driver
