#include "worker/worker_mode.h"

#include <gtest/gtest.h>

namespace drover::worker {
namespace {

TEST(WorkerMode, EveryModeIsReadByItsName) {
  for (WorkerMode const mode : {WorkerMode::daemon, WorkerMode::job, WorkerMode::hybrid})
    EXPECT_EQ(parse_worker_mode(to_string(mode)).value(), mode);
}

TEST(WorkerMode, AnotherWordIsRefusedWithTheChoice) {
  auto const mode = parse_worker_mode("batch");
  ASSERT_FALSE(mode);
  EXPECT_EQ(mode.error().code, ErrorCode::invalid_argument);
  EXPECT_NE(mode.error().message.find("daemon, job or hybrid, not 'batch'"), std::string::npos);
}

}  // namespace
}  // namespace drover::worker
