#include "cli/grammar/grammar.h"

namespace drover::cli {

namespace {

constexpr std::string_view kGatewayExamples = R"(Examples:
  drover gateway            upstreams and models, as gateway.toml of the state folder says
  drover gateway reload     read gateway.toml, prices.toml and the keys anew)";

constexpr std::string_view kBudgetsExamples = R"(Examples:
  drover budgets                 what is limited, and how much of it is used
  drover budgets -f budgets.toml in place of all that were set so; those of gateway.toml stay
    [[limits]]
    scope = "tenant"             all, tenant, agent, session or run
    name = "acme"                without it: each
    per = "day"                  day, month or total
    usd = 20
    tokens = 5000000)";

constexpr std::string_view kSpendExamples = R"(Examples:
  drover spend                   by day
  drover spend --by tenant,model --since 2026-11-01)";

Result<Command> make_spend(Raw const& raw) {
  return SpendCommand{raw.by.empty() ? "day" : raw.by, raw.since, format_of(raw)};
}

Grammar::Make act_of(GatewayAct act) {
  return [act](Raw const& raw) { return Result<Command>{GatewayCommand{act, format_of(raw)}}; };
}

}  // namespace

void add_gateway(Grammar& grammar) {
  auto* const gateway =
      grammar.add(grammar.app, "gateway", "Shows the upstreams of models; reads them anew.",
                  act_of(GatewayAct::show));
  grammar.json(gateway);
  gateway->require_subcommand(0, 1);
  for (auto const& [name, what, act] :
       {std::tuple{"show", "Shows the upstreams and their models.", GatewayAct::show},
        {"reload", "Reads the gateway's files and keys anew.", GatewayAct::reload},
        {"rotate-key", "Makes a new key that signs the tokens of units.", GatewayAct::rotate_key}})
    grammar.json(grammar.add(*gateway, name, what, act_of(act)));
  gateway->footer(std::string{kGatewayExamples});

  auto* const budgets = grammar.add(
      grammar.app, "budgets", "Shows or sets what models may cost.",
      [](Raw const& raw) { return Result<Command>{BudgetsCommand{raw.file, format_of(raw)}}; });
  budgets
      ->add_option("-f,--file", grammar.raw.file,
                   "set these, in TOML or JSON; - is JSON from stdin")
      ->type_name("FILE");
  grammar.json(budgets);
  budgets->footer(std::string{kBudgetsExamples});

  auto* const spend = grammar.add(grammar.app, "spend", "Shows what models have cost.", make_spend);
  spend->add_option("--by", grammar.raw.by, "day, tenant, agent, session, model, with commas (day)")
      ->type_name("WORDS");
  spend->add_option("--since", grammar.raw.since, "from this day on")->type_name("DAY");
  grammar.json(spend);
  spend->footer(std::string{kSpendExamples});
}

}  // namespace drover::cli
