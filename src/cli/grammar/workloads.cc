#include "cli/grammar/grammar.h"
#include "cli/grammar/values.h"

namespace drover::cli {

namespace {

constexpr std::string_view kExamples = R"(Examples:
  drover workloads
  drover workloads start indexer --env DEPTH=3 --idle 10m
  drover workloads logs indexer
  drover workloads stop indexer
  drover workloads rm indexer

Profiles are in profiles.toml of the server's state folder: what they run is never the caller's to say.)";

constexpr Millis kMostTime = std::chrono::hours{24 * 365};

void name_workload(CLI::App* sub, Raw& into) {
  sub->add_option("workload", into.id, "its id")->type_name("")->required();
}

Result<Command> start_of(Raw const& raw) {
  WorkloadStartCommand command;
  command.profile = raw.definition;
  command.id = raw.id.empty() ? raw.definition : raw.id;
  command.backend = raw.backend;
  command.callback = raw.callback;
  command.format = format_of(raw);
  for (auto const& entry : raw.environment) {
    auto const equals = entry.find('=');
    if (equals == 0 || equals == std::string::npos)
      return fail(ErrorCode::invalid_argument, "--env takes NAME=VALUE, not '{}'",
                  printable(entry, 40));
    command.env.insert_or_assign(entry.substr(0, equals), entry.substr(equals + 1));
  }
  auto const idle = duration_of("--idle", raw.idle, kMostTime);
  if (!idle) return std::unexpected(idle.error());
  command.idle = *idle;
  auto const lifetime = duration_of("--lifetime", raw.lifetime, kMostTime);
  if (!lifetime) return std::unexpected(lifetime.error());
  command.lifetime = *lifetime;
  return command;
}

void add_start(Grammar& grammar, CLI::App& parent) {
  Raw& into = grammar.raw;
  auto* const start = grammar.add(parent, "start",
                                  "Starts a workload of a profile, or finds it running.", start_of);
  start->add_option("profile", into.definition, "the profile")->type_name("")->required();
  start->add_option("--id", into.id, "its id; without it the profile's name")->type_name("ID");
  start->add_option("--env", into.environment, "a variable for it; may come again")
      ->type_name("NAME=VALUE");
  start->add_option("--backend", into.backend, "process or docker")->type_name("NAME");
  start->add_option("--idle", into.idle, "ends when untouched for so long (90s, 10m)")
      ->type_name("TIME");
  start->add_option("--lifetime", into.lifetime, "ends after so long")->type_name("TIME");
  start->add_option("--callback", into.callback, "where its states are POSTed to")
      ->type_name("URL");
  grammar.json(start);
}

}  // namespace

void add_workloads(Grammar& grammar) {
  Raw& into = grammar.raw;
  auto const list = [](Raw const& raw) {
    return Result<Command>{WorkloadsCommand{format_of(raw)}};
  };
  auto* const all = grammar.add(grammar.app, "workloads",
                                "Lists, starts, stops and removes workloads of profiles.", list);
  grammar.json(all);
  all->require_subcommand(0, 1);
  grammar.json(grammar.add(*all, "list", "Lists them, those that have ended too.", list));
  auto const act = [&](std::string const& name, std::string const& what, WorkloadAction action) {
    auto* const sub = grammar.add(*all, name, what, [action](Raw const& raw) {
      return Result<Command>{WorkloadActionCommand{action, raw.id, format_of(raw)}};
    });
    name_workload(sub, into);
    return sub;
  };
  grammar.json(act("show", "Prints one.", WorkloadAction::show));
  add_start(grammar, *all);
  grammar.json(act("stop", "Asks one to end, and ends it after 30 s.", WorkloadAction::stop));
  act("rm", "Ends one at once and forgets it.", WorkloadAction::remove);
  act("logs", "Prints the last that one wrote.", WorkloadAction::logs);
  all->footer(std::string{kExamples});  // last: subcommands would inherit it
}

}  // namespace drover::cli
