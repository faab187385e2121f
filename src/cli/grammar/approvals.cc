#include "cli/grammar/grammar.h"
#include "cli/grammar/values.h"

namespace drover::cli {

namespace {

constexpr std::string_view kExamples = R"(Examples:
  drover run --propose "upgrade the parser"
  drover approvals                      what waits for you
  drover diff run-01kx                  what its run changed
  drover approvals approve apr-01kx     merged into your branch
  drover approvals reject apr-01kx --comment "the tests are gone"
  drover approvals approve apr-01kx --response blue    one of a breakpoint's options
  drover approvals rules add deploy-gate --process nightly     yes from now on)";

// Anything else than a slug would change the path that is asked for.
Status check_approval(std::string const& id) {
  if (is_slug(id)) return {};
  return std::unexpected(bad_id("approval", id));
}

Result<Command> make_approvals(Raw const& raw) {
  auto const limit = count_of("--limit", raw.limit, 50);
  if (!limit) return std::unexpected(limit.error());
  return ApprovalsCommand{raw.all, *limit, format_of(raw)};
}

Result<Command> make_show(Raw const& raw) {
  DROVER_TRY(check_approval(raw.target));
  return ApprovalShowCommand{raw.target, format_of(raw)};
}

Result<Command> make_decision(Decision decision, Raw const& raw) {
  for (std::string const& id : raw.runs)
    DROVER_TRY(check_approval(id));
  return ApprovalsDecideCommand{decision, raw.runs, raw.comment, raw.value, format_of(raw)};
}

void add_rules(Grammar& grammar, CLI::App& approvals) {
  Raw& into = grammar.raw;
  auto* const rules = grammar.add(
      approvals, "rules", "Lists the standing approvals of breakpoints.",
      [](Raw const& raw) -> Result<Command> { return ApprovalRulesCommand{format_of(raw)}; });
  rules->require_subcommand(0, 1);
  grammar.json(rules);
  auto* const add =
      grammar.add(*rules, "add", "Answers a breakpoint with yes from now on; prints the rule's id.",
                  [](Raw const& raw) -> Result<Command> {
                    return ApprovalRuleAddCommand{raw.target, raw.process_id, raw.value,
                                                  raw.comment, format_of(raw)};
                  });
  add->add_option("breakpoint", into.target, "its id, or how it begins and a *")
      ->type_name("")
      ->required();
  add->add_option("--process", into.process_id, "of this process alone")->type_name("ID");
  add->add_option("--response", into.value, "the option to choose, where it has some")
      ->type_name("TEXT");
  add->add_option("--comment", into.comment, "why, for the record")->type_name("TEXT");
  grammar.json(add);
  auto* const remove = grammar.add(
      *rules, "rm", "Takes a standing approval back.",
      [](Raw const& raw) -> Result<Command> { return ApprovalRuleRemoveCommand{raw.target}; });
  remove->add_option("rule", into.target, "its id")->type_name("")->required();
}

}  // namespace

void add_approvals(Grammar& grammar) {
  Raw& into = grammar.raw;
  auto* const approvals = grammar.add(
      grammar.app, "approvals", "Lists what waits for a decision, and decides.", make_approvals);
  approvals->require_subcommand(0, 1);
  auto const listing = [&](CLI::App* sub) {
    sub->add_flag("--all", into.all, "also those that are decided");
    sub->add_option("--limit", into.limit, "at most so many (default 50)")->type_name("N");
    grammar.json(sub);
  };
  listing(approvals);
  listing(grammar.add(*approvals, "list", "Lists them, the newest first.", make_approvals));
  auto* const show = grammar.add(*approvals, "show", "Shows what is to be decided.", make_show);
  show->add_option("approval", into.target, "its id")->type_name("")->required();
  grammar.json(show);
  for (auto const& [name, what, decision] :
       {std::tuple{"approve", "Merges what was proposed, lets the call be made, or answers yes.",
                   Decision::approve},
        {"reject",
         "Discards what was proposed (a rescue reference keeps it), refuses the call, or answers "
         "no.",
         Decision::reject}}) {
    auto* const one = grammar.add(*approvals, name, what, [decision](Raw const& raw) {
      return make_decision(decision, raw);
    });
    one->add_option("approval", into.runs, "their ids")->type_name("")->required();
    one->add_option("--comment", into.comment, "why, for the record")->type_name("TEXT");
    one->add_option("--response", into.value, "the answer to a workflow's breakpoint")
        ->type_name("TEXT");
    grammar.json(one);
  }
  add_rules(grammar, *approvals);
  approvals->footer(std::string{kExamples});
}

}  // namespace drover::cli
