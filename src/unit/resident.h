#pragma once
// The long-lived program of a resident agent's container: keeps a line to its server, and starts
// there what it is told to, a unit for a turn or a command of a person's. It serves no session
// itself and holds no token. resident_words.h is what is spoken.
#include <string>

#include "base/time.h"

namespace drover::unit {

struct ResidentPlace {
  std::string socket_path;  // the server listens there, now or later
  std::string program;      // of a unit
};

// Until SIGTERM or SIGINT, which `signals` (a signalfd, with SIGCHLD) tells of. The exit status.
[[nodiscard]] int run_resident(ResidentPlace const& place, std::string_view version,
                               Clock const& clock, int signals);

}  // namespace drover::unit
