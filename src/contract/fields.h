#pragma once
// Inside this folder only: reading values that their schema has accepted, and printing optional
// members. The readers trust the types.
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json.hpp>

#include "base/check.h"
#include "base/json.h"
#include "base/text.h"
#include "base/time.h"

namespace drover::contract {

template <class E>
struct Named {
  E value;
  std::string_view name;
};

template <class E, std::size_t N>
std::string_view name_of(std::array<Named<E>, N> const& names, E value) {
  for (auto const& named : names)
    if (named.value == value) return named.name;
  check_failed("every value of the enum has a name", std::source_location::current());
}

template <class E, std::size_t N>
std::optional<E> value_of(std::array<Named<E>, N> const& names, std::string_view name) {
  for (auto const& named : names)
    if (named.name == name) return named.value;
  return std::nullopt;
}

template <class E, std::size_t N>
Result<E> parse_name(std::array<Named<E>, N> const& names, std::string_view kind,
                     std::string_view text) {
  if (auto const value = value_of(names, text)) return *value;
  std::string known;
  for (auto const& named : names) {
    if (!known.empty()) known += ", ";
    known += named.name;
  }
  return fail(ErrorCode::invalid_argument, "'{}' is no {}; known are {}", printable(text), kind,
              known);
}

inline std::string text_at(json::object const& object, std::string_view key) {
  return std::string{string_or(object, key, "")};
}

inline std::optional<std::string> optional_text(json::object const& object, std::string_view key) {
  auto const* value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string{value->get_string()};
}

// Schemas take 2.0 for an integer, and bound integers to what a double holds exactly.
inline std::optional<std::int64_t> optional_int(json::object const& object, std::string_view key) {
  auto const* value = object.if_contains(key);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  if (value->is_double()) return std::llround(value->get_double());
  return value->to_number<std::int64_t>();
}

inline std::int64_t int_at(json::object const& object, std::string_view key,
                           std::int64_t fallback = 0) {
  return optional_int(object, key).value_or(fallback);
}

inline std::optional<double> optional_double(json::object const& object, std::string_view key) {
  auto const* value = object.if_contains(key);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return value->to_number<double>();
}

inline bool bool_at(json::object const& object, std::string_view key) {
  auto const* value = object.if_contains(key);
  return value != nullptr && value->is_bool() && value->get_bool();
}

inline std::optional<WallTime> optional_time(json::object const& object, std::string_view key) {
  auto const text = optional_text(object, key);
  if (!text) return std::nullopt;
  auto const time = parse_rfc3339(*text);
  return time ? std::optional{*time} : std::nullopt;
}

inline std::vector<std::string> texts_at(json::object const& object, std::string_view key) {
  std::vector<std::string> out;
  auto const* value = object.if_contains(key);
  if (value == nullptr || !value->is_array()) return out;
  for (auto const& item : value->get_array())
    if (item.is_string()) out.emplace_back(item.get_string());
  return out;
}

inline json::array to_array(std::vector<std::string> const& texts) {
  json::array out;
  for (auto const& text : texts)
    out.emplace_back(text);
  return out;
}

template <class T>
void put(json::object& object, std::string_view key, std::optional<T> const& value) {
  if (value) object[key] = *value;
}

// Whole numbers without a fraction, so that equal numbers print the same.
inline void put(json::object& object, std::string_view key, std::optional<double> value) {
  if (!value) return;
  constexpr double kExactMax = 0x1p53;
  if (*value == std::trunc(*value) && std::abs(*value) <= kExactMax) {
    object[key] = static_cast<std::int64_t>(*value);
  } else {
    object[key] = *value;
  }
}

inline void put_time(json::object& object, std::string_view key,
                     std::optional<WallTime> const& value) {
  if (value) object[key] = to_rfc3339(*value);
}

}  // namespace drover::contract
