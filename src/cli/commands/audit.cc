#include <fmt/format.h>

#include <algorithm>

#include "base/json_difference.h"
#include "base/text.h"
#include "cli/change_view.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/json_view.h"
#include "cli/listing.h"
#include "net/http_types.h"

namespace drover::cli {

namespace {

constexpr std::int64_t kPageMax = 100;
constexpr std::size_t kChangesColumns = 100;

std::string changes_of(json::object const& entry) {
  auto const* const list = entry.if_contains("changes");
  auto const changes =
      list == nullptr ? Result<std::vector<JsonDifference>>{} : parse_differences(*list);
  bool const tells = changes && string_or(entry, "action", "") == "changed";
  return tells ? brief_changes(*changes, kChangesColumns) : "";
}

std::string path_of(AuditCommand const& command) {
  std::string path = fmt::format("/audit?limit={}", std::min(command.limit, kPageMax));
  if (!command.kind.empty()) path += "&kind=" + net::percent_encode(command.kind);
  if (!command.name.empty()) path += "&name=" + net::percent_encode(command.name);
  return path;
}

}  // namespace

int execute(Context const& context, AuditCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  Table table{{{"ENTRY", Align::right},
               {"WHEN"},
               {"KIND"},
               {"NAME"},
               {"ACTION"},
               {"REVISION", Align::right},
               {"BY"},
               {"CHANGES"}}};
  WallTime const now = context.clock.now();
  Screen& screen = context.screen;
  auto const listed = list_pages(*client, path_of(command), "entries", command.limit,
                                 [&](json::object const& entry) {
                                   if (command.format == Format::json) {
                                     screen.print(json_object_line(entry, screen.out_style()));
                                     return;
                                   }
                                   table.add({{cell_text(entry, "id"), Paint::dim},
                                              {cell_time(entry, "at", now), Paint::dim},
                                              {cell_text(entry, "kind")},
                                              {cell_text(entry, "name")},
                                              {cell_text(entry, "action")},
                                              {cell_text(entry, "revision")},
                                              {cell_text(entry, "actor")},
                                              {changes_of(entry)}});
                                 });
  if (!listed) return report(context, listed.error());
  return finish_listing(context, command.format, table, "nothing was changed through the API");
}

int execute(Context const& context, AuditShowCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const entry = client->get(fmt::format("/audit/{}", command.entry));
  if (!entry) return report(context, entry.error());
  Screen& screen = context.screen;
  screen.print(command.format == Format::json ? json_object_line(*entry, screen.out_style())
                                              : render_json(*entry, screen.out_style()));
  return kExitOk;
}

}  // namespace drover::cli
