#include "sim/world.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/log.h"

namespace drover::sim {
namespace {

class WorldTest : public testing::Test {
 protected:
  WorldTest() { log::set_level(log::Level::off); }
  ~WorldTest() override { log::set_level(log::Level::info); }
};

Played play_seed(std::uint64_t seed, Defect defect = Defect::none,
                 FaultSet faults = FaultSet::all()) {
  WorldOptions options;
  options.seed = seed;
  options.defect = defect;
  options.faults = faults;
  return play(options);
}

// The first violation that a seed shows.
std::string first_violation(Defect defect) {
  constexpr std::uint64_t kSeeds = 400;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Played const played = play_seed(seed, defect);
    if (played.violation) return *played.violation;
  }
  return {};
}

TEST(Machine, TimersOfTheLibraryRunOnSimulatedTime) {
  Machine machine;
  boost::asio::io_context loop;
  boost::asio::steady_timer timer{loop, std::chrono::hours{1}};
  bool rang = false;
  timer.async_wait([&](boost::system::error_code const& error) { rang = !error; });
  loop.poll();
  machine.advance(std::chrono::minutes{59});
  machine.step_wall(std::chrono::hours{5});
  loop.restart();
  loop.poll();
  EXPECT_FALSE(rang);
  machine.advance(std::chrono::minutes{1});
  loop.restart();
  loop.poll();
  EXPECT_TRUE(rang);
}

TEST(Machine, TheWallClockAloneIsSet) {
  Machine machine;
  SystemClock const clock;
  auto const wall = clock.now();
  auto const boot = clock.boot_now();
  machine.step_wall(-std::chrono::hours{1});
  EXPECT_EQ(clock.now(), wall - std::chrono::hours{1});
  EXPECT_EQ(clock.boot_now(), boot);
}

TEST_F(WorldTest, OneSeedIsOneHistory) {
  for (std::uint64_t seed = 1; seed <= 32; ++seed) {
    Played const first = play_seed(seed);
    Played const second = play_seed(seed);
    EXPECT_FALSE(first.violation) << "seed " << seed << ": " << *first.violation;
    EXPECT_EQ(first.hash, second.hash) << "seed " << seed;
    EXPECT_EQ(first.steps, second.steps);
    EXPECT_GT(first.steps, 10U);
    EXPECT_NE(first.hash, play_seed(seed + 1).hash);
  }
}

TEST_F(WorldTest, HistoriesHaveFaultsAndRuns) {
  std::size_t runs = 0;
  std::size_t lives = 0;
  for (std::uint64_t seed = 1; seed <= 32; ++seed) {
    Played const played = play_seed(seed);
    runs += played.runs;
    lives += played.lives;
  }
  EXPECT_GT(runs, 64U);
  EXPECT_GT(lives, 48U);
  EXPECT_EQ(play_seed(1, Defect::none, FaultSet::none()).lives, 1U);
}

struct Planted {
  Defect defect;
  std::string invariant;  // that shows it
};

class PlantedTest : public WorldTest, public testing::WithParamInterface<Planted> {};

TEST_P(PlantedTest, IsFound) {
  auto const found = first_violation(GetParam().defect);
  EXPECT_NE(found.find(": " + GetParam().invariant + ": "), std::string::npos) << found;
}

INSTANTIATE_TEST_SUITE_P(Defects, PlantedTest,
                         testing::Values(Planted{Defect::unfenced_worker, "effect"},
                                         Planted{Defect::unfenced_events, "fence"},
                                         Planted{Defect::lying_disk, "whole"},
                                         Planted{Defect::early_answer, "accepted"},
                                         Planted{Defect::no_trailer, "effect"},
                                         Planted{Defect::wall_leases, "lease"},
                                         Planted{Defect::deaf_heart, "lease"}),
                         [](auto const& tested) {
                           std::string name{to_string(tested.param.defect)};
                           std::erase(name, '-');
                           return name;
                         });

TEST(Faults, AListIsReadAndPrinted) {
  EXPECT_EQ(FaultSet::parse("all")->str(), FaultSet::all().str());
  EXPECT_EQ(FaultSet::parse("none")->str(), "none");
  EXPECT_EQ(FaultSet::parse("clock,power")->str(), "power,clock");
  EXPECT_FALSE(FaultSet::parse("rain"));
  EXPECT_FALSE(FaultSet::parse(""));
}

}  // namespace
}  // namespace drover::sim
