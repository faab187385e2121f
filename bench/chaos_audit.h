#pragma once
// Reads what the server and the repositories hold in the end into the books of `chaos`. Blocks.
#include <string>
#include <vector>

#include "api_server.h"
#include "base/error.h"
#include "chaos_account.h"
#include "net/sse.h"

namespace drover::bench {

// An event's number in its run.
[[nodiscard]] std::int64_t seq_of(net::SseEvent const& event);
// Every run that the server lists, and the whole event stream of every accepted one.
[[nodiscard]] Status audit_server(Address const& server, Account& account);
// Every commit of a run on a branch, by its trailer, with the lines that it adds to kEffectsFile.
[[nodiscard]] Status audit_repository(std::string const& folder, Account& account);

inline constexpr std::string_view kEffectsFile = "effects.txt";

}  // namespace drover::bench
