#pragma once
// Options' texts as values. Each error names the option and what it takes.
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"

namespace drover::cli {

// nullopt for an option that was not given.
template <class Number>
Result<std::optional<Number>> number_between(std::string_view option, std::string const& text,
                                             Number low, Number high) {
  if (text.empty()) return std::nullopt;
  Number value{};
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool const whole = error == std::errc{} && end == text.data() + text.size();
  if (!whole || !(value >= low && value <= high))
    return fail(ErrorCode::invalid_argument, "{} takes a number from {} to {}, and '{}' is none",
                option, low, high, printable(text, 40));
  return value;
}

// How many of a list are wanted.
[[nodiscard]] Result<std::int64_t> count_of(std::string_view option, std::string const& text,
                                            std::int64_t usual);
[[nodiscard]] Result<std::uint16_t> port_of(std::string const& text);
// Above 0 up to `most`.
[[nodiscard]] Result<std::optional<Millis>> duration_of(std::string_view option,
                                                        std::string const& text, Millis most);
[[nodiscard]] Result<Millis> duration_between(std::string_view option, std::string const& text,
                                              Millis usual, Millis low, Millis high);

// An option that takes an id: empty stays empty.
template <class IdType>
Status check_id(std::string const& text) {
  if (text.empty()) return {};
  auto const id = IdType::parse(text);
  if (!id) return std::unexpected(id.error());
  return {};
}

using LabelList = std::vector<std::pair<std::string, std::string>>;
// NAME=VALUE each.
[[nodiscard]] Result<LabelList> labels_of(std::vector<std::string> const& texts);

}  // namespace drover::cli
