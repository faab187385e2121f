#pragma once
// The seam to whoever starts the program that runs a process. The engine names the program and the
// process; around it may be a sandbox, which is not this library's (driver/host_sandbox.h), or
// nothing.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "os/process.h"

namespace drover::workflow {

// What the code of a process sees of drover's own environment. A server's holds credentials, which
// are no business of a workflow's.
enum class HostEnvironment : std::uint8_t {
  inherited,  // all of it
  plain,      // where programs and the home are, the language and the time zone
};

// What a process is, as far as the files go that it reads.
struct HostPlace {
  std::string entry{};           // its module, an absolute path
  std::string run_folder{};      // empty: it is only loaded
  std::string working_folder{};  // that the run was made in; empty: none
};

struct HostLaunch {
  std::string node{};     // a path, or searched in PATH
  std::string program{};  // what Node executes, as text
  HostPlace place{};
  int in = -1;  // the program's descriptors 3 and 4; what it prints goes to drover's stderr
  int out = -1;
};

struct HostExit {
  os::ExitStatus status{};
  bool out_of_memory = false;  // it was killed for want of memory
};

// A program that was started. The destructor ends it, with all that it began.
class HostProgram {
 public:
  HostProgram() = default;
  HostProgram(HostProgram const&) = delete;
  HostProgram& operator=(HostProgram const&) = delete;
  virtual ~HostProgram() = default;

  // nullopt: it still runs after `timeout`.
  [[nodiscard]] virtual Result<std::optional<HostExit>> wait(Millis timeout) = 0;
};

// Thread-safe; blocks for some milliseconds.
class HostLauncher {
 public:
  virtual ~HostLauncher() = default;
  [[nodiscard]] virtual Result<std::unique_ptr<HostProgram>> start(HostLaunch const& launch) = 0;
};

// As whoever runs drover, with all his rights.
class BareHosts : public HostLauncher {
 public:
  explicit BareHosts(HostEnvironment environment) : environment_(environment) {}
  [[nodiscard]] Result<std::unique_ptr<HostProgram>> start(HostLaunch const& launch) override;

 private:
  HostEnvironment environment_;
};

}  // namespace drover::workflow
