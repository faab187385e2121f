#include <gtest/gtest.h>

#include "harness/processes.h"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  drover::harness::adopt_orphans();
  return RUN_ALL_TESTS();
}
