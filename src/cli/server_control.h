#pragma once
// Starting the server in the background and stopping it again. Blocking, each wait with a deadline.
#include <atomic>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "cli/discovery.h"
#include "cli/server_entry.h"

namespace drover::cli {

inline constexpr Millis kStartDeadline{10'000};
inline constexpr Millis kStopDeadline{30'000};

// The server of this state folder, if it runs and is ready.
[[nodiscard]] Result<Endpoint> running_server(std::string const& state_folder);

// Starts `drover serve` detached from this process and its terminal, its output in
// `<state folder>/server.log`, and waits until it is ready. When another process starts one at the
// same time, the one that wins is returned. The error quotes the log's last line.
struct ServerStart {
  std::uint16_t port = 0;  // 0: any free one
  std::string broker;      // empty: what DROVER_BROKER says
  Dispatch dispatch = Dispatch::running;
};
[[nodiscard]] Result<Endpoint> start_server(std::string const& state_folder,
                                            ServerStart const& start, Clock const& clock);

// Sends SIGTERM to the server of `endpoint` and waits until it has ended. Makes sure by its pidfd
// that it signals a drover server of this user and no process that got its number since.
[[nodiscard]] Status stop_server(Endpoint const& endpoint, Clock const& clock);

}  // namespace drover::cli
