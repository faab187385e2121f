#pragma once
// What the program that runs a process sees of the machine: its own files, the folder that the run
// works in and the run, all of them read-only, and of the machine's programs Node and /usr. Of
// other runs and of drover's state it sees nothing, wherever they lie.
//
// host_view() looks at the disk, and makes the folders that cover what is hidden; host_spec_of() is
// pure.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "sandbox/spec.h"
#include "workflow/host_program.h"

namespace drover::driver {

// Of this machine and of whoever runs drover; canonical paths.
struct HostSurroundings {
  std::string home{};                   // never shown whole
  std::vector<std::string> hidden{};    // drover's own folders
  std::vector<std::string> language{};  // "NAME=value" of LANG, LC_ALL and TZ
};

struct HostView {
  std::string entry{};                   // canonical
  std::string cwd{};                     // inside
  std::vector<sandbox::Mount> mounts{};  // in order; read-only
};
[[nodiscard]] Result<HostView> host_view(workflow::HostPlace const& place,
                                         HostSurroundings const& surroundings);

struct HostProgramFiles {
  std::string node{};
  std::vector<std::string> needs{};  // beside /usr
};
// `descriptors` are those of the launch. What it prints goes to `err`.
[[nodiscard]] sandbox::SandboxSpec host_spec_of(workflow::HostLaunch const& launch, HostView view,
                                                HostProgramFiles const& files,
                                                HostSurroundings const& surroundings);

}  // namespace drover::driver
