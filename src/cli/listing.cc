#include "cli/listing.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "base/text.h"
#include "cli/exit_codes.h"
#include "net/http_types.h"

namespace drover::cli {

namespace {

constexpr std::size_t kCellBytesMax = 400;

}  // namespace

Status list_pages(ApiClient& client, std::string const& path, std::string_view key,
                  std::int64_t count_max, std::function<void(json::object const&)> const& on_item) {
  std::int64_t count = 0;
  std::string before;
  for (;;) {
    std::string target = path;
    if (!before.empty()) {
      target += target.contains('?') ? '&' : '?';
      target += "before=" + net::percent_encode(before);
    }
    auto const answer = client.get(target);
    if (!answer) return std::unexpected(answer.error());
    auto const* const items = answer->if_contains(key);
    if (items == nullptr || !items->is_array())
      return fail(ErrorCode::upstream, "the server's answer has no list of {}", key);
    for (json::value const& item : items->get_array()) {
      if (count == count_max) return {};
      if (!item.is_object()) continue;
      on_item(item.get_object());
      ++count;
    }
    std::string const next{string_or(*answer, "next", "")};
    // A page that names itself would be asked for again and again.
    if (next.empty() || next == before || items->get_array().empty() || count == count_max)
      return {};
    before = next;
  }
}

json::array const& array_at(json::object const& object, std::string_view key) {
  static json::array const kNone;
  auto const* const value = object.if_contains(key);
  return value != nullptr && value->is_array() ? value->get_array() : kNone;
}

double number_at(json::object const& object, std::string_view key) {
  auto const* const value = object.if_contains(key);
  return value != nullptr && value->is_number() ? value->to_number<double>() : 0.0;
}

std::string cell_text(json::object const& object, std::string_view key) {
  auto const* const value = object.if_contains(key);
  if (value == nullptr || value->is_null()) return "-";
  if (!value->is_string()) return printable(json::serialize(*value), kCellBytesMax);
  std::string text = printable(std::string_view{value->get_string()}, kCellBytesMax);
  return text.empty() ? "-" : text;
}

std::string cell_time(json::object const& object, std::string_view key, WallTime now) {
  auto const time = parse_rfc3339(string_or(object, key, ""));
  return time ? relative_time(*time, now) : "-";
}

std::string cell_names(json::object const& object, std::string_view key) {
  auto const* const list = object.if_contains(key);
  if (list == nullptr || !list->is_array()) return "-";
  std::string names;
  for (json::value const& item : list->get_array()) {
    if (!names.empty()) names += ", ";
    if (item.is_string()) names += printable(std::string_view{item.get_string()});
    if (item.is_object()) names += cell_text(item.get_object(), "id");
  }
  return names.empty() ? "-" : names;
}

std::string json_object_line(json::object const& object, Style const& style) {
  return json_line(json::serialize(object), style);
}

int finish_listing(Context const& context, Format format, Table const& table,
                   std::string_view when_empty) {
  Screen& screen = context.screen;
  if (format == Format::text && table.empty()) {
    screen.note(fmt::format("drover: {}", when_empty));
  } else if (format == Format::text) {
    screen.print(table.render(screen.out_style()));
  }
  if (auto const written = screen.write_error(); !written) return report(context, written.error());
  return kExitOk;
}

}  // namespace drover::cli
