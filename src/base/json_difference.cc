#include "base/json_difference.h"

#include <utility>

#include <boost/json.hpp>

namespace drover {

namespace {

void compare_objects(std::vector<JsonDifference>& into, std::string const& place,
                     json::object const& before, json::object const& after);

void compare(std::vector<JsonDifference>& into, std::string place, json::value const* before,
             json::value const* after) {
  bool const both = before != nullptr && after != nullptr;
  if (both && *before == *after) return;
  if (both && before->is_object() && after->is_object())
    return compare_objects(into, place, before->get_object(), after->get_object());
  JsonDifference difference;
  difference.member = std::move(place);
  if (before != nullptr) difference.before = *before;
  if (after != nullptr) difference.after = *after;
  into.push_back(std::move(difference));
}

std::string place_of(std::string const& place, std::string_view key) {
  return place + "/" + escape_pointer(key);
}

void compare_objects(std::vector<JsonDifference>& into, std::string const& place,
                     json::object const& before, json::object const& after) {
  for (auto const& member : before)
    compare(into, place_of(place, member.key()), &member.value(), after.if_contains(member.key()));
  for (auto const& member : after)
    if (!before.contains(member.key()))
      compare(into, place_of(place, member.key()), nullptr, &member.value());
}

}  // namespace

std::vector<JsonDifference> json_differences(json::value const* before, json::value const* after) {
  json::value const none = json::object{};
  std::vector<JsonDifference> differences;
  compare(differences, "", before != nullptr ? before : &none, after != nullptr ? after : &none);
  return differences;
}

json::array to_json(std::vector<JsonDifference> const& differences) {
  json::array list;
  for (JsonDifference const& difference : differences) {
    json::object one{{"member", json::string{difference.member}}};
    if (difference.before) one["before"] = *difference.before;
    if (difference.after) one["after"] = *difference.after;
    list.push_back(std::move(one));
  }
  return list;
}

Result<std::vector<JsonDifference>> parse_differences(json::value const& value) {
  auto const* const list = value.if_array();
  if (list == nullptr) return fail(ErrorCode::invalid_argument, "expected a list of differences");
  std::vector<JsonDifference> differences;
  for (json::value const& item : *list) {
    auto const object = JsonObject::of(item);
    if (!object) return std::unexpected(object.error());
    auto member = object->string("member");
    if (!member) return std::unexpected(member.error());
    JsonDifference one;
    one.member = *std::move(member);
    if (auto const* const before = object->find("before")) one.before = *before;
    if (auto const* const after = object->find("after")) one.after = *after;
    differences.push_back(std::move(one));
  }
  return differences;
}

}  // namespace drover
