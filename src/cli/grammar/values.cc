#include "cli/grammar/values.h"

namespace drover::cli {

namespace {
constexpr std::int64_t kListLimitMax = 1000;
}  // namespace

Result<std::int64_t> count_of(std::string_view option, std::string const& text,
                              std::int64_t usual) {
  auto const count = number_between<std::int64_t>(option, text, 1, kListLimitMax);
  if (!count) return std::unexpected(count.error());
  return count->value_or(usual);
}

Result<std::uint16_t> port_of(std::string const& text) {
  auto const port = number_between<std::int64_t>("--port", text, 0, 65535);
  if (!port) return std::unexpected(port.error());
  return static_cast<std::uint16_t>(port->value_or(0));
}

Result<std::optional<Millis>> duration_of(std::string_view option, std::string const& text,
                                          Millis most) {
  if (text.empty()) return std::nullopt;
  auto const duration = parse_duration(text);
  if (!duration || *duration <= Millis{0} || *duration > most)
    return fail(ErrorCode::invalid_argument,
                "{} takes a duration such as 90s, 15m or 2h, and '{}' is none", option,
                printable(text, 40));
  return *duration;
}

Result<Millis> duration_between(std::string_view option, std::string const& text, Millis usual,
                                Millis low, Millis high) {
  if (text.empty()) return usual;
  auto const duration = parse_duration(text);
  if (!duration || *duration < low || *duration > high)
    return fail(ErrorCode::invalid_argument,
                "{} takes a duration from {} ms to {} s, such as 90s or 2m, and '{}' is none",
                option, low.count(), high.count() / 1000, printable(text, 40));
  return *duration;
}

namespace {

Result<std::pair<std::string, std::string>> label_of(std::string const& text) {
  auto const middle = text.find('=');
  if (middle == std::string::npos || middle == 0 || middle + 1 == text.size())
    return fail(ErrorCode::invalid_argument, "--label takes NAME=VALUE, and '{}' is none",
                printable(text, 40));
  return std::pair{text.substr(0, middle), text.substr(middle + 1)};
}

}  // namespace

Result<LabelList> labels_of(std::vector<std::string> const& texts) {
  LabelList labels;
  for (std::string const& text : texts) {
    auto label = label_of(text);
    if (!label) return std::unexpected(label.error());
    labels.push_back(*std::move(label));
  }
  return labels;
}

}  // namespace drover::cli
