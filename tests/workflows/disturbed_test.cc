// A random process whose effects end in a random order comes to the same result by the same journal
// whether or not every command on it is killed now and then, at any call that changes a file.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include <boost/json.hpp>

#include "base/random.h"
#include "workflow/open_run.h"
#include "workflows/flow.h"
#include "workflows/plans.h"

namespace drover::harness {
namespace {

enum class Weather : std::uint8_t { calm, kills };

// One run of a plan, brought to its end by commands. What it decides depends on the seed and on how
// far the run is, so that two runs of the same seed decide alike.
class Driven {
 public:
  Driven(std::uint64_t seed, Weather weather)
      : seed_(seed), weather_(weather), kills_(seed * 7919 + 1) {
    SeededRandom random{seed};
    json::object plan{{"do", "seq"}};
    plan.emplace("of", json::array{random_step(random, 2, Values::none),
                                   random_step(random, 2, Values::none)});
    flow_.create("r", json::serialize(plan));
  }

  void finish() {
    constexpr int kRestsMax = 100;
    for (int rest = 0; rest < kRestsMax; ++rest) {
      auto const iterated = run({"run:iterate", "r"});
      if (iterated.at("status").as_string() != "waiting") {
        EXPECT_EQ(iterated.at("status").as_string(), "completed") << json::serialize(iterated);
        return;
      }
      SeededRandom choice{seed_ * 1000 + static_cast<std::uint64_t>(rest)};
      post_some(pending(iterated), choice);
    }
    FAIL() << "the run does not end";
  }

  [[nodiscard]] json::value output() const { return flow_.output("r"); }
  // Without ids and times, which are others in every run.
  [[nodiscard]] std::vector<std::string> journal() const {
    auto const view = workflow::read_run(workflow::RunFolder{flow_.run_folder("r")});
    EXPECT_TRUE(view) << view.error().message;
    std::vector<std::string> lines;
    if (!view) return lines;
    for (auto const& event : view->journal.events) {
      auto const* const effect =
          view->history.by_id(string_or(event.data, "effectId", "none of them"));
      auto const key = string_or(event.data, "key", "");
      lines.push_back(event.type + " " + (effect == nullptr ? "" : effect->step_id) + " " +
                      std::string{string_or(event.data, "status", "")} +
                      std::string{key.substr(0, key.find_first_of("0123456789"))});
    }
    return lines;
  }
  [[nodiscard]] int killed() const { return killed_; }

 private:
  // In the order of the seed; some of them fail.
  void post_some(std::vector<std::string> waiting, Random& choice) {
    ASSERT_FALSE(waiting.empty());
    for (std::size_t at = waiting.size(); at > 1; --at)
      std::swap(waiting[at - 1], waiting[choice.below(at)]);
    waiting.resize(1 + choice.below(waiting.size()));
    for (auto const& effect : waiting) {
      auto const value = std::to_string(++posted_);
      // An error of the effect makes the SDK's spelling end with 1.
      bool const fails = choice.below(4) == 0;
      std::vector<std::string> words = {"workflow", "post", "r", effect};
      words.insert(words.end(), fails ? std::initializer_list<std::string>{"--error", value}
                                      : std::initializer_list<std::string>{"--value", value});
      (void)run(words);
    }
  }

  // Until it is not killed; nobody else is at the run, so that an effect that ended before is the
  // work of one that was killed.
  json::object run(std::vector<std::string> const& words) {
    for (;;) {
      bool const dies = weather_ == Weather::kills && kills_.below(2) == 0;
      flow_.world().set_variable("LD_PRELOAD", dies ? HARNESS_DIES_AT_WRITE : "");
      flow_.world().set_variable("DROVER_TEST_DIES_AT",
                                 dies ? std::to_string(1 + kills_.below(25)) : "");
      auto const outcome = flow_.drover(words);
      if (outcome.exit_code == 128 + 9) {
        ++killed_;
        continue;
      }
      bool const known = outcome.text().find("is not requested") != std::string::npos;
      if (killed_ > 0 && known) return {};
      EXPECT_TRUE(outcome.exit_code == 0) << outcome.text();
      return printed(outcome);
    }
  }

  std::uint64_t seed_;
  Weather weather_;
  SeededRandom kills_;
  Flow flow_{kPlanInterpreter};
  int posted_ = 0;
  int killed_ = 0;
};

TEST(RandomProcess, IsTheSameThroughKillsAndRestarts) {
  constexpr std::uint64_t kSeeds = 8;
  int killed = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Driven calm{seed, Weather::calm};
    calm.finish();
    Driven disturbed{seed, Weather::kills};
    disturbed.finish();
    EXPECT_EQ(disturbed.output(), calm.output());
    EXPECT_EQ(disturbed.journal(), calm.journal());
    killed += disturbed.killed();
  }
  EXPECT_GT(killed, static_cast<int>(kSeeds));
}

}  // namespace
}  // namespace drover::harness
