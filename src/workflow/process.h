#pragma once
// A workflow in C++, for programs that embed the engine: a function that makes a flow, and asks for
// all that takes time through its context. Its journal is that of a process in JavaScript.
//
//   Flow<StepResult> ship(ProcessContext& ctx, json::value inputs) {
//     auto const built = co_await ctx.shell("make");
//     if (!built) co_return std::unexpected(built.error());
//     auto const fixed = co_await ctx.agent("fixer", "mend what the tests say");
//     co_return fixed;
//   }
//
// It is run again from its start in every replay, so that it must do the same each time: no clock,
// randomness, files or threads of its own, and no global that it changes. See flow.h for what
// co_await may stand in; lambdas that capture are no coroutines, but may call one (Branch).
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "workflow/flow.h"
#include "workflow/flow_machine.h"

namespace drover::workflow {

struct Retry {
  int attempts = 1;  // in all
  Millis backoff{1000};
  double factor = 2;
  Millis backoff_max{3'600'000};
};

// How long the `attempt`th try (1, 2, …) is followed by nothing.
[[nodiscard]] Millis backoff_of(Retry const& retry, int attempt);

struct TaskCall {
  std::string id;                          // of the task
  json::object definition{};               // {kind, title?, …}: what is asked for, and of whom
  std::optional<json::value> arguments{};  // what tells this call from others of the task
  std::string label{};
  std::string key{};  // a name of one's own for the step, unique in the run
  Retry retry{};
  std::optional<Millis> timeout{};  // of one try; the effect is cancelled then
};

struct BreakpointCall {
  json::value payload{};
  std::string label = "Breakpoint";
  std::string id{};  // empty: made of the label
};

// Where in the code, or in a document, an effect was asked for.
struct Place {
  // NOLINTNEXTLINE(google-explicit-constructor): so that a default argument is the caller's line.
  Place(std::source_location at);
  explicit Place(std::string line) : text(std::move(line)) {}
  std::string text;
};

// Begins a part of a process.
using Branch = std::function<Flow<StepResult>()>;
inline constexpr std::size_t kAllAtOnce = static_cast<std::size_t>(-1);

struct ProcessStart {
  std::string run_id{};
  std::string run_folder{};
  bool non_interactive = false;
};

class ProcessContext {
 public:
  ProcessContext(FlowMachine& machine, ProcessStart start)
      : machine_(machine), start_(std::move(start)) {}

  [[nodiscard]] ProcessStart const& start() const { return start_; }

  Flow<StepResult> task(TaskCall call, Place place = std::source_location::current());
  Flow<StepResult> shell(std::string command, std::vector<std::string> args = {},
                         Place place = std::source_location::current());
  // `more`: further members of the definition's `agent`, as outputSchema.
  Flow<StepResult> agent(std::string name, std::string prompt, json::object more = {},
                         Place place = std::source_location::current());
  Flow<StepResult> breakpoint(BreakpointCall call, Place place = std::source_location::current());
  Flow<StepResult> sleep(Millis time, Place place = std::source_location::current());
  Flow<StepResult> sleep_until(std::int64_t unix_ms, Place place = std::source_location::current());
  // The next of this name that nobody has taken.
  Flow<StepResult> signal(std::string name, Place place = std::source_location::current());
  // Another run, by whoever drives this one.
  Flow<StepResult> child(std::string entry, json::value inputs,
                         Place place = std::source_location::current());

  // Several at once, started in their order, `limit` of them at a time. `all` gives an array, or
  // the first error; `settled` an array of {status, value | reason}; `race` what settled first,
  // `any` what succeeded first: what the others asked for is cancelled.
  Flow<StepResult> all(std::vector<Branch> branches, std::size_t limit = kAllAtOnce);
  Flow<StepResult> settled(std::vector<Branch> branches, std::size_t limit = kAllAtOnce);
  Flow<StepResult> race(std::vector<Branch> branches, std::size_t limit = kAllAtOnce);
  Flow<StepResult> any(std::vector<Branch> branches, std::size_t limit = kAllAtOnce);
  // An EffectTimeoutError, and a cancellation, where the branch takes longer.
  Flow<StepResult> within(Millis limit, std::string what, Branch branch);

  // Asked of the machine once, and then of the journal.
  Flow<std::int64_t> now();  // unix time, ms
  Flow<double> random();
  Flow<std::string> uuid();
  // Whether this run was not past this point when its code got the change `id`.
  Flow<bool> patched(std::string id);

  void log(std::string_view label, std::string_view message) { machine_.log(label, message); }
  using Query = std::function<StepResult(json::value const& arguments)>;
  void answer(std::string const& query, Query answer);
  [[nodiscard]] StepResult answered(std::string const& query, json::value const& arguments) const;
  // Ends the run where it stands: co_return what it gives.
  std::unexpected<ProcessError> halt(std::string const& reason, json::value payload = nullptr);
  // Completes this run with a new one of the same process.
  std::unexpected<ProcessError> continue_as_new(json::value inputs);

 private:
  Flow<StepResult> once(TaskCall call, int attempt, Place place);
  Flow<json::value> recall(std::string kind, std::string key);
  [[nodiscard]] std::string numbered(std::string const& name);

  FlowMachine& machine_;
  ProcessStart start_;
  std::map<std::string, std::int64_t> counts_;
  std::map<std::string, Query> queries_;
};

using Process = std::function<Flow<StepResult>(ProcessContext&, json::value inputs)>;

}  // namespace drover::workflow
