#include "cli/context.h"

#include <fmt/format.h>

#include "base/text.h"
#include "cli/server_control.h"

namespace drover::cli {

namespace {

bool user_named_server(Context const& context) {
  return !context.server_option.empty() ||
         !context.environment("DROVER_SERVER").value_or("").empty();
}

}  // namespace

Result<ApiClient> connect(Context const& context, std::atomic<bool> const* abort) {
  auto endpoint = discover(context.server_option, context.environment);
  if (!endpoint) return std::unexpected(endpoint.error());
  return ApiClient{*std::move(endpoint), abort};
}

Result<ApiClient> connect_or_start(Context const& context) {
  if (user_named_server(context)) return connect(context);
  auto const folder = state_folder(context.environment);
  if (!folder) return std::unexpected(folder.error());
  if (auto endpoint = running_server(*folder)) return ApiClient{*std::move(endpoint)};
  if (context.entry.serve == nullptr)
    return fail_next(ErrorCode::unavailable,
                     "no drover server runs, and this build of drover has none to start",
                     "set DROVER_SERVER and DROVER_TOKEN to one that runs elsewhere");
  auto endpoint = start_server(*folder, {}, context.clock);
  if (!endpoint) return std::unexpected(endpoint.error());
  context.screen.note(
      fmt::format("drover: no server was running; started one at {} (stop it with: "
                  "drover down)",
                  endpoint->url));
  show_warnings(context, *endpoint);
  return ApiClient{*std::move(endpoint)};
}

void show_warnings(Context const& context, Endpoint const& endpoint) {
  for (std::string const& warning : endpoint.warnings)
    context.screen.note("drover: " + warning);
}

int report(Context const& context, Error const& error) {
  context.screen.report(error);
  return exit_code(error.code);
}

std::string json_line(std::string_view serialized, Style const& style) {
  std::string out;
  if (style.device == Device::file) {
    out = serialized;
    return out + "\n";
  }
  // Every character that terminal_safe() would replace stands inside a JSON string, because JSON
  // allows none of them outside; all are in the basic plane, so one \u escape each will do.
  for (std::size_t at = 0; at < serialized.size();) {
    std::string_view const character = utf8_prefix(serialized.substr(at), [&] {
      auto const lead = static_cast<unsigned char>(serialized[at]);
      return lead < 0xC0 ? 1U : lead < 0xE0 ? 2U : lead < 0xF0 ? 3U : 4U;
    }());
    std::string_view const unit = character.empty() ? serialized.substr(at, 1) : character;
    at += unit.size();
    if (terminal_safe(unit) == unit) {
      out += unit;
      continue;
    }
    auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(unit[i]); };
    unsigned code = byte(0);
    if (unit.size() == 2) code = (byte(0) & 0x1FU) << 6U | (byte(1) & 0x3FU);
    if (unit.size() == 3)
      code = (byte(0) & 0x0FU) << 12U | (byte(1) & 0x3FU) << 6U | (byte(2) & 0x3FU);
    out += fmt::format("\\u{:04x}", code);
  }
  return out + "\n";
}

}  // namespace drover::cli
