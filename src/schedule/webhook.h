#pragma once
// Deliveries to /hooks/{name}: is the signature right, is it recent, and which event is it. Pure.
//
// Scheme `drover`: `X-Drover-Signature: t=<seconds>,v1=<hex>` with HMAC-SHA256 over "<t>.<body>",
// `t` within kReplayWindow of the server's clock. Several v1 may be given, for a change of secrets.
// Scheme `github`: `X-Hub-Signature-256: sha256=<hex>` with HMAC-SHA256 over the body. It has no
// time, so a delivery can be repeated by whoever saw it; within kDeliveryLife it is recognised.
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "base/time.h"
#include "contract/schedule.h"
#include "net/http_types.h"

namespace drover::schedule {

inline constexpr Millis kReplayWindow{5 * 60'000};
// How long a delivery, or the id of an event, is remembered.
inline constexpr Millis kDeliveryLife = std::chrono::hours{7 * 24};
inline constexpr std::size_t kEventBytesMax = std::size_t{1} << 20U;

struct Delivery {
  contract::IncomingEvent event;
  // Each names the delivery; one that is known makes it a repetition. The signature is among them,
  // because no scheme signs the header with the delivery's id.
  std::vector<std::string> marks;
};

// unauthenticated, in the same words whatever is wrong with the signature; too_large;
// invalid_argument for a body that is no JSON.
[[nodiscard]] Result<Delivery> read_delivery(contract::Hook const& hook, Secret const& secret,
                                             net::Headers const& headers, std::string_view body,
                                             WallTime now);

// Lower-case hexadecimal HMAC-SHA256.
[[nodiscard]] std::string hmac_sha256_hex(Secret const& secret, std::string_view text);

}  // namespace drover::schedule
