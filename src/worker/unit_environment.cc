#include "worker/unit_environment.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "contract/invocation.h"

namespace drover::worker {

namespace {

std::string grants_text(std::vector<contract::WorkspaceGrant> const& grants) {
  std::string text;
  for (contract::WorkspaceGrant const& grant : grants)
    text +=
        fmt::format("{}{}:{}", text.empty() ? "" : ",", grant.id, contract::to_string(grant.mode));
  return text;
}

std::string mounts_text(std::vector<contract::Mount> const& mounts) {
  json::array array;
  for (contract::Mount const& mount : mounts)
    array.push_back(contract::to_json(mount));
  return json::serialize(array);
}

// Turns come by the inbox, the first one too.
std::string start_text(SessionId const& session) {
  json::object reference;
  reference["ref"] = json::string{session.str()};
  json::object start;
  start["session"] = std::move(reference);
  return json::serialize(start);
}

}  // namespace

Environment unit_environment(SessionRecord const& session, UnitFacts const& facts) {
  Environment const named{
      {"UNIT_ID", facts.unit},
      {"UNIT_IN_TOPIC", contract::input_topic(facts.unit)},
      {"UNIT_OUT_TOPIC", contract::output_topic(facts.unit)},
      {"START", start_text(session.id)},
      {"RUNNER", session.runner},
      {"MOUNTS", mounts_text(facts.mounts)},
      {"WORKSPACES", grants_text(session.workspaces)},
      {"AGENT_IDENTITY_TOKEN", facts.token.reveal()},
      {"IDLE_TIMEOUT_SEC", fmt::to_string(facts.idle.count() / 1000)},
      {"CHAT_SESSION", session.id.str()},
  };
  Environment environment;
  for (std::string_view const prefix : {"DROVER_", "VEXA_"})
    for (auto const& [name, value] : named)
      environment.emplace_back(fmt::format("{}{}", prefix, name), value);
  return environment;
}

}  // namespace drover::worker
