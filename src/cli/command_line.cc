#include "cli/command_line.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/grammar/grammar.h"
#include "cli/sdk_words.h"

namespace drover::cli {

namespace {

constexpr std::string_view kOverview =
    R"(drover runs AI agents on your folders: isolated, recoverable, committed to git.

Usage: drover COMMAND [OPTIONS]

Work
  run          run a prompt in a folder and follow it
  send         continue a session with another message
  attach       follow a run again
  ps           list runs
  logs         show the transcript of a run
  events       show the events of a run
  diff         show what a run changed
  cancel       stop a run
  sessions     list or remove sessions; what a third-party worker is given
  land         merge a session's branch into the checked-out one
  workspaces   list, add or forget workspaces
  task-types   list, show, apply, edit or delete types of work
  agents       list, show, create, edit, enable, disable, delete or apply agents; their history
  audit        who changed which agent or task type
  approvals    what waits for a decision; approve or reject it
  queues       show what waits; pause and resume; limits
  dead-letters list, replay or discard the runs that the queue gave up
  schedules    start runs at a time, again and again, or upon an event
  workloads    start, stop and remove workloads of profiles
  workflow     run code that survives: create, iterate, run, status, post, ...

Server
  up           start the server if it does not run, and print its address
  dashboard    print a link that signs a browser in
  down         stop the server that `up` started
  serve        run the server in the foreground
  worker       work on the runs of a server, here or on another machine
  doctor       say what this machine enforces around an agent
  gateway      show the upstreams of models; read them anew
  budgets      show or set what models may cost
  spend        show what models have cost
  backup       write all state into one archive, while the server works
  restore      put an archive in the place of the state
  model serve  serve a scripted model on loopback
  version      print the version

Examples
  drover run -w ~/src/app "make the failing test pass"
  drover run --worktree "try the new parser"
  (echo "review this:"; git diff) | drover run --ro -
  drover send SESSION "now add a test for it"

Options
  --server URL   use this server (also DROVER_SERVER, with DROVER_TOKEN)
  --help         help for a command: drover run --help

Exit status: 0 ok, 1 failed, 2 bad input, 3 server unreachable, 4 waiting for a human or an effect,
5 a workflow that failed, 6 a dry run that found changes, 130 interrupted.
)";

std::string_view article_of(std::string_view noun) {
  return !noun.empty() && std::string_view{"aeiou"}.contains(noun.front()) ? "an" : "a";
}

class Parser {
 public:
  Parser() {
    // The overview is written by hand; CLI11 only takes part in parsing.
    grammar_.app.set_help_flag("");
    grammar_.app.add_option("--server", grammar_.raw.server);
    grammar_.app.require_subcommand(0, 1);
    add_work(grammar_);
    add_reading(grammar_);
    add_sessions(grammar_);
    add_task_types(grammar_);
    add_agents(grammar_);
    add_audit(grammar_);
    add_approvals(grammar_);
    add_queues(grammar_);
    add_schedules(grammar_);
    add_workloads(grammar_);
    add_gateway(grammar_);
    add_workflow(grammar_);
    add_server(grammar_);
  }

  Result<CommandLine> parse(std::span<std::string const> arguments);

 private:
  [[nodiscard]] Grammar::Sub const* chosen() const;
  [[nodiscard]] Result<CommandLine> unknown_words(std::span<std::string const> arguments) const;
  [[nodiscard]] Error sentence(CLI::ParseError const& error) const;
  // The sentence for a word that a command does not take, and the next step where one is likely.
  [[nodiscard]] static std::pair<std::string, std::string> unexpected_word(
      CLI::App const& app, std::string const& name, std::vector<std::string> const& extras);

