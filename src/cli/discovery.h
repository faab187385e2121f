#pragma once
// Where the server is: the state folder, the file in it that a running server leaves, and what the
// user said instead. Reads files and the environment; sends nothing.
#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "cli/style.h"

namespace drover::cli {

inline constexpr std::string_view kServerFile =
    "server.json";  // {url, token, pid, warnings}, mode 0600
inline constexpr std::string_view kServerLog = "server.log";

enum class EndpointSource : std::uint8_t { state_folder, user };

struct Endpoint {
  std::string url;  // "http://127.0.0.1:41234", without a slash at its end
  Secret token;
  pid_t pid = 0;                      // 0 where the user named the server
  std::vector<std::string> warnings;  // what the server found weaker than it should be
  EndpointSource source = EndpointSource::state_folder;
};

// $DROVER_STATE_DIR, else $XDG_STATE_HOME/drover, else ~/.local/state/drover; absolute.
[[nodiscard]] Result<std::string> state_folder(Environment const& environment);

// unavailable when there is no such file; data_corrupt when it does not hold together.
[[nodiscard]] Result<Endpoint> read_server_file(std::string const& state_folder);

// The server that --server or DROVER_SERVER names, with DROVER_TOKEN or the token behind `#token=`
// in the address; otherwise the one of the state folder.
[[nodiscard]] Result<Endpoint> discover(std::string const& server_option,
                                        Environment const& environment);

// The address with its token, for a browser. The token is in the fragment, which browsers do not
// send and servers do not log.
[[nodiscard]] std::string browser_address(Endpoint const& endpoint);

}  // namespace drover::cli
