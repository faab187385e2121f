#pragma once
// One run while a worker has it: what is known, and what was seen of the unit. On the event loop.
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/any_io_executor.hpp>

#include "base/time.h"
#include "broker/dispatch_queue.h"
#include "contract/agent.h"
#include "gateway/budget.h"
#include "gateway/model_proxy.h"
#include "os/async_event.h"
#include "worker/records.h"
#include "worker/unit_events.h"

namespace drover::worker {

// What the run may spend, in micro-dollars.
[[nodiscard]] inline std::optional<std::int64_t> budget_of(contract::Limits const& limits) {
  if (!limits.max_budget_usd) return std::nullopt;
  return std::llround(*limits.max_budget_usd * 1e6);
}

struct Turn {
  Turn(boost::asio::any_io_executor executor, broker::Claim held, RunRecord record,
       gateway::ReadyModel ready, std::optional<std::int64_t> budget_microdollars)
      : claim(std::move(held)),
        run(std::move(record)),
        model(std::move(ready)),
        budget(budget_microdollars, run.cost_microdollars),
        changed(std::move(executor)) {}

  broker::Claim claim;
  RunRecord run;  // as last written
  contract::AgentSpec agent;
  gateway::ReadyModel model;
  gateway::Budget budget;
  std::int64_t calls = 0;        // of its model, also those that were cut
  std::int64_t calls_open = 0;   // of these
  std::int64_t connections = 0;  // that its unit asked for
  std::int64_t mcp_calls = 0;    // of tools of MCP servers
  std::int64_t mcp_open = 0;     // of these; while there are some, the unit's silence is no fault
  std::string prompt;            // with the session's note before it
  BootTime claimed_at;
  std::chrono::steady_clock::time_point heard_at;  // when the unit last said something

  bool begun = false;     // the unit's first event is durable
  bool accepted = false;  // the unit has the message
  std::optional<contract::UnitResult> done;
  bool unit_gone = false;
  bool out_of_memory = false;
  bool over_disk = false;
  bool not_started = false;  // it is gone without ever having had the message
  std::string unit_end;      // how the unit ended, in a sentence
  bool cancel = false;
  bool fenced = false;
  bool over = false;       // nothing more of its unit is taken
  os::AsyncEvent changed;  // one of the above did
};

// shared: a request of the unit may still be on its way when its turn has ended.
using TurnPtr = std::shared_ptr<Turn>;

}  // namespace drover::worker
