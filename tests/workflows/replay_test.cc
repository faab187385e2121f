// Random processes whose effects end in random order: what they came to is what a replay of their
// journal from its start comes to, whoever won its races, and the replay writes nothing new.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include <boost/json.hpp>

#include "base/random.h"
#include "workflows/flow.h"
#include "workflows/plans.h"

namespace drover::harness {
namespace {

namespace fs = std::filesystem;

// Posts results to some of what waits, the last of it always, until the run has ended.
void drive(Flow const& flow, std::string const& run, Random& random) {
  int value = 0;
  for (int i = 0; i < 60; ++i) {
    auto const iterated = flow.iterate(run);
    if (iterated.at("status").as_string() != "waiting") {
      EXPECT_EQ(iterated.at("status").as_string(), "completed") << json::serialize(iterated);
      return;
    }
    auto waiting = pending(iterated);
    ASSERT_FALSE(waiting.empty());
    for (std::size_t at = waiting.size(); at > 1; --at)
      std::swap(waiting[at - 1], waiting[random.below(at)]);
    waiting.resize(1 + random.below(waiting.size()));
    for (auto const& effect : waiting)
      flow.post(run, effect, std::to_string(++value));
  }
  FAIL() << "the run does not end";
}

TEST(RandomProcess, IsReplayedToTheSameEnd) {
  constexpr std::uint64_t kSeeds = 10;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random{seed};
    Flow const flow{kPlanInterpreter};
    json::object plan{{"do", "seq"}};
    plan.emplace("of", json::array{random_step(random, 2, Values::drawn),
                                   random_step(random, 2, Values::drawn)});
    flow.create("r", json::serialize(plan));
    drive(flow, "r", random);
    auto const output = flow.output("r");
    auto const types = flow.journal_types("r");

    // Without its end, the run is replayed from the start.
    std::string const journal = flow.run_folder("r") + "/journal";
    std::vector<fs::path> entries{fs::directory_iterator{journal}, fs::directory_iterator{}};
    fs::remove(std::ranges::max(entries));
    fs::remove_all(flow.run_folder("r") + "/state");
    auto const again = flow.iterate("r");
    EXPECT_EQ(again.at("status").as_string(), "completed") << json::serialize(again);
    EXPECT_EQ(flow.output("r"), output) << json::serialize(plan);
    EXPECT_EQ(flow.journal_types("r"), types);
  }
}

}  // namespace
}  // namespace drover::harness
