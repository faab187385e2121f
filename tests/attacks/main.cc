#include <gtest/gtest.h>

#include <cstdio>

#include "attacks/row.h"
#include "harness/processes.h"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  drover::harness::adopt_orphans();
  int const failed = RUN_ALL_TESTS();
  std::fputs(drover::attacks::table().c_str(), stdout);
  return failed;
}
