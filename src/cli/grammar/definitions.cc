#include "cli/grammar/definitions.h"

namespace drover::cli {

namespace {

constexpr std::string_view kTaskTypesExamples = R"(Examples:
  drover task-types
  drover task-types show pr-review > review.json
  drover task-types apply -f review.json
  drover task-types edit pr-review --set pool=large
  drover task-types delete pr-review    a built-in type of that name holds again
  drover run --task pr-review --payload '{"base": "main"}')";

// The words of one kind.
struct Words {
  Definition kind;
  std::string command;
  std::string noun;   // with its article
  std::string bare;   // without
  std::string nouns;  // "types of work"
};

void add_show(Grammar& grammar, CLI::App& all, Words const& words) {
  auto* const show = grammar.add(
      all, "show", "Prints " + words.noun + " as JSON, to read or to edit and apply.",
      [kind = words.kind](Raw const& raw) {
        return Result<Command>{DefinitionShowCommand{kind, raw.definition, format_of(raw)}};
      });
  name_definition(show, grammar.raw);
  grammar.json(show);
}

void add_apply(Grammar& grammar, CLI::App& all, Words const& words) {
  Raw& into = grammar.raw;
  auto* const apply = grammar.add(
      all, "apply", "Makes the server's " + words.nouns + " as files have them; shows it first.",
      [kind = words.kind](Raw const& raw) {
        DefinitionApplyCommand command;
        command.kind = kind;
        command.paths = raw.paths;
        command.prune = raw.prune;
        command.dry_run = raw.dry_run;
        command.yes = raw.yes;
        command.format = format_of(raw);
        return Result<Command>{std::move(command)};
      });
  apply
      ->add_option("-f,--file", into.paths,
                   "files or folders of them, in TOML or JSON; - is JSON from stdin")
      ->type_name("PATH")
      ->required();
  apply->add_flag("--dry-run", into.dry_run,
                  "only show it; exit status 6 where something would change");
  apply->add_flag("--prune", into.prune,
                  "delete what was stored through the API and is in none of the files");
  apply->add_flag("-y,--yes", into.yes, "ask nobody");
  grammar.json(apply);
}

void add_edit(Grammar& grammar, CLI::App& all, Words const& words) {
  Raw& into = grammar.raw;
  auto* const edit = grammar.add(
      all, "edit", "Changes " + words.noun + " in $VISUAL or $EDITOR, or single members of it.",
      [kind = words.kind](Raw const& raw) {
        return Result<Command>{
            DefinitionEditCommand{kind, raw.definition, raw.sets, raw.unsets, format_of(raw)}};
      });
  name_definition(edit, into);
  edit->add_option("--set", into.sets, "a member: limits.max_turns=20; may come again")
      ->type_name("MEMBER=VALUE")
      ->expected(1)
      ->take_all();
  edit->add_option("--unset", into.unsets, "a member to take away; may come again")
      ->type_name("MEMBER")
      ->expected(1)
      ->take_all();
  grammar.json(edit, "the " + words.bare + " as JSON");
}

void add_removal(Grammar& grammar, CLI::App& all, Words const& words) {
  auto* const removed = grammar.add(
      all, "delete", "Deletes " + words.noun + " that was stored; a built-in one holds again.",
      [kind = words.kind](Raw const& raw) {
        return Result<Command>{DefinitionRemoveCommand{kind, raw.definition}};
      });
  removed->alias("rm");
  name_definition(removed, grammar.raw);
}

void add_history(Grammar& grammar, CLI::App& all, Words const& words) {
  bool const of_agents = words.kind == Definition::agent;
  auto* const history =
      grammar.add(all, "history", "Lists who changed " + words.noun + ", newest first.",
                  [kind = of_agents ? "agent" : "task_type"](Raw const& raw) {
                    return make_audit(raw, kind, raw.definition);
                  });
  name_definition(history, grammar.raw);
  limit_audit(history, grammar.raw);
  grammar.json(history);
}

CLI::App* add_definitions(Grammar& grammar, Words const& words) {
  auto const list = [kind = words.kind](Raw const& raw) {
    return Result<Command>{DefinitionsCommand{kind, format_of(raw)}};
  };
  auto* const all =
      grammar.add(grammar.app, words.command, "Lists " + words.nouns + ", and keeps them.", list);
  grammar.json(all);
  all->require_subcommand(0, 1);
  auto* const listing = grammar.add(*all, "list", "Lists them by name.", list);
  listing->alias("ls");
  grammar.json(listing);
  add_show(grammar, *all, words);
  add_apply(grammar, *all, words);
  add_edit(grammar, *all, words);
  add_removal(grammar, *all, words);
  add_history(grammar, *all, words);
  return all;
}

}  // namespace

void name_definition(CLI::App* sub, Raw& into) {
  sub->add_option("name", into.definition, "its name")->type_name("")->required();
}

void add_task_types(Grammar& grammar) {
  auto* const all = add_definitions(
      grammar, {Definition::task_type, "task-types", "a type", "type", "types of work"});
  all->footer(std::string{kTaskTypesExamples});  // last: subcommands would inherit it
}

CLI::App* add_agent_definitions(Grammar& grammar) {
  return add_definitions(grammar, {Definition::agent, "agents", "an agent", "agent", "agents"});
}

}  // namespace drover::cli
