#pragma once
// What every command gets, and the way to the server that they share.
#include <atomic>
#include <string>

#include "base/error.h"
#include "base/random.h"
#include "base/time.h"
#include "cli/api_client.h"
#include "cli/discovery.h"
#include "cli/screen.h"
#include "cli/server_entry.h"
#include "cli/style.h"

namespace drover::cli {

struct Context {
  Environment environment;
  std::string server_option;  // --server, or empty
  ServerEntry entry;
  Screen& screen;
  Clock const& clock;
  Random& random;
};

// A client for the server there is. `abort` as in ApiClient.
[[nodiscard]] Result<ApiClient> connect(Context const& context,
                                        std::atomic<bool> const* abort = nullptr);
// The same, and starts a server where none runs and the user named none; says so on stderr.
[[nodiscard]] Result<ApiClient> connect_or_start(Context const& context);

// What the server found weaker than it should be, a line each on stderr.
void show_warnings(Context const& context, Endpoint const& endpoint);
// The exit code, after the error was reported.
[[nodiscard]] int report(Context const& context, Error const& error);

// One JSON object as a line for stdout. On a terminal also the controls that JSON leaves alone
// (DEL, C1, bidirectional marks) are escaped; the value stays the same.
[[nodiscard]] std::string json_line(std::string_view serialized, Style const& style);

}  // namespace drover::cli
