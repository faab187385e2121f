#include "worker/third_party_access.h"

#include <fmt/format.h>

#include <utility>

#include "worker/unit_host.h"
#include "worker/unit_token.h"

namespace drover::worker {

namespace {

Result<std::vector<contract::Mount>> mounts_of(Services const& services,
                                               SessionRecord const& session) {
  std::vector<contract::Mount> mounts;
  for (contract::WorkspaceGrant const& grant : session.workspaces) {
    auto const workspace = services.workspaces.find(grant.id);
    if (!workspace) return std::unexpected(workspace.error());
    contract::Mount mount;
    mount.slug = grant.id;
    mount.path =
        grant.checkout == contract::Checkout::worktree ? session.worktree : workspace->path;
    mount.write = contract::writes(grant.mode);
    mount.primary = mounts.empty();
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

}  // namespace

Result<ThirdPartyAccess> third_party_access(Services const& services,
                                            broker::RedisUnits const* units,
                                            SessionRecord const& session,
                                            std::string const& server_url) {
  if (session.removed) return fail(ErrorCode::conflict, "the session {} was removed", session.id);
  if (session.runner == kNativeRunner)
    return fail_next(ErrorCode::conflict,
                     fmt::format("the session {} is served by a unit of drover's own", session.id),
                     "third-party workers serve sessions of the runners that "
                     "DROVER_THIRD_PARTY_RUNNERS names");
  if (units == nullptr || !is_third_party(services.options, session.runner))
    return fail_next(
        ErrorCode::conflict,
        fmt::format("third-party workers with the runner {} are not let in", session.runner),
        "start the server with it in DROVER_THIRD_PARTY_RUNNERS");
  auto mounts = mounts_of(services, session);
  if (!mounts) return std::unexpected(mounts.error());
  UnitFacts facts;
  facts.unit = UnitHost::unit_name(session);
  facts.token = services.tokens.sign(
      unit_claims(session, facts.unit, kThirdPartyTokenLife, services.clock, services.random));
  facts.idle = services.options.idle;
  facts.mounts = *std::move(mounts);
  ThirdPartyAccess access{facts.unit, unit_environment(session, facts)};
  access.environment.emplace_back("REDIS_URL", units->url(facts.unit).reveal());
  access.environment.emplace_back("ANTHROPIC_BASE_URL",
                                  fmt::format("{}/api/v1/units/{}", server_url, facts.unit));
  access.environment.emplace_back("ANTHROPIC_AUTH_TOKEN", facts.token.reveal());
  access.environment.emplace_back("OPENAI_BASE_URL",
                                  fmt::format("{}/api/v1/units/{}/v1", server_url, facts.unit));
  access.environment.emplace_back("OPENAI_API_KEY", facts.token.reveal());
  return access;
}

}  // namespace drover::worker