  Grammar grammar_;
};

Grammar::Sub const* Parser::chosen() const {
  // The innermost parsed one: `workspaces add` is behind `workspaces`.
  Grammar::Sub const* found = nullptr;
  for (Grammar::Sub const& sub : grammar_.subs)
    if (sub.app->parsed()) found = &sub;
  return found;
}

// CLI11 would call a mistyped command an unexpected argument; this says which command was meant.
Result<CommandLine> Parser::unknown_words(std::span<std::string const> arguments) const {
  auto const word =
      std::ranges::find_if(arguments, [](auto const& a) { return !a.starts_with('-'); });
  if (word == arguments.end())
    return fail_next(
        ErrorCode::invalid_argument,
        fmt::format("there is no option '{}' before a command", printable(arguments.front(), 40)),
        "see drover --help");
  std::vector<std::string> names;
  for (CLI::App const* sub : grammar_.app.get_subcommands({}))
    names.push_back(sub->get_name());
  std::string const near = nearest_word(*word, names);
  return fail_next(ErrorCode::invalid_argument,
                   fmt::format("there is no command '{}'", printable(*word, 40)),
                   near.empty() ? "see drover --help" : fmt::format("did you mean '{}'?", near));
}

std::pair<std::string, std::string> Parser::unexpected_word(
    CLI::App const& app, std::string const& name, std::vector<std::string> const& extras) {
  std::string const& extra = extras.front();
  std::vector<std::string> known;
  if (extra.starts_with('-')) {
    for (CLI::Option const* option : app.get_options())
      for (std::string const& word : option->get_lnames())
        known.push_back("--" + word);
    std::string const near = nearest_word(extra.substr(0, extra.find('=')), known);
    return {fmt::format("{} has no option {}", name, printable(extra, 40)),
            near.empty() ? "" : fmt::format("did you mean {}?", near)};
  }
  for (CLI::App const* sub : app.get_subcommands({}))
    known.push_back(sub->get_name());
  std::string const near = nearest_word(extra, known);
  std::string next = near.empty() ? "" : fmt::format("did you mean {} {}?", name, near);
  if (name == "run" || name == "send") next = "put the prompt in quotes";
  return {fmt::format("{} does not take the argument '{}'", name, printable(extra, 40)),
          std::move(next)};
}

Error Parser::sentence(CLI::ParseError const& error) const {
  CLI::App const* app = &grammar_.app;
  std::string name;
  while (!app->get_subcommands().empty()) {
    app = app->get_subcommands().front();
    name += (name.empty() ? "" : " ") + app->get_name();
  }
  std::string const help = fmt::format("see drover {} --help", name);
  auto const bad = [](std::string message, std::string next) {
    return Error{ErrorCode::invalid_argument, std::move(message), std::move(next)};
  };
  if (auto const extras = app->remaining(); !extras.empty()) {
    auto const [message, next] = unexpected_word(*app, name, extras);
    return bad(message, next.empty() ? help : next);
  }
  if (dynamic_cast<CLI::RequiredError const*>(&error) != nullptr) {
    for (CLI::Option const* option : app->get_options())
      if (option->get_required() && option->count() == 0)
        return bad(fmt::format("{} needs {}", name,
                               option->get_name() == "prompt"
                                   ? "a prompt in quotes, or - for stdin"
                                   : fmt::format("{} {} to work on", article_of(option->get_name()),
                                                 option->get_name())),
                   help);
    return bad(fmt::format("{} needs a subcommand", name), help);
  }
  std::string_view const what = error.what();
  // "--model: 1 required MODEL missing"
  if (dynamic_cast<CLI::ArgumentMismatch const*>(&error) != nullptr && what.contains(':'))
    return bad(
        fmt::format("{}: {} needs a value", name, printable(what.substr(0, what.find(':')), 40)),
        help);
  return bad(fmt::format("{}: {}", name, printable(what, 200)), help);
}

Result<CommandLine> Parser::parse(std::span<std::string const> arguments) {
  if (arguments.empty() || arguments.front() == "--help" || arguments.front() == "-h" ||
      arguments.front() == "help")
    return CommandLine{HelpCommand{std::string{kOverview}}, {}};
  if (arguments.front() == "--version") return CommandLine{VersionCommand{}, {}};
  if (is_sdk_command(arguments.front()))
    return CommandLine{SdkCommand{{arguments.begin(), arguments.end()}}, {}};
  std::vector<std::string> reversed{arguments.rbegin(), arguments.rend()};
  try {
    grammar_.app.parse(reversed);
  } catch (CLI::CallForHelp const&) {
    return CommandLine{HelpCommand{grammar_.app.help()}, {}};  // of the subcommand that was named
  } catch (CLI::ParseError const& error) {
    if (grammar_.app.get_subcommands().empty()) return unknown_words(arguments);
    return std::unexpected(sentence(error));
  }
  Grammar::Sub const* const sub = chosen();
  if (sub == nullptr) return unknown_words(arguments);
  auto command = sub->make(grammar_.raw);
  if (!command) return std::unexpected(std::move(command).error());
  return CommandLine{*std::move(command), grammar_.raw.server};
}

std::size_t edit_distance(std::string_view left, std::string_view right) {
  std::vector<std::size_t> row(right.size() + 1);
  for (std::size_t j = 0; j <= right.size(); ++j)
    row[j] = j;
  for (std::size_t i = 1; i <= left.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= right.size(); ++j) {
      std::size_t const replaced = diagonal + (left[i - 1] == right[j - 1] ? 0U : 1U);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest_word(std::string_view word, std::span<std::string const> known) {
  constexpr std::size_t kWordBytesMax = 64;  // nothing longer is a slip of the finger
  if (word.empty() || word.size() > kWordBytesMax) return {};
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(word.size() / 3, 1) + 1;
  for (std::string const& candidate : known) {
    bool const begins = word.size() >= 2 && candidate.starts_with(word);
    std::size_t const distance = begins ? 1 : edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

Result<CommandLine> parse_command_line(std::span<std::string const> arguments) {
  return Parser{}.parse(arguments);
}

}  // namespace drover::cli
