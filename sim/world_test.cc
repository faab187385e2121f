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
  EXPECT_GT(lives, 32U);
  EXPECT_EQ(play_seed(1, Defect::none, FaultSet::none()).lives, 1U);
}

struct Planted {
  Defect defect;
  std::string invariant;  // that shows it; empty: any may
};

class PlantedTest : public WorldTest, public testing::WithParamInterface<Planted> {};

TEST_P(PlantedTest, IsFound) {
  auto const found = first_violation(GetParam().defect);
  ASSERT_FALSE(found.empty());
  std::string const wanted =
      GetParam().invariant.empty() ? ": " : ": " + GetParam().invariant + ": ";
  EXPECT_NE(found.find(wanted), std::string::npos) << found;
}

INSTANTIATE_TEST_SUITE_P(
    Defects, PlantedTest,
    testing::Values(Planted{Defect::unfenced_worker, "effect"},
                    Planted{Defect::unfenced_events, "fence"}, Planted{Defect::lying_disk, ""},
                    Planted{Defect::early_answer, "accepted"}, Planted{Defect::no_trailer, "kept"},
                    Planted{Defect::wall_leases, "lease"}, Planted{Defect::deaf_heart, "lease"},
                    Planted{Defect::blind_eye, "accepted"}, Planted{Defect::no_watch, "accepted"},
                    Planted{Defect::deaf_session, "answer"}, Planted{Defect::no_rescue, "kept"},
                    Planted{Defect::early_end, "kept"}, Planted{Defect::trusting_relay, "accepted"},
                    Planted{Defect::free_calls, "spend"}),
    [](auto const& tested) {
      std::string name{to_string(tested.param.defect)};
      std::erase(name, '-');
      return name;
    });

WorldOptions brief() {
  WorldOptions options;
  options.faults = FaultSet::none();
  options.length = WorldOptions::Length::brief;
  return options;
}

TEST_F(WorldTest, AFailPointStrikesOnceAndIsSurvived) {
  WorldOptions options = brief();
  Played const quiet = play(options);
  EXPECT_EQ(quiet.lives, 1U);
  ASSERT_GT(quiet.operations, 50U);
  ASSERT_GT(quiet.events, 50U);
  for (auto const kind : {FailPoint::Kind::power_torn, FailPoint::Kind::kill_server}) {
    options.fail_point = FailPoint{kind, 40};
    Played const struck = play(options);
    EXPECT_FALSE(struck.violation) << *struck.violation;
    EXPECT_EQ(struck.lives, 2U);
    EXPECT_EQ(struck.hash, play(options).hash);
  }
}

// What is lost with the power is found by it alone, at some write or sync.
TEST_F(WorldTest, ALyingDiskIsFoundByItsFailPoints) {
  WorldOptions options = brief();
  options.defect = Defect::lying_disk;
  auto const operations = play(options).operations;
  bool found = false;
  for (std::uint64_t nth = 1; nth <= operations && !found; ++nth) {
    options.fail_point = FailPoint{FailPoint::Kind::power_lost, nth};
    found = play(options).violation.has_value();
  }
  EXPECT_TRUE(found);
}

TEST(FailPoints, AreReadAndPrinted) {
  EXPECT_EQ(to_string(*parse_fail_point("disk-error:17")), "disk-error:17");
  for (auto const* const wrong :
       {"", "disk-error", "disk-error:", "disk-error:0", "rain:1", ":1", "disk-error:1x"})
    EXPECT_FALSE(parse_fail_point(wrong)) << wrong;
}

TEST(Faults, AListIsReadAndPrinted) {
  EXPECT_EQ(FaultSet::parse("all")->str(), FaultSet::all().str());
  EXPECT_EQ(FaultSet::parse("none")->str(), "none");
  EXPECT_EQ(FaultSet::parse("clock,power")->str(), "power,clock");
  EXPECT_FALSE(FaultSet::parse("rain"));
  EXPECT_FALSE(FaultSet::parse(""));
}

}  // namespace
}  // namespace drover::sim
