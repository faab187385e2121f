// A program with a workflow of its own: it asks an agent about each of some repositories, two at a
// time, asks a person, and ships. What it asked for and how that ended is in a run directory, so
// that it may be stopped at any moment and goes on where it was.
//
//   embedded-workflow RUNS-FOLDER RUN-ID REPOSITORY…
//
// It carries nothing out: `drover workflow tasks RUN --pending` shows what waits, and `drover
// workflow post RUN EFFECT --value JSON` says how it ended. 0: the run has ended; 4: it waits.
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include "base/random.h"
#include "base/time.h"
#include "workflow/create_run.h"
#include "workflow/iterate.h"
#include "workflow/native_host.h"

namespace {

using namespace drover;
using namespace drover::workflow;

Flow<StepResult> review(ProcessContext& ctx, std::string repository) {
  json::object more{{"outputSchema", json::object{{"type", "object"}}}};
  auto const found = co_await ctx.agent("reviewer", "Review " + repository, std::move(more));
  // One repository that cannot be reviewed does not stop the others.
  if (!found)
    co_return json::object{{"repository", repository}, {"problem", found.error().message}};
  co_return json::object{{"repository", repository}, {"found", *found}};
}

Flow<StepResult> release(ProcessContext& ctx, json::value inputs) {
  std::vector<Branch> reviews;
  for (auto const& each : inputs.at("repositories").as_array()) {
    std::string const repository{each.as_string()};
    reviews.emplace_back([&ctx, repository] { return review(ctx, repository); });
  }
  auto const reviewed = co_await ctx.all(std::move(reviews), 2);
  if (!reviewed) co_return reviewed;

  BreakpointCall gate;
  gate.label = "Ship";
  gate.payload = json::object{{"question", "ship it?"}, {"reviews", *reviewed}};
  auto const answer = co_await ctx.breakpoint(std::move(gate));
  if (!answer) co_return answer;
  if (!answer->at("approved").as_bool()) co_return ctx.halt("not approved", *reviewed);

  TaskCall ship;
  ship.id = "ship";
  ship.label = "ship";
  ship.definition =
      json::object{{"kind", "shell"}, {"shell", json::object{{"command", "make ship"}}}};
  ship.retry.attempts = 3;
  auto const shipped = co_await ctx.task(std::move(ship));
  if (!shipped) co_return shipped;
  co_return json::object{{"reviews", *reviewed}, {"shipped", *shipped}};
}

Result<Iterated> go_on(std::vector<std::string> const& words) {
  SystemClock const clock;
  SystemRandom random;
  NativeProcesses processes;
  processes.add("release", release);
  HostSpec host;
  host.native = &processes;

  NewRun wanted;
  wanted.runs_root = words.at(0);
  wanted.run_id = words.at(1);
  wanted.process_id = "release";
  wanted.entry = Entrypoint{"native:release", ""};
  wanted.inputs = json::object{{"repositories", json::array(words.begin() + 2, words.end())}};
  // The same words name the same run: it is made once.
  auto const created = create_run(wanted, clock, random);
  if (!created) return std::unexpected(created.error());
  return iterate(created->folder, host, clock, random);
}

int run(std::vector<std::string> const& words) {
  if (words.size() < 3) {
    fmt::print(stderr, "usage: embedded-workflow RUNS-FOLDER RUN-ID REPOSITORY...\n");
    return 2;
  }
  auto const iterated = go_on(words);
  if (!iterated) {
    fmt::print(stderr, "embedded-workflow: {}\n", iterated.error().message);
    return 1;
  }
  fmt::print("{}\n", iterated->reason);
  for (auto const& action : iterated->actions)
    fmt::print("  {}  {}  {}\n", action.effect.id, action.effect.kind, action.effect.label);
  if (iterated->state == IterateState::completed)
    fmt::print("{}\n", json::serialize(iterated->output));
  return iterated->state == IterateState::waiting ? 4 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (std::exception const& error) {
    std::fputs(error.what(), stderr);
    return 1;
  }
}
