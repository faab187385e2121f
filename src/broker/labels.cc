#include "broker/labels.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace drover::broker {

namespace {

constexpr std::string_view kOfNames = "._/-";
constexpr std::string_view kOfValues = "._/-:=+@";

bool is_made_of(std::string_view text, std::string_view more) {
  auto const fits = [more](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           more.contains(c);
  };
  return !text.empty() && text.size() <= kLabelBytesMax && std::ranges::all_of(text, fits);
}

Status check_label(std::string_view name, std::string_view value) {
  if (!is_made_of(name, kOfNames))
    return fail(ErrorCode::invalid_argument,
                "'{}' is no name of a label: 1 to {} letters, digits and any of {}",
                printable(name, 80), kLabelBytesMax, kOfNames);
  if (!is_made_of(value, kOfValues))
    return fail(ErrorCode::invalid_argument,
                "the label {} cannot be '{}': 1 to {} letters, digits and any of {}", name,
                printable(value, 80), kLabelBytesMax, kOfValues);
  return {};
}

}  // namespace

Status check_labels(Labels const& labels, std::size_t most) {
  if (labels.size() > most)
    return fail(ErrorCode::too_large, "there are {} labels; the limit is {}", labels.size(), most);
  for (auto const& [name, value] : labels)
    DROVER_TRY(check_label(name, value));
  return {};
}

bool has_labels(Labels const& there, Labels const& asked) {
  return std::ranges::all_of(asked, [&](auto const& label) {
    auto const found = there.find(label.first);
    return found != there.end() && found->second == label.second;
  });
}

std::string print_labels(Labels const& labels) {
  std::string text;
  for (auto const& [name, value] : labels)
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", name, value);
  return text;
}

Result<std::pair<std::string, std::string>> parse_label(std::string_view text) {
  auto const middle = text.find('=');
  if (middle == std::string_view::npos)
    return fail(ErrorCode::invalid_argument, "a label is NAME=VALUE, and '{}' is none",
                printable(text, 80));
  std::pair<std::string, std::string> label{text.substr(0, middle), text.substr(middle + 1)};
  DROVER_TRY(check_label(label.first, label.second));
  return label;
}

Result<Labels> parse_labels(std::string_view text) {
  Labels labels;
  if (trim(text).empty()) return labels;
  for (std::string_view const part : split(text, ',')) {
    auto label = parse_label(trim(part));
    if (!label) return std::unexpected(label.error());
    auto const [at, added] = labels.insert(*std::move(label));
    if (!added) return fail(ErrorCode::invalid_argument, "the label {} comes twice", at->first);
  }
  return labels;
}

}  // namespace drover::broker
