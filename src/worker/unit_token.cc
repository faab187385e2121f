#include "worker/unit_token.h"

#include <utility>

namespace drover::worker {

namespace {

constexpr Millis kTokenLife{24LL * 3600 * 1000};

}  // namespace

gateway::TokenClaims unit_claims(SessionRecord const& session, std::string unit, Clock const& clock,
                                 Random& random) {
  gateway::TokenClaims claims;
  claims.subject = session.subject;
  claims.launcher = session.launcher;
  claims.audience = gateway::kUnitAudience;
  claims.unit = std::move(unit);
  claims.session = session.id.str();
  for (contract::WorkspaceGrant const& grant : session.workspaces)
    claims.workspaces.push_back({grant.id.str(), std::string{contract::to_string(grant.mode)}});
  claims.tools = session.tools;
  claims.token_id = new_id_text("jti", clock, random);
  claims.issued_at = clock.now();
  claims.expires_at = claims.issued_at + kTokenLife;
  return claims;
}

Status check_unit_token(net::HttpRequest const& request, gateway::TokenKey const& key, WallTime now,
                        std::string const& unit) {
  constexpr std::string_view kScheme = "Bearer ";
  // Programs that speak to the Anthropic API send their key as x-api-key.
  auto const* const api_key = request.header("x-api-key");
  auto const* const header = request.header("authorization");
  std::string_view token = api_key == nullptr ? std::string_view{} : std::string_view{*api_key};
  if (header != nullptr && header->starts_with(kScheme))
    token = std::string_view{*header}.substr(kScheme.size());
  auto const claims = key.verify(token, gateway::kUnitAudience, now);
  if (!claims)
    return fail(ErrorCode::unauthenticated, "the unit's token is refused: {}",
                gateway::to_string(claims.error()));
  if (claims->unit != unit)
    return fail(ErrorCode::unauthenticated, "the token belongs to another unit");
  return {};
}

}  // namespace drover::worker
