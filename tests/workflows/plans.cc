#include "workflows/plans.h"

#include <array>
#include <string_view>

#include <boost/json.hpp>

namespace drover::harness {

namespace {

json::object leaf(Random& random, Values values) {
  json::object step;
  if (values == Values::drawn && random.below(3) == 0) {
    step.emplace("do", "value");
    return step;
  }
  // A time that is over is no effect, but an entry.
  if (random.below(8) == 0) {
    step.emplace("do", "nap");
    step.emplace("n", 1 + random.below(3));
    return step;
  }
  step.emplace("do", random.below(4) == 0 ? "retried" : "task");
  step.emplace("id", random.below(2) == 0 ? "a" : "b");
  step.emplace("n", random.below(3));
  return step;
}

}  // namespace

char const* const kPlanInterpreter = R"(
async function run(step, ctx) {
  const thunks = () => step.of.map((each) => () => run(each, ctx));
  const caught = async (promise) => { try { return await promise; } catch (e) { return `${e.name} ${e.message}`; } };
  switch (step.do) {
    case 'task': return caught(ctx.task(task(step.id), { n: step.n }));
    case 'retried': return caught(ctx.task(task(step.id), { n: step.n }, { retry: { attempts: 2, backoffMs: 0 } }));
    case 'nap': await ctx.sleepUntil(step.n); return step.n;
    case 'seq': { const all = []; for (const each of step.of) all.push(await run(each, ctx)); return all; }
    case 'all': return ctx.parallel.all(thunks(), { concurrency: step.limit });
    case 'settled': return (await ctx.parallel.settled(thunks())).map((each) => each.value);
    case 'race': return ctx.parallel.race(thunks());
    case 'any': return ctx.parallel.any(thunks());
    case 'value': return [ctx.now().getTime(), ctx.random(), Math.random(), Date.now()];
  }
}
export const process = (inputs, ctx) => run(inputs, ctx);
)";

json::object random_step(Random& random, int depth, Values values) {
  constexpr std::array<char const*, 5> kKinds = {"seq", "all", "race", "any", "settled"};
  if (depth == 0 || random.below(3) == 0) return leaf(random, values);
  json::object step{{"do", kKinds.at(random.below(kKinds.size()))}};
  json::array of;
  auto const count = 2 + random.below(2);
  for (std::uint64_t i = 0; i < count; ++i)
    of.push_back(random_step(random, depth - 1, values));
  step.emplace("of", std::move(of));
  step.emplace("limit", 1 + random.below(3));
  return step;
}

}  // namespace drover::harness
