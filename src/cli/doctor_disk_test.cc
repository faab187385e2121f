#include "cli/doctor_disk.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace drover::cli {
namespace {

using sandbox::LayerState;

DiskFacts facts() {
  DiskFacts facts;
  facts.folder = "/var/lib/drover";
  facts.sync = Millis{3};
  facts.free_mb = 50'000;
  return facts;
}

TEST(DoctorDisk, AGoodDiskIsToldWithItsFigures) {
  auto const layer = disk_layer(facts());
  EXPECT_EQ(layer.state, LayerState::enforced);
  EXPECT_EQ(layer.how, "/var/lib/drover: a sync takes 3 ms, 50000 MiB are free");
  EXPECT_EQ(layer.fix, "");
}

TEST(DoctorDisk, WhatDoesNotLastIsSlowOrFullComesWithAFix) {
  auto in_memory = facts();
  in_memory.in_memory = true;
  auto slow = facts();
  slow.sync = Millis{200};
  auto full = facts();
  full.free_mb = 12;
  for (auto const& poor : {in_memory, slow, full}) {
    auto const layer = disk_layer(poor);
    EXPECT_EQ(layer.state, LayerState::degraded) << layer.how;
    EXPECT_NE(layer.fix, "");
  }
}

TEST(DoctorDisk, AFolderThatIsNotThereYetIsMeasuredWhereItWillBeAndLeftAbsent) {
  char name[] = "/tmp/drover-doctor-XXXXXX";
  ASSERT_NE(nullptr, ::mkdtemp(name));
  std::string const folder = name;
  auto const measured = disk_facts(folder + "/deep/state");
  ASSERT_TRUE(measured) << measured.error().text();
  EXPECT_EQ(measured->folder, folder);
  EXPECT_GT(measured->free_mb, 0U);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove(folder);
}

}  // namespace
}  // namespace drover::cli
