#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "cli/commands.h"
#include "cli/exit_codes.h"

namespace drover::cli {

int execute(Context const& context, CancelCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const answer = client->post(fmt::format("/runs/{}/cancel", command.run), {});
  if (!answer) return report(context, answer.error());
  Screen& screen = context.screen;
  if (command.format == Format::json) {
    screen.print(json_line(json::serialize(*answer), screen.out_style()));
  } else {
    screen.note(fmt::format("drover: {} is being cancelled", command.run));
  }
  return kExitOk;
}

}  // namespace drover::cli
