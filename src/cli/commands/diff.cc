#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "cli/commands.h"
#include "cli/diff_view.h"
#include "cli/exit_codes.h"
#include "cli/run_view.h"

namespace drover::cli {

int execute(Context const& context, DiffCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const ref = find_run(*client, command.run);
  if (!ref) return report(context, ref.error());
  auto const answer = client->get(fmt::format("/runs/{}/diff", ref->run));
  if (!answer) return report(context, answer.error());

  Screen& screen = context.screen;
  Style const& style = screen.out_style();
  std::string_view const diff = string_or(*answer, "diff", "");
  if (command.format == Format::json) {
    screen.print(json_line(json::serialize(*answer), style));
  } else if (style.device == Device::file) {
    // A file or a pipe gets the bytes as they are, so that git apply takes them.
    screen.print(diff);
  } else {
    screen.print(view_diff(diff, style, 0).text);
  }
  if (command.format == Format::text && diff.empty())
    screen.note(fmt::format("drover: {} changed nothing", ref->run));
  auto const* const truncated = answer->if_contains("truncated");
  if (truncated != nullptr && truncated->is_bool() && truncated->get_bool())
    screen.note(
        "drover: the diff is larger than the server sends and was cut; see the commits "
        "with git show");
  if (auto const written = screen.write_error(); !written) return report(context, written.error());
  return kExitOk;
}

}  // namespace drover::cli
