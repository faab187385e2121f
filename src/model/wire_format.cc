#include "model/wire_format.h"

#include <fmt/format.h>

#include <algorithm>

#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"

namespace drover::model {

namespace {

struct Row {
  WireFormat format;
  std::string_view name;
  std::string_view path;
};
constexpr std::array kRows = {
    Row{WireFormat::messages, "anthropic", "/v1/messages"},
    Row{WireFormat::responses, "openai-responses", "/v1/responses"},
    Row{WireFormat::chat, "openai-chat", "/v1/chat/completions"},
};

Row const& row_of(WireFormat format) {
  return kRows[static_cast<std::size_t>(format)];
}

json::object error_of(WireFormat format, std::string_view type, std::string_view message) {
  json::object error;
  error["type"] = json::string_view{type};
  error["message"] = json::string{to_utf8(message)};
  if (format == WireFormat::messages) return error;
  error["param"] = nullptr;
  error["code"] = json::string_view{type};
  return error;
}

}  // namespace

std::string_view to_string(WireFormat format) {
  return row_of(format).name;
}

std::optional<WireFormat> parse_wire_format(std::string_view name) {
  auto const* const found = std::ranges::find(kRows, name, &Row::name);
  if (found == kRows.end()) return {};
  return found->format;
}

std::string_view path_of(WireFormat format) {
  return row_of(format).path;
}

std::optional<WireFormat> format_of_path(std::string_view path) {
  auto const* const found = std::ranges::find(kRows, path, &Row::path);
  if (found == kRows.end()) return {};
  return found->format;
}

std::string error_body(WireFormat format, std::string_view type, std::string_view message) {
  json::object body;
  if (format == WireFormat::messages) body["type"] = "error";
  body["error"] = error_of(format, type, message);
  return json::serialize(body);
}

std::string error_event(WireFormat format, std::string_view type, std::string_view message) {
  if (format == WireFormat::messages)
    return fmt::format("event: error\ndata: {}\n\n", error_body(format, type, message));
  if (format == WireFormat::chat)
    return fmt::format("data: {}\n\n", error_body(format, type, message));
  json::object event = error_of(format, type, message);
  event["type"] = "error";
  event["sequence_number"] = 0;
  return fmt::format("event: error\ndata: {}\n\n", json::serialize(event));
}

}  // namespace drover::model
