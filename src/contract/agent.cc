#include "contract/agent.h"

#include <utility>

#include "contract/fields.h"
#include "contract/schemas.h"

namespace drover::contract {

namespace {

std::map<std::string, std::string> texts_by_name(json::object const& object, std::string_view key) {
  std::map<std::string, std::string> texts;
  if (auto const* value = object.if_contains(key))
    for (auto const& member : value->get_object())
      texts.emplace(member.key(), member.value().get_string());
  return texts;
}

void put_texts(json::object& out, std::string_view key,
               std::map<std::string, std::string> const& texts) {
  if (texts.empty()) return;
  json::object object;
  for (auto const& [name, text] : texts)
    object[name] = text;
  out[key] = std::move(object);
}

void put_text(json::object& out, std::string_view key, std::string const& text) {
  if (!text.empty()) out[key] = text;
}

void put_list(json::object& out, std::string_view key, std::vector<std::string> const& texts) {
  if (!texts.empty()) out[key] = to_array(texts);
}

McpGrant grant_of(json::object const& object) {
  McpGrant grant;
  grant.server = text_at(object, "server");
  if (object.contains("tools")) grant.tools = texts_at(object, "tools");
  grant.approve = texts_at(object, "approve");
  return grant;
}

AgentMount mount_of(json::object const& object) {
  AgentMount mount;
  mount.source = text_at(object, "source");
  mount.path = text_at(object, "path");
  mount.write = text_at(object, "mode") == "rw";
  return mount;
}

json::object to_json(AgentMount const& mount) {
  json::object out{{"source", json::string{mount.source}}, {"path", json::string{mount.path}}};
  if (mount.write) out["mode"] = "rw";
  return out;
}

json::object to_json(McpGrant const& grant) {
  json::object out{{"server", json::string{grant.server}}};
  if (grant.tools) out["tools"] = to_array(*grant.tools);
  put_list(out, "approve", grant.approve);
  return out;
}

}  // namespace

std::string_view to_string(CredentialSource source) {
  return source == CredentialSource::files ? "files" : "gateway";
}

Result<AgentSpec> parse_agent(json::value const& value) {
  DROVER_TRY(check(Contract::agent, "agent", value));
  json::object const& object = value.get_object();
  AgentSpec agent;
  agent.name = text_at(object, "name");
  agent.type = text_at(object, "type");
  agent.description = text_at(object, "description");
  if (object.contains("enabled")) agent.enabled = bool_at(object, "enabled");
  agent.runner = optional_text(object, "runner");
  agent.model = optional_text(object, "model");
  agent.fallback_models = texts_at(object, "fallback_models");
  agent.prompt = text_at(object, "prompt");
  if (object.contains("tools")) agent.tools = texts_at(object, "tools");
  if (auto const* limits = object.if_contains("limits")) {
    auto const parsed = parse_limits(*limits);
    if (!parsed) return std::unexpected(parsed.error());
    agent.limits = *parsed;
  }
  agent.backend = text_at(object, "backend");
  agent.image = text_at(object, "image");
  agent.rootfs = text_at(object, "rootfs");
  agent.read_only_paths = texts_at(object, "read_only_paths");
  agent.egress = texts_at(object, "egress");
  if (auto const* grants = object.if_contains("mcp"))
    for (json::value const& grant : grants->get_array())
      agent.mcp.push_back(grant_of(grant.get_object()));
  agent.hands_to = texts_at(object, "hands_to");
  agent.env = texts_by_name(object, "env");
  agent.labels = texts_by_name(object, "labels");
  agent.warm = int_at(object, "warm");
  agent.resident = bool_at(object, "resident");
  agent.replicas = int_at(object, "replicas", 1);
  if (auto const* mounts = object.if_contains("mounts"))
    for (json::value const& mount : mounts->get_array())
      agent.mounts.push_back(mount_of(mount.get_object()));
  if (text_at(object, "credentials") == to_string(CredentialSource::files))
    agent.credentials = CredentialSource::files;
  return agent;
}

Result<AgentSpec> parse_agent(std::string_view text) {
  auto const value = parse_json(text);
  if (!value) return std::unexpected(value.error());
  return parse_agent(*value);
}

json::value to_json(AgentSpec const& agent) {
  json::object out{{"name", json::string{agent.name}}};
  put_text(out, "type", agent.type);
  put_text(out, "description", agent.description);
  if (!agent.enabled) out["enabled"] = false;
  put(out, "runner", agent.runner);
  put(out, "model", agent.model);
  put_list(out, "fallback_models", agent.fallback_models);
  put_text(out, "prompt", agent.prompt);
  if (agent.tools) out["tools"] = to_array(*agent.tools);
  json::value limits = to_json(agent.limits);
  if (!limits.get_object().empty()) out["limits"] = std::move(limits);
  put_text(out, "backend", agent.backend);
  put_text(out, "image", agent.image);
  put_text(out, "rootfs", agent.rootfs);
  put_list(out, "read_only_paths", agent.read_only_paths);
  put_list(out, "egress", agent.egress);
  json::array grants;
  for (McpGrant const& grant : agent.mcp)
    grants.emplace_back(to_json(grant));
  if (!grants.empty()) out["mcp"] = std::move(grants);
  put_list(out, "hands_to", agent.hands_to);
  put_texts(out, "env", agent.env);
  put_texts(out, "labels", agent.labels);
  if (agent.warm != 0) out["warm"] = agent.warm;
  if (agent.resident) out["resident"] = true;
  if (agent.replicas != 1) out["replicas"] = agent.replicas;
  json::array mounts;
  for (AgentMount const& mount : agent.mounts)
    mounts.emplace_back(to_json(mount));
  if (!mounts.empty()) out["mounts"] = std::move(mounts);
  if (agent.credentials != CredentialSource::gateway)
    out["credentials"] = to_string(agent.credentials);
  return out;
}

}  // namespace drover::contract
