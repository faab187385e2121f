#pragma once
// A `drover worker` of `chaos`, in a process of its own beside a server without one. One thread.
#include <map>
#include <string>
#include <vector>

#include "api_server.h"
#include "base/error.h"
#include "machine.h"
#include "os/process.h"

namespace drover::bench {

class ChaosWorker {
 public:
  // At the server of this state folder, with `more` options. `scratch` outlives it.
  [[nodiscard]] static Result<ChaosWorker> start(Scratch const& scratch, std::string const& name,
                                                 std::string const& state_folder,
                                                 std::vector<std::string> const& more);

  // SIGKILL, and the program again over what it left. The server has to be there.
  [[nodiscard]] Status kill();
  [[nodiscard]] Status launch();
  // One that could not reach the server when it began, or has ended otherwise, is started again.
  [[nodiscard]] Status keep_up();
  // SIGTERM, and waits for its end.
  [[nodiscard]] Status stop();
  // The units that live now, also those of its processes.
  [[nodiscard]] std::map<std::string, UnitTrace> units() const;

 private:
  ChaosWorker(os::ProcessSpec spec, std::string log, std::string folder, os::Process process);
  os::ProcessSpec spec_;
  std::string log_;
  std::string folder_;
  os::Process process_;
};

}  // namespace drover::bench
