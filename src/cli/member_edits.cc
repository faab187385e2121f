#include "cli/member_edits.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <boost/json.hpp>

#include "base/schema.h"
#include "base/text.h"
#include "cli/definition_words.h"

namespace drover::cli {

namespace {

// The keys of env and labels may hold dots.
std::vector<std::string> keys_of(std::string_view member) {
  auto const dot = member.find('.');
  std::string const first{member.substr(0, dot)};
  if (dot == std::string_view::npos) return {first};
  if (first == "env" || first == "labels") return {first, std::string{member.substr(dot + 1)}};
  std::vector<std::string> keys;
  for (std::string_view const key : split(member, '.'))
    keys.emplace_back(key);
  return keys;
}

std::string pointer_of(std::vector<std::string> const& keys) {
  std::string pointer;
  for (std::string const& key : keys)
    pointer += "/" + escape_pointer(key);
  return pointer;
}

Status set(json::object& spec, std::string const& member, json::value value) {
  auto const keys = keys_of(member);
  json::object* at = &spec;
  for (std::size_t i = 0; i + 1 < keys.size(); ++i) {
    json::value& inside = (*at)[keys[i]];
    if (inside.is_null()) inside = json::object{};
    if (!inside.is_object())
      return fail_next(
          ErrorCode::invalid_argument,
          fmt::format("--set {}: {} has no members", printable(member), printable(keys[i])),
          fmt::format("set it whole: --set '{}=JSON'", printable(keys[i])));
    at = &inside.get_object();
  }
  (*at)[keys.back()] = std::move(value);
  return {};
}

Status unset(json::object& spec, std::string const& member) {
  auto const keys = keys_of(member);
  json::object* at = &spec;
  for (std::size_t i = 0; at != nullptr && i + 1 < keys.size(); ++i) {
    auto* const inside = at->if_contains(keys[i]);
    at = inside == nullptr ? nullptr : inside->if_object();
  }
  if (at != nullptr && at->erase(keys.back()) > 0) return {};
  return fail(ErrorCode::invalid_argument, "--unset {}: there is no such member to take away",
              printable(member));
}

struct Choice {
  std::string pointer;
  json::value value;
  bool may_be_text = false;  // it reads as JSON that is no text
};

Choice choice_of(MemberSet const& wanted) {
  Choice choice{pointer_of(keys_of(wanted.member)), json::string{wanted.value}, false};
  if (auto value = parse_json(wanted.value)) {
    choice.may_be_text = !value->is_string();
    choice.value = *std::move(value);
  }
  return choice;
}

}  // namespace

Result<MemberSet> parse_member_set(std::string const& text) {
  auto const equals = text.find('=');
  std::string_view const member = std::string_view{text}.substr(0, equals);
  if (equals != std::string::npos && !member.empty() && !member.starts_with('.') &&
      !member.ends_with('.') && !member.contains(".."))
    return MemberSet{std::string{member}, text.substr(equals + 1)};
  return fail(ErrorCode::invalid_argument, "--set takes MEMBER=VALUE, not '{}'",
              printable(text, 80));
}

Result<json::object> edit_members(Definition kind, json::object spec,
                                  std::vector<MemberSet> const& sets,
                                  std::vector<std::string> const& unsets) {
  for (std::string const& member : unsets)
    DROVER_TRY(unset(spec, member));
  std::vector<Choice> choices;
  for (MemberSet const& wanted : sets)
    choices.push_back(choice_of(wanted));
  // Each round takes one value for the text that it is, or ends.
  for (;;) {
    json::object edited = spec;
    for (std::size_t i = 0; i < sets.size(); ++i)
      DROVER_TRY(set(edited, sets[i].member, choices[i].value));
    auto checked = checked_definition(kind, edited);
    if (checked) return checked;
    std::string_view const place = error_pointer(checked.error());
    auto const wrong = std::ranges::find_if(choices, [place](Choice const& choice) {
      return choice.may_be_text && choice.pointer == place;
    });
    if (wrong == choices.end()) return checked;
    auto const number = static_cast<std::size_t>(wrong - choices.begin());
    wrong->value = json::string{sets[number].value};
    wrong->may_be_text = false;
  }
}

}  // namespace drover::cli
