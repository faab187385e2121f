#pragma once
// An agent effect as the run that is dispatched for it, and what its reply is worth. Pure.
//
// The definition's `agent` has the SDK's members (name, prompt, outputSchema) and, spelled as
// unit.v1 has them, those of an invocation: model, runner, workspaces, tools, task_type, payload,
// limits, tenant, priority, fifo_group, concurrency_key, concurrency, retry, and `subject`. What it
// leaves out is the workflow's.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/schema.h"
#include "contract/invocation.h"
#include "driver/effect_carrier.h"

namespace drover::driver {

struct AgentWork {
  contract::Invocation invocation;
  std::optional<Schema> output{};    // that the reply has to fit
  std::int64_t corrections_max = 2;  // further turns to make it fit
};

// Whether the server has an agent of this name.
using KnowsAgent = std::function<bool(std::string_view name)>;
// invalid_argument: what does not fit. A name that the server does not know stands for the
// workflow's own agent, where it names one.
[[nodiscard]] Result<AgentWork> parse_agent_work(EffectJob const& job, KnowsAgent const& knows);

// Of the definition's prompt, a text or {role, task, context, instructions, outputFormat, …}.
[[nodiscard]] std::string prompt_text(json::value const& prompt);

// One run for one effect, whatever dies in between; `correction` 0 is the effect's own turn.
[[nodiscard]] std::string dispatch_key(std::string_view workflow, std::string_view effect,
                                       std::int64_t correction);

// The JSON that a reply is, or that its last block of code is; else invalid_argument.
[[nodiscard]] Result<json::value> value_in_reply(std::string_view reply);

// What a reply that does not fit is answered with.
[[nodiscard]] std::string correction_text(std::string_view why);

}  // namespace drover::driver
