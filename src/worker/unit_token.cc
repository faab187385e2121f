#include "worker/unit_token.h"

#include <utility>

namespace drover::worker {

gateway::TokenClaims unit_claims(SessionRecord const& session, std::string unit, Millis life,
                                 Clock const& clock, Random& random) {
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
  claims.not_before = claims.issued_at;
  claims.expires_at = claims.issued_at + life;
  return claims;
}

Status check_unit_token(net::HttpRequest const& request, gateway::TokenKey const& key, WallTime now,
                        UnitAdmission const& admission) {
  constexpr std::string_view kScheme = "Bearer ";
  // Programs that speak to the Anthropic API send their key as x-api-key.
  auto const* const api_key = request.header("x-api-key");
  auto const* const header = request.header("authorization");
  std::string_view token = api_key == nullptr ? std::string_view{} : std::string_view{*api_key};
  if (header != nullptr && header->starts_with(kScheme))
    token = std::string_view{*header}.substr(kScheme.size());
  auto const claims = key.verify(token, gateway::kUnitAudience, now, admission.life);
  if (!claims)
    return fail(ErrorCode::unauthenticated, "the unit's token is refused: {}",
                gateway::to_string(claims.error()));
  if (claims->unit != admission.unit)
    return fail(ErrorCode::unauthenticated, "the token belongs to another unit");
  // Of an earlier unit of the same session, which has ended.
  if (!admission.token_id.empty() && claims->token_id != admission.token_id)
    return fail(ErrorCode::unauthenticated, "the unit's token is refused: {}",
                gateway::to_string(gateway::TokenFault::revoked));
  return {};
}

}  // namespace drover::worker
