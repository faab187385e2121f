#include "cli/main.h"

#include <fmt/format.h>
#include <unistd.h>

#include <exception>
#include <string>
#include <variant>
#include <vector>

#include "base/text.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"

namespace drover::cli {

namespace {

int run(std::vector<std::string> const& arguments, ServerEntry const& entry) {
  Environment const environment = process_environment();
  Screen screen{STDOUT_FILENO, style_of(STDOUT_FILENO, environment), STDERR_FILENO,
                style_of(STDERR_FILENO, environment)};
  SystemClock const clock;
  SystemRandom random;
  auto line = parse_command_line(arguments);
  if (!line) {
    screen.report(line.error());
    return kExitUsage;
  }
  Context const context{.environment = environment,
                        .server_option = line->server,
                        .entry = entry,
                        .screen = screen,
                        .clock = clock,
                        .random = random};
  int const code =
      std::visit([&](auto const& command) { return execute(context, command); }, line->command);
  // What stdout did not take is lost, whatever the command thought of its own success.
  if (auto const written = screen.write_error(); !written && code == kExitOk)
    return report(context, written.error());
  return code;
}

}  // namespace

int run_command_line(int argument_count, char const* const* arguments, ServerEntry const& entry) {
  try {
    std::vector<std::string> const words{arguments + (argument_count > 0 ? 1 : 0),
                                         arguments + argument_count};
    return run(words, entry);
  } catch (std::exception const& error) {
    fmt::print(stderr, "drover: internal error: {}\n", printable(error.what(), 500));
    return kExitFailed;
  }
}

}  // namespace drover::cli
