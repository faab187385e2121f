#include "sim/fleet_world.h"

#include <gtest/gtest.h>

#include "base/log.h"

namespace drover::sim {
namespace {

class FleetHistories : public ::testing::Test {
 protected:
  void SetUp() override { log::set_level(log::Level::off); }
  void TearDown() override { log::set_level(log::Level::info); }
};

TEST_F(FleetHistories, ComeToRestAsWanted) {
  WorldOptions options;
  std::size_t lives = 0;
  for (options.seed = 1; options.seed <= 20; ++options.seed) {
    auto const played = play_fleet(options);
    EXPECT_EQ(played.violation.value_or(""), "") << "seed " << options.seed;
    lives += played.lives;
  }
  EXPECT_GT(lives, 40U) << "servers die in them";
}

TEST_F(FleetHistories, OneSeedIsOneHistory) {
  WorldOptions options;
  options.seed = 7;
  auto const first = play_fleet(options);
  EXPECT_EQ(first.hash, play_fleet(options).hash);
  options.seed = 8;
  EXPECT_NE(first.hash, play_fleet(options).hash);
}

}  // namespace
}  // namespace drover::sim
