// What effects ask for, as processes and agents say it: commands, agents, breakpoints, heartbeats,
// and the JSON in an agent's reply. The first byte says which of them.
#include <cstdint>
#include <string>
#include <string_view>

#include <boost/json.hpp>

#include "base/check.h"
#include "base/json.h"
#include "driver/agent_work.h"
#include "driver/breakpoints.h"
#include "driver/effect_work.h"
#include "workflow/heartbeat.h"

namespace {

using namespace drover;

driver::EffectJob job_of(std::string_view kind, json::value definition) {
  driver::EffectJob job;
  job.workflow.id = "w";
  job.workflow.process_id = "p";
  job.workflow.agent = {{"agent", "fixer"},
                        {"workspaces", json::array{json::object{{"id", "repo"}}}}};
  job.effect.id = "01M80PE1PDDV68QG2A9KW9W91X";
  job.effect.kind = kind;
  job.effect.label = "label";
  job.definition = std::move(definition);
  return job;
}

void check_command(std::string_view kind, json::value const& definition) {
  if (!driver::names_a_command(kind, definition)) return;
  auto const work = driver::parse_command_work(kind, definition);
  if (!work) return;
  DROVER_CHECK(!work->program.empty());
  DROVER_CHECK(work->timeout > Millis{0} && work->timeout <= driver::kCommandTimeoutMax);
  DROVER_CHECK(!work->heartbeat || *work->heartbeat > Millis{0});
  for (auto const& variable : work->env)
    DROVER_CHECK(variable.find('=') != std::string::npos && variable.front() != '=');
}

void check_question(json::value const& definition) {
  auto const question = driver::question_of(job_of("breakpoint", definition));
  if (!question) return;
  driver::Verdict verdict;
  verdict.approved = true;
  if (!question->options.empty()) verdict.response = question->options.front();
  DROVER_CHECK(driver::check_answer(*question, verdict).has_value());
  DROVER_CHECK(driver::answer_value(verdict).at("approved").as_bool());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view const text{reinterpret_cast<char const*>(data) + 1, size - 1};
  if (data[0] == 'r') {
    // What is found is JSON, so that it can be checked against a schema and journaled.
    if (auto const value = driver::value_in_reply(text); value)
      DROVER_CHECK(parse_json(json::serialize(*value)).has_value());
    return 0;
  }
  auto const definition = parse_json(text);
  if (!definition) return 0;
  auto const timeout = workflow::heartbeat_timeout(*definition);
  DROVER_CHECK(!timeout || *timeout > Millis{0});
  switch (data[0]) {
    case 's':
      check_command("shell", *definition);
      break;
    case 'n':
      check_command("node", *definition);
      break;
    case 'b':
      check_question(*definition);
      break;
    default: {
      auto const work = driver::parse_agent_work(job_of("agent", *definition),
                                                 [](std::string_view) { return true; });
      if (work) DROVER_CHECK(work->invocation.idempotency_key.has_value());
    }
  }
  return 0;
}
