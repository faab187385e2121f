#include "cli/grammar/definitions.h"
#include "cli/grammar/values.h"

namespace drover::cli {

namespace {

constexpr std::int64_t kLinesUsual = 200;
constexpr std::int64_t kLinesMax = 10'000;

void name_agent(CLI::App* sub, Raw& into) {
  sub->add_option("name", into.definition, "one agent; without it all")->type_name("");
}

Result<Command> make_logs(Raw const& raw) {
  FleetLogsCommand command;
  command.agent = raw.definition;
  command.instance = raw.target;
  auto const lines = number_between<std::int64_t>("--tail", raw.limit, 1, kLinesMax);
  if (!lines) return std::unexpected(lines.error());
  command.lines = lines->value_or(kLinesUsual);
  command.follow = raw.follow ? Follow::yes : Follow::no;
  return command;
}

}  // namespace

void add_fleet(Grammar& grammar, CLI::App& agents) {
  Raw& into = grammar.raw;
  auto* const status = grammar.add(
      agents, "status", "Tells how the containers of resident agents are.", [](Raw const& raw) {
        return Result<Command>{FleetStatusCommand{raw.definition, format_of(raw)}};
      });
  name_agent(status, into);
  grammar.json(status);
  auto* const usage =
      grammar.add(agents, "usage", "Tells what resident agents use, and what their runs have cost.",
                  [](Raw const& raw) {
                    return Result<Command>{FleetUsageCommand{raw.definition, format_of(raw)}};
                  });
  name_agent(usage, into);
  grammar.json(usage);
  auto* const sync = grammar.add(
      agents, "sync", "Makes those containers as they are wanted, also where no server runs.",
      [](Raw const& raw) {
        return Result<Command>{FleetSyncCommand{raw.definition, format_of(raw)}};
      });
  name_agent(sync, into);
  grammar.json(sync, "what became of each as JSON");
  auto* const wipe = grammar.add(
      agents, "wipe", "Takes the state of a resident agent away, for good.", [](Raw const& raw) {
        return Result<Command>{FleetWipeCommand{raw.definition, raw.target, raw.yes}};
      });
  name_definition(wipe, into);
  wipe->add_option("--instance", into.target, "of this one alone")->type_name("NAME");
  wipe->add_flag("-y,--yes", into.yes, "ask nobody");
  auto* const logs =
      grammar.add(agents, "logs", "Prints the last that a container wrote.", make_logs);
  name_definition(logs, into);
  logs->add_option("--instance", into.target, "without it the agent's first, and with -f all")
      ->type_name("NAME");
  logs->add_option("-n,--tail", into.limit, "so many lines")->type_name("N");
  logs->add_flag("-f,--follow", into.follow, "go on until the containers are gone; Ctrl-C ends it");
  auto* const exec = grammar.add(
      agents, "exec", "Runs a command in a container of a resident agent.", [](Raw const& raw) {
        return Result<Command>{
            FleetExecCommand{raw.definition, raw.target, raw.words, format_of(raw)}};
      });
  name_definition(exec, into);
  exec->add_option("command", into.words, "the command, behind --")->type_name("")->required();
  exec->add_option("--instance", into.target, "without it the first that answers")
      ->type_name("NAME");
  grammar.json(exec);
}

}  // namespace drover::cli
