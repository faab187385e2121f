#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/listing.h"

namespace drover::cli {

namespace {

constexpr std::size_t kShortSha = 8;

std::string sentence_of(json::object const& answer) {
  std::string const kind = cell_text(answer, "kind");
  std::string const sha = cell_text(answer, "sha").substr(0, kShortSha);
  std::string const branch = cell_text(answer, "branch");
  if (kind == "up_to_date") return fmt::format("{} has everything of the session already", branch);
  if (kind == "fast_forward") return fmt::format("{} is now at {} (fast-forward)", branch, sha);
  return fmt::format("{} is now at {} ({})", branch, sha, kind);
}

}  // namespace

int execute(Context const& context, LandCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const answer = client->post(fmt::format("/sessions/{}/land", command.session),
                                   json::object{{"strategy", command.strategy}});
  if (!answer) return report(context, answer.error());
  Screen& screen = context.screen;
  screen.print(command.format == Format::json ? json_object_line(*answer, screen.out_style())
                                              : sentence_of(*answer) + "\n");
  return kExitOk;
}

}  // namespace drover::cli
