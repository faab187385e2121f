#include "cli/definition_words.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "contract/agent.h"
#include "contract/task_type.h"
#include "net/http_types.h"

namespace drover::cli {

namespace {

constexpr DefinitionWords kAgents = {"agents", "agents", "agent",         "agent",
                                     "agent",  "agent",  "docs/agents.md"};
constexpr DefinitionWords kTaskTypes = {"task-types",        "task_types", "type",
                                        "task_type",         "task_type",  "task type",
                                        "docs/task-types.md"};

}  // namespace

DefinitionWords const& words_of(Definition kind) {
  return kind == Definition::agent ? kAgents : kTaskTypes;
}

std::string path_of(Definition kind, std::string_view name) {
  return fmt::format("/{}/{}", words_of(kind).command, net::percent_encode(name));
}

std::string change_path(Definition kind, std::string_view name, std::int64_t revision,
                        std::string_view actor) {
  return fmt::format("{}?revision={}&actor={}", path_of(kind, name), revision,
                     net::percent_encode(actor));
}

Result<json::object> checked_definition(Definition kind, json::value const& value) {
  if (kind == Definition::agent) {
    auto const agent = contract::parse_agent(value);
    if (!agent) return std::unexpected(agent.error());
    return contract::to_json(*agent).as_object();
  }
  auto const type = contract::parse_task_type(value);
  if (!type) return std::unexpected(type.error());
  return contract::to_json(*type).as_object();
}

Result<PresentDefinition> present_of(Definition kind, json::object const& item) {
  PresentDefinition present;
  present.name = string_or(item, "name", "");
  present.origin = string_or(item, "origin", "");
  present.file = string_or(item, "file", "");
  present.revision = integer_or(item, "revision", 0);
  auto const* const spec = item.if_contains(words_of(kind).one);
  if (present.name.empty() || spec == nullptr || !spec->is_object())
    return fail(ErrorCode::upstream, "the server's answer has no {}", words_of(kind).noun);
  present.spec = spec->get_object();
  return present;
}

bool flag_of(json::object const& spec, std::string_view member, bool usual) {
  auto const* const value = spec.if_contains(member);
  return value != nullptr && value->is_bool() ? value->get_bool() : usual;
}

}  // namespace drover::cli
