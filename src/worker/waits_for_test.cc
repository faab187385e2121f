#include "worker/waits_for.h"

#include <gtest/gtest.h>

namespace drover::worker {
namespace {

using broker::ClaimFilter;

broker::QueueLane lane(std::string pool = "default", broker::Labels labels = {}) {
  return {.task_type = "scan", .pool = std::move(pool), .labels = std::move(labels)};
}

ClaimFilter filter(std::vector<std::string> pools, std::vector<std::string> types,
                   broker::Labels labels = {}) {
  return {.pools = std::move(pools), .task_types = std::move(types), .labels = std::move(labels)};
}

TEST(WaitsFor, NobodyWhereAWorkerTakesIt) {
  EXPECT_EQ(waits_for(lane(), {filter({}, {})}), "");
  EXPECT_EQ(waits_for(lane("gpu", {{"gpu", "a100"}}),
                      {filter({}, {"other"}), filter({"gpu"}, {"scan"}, {{"gpu", "a100"}})}),
            "");
}

TEST(WaitsFor, NamesWhatNobodyHas) {
  EXPECT_EQ(waits_for(lane(), {}), "waits for a worker");
  EXPECT_EQ(waits_for(lane("default", {{"gpu", "a100"}, {"zone", "eu"}}), {filter({}, {})}),
            "waits for a worker with gpu=a100,zone=eu");
  EXPECT_EQ(waits_for(lane("gpu"), {filter({"default"}, {})}),
            "waits for a worker of the pool gpu");
  EXPECT_EQ(waits_for(lane("gpu", {{"gpu", "a100"}}), {filter({"gpu"}, {}, {{"gpu", "h100"}})}),
            "waits for a worker of the pool gpu with gpu=a100");
}

TEST(WaitsFor, NamesTheTypeWhereOnlyThatIsMissing) {
  EXPECT_EQ(waits_for(lane(), {filter({}, {"other"})}),
            "waits for a worker that takes the task type scan");
  EXPECT_EQ(waits_for(lane("gpu"), {filter({}, {"other"}), filter({"default"}, {})}),
            "waits for a worker of the pool gpu that takes the task type scan");
}

}  // namespace
}  // namespace drover::worker
