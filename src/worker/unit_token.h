#pragma once
// The token of a session's unit: what it says, and whether a request carries it. Pure but for the
// clock and the randomness given.
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "gateway/token.h"
#include "net/http_server.h"
#include "worker/records.h"

namespace drover::worker {

// Those of a unit that drover runs end in a quarter of an hour, unless whoever checks them knows
// that it lives; those of a third-party worker, of which nobody here knows, in a day.
inline constexpr Millis kUnitTokenLife{15 * 60'000};
inline constexpr Millis kThirdPartyTokenLife{24 * 3'600'000};

[[nodiscard]] gateway::TokenClaims unit_claims(SessionRecord const& session, std::string unit,
                                               Millis life, Clock const& clock, Random& random);

// Whose token a request must carry.
struct UnitAdmission {
  std::string unit;
  std::string token_id;  // empty: any of the unit's
  gateway::TokenLife life = gateway::TokenLife::checked;
};

// As `Authorization: Bearer` or x-api-key. unauthenticated says what is wrong, in a word of
// identity.v1.
[[nodiscard]] Status check_unit_token(net::HttpRequest const& request, gateway::TokenKey const& key,
                                      WallTime now, UnitAdmission const& admission);

}  // namespace drover::worker
