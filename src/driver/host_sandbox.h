#pragma once
// Processes of workflows in sandboxes: Node without network, with a read-only view of its own files
// (host_view.h), nothing of drover's environment, and limits of memory and processes. It ends with
// whoever started it.
//
// Thread-safe. The first start looks at the machine; where that has no sandboxes, each start is
// refused with the fix.
#include <atomic>
#include <functional>
#include <memory>

#include "base/guarded.h"
#include "driver/host_view.h"
#include "sandbox/launcher.h"
#include "workflow/host_program.h"

namespace drover::driver {

class SandboxedHosts : public workflow::HostLauncher {
 public:
  using MakeLauncher = std::function<Result<std::shared_ptr<sandbox::Launcher>>()>;
  SandboxedHosts(MakeLauncher make, HostSurroundings surroundings)
      : make_(std::move(make)), surroundings_(std::move(surroundings)) {}

  [[nodiscard]] Result<std::unique_ptr<workflow::HostProgram>> start(
      workflow::HostLaunch const& launch) override;

 private:
  [[nodiscard]] Result<std::shared_ptr<sandbox::Launcher>> launcher();

  MakeLauncher make_;
  HostSurroundings surroundings_;
  Guarded<std::shared_ptr<sandbox::Launcher>> launcher_;
};

// Whether processes run in sandboxes: on, but where somebody has said that they shall not.
enum class HostWall : std::uint8_t { sandbox, none };
// Of the setting DROVER_WORKFLOW_SANDBOX: on (also where it is empty) or off.
[[nodiscard]] Result<HostWall> parse_host_wall(std::string_view text);
inline constexpr std::string_view kHostWallSetting = "DROVER_WORKFLOW_SANDBOX";

// Of this machine's environment; `hidden` as in HostSurroundings, where they exist.
[[nodiscard]] HostSurroundings host_surroundings(std::vector<std::string> const& hidden);

}  // namespace drover::driver
