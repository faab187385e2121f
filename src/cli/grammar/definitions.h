#pragma once
// What agents and task types share, and the audit of both.
#include <string>

#include "cli/grammar/grammar.h"

namespace drover::cli {

// The commands that both have; of agents without the examples.
[[nodiscard]] CLI::App* add_agent_definitions(Grammar& grammar);
void name_definition(CLI::App* sub, Raw& into);

// status, sync, wipe, logs
void add_fleet(Grammar& grammar, CLI::App& agents);

[[nodiscard]] Result<Command> make_audit(Raw const& raw, std::string const& kind,
                                         std::string const& name);
void limit_audit(CLI::App* sub, Raw& into);

}  // namespace drover::cli
