#include "gateway/config_fields.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <boost/json.hpp>

#include "base/text.h"

namespace drover::gateway {

namespace {

constexpr double kTimeoutSecondsMax = 86'400.0;

}  // namespace

Status only(JsonObject const& object, std::initializer_list<std::string_view> known) {
  for (auto const& member : object.raw())
    if (std::ranges::find(known, std::string_view{member.key()}) == known.end())
      return fail(ErrorCode::invalid_argument, "{}: there is no such member; known are {}",
                  object.pointer_to(member.key()), fmt::join(known, ", "));
  return {};
}

bool is_config_name(std::string_view name) {
  if (name.empty() || name.size() > 63 || name.front() == '-') return false;
  return std::ranges::all_of(
      name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

// One text, or an array of them; empty where the member is absent.
Result<std::vector<std::string>> texts(JsonObject const& object, std::string_view key) {
  std::vector<std::string> out;
  auto const* const value = object.find(key);
  if (value == nullptr) return out;
  if (value->is_string()) {
    out.emplace_back(value->get_string());
    return out;
  }
  bool fits = value->is_array();
  if (fits)
    for (json::value const& item : value->get_array()) {
      fits = fits && item.is_string();
      if (item.is_string()) out.emplace_back(item.get_string());
    }
  if (!fits)
    return fail(ErrorCode::invalid_argument, "{}: expected a string or an array of strings",
                object.pointer_to(key));
  return out;
}

Result<KeySource> key_source(JsonObject const& object, std::string_view member) {
  KeySource key;
  if (object.find(member) == nullptr) return key;
  auto const source = object.object(member);
  if (!source) return std::unexpected(source.error());
  DROVER_TRY(only(*source, {"file", "env", "command", "credential"}));
  if (source->raw().size() != 1)
    return fail(ErrorCode::invalid_argument,
                "{}: expected one of file, env, command and credential", object.pointer_to(member));
  if (source->find("command") != nullptr) {
    auto argv = texts(*source, "command");
    if (!argv) return std::unexpected(argv.error());
    if (argv->empty() || argv->front().empty())
      return fail(ErrorCode::invalid_argument, "{}: expected a program and its arguments",
                  source->pointer_to("command"));
    key.kind = KeySource::Kind::command;
    key.argv = *std::move(argv);
    return key;
  }
  constexpr std::array<std::pair<std::string_view, KeySource::Kind>, 3> kKinds = {{
      {"file", KeySource::Kind::file},
      {"env", KeySource::Kind::environment},
      {"credential", KeySource::Kind::credential},
  }};
  for (auto const& [name, kind] : kKinds) {
    if (source->find(name) == nullptr) continue;
    auto text = source->string(name);
    if (!text) return std::unexpected(text.error());
    bool const inside = kind != KeySource::Kind::credential || text->find('/') == std::string::npos;
    bool const whole = kind != KeySource::Kind::file || text->starts_with('/');
    if (text->empty() || !inside || !whole)
      return fail(ErrorCode::invalid_argument, "{}: expected {}", source->pointer_to(name),
                  kind == KeySource::Kind::file ? "an absolute path" : "a name");
    key.kind = kind;
    key.name = *std::move(text);
  }
  return key;
}

Result<KeyHeader> parse_key_header(std::string_view text) {
  if (text == "x-api-key") return KeyHeader::x_api_key;
  if (text == "bearer") return KeyHeader::bearer;
  if (text == "api-key") return KeyHeader::api_key;
  return fail(ErrorCode::invalid_argument, "expected x-api-key, bearer or api-key");
}

Status read_seconds(JsonObject const& object, std::string_view key, Millis& into) {
  auto const seconds = object.optional_number(key);
  if (!seconds) return std::unexpected(seconds.error());
  if (!*seconds) return {};
  if (!(**seconds >= 0.0 && **seconds <= kTimeoutSecondsMax))
    return fail(ErrorCode::invalid_argument, "{}: expected seconds from 0 to {}",
                object.pointer_to(key), kTimeoutSecondsMax);
  into = Millis{std::llround(**seconds * 1000)};
  return {};
}

Result<std::int64_t> number_from_one(JsonObject const& object, std::string_view key,
                                     std::int64_t usual, std::int64_t max) {
  auto const number = object.optional_integer(key);
  if (!number) return std::unexpected(number.error());
  std::int64_t const value = number->value_or(usual);
  if (value < 1 || value > max)
    return fail(ErrorCode::invalid_argument, "{}: expected an integer from 1 to {}",
                object.pointer_to(key), max);
  return value;
}

Result<std::optional<JsonObject>> table_of(JsonObject const& root, std::string_view key,
                                           std::size_t members_max) {
  if (root.find(key) == nullptr) return std::nullopt;
  auto table = root.object(key);
  if (!table) return std::unexpected(table.error());
  if (table->raw().size() > members_max)
    return fail(ErrorCode::invalid_argument, "{}: at most {}", root.pointer_to(key), members_max);
  return *table;
}

}  // namespace drover::gateway
