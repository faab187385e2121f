#pragma once
// The token of a session's unit: what it says, and whether a request carries it. Pure but for the
// clock and the randomness given.
#include <string>

#include "base/error.h"
#include "gateway/token.h"
#include "net/http_server.h"
#include "worker/records.h"

namespace drover::worker {

[[nodiscard]] gateway::TokenClaims unit_claims(SessionRecord const& session, std::string unit,
                                               Clock const& clock, Random& random);

// As `Authorization: Bearer` or x-api-key. unauthenticated says what is wrong.
[[nodiscard]] Status check_unit_token(net::HttpRequest const& request, gateway::TokenKey const& key,
                                      WallTime now, std::string const& unit);

}  // namespace drover::worker
