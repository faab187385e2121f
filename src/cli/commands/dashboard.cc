#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/definition_client.h"
#include "cli/exit_codes.h"
#include "cli/json_view.h"
#include "cli/listing.h"
#include "net/http_types.h"

namespace drover::cli {

int execute(Context const& context, DashboardCommand const& command) {
  auto client = connect_or_start(context);
  if (!client) return report(context, client.error());
  std::string const path =
      fmt::format("/dashboard/codes?actor={}", net::percent_encode(actor_of(context)));
  auto answer = client->post(path, {});
  if (!answer) return report(context, answer.error());
  // Where the server is reached by another name it says so; else the way that this command took.
  std::string_view const place = string_or(*answer, "url", client->endpoint().url);
  // The fragment: browsers do not send it, and servers do not log it.
  std::string const url = fmt::format("{}/#code={}", place, string_or(*answer, "code", ""));
  Screen& screen = context.screen;
  if (command.format == Format::json) {
    (*answer)["url"] = json::string{url};
    screen.print(json_object_line(*answer, screen.out_style()));
    return kExitOk;
  }
  screen.print(url + "\n");
  screen.note("drover: it signs one browser in, once, within five minutes");
  return kExitOk;
}

}  // namespace drover::cli
