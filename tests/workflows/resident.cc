#include "workflows/resident.h"

#include <stdexcept>

#include "base/random.h"
#include "base/time.h"
#include "workflow/execution.h"
#include "workflow/open_run.h"

namespace drover::harness {

namespace {

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return *std::move(result);
}

}  // namespace

workflow::Iterated drive_to_end(std::string const& run_folder, json::value const& value) {
  SystemClock const clock;
  SystemRandom random;
  auto run = must(workflow::OpenRun::open(workflow::RunFolder{run_folder}, "test", clock, random));
  if (auto ended = workflow::ended_before(run.record(), run.history())) return *std::move(ended);
  (void)must(workflow::prepare(run));
  auto execution = must(workflow::Execution::start(run, {}));
  constexpr int kRestsMax = 100;
  for (int i = 0; i < kRestsMax; ++i) {
    auto pass = must(execution.pass(run));
    if (pass.rest != workflow::Rest::waiting) return must(workflow::conclude(run, std::move(pass)));
    for (auto const& action : pass.actions) {
      workflow::TaskResult result;
      result.value = value;
      (void)must(run.post(action.effect_id, std::move(result)));
    }
  }
  throw std::runtime_error("the run does not end");
}

}  // namespace drover::harness
