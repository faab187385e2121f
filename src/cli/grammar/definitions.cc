#include "cli/grammar/grammar.h"
#include "cli/grammar/values.h"

namespace drover::cli {

namespace {

constexpr std::string_view kTaskTypesExamples = R"(Examples:
  drover task-types
  drover task-types show pr-review > review.json
  drover task-types apply -f review.json
  drover task-types rm pr-review    a built-in type of that name holds again
  drover run --task pr-review --payload '{"base": "main"}')";

constexpr std::string_view kAgentsExamples = R"(Examples:
  drover agents
  drover agents show default > reviewer.json
  drover agents apply -f reviewer.json
  drover agents rm reviewer
  drover run --agent reviewer 'Look at the last commit.')";

// The words of one kind.
struct Words {
  Definition kind;
  std::string command;
  std::string noun;   // with its article
  std::string bare;   // without
  std::string nouns;  // "types of work"
  std::string_view examples;
};

void add_definitions(Grammar& grammar, Words const& words) {
  Raw& into = grammar.raw;
  Definition const kind = words.kind;
  auto const list = [kind](Raw const& raw) {
    return Result<Command>{DefinitionsCommand{kind, format_of(raw)}};
  };
  auto* const all = grammar.add(grammar.app, words.command,
                                "Lists, shows, puts and removes " + words.nouns + ".", list);
  grammar.json(all);
  all->require_subcommand(0, 1);
  grammar.json(grammar.add(*all, "list", "Lists them by name.", list));
  auto* const show = grammar.add(
      *all, "show", "Prints " + words.noun + " as JSON, to read or to edit and apply.",
      [kind](Raw const& raw) {
        return Result<Command>{DefinitionShowCommand{kind, raw.definition, format_of(raw)}};
      });
  show->add_option("name", into.definition, "its name")->type_name("")->required();
  grammar.json(show);
  auto* const apply =
      grammar.add(*all, "apply", "Puts " + words.noun + ", new or in place of an earlier one.",
                  [kind](Raw const& raw) {
                    return Result<Command>{DefinitionApplyCommand{kind, raw.file, format_of(raw)}};
                  });
  apply
      ->add_option("-f,--file", into.file,
                   "the " + words.bare + ", in TOML or JSON; - is JSON from stdin")
      ->type_name("FILE")
      ->required();
  grammar.json(apply);
  auto* const removed = grammar.add(
      *all, "rm", "Removes " + words.noun + " that was applied.", [kind](Raw const& raw) {
        return Result<Command>{DefinitionRemoveCommand{kind, raw.definition}};
      });
  removed->add_option("name", into.definition, "its name")->type_name("")->required();
  all->footer(std::string{words.examples});  // last: subcommands would inherit it
}

}  // namespace

void add_task_types(Grammar& grammar) {
  add_definitions(grammar, {Definition::task_type, "task-types", "a type", "type", "types of work",
                            kTaskTypesExamples});
}

void add_agents(Grammar& grammar) {
  add_definitions(grammar,
                  {Definition::agent, "agents", "an agent", "agent", "agents", kAgentsExamples});
}

}  // namespace drover::cli
