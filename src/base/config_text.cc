#include "base/config_text.h"

#include <fmt/format.h>

#include <cmath>
#include <sstream>
#include <stdexcept>

#include <boost/json.hpp>

// Some texts that are no TOML run into the parser's own assertions; those are errors of the text.
#define TOML_ASSERT(condition) \
  (static_cast<bool>(condition) ? void() : throw std::runtime_error("this is not TOML"))
#include <toml++/toml.h>

#include "base/text.h"

namespace drover {

namespace {

template <class T>
std::string printed(T const& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

Result<json::value> converted(toml::node const& node, int depth);

Result<json::value> converted_table(toml::table const& table, int depth) {
  json::object out;
  for (auto const& [key, value] : table) {
    auto member = converted(value, depth);
    if (!member) return member;
    out[key.str()] = *std::move(member);
  }
  return out;
}

Result<json::value> converted_array(toml::array const& array, int depth) {
  json::array out;
  for (auto const& item : array) {
    auto value = converted(item, depth);
    if (!value) return value;
    out.push_back(*std::move(value));
  }
  return out;
}

Result<json::value> converted(toml::node const& node, int depth) {
  if (depth > kConfigDepthMax)
    return fail(ErrorCode::invalid_argument, "line {}: nested more than {} deep",
                node.source().begin.line, kConfigDepthMax);
  if (auto const* table = node.as_table()) return converted_table(*table, depth + 1);
  if (auto const* array = node.as_array()) return converted_array(*array, depth + 1);
  if (auto const* text = node.as_string()) return json::value(text->get());
  if (auto const* number = node.as_integer()) return json::value(number->get());
  if (auto const* flag = node.as_boolean()) return json::value(flag->get());
  if (auto const* number = node.as_floating_point()) {
    if (std::isfinite(number->get())) return json::value(number->get());
    return fail(ErrorCode::invalid_argument, "line {}: expected a finite number",
                node.source().begin.line);
  }
  if (auto const* date = node.as_date()) return json::value(printed(date->get()));
  if (auto const* time = node.as_time()) return json::value(printed(time->get()));
  return json::value(printed(node.as_date_time()->get()));
}

Result<json::value> parse_toml(std::string_view text) {
  try {
    return converted(toml::parse(text), 0);
  } catch (toml::parse_error const& error) {
    auto const& begin = error.source().begin;
    return fail(ErrorCode::invalid_argument, "line {}, column {}: {}", begin.line, begin.column,
                printable(error.description(), 300));
  } catch (std::runtime_error const& error) {
    return fail(ErrorCode::invalid_argument, "{}", error.what());
  }
}

}  // namespace

bool is_config_name(std::string_view name) {
  return name.ends_with(".toml") || name.ends_with(".json");
}

Result<json::value> parse_config(std::string_view name, std::string_view text) {
  if (name.ends_with(".toml")) return parse_toml(text);
  if (name.ends_with(".json")) return parse_json(text);
  return fail(ErrorCode::invalid_argument, "{}: expected a name that ends in .toml or .json",
              printable(name, 200));
}

}  // namespace drover
