#include "worker/record_json.h"

#include <utility>

#include <boost/json.hpp>

namespace drover::worker {

namespace {

Result<json::array const*> array_of(json::value const& value, std::string_view what) {
  if (auto const* const array = value.if_array()) return array;
  return fail(ErrorCode::invalid_argument, "{} are an array, not {}", what, json_type_name(value));
}

Result<contract::WorkspaceGrant> parse_grant(json::value const& value) {
  auto const object = JsonObject::of(value);
  if (!object) return std::unexpected(object.error());
  auto id = WorkspaceId::parse(string_or(object->raw(), "id", ""));
  if (!id) return std::unexpected(id.error());
  auto const mode = contract::parse_workspace_mode(string_or(object->raw(), "mode", ""));
  if (!mode) return std::unexpected(mode.error());
  auto const checkout = contract::parse_checkout(string_or(object->raw(), "checkout", ""));
  if (!checkout) return std::unexpected(checkout.error());
  return contract::WorkspaceGrant{*std::move(id), *mode, *checkout};
}

}  // namespace

json::array print(std::vector<contract::WorkspaceGrant> const& grants) {
  json::array array;
  for (auto const& grant : grants)
    array.push_back(json::object{{"id", json::string{grant.id.str()}},
                                 {"mode", contract::to_string(grant.mode)},
                                 {"checkout", contract::to_string(grant.checkout)}});
  return array;
}

Result<std::vector<contract::WorkspaceGrant>> parse_grants(json::value const& value) {
  auto const array = array_of(value, "workspaces");
  if (!array) return std::unexpected(array.error());
  std::vector<contract::WorkspaceGrant> grants;
  for (json::value const& item : **array) {
    auto grant = parse_grant(item);
    if (!grant) return std::unexpected(grant.error());
    grants.push_back(*std::move(grant));
  }
  return grants;
}

json::array print(std::vector<CommitRecord> const& commits) {
  json::array array;
  for (CommitRecord const& commit : commits) {
    json::value value = json::parse(contract::print(commit.summary));
    value.as_object()["parent"] = json::string{commit.parent};
    array.push_back(std::move(value));
  }
  return array;
}

Result<std::vector<CommitRecord>> parse_commits(json::value const& value) {
  auto const array = array_of(value, "commits");
  if (!array) return std::unexpected(array.error());
  std::vector<CommitRecord> commits;
  for (json::value const& item : **array) {
    auto const object = JsonObject::of(item);
    if (!object) return std::unexpected(object.error());
    CommitRecord commit;
    commit.parent = string_or(object->raw(), "parent", "");
    json::object summary = object->raw();
    summary.erase("parent");
    auto parsed = contract::parse_commits(json::serialize(json::array{std::move(summary)}));
    if (!parsed) return std::unexpected(parsed.error());
    commit.summary = std::move(parsed->front());
    commits.push_back(std::move(commit));
  }
  return commits;
}

}  // namespace drover::worker
