#include "cli/grammar/grammar.h"

namespace drover::cli {

namespace {

constexpr std::string_view kGatewayExamples = R"(Examples:
  drover gateway            upstreams and models, as gateway.toml of the state folder says
  drover gateway reload     read gateway.toml, prices.toml and the keys anew)";

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
        {"reload", "Reads the gateway's files and keys anew.", GatewayAct::reload}})
    grammar.json(grammar.add(*gateway, name, what, act_of(act)));
  gateway->footer(std::string{kGatewayExamples});
}

}  // namespace drover::cli
