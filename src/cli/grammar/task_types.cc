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

Result<Command> make_task_type_show(Raw const& raw) {
  return TaskTypeShowCommand{raw.task_type, format_of(raw)};
}

Result<Command> make_task_type_apply(Raw const& raw) {
  return TaskTypeApplyCommand{raw.file, format_of(raw)};
}

}  // namespace

void add_task_types(Grammar& grammar) {
  Raw& into = grammar.raw;
  auto const list = [](Raw const& raw) {
    return Result<Command>{TaskTypesCommand{format_of(raw)}};
  };
  auto* const types =
      grammar.add(grammar.app, "task-types", "Lists, shows, puts and removes types of work.", list);
  grammar.json(types);
  types->require_subcommand(0, 1);
  grammar.json(grammar.add(*types, "list", "Lists them by name.", list));
  auto* const show = grammar.add(
      *types, "show", "Prints a type as JSON, to read or to edit and apply.", make_task_type_show);
  show->add_option("type", into.task_type, "its name")->type_name("")->required();
  grammar.json(show);
  auto* const apply = grammar.add(
      *types, "apply", "Puts a type, new or in place of an earlier one.", make_task_type_apply);
  apply->add_option("-f,--file", into.file, "the type, in TOML or JSON; - is JSON from stdin")
      ->type_name("FILE")
      ->required();
  grammar.json(apply);
  auto* const removed = grammar.add(
      *types, "rm", "Removes a type that was applied.",
      [](Raw const& raw) { return Result<Command>{TaskTypeRemoveCommand{raw.task_type}}; });
  removed->add_option("type", into.task_type, "its name")->type_name("")->required();
  types->footer(std::string{kTaskTypesExamples});  // last: subcommands would inherit it
}

}  // namespace drover::cli
