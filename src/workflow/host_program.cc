#include "workflow/host_program.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace drover::workflow {

namespace {

// Messages on 3 and 4, out of the way of what the process prints.
constexpr auto const* kRedirect = R"(exec "$0" "$@" 3<&0 4>&1 </dev/null >&2)";

bool is_plain(std::string_view variable) {
  constexpr std::array<std::string_view, 6> kPlain = {
      "PATH=", "HOME=", "LANG=", "TZ=", "TMPDIR=", "LC_ALL="};
  return std::ranges::any_of(kPlain,
                             [&](std::string_view name) { return variable.starts_with(name); });
}

std::vector<std::string> environment_for(HostEnvironment wanted) {
  std::vector<std::string> variables;
  for (char** each = environ; *each != nullptr; ++each)
    if (wanted == HostEnvironment::inherited || is_plain(*each)) variables.emplace_back(*each);
  return variables;
}

class BareProgram : public HostProgram {
 public:
  explicit BareProgram(os::Process process) : process_(std::move(process)) {}
  Result<std::optional<HostExit>> wait(Millis timeout) override {
    auto const status = process_.wait(timeout);
    if (!status) return std::unexpected(status.error());
    if (!*status) return std::nullopt;
    return HostExit{**status, false};
  }

 private:
  os::Process process_;
};

}  // namespace

Result<std::unique_ptr<HostProgram>> BareHosts::start(HostLaunch const& launch) {
  os::ProcessSpec process;
  process.argv = {"/bin/sh", "-c", kRedirect, launch.node, "--eval", launch.program};
  process.env = environment_for(environment_);
  process.in = launch.in;
  process.out = launch.out;
  process.err = STDERR_FILENO;
  auto started = os::Process::spawn(process);
  if (!started) return std::unexpected(started.error());
  return std::make_unique<BareProgram>(*std::move(started));
}

}  // namespace drover::workflow
