#include "contract/workspace.h"

#include <algorithm>
#include <utility>

#include "contract/fields.h"
#include "contract/schemas.h"

namespace drover::contract {

namespace {

constexpr std::array<Named<MountRole>, 4> kRoles = {{{MountRole::private_, "private"},
                                                     {MountRole::shared, "shared"},
                                                     {MountRole::global, "global"},
                                                     {MountRole::system, "system"}}};
constexpr std::array<Named<RuleMode>, 4> kModes = {{{RuleMode::off, "off"},
                                                    {RuleMode::warn, "warn"},
                                                    {RuleMode::revert, "revert"},
                                                    {RuleMode::reject, "reject"}}};

ForbiddenContent forbidden_of(json::value const& value) {
  if (value.is_string()) return {.name = std::string{value.get_string()}, .pattern = {}};
  return {.name = text_at(value.get_object(), "name"),
          .pattern = text_at(value.get_object(), "pattern")};
}

}  // namespace

Result<Mount> parse_mount(std::string_view text) {
  auto const value = parse_checked(Contract::workspace, "mount", text);
  if (!value) return std::unexpected(value.error());
  auto const& object = value->get_object();
  return Mount{.slug = WorkspaceId::trusted(text_at(object, "slug")),
               .path = text_at(object, "path"),
               .role = *value_of(kRoles, text_at(object, "role")),
               .write = bool_at(object, "write"),
               .primary = bool_at(object, "primary"),
               .purpose = optional_text(object, "purpose"),
               .ref = optional_text(object, "ref")};
}

json::value to_json(Mount const& mount) {
  json::object out;
  out["slug"] = mount.slug.str();
  out["path"] = mount.path;
  out["role"] = to_string(mount.role);
  out["write"] = mount.write;
  out["primary"] = mount.primary;
  put(out, "purpose", mount.purpose);
  put(out, "ref", mount.ref);
  return out;
}

Result<FrontMatter> parse_front_matter(json::value value) {
  DROVER_TRY(check(Contract::workspace, "frontMatter", value));
  FrontMatter out;
  out.type = text_at(value.get_object(), "type");
  out.id = text_at(value.get_object(), "id");
  out.title = text_at(value.get_object(), "title");
  out.json = std::move(value);
  return out;
}

Result<Rules> parse_rules(std::string_view text) {
  auto const value = parse_checked(Contract::workspace, "rules", text);
  if (!value) return std::unexpected(value.error());
  auto const& object = value->get_object();
  Rules rules;
  rules.mode = *value_of(kModes, text_at(object, "mode"));
  rules.protected_paths = texts_at(object, "protected_paths");
  if (auto const* limits = object.if_contains("limits")) {
    rules.files_max = optional_int(limits->get_object(), "files_max");
    rules.bytes_max = optional_int(limits->get_object(), "bytes_max");
    rules.file_bytes_max = optional_int(limits->get_object(), "file_bytes_max");
  }
  if (auto const* forbidden = object.if_contains("forbidden_content"))
    for (auto const& item : forbidden->get_array())
      rules.forbidden_content.push_back(forbidden_of(item));
  if (auto const* entities = object.if_contains("entities")) {
    for (auto const& member : entities->get_object()) {
      // A schema that does not hold must not turn into a check that never runs.
      if (auto const schema = Schema::compile(member.value()); !schema)
        return fail(ErrorCode::invalid_argument, "/entities/{}: {}", std::string{member.key()},
                    schema.error().message);
      rules.entities.emplace(member.key(), member.value());
    }
  }
  return rules;
}

json::value to_json(Rules const& rules) {
  json::object out;
  out["version"] = 1;
  out["mode"] = to_string(rules.mode);
  if (!rules.protected_paths.empty()) out["protected_paths"] = to_array(rules.protected_paths);
  json::object limits;
  put(limits, "files_max", rules.files_max);
  put(limits, "bytes_max", rules.bytes_max);
  put(limits, "file_bytes_max", rules.file_bytes_max);
  if (!limits.empty()) out["limits"] = std::move(limits);
  json::array forbidden;
  for (auto const& content : rules.forbidden_content) {
    if (content.pattern.empty()) {
      forbidden.emplace_back(content.name);
    } else {
      forbidden.emplace_back(json::object{{"name", content.name}, {"pattern", content.pattern}});
    }
  }
  if (!forbidden.empty()) out["forbidden_content"] = std::move(forbidden);
  json::object entities;
  for (auto const& [type, schema] : rules.entities)
    entities[type] = schema;
  if (!entities.empty()) out["entities"] = std::move(entities);
  return out;
}

Mount const* working_mount(std::vector<Mount> const& mounts) {
  auto found = std::ranges::find_if(mounts, &Mount::primary);
  if (found == mounts.end()) found = std::ranges::find_if(mounts, &Mount::write);
  if (found == mounts.end()) found = mounts.begin();
  return found == mounts.end() ? nullptr : &*found;
}

std::string_view to_string(MountRole role) {
  return name_of(kRoles, role);
}
std::string_view to_string(RuleMode mode) {
  return name_of(kModes, mode);
}

}  // namespace drover::contract
