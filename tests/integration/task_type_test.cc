// Types of work: what a payload must be, what the agent is told, how long it may wait.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "harness/world.h"
#include "os/files.h"

namespace drover::harness {
namespace {

TEST(TaskTypes, APayloadThatDoesNotFitIsRefusedAtItsPlace) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto invocation = World::invocation(api.add_workspace(repository.path()),
                                      world.model(R"([{"text": "hello"}])"), "go");
  invocation["task_type"] = "pr-review";
  invocation["payload"] = {{"base", 7}};
  auto const refused = api.post("/api/v1/runs", invocation);
  EXPECT_EQ(refused.status, 400);
  EXPECT_TRUE(json::serialize(refused.body).contains("/payload/base"))
      << json::serialize(refused.body);
  invocation["task_type"] = "pr-reviews";
  auto const unknown = api.post("/api/v1/runs", invocation);
  EXPECT_EQ(unknown.status, 404);
  EXPECT_TRUE(json::serialize(unknown.body).contains("drift-scan"));
}

TEST(TaskTypes, AFileOfOnesOwnSaysWhatTheAgentIsToldAndWhichModelAnswers) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(
      R"([{"expect": {"last_user_text_contains":
            ["Rebuild the index.", "Quickly.", "\"root\":\"docs\""]}, "text": "Rebuilt."}])");
  std::string const folder = world.state_folder() + "/task-types";
  ASSERT_TRUE(os::make_folders(folder));
  ASSERT_TRUE(os::write_file_atomic(
      folder + "/index.toml",
      "name = \"index-docs\"\nprompt = \"Rebuild the index.\"\npayload_required = true\n"
      "[defaults]\nmodel = \"" +
          model + "\"\n"));
  world.serve();
  Api api = world.api();
  auto invocation = World::invocation(api.add_workspace(repository.path()), model, "Quickly.");
  invocation.erase("model");
  invocation["task_type"] = "index-docs";
  EXPECT_EQ(api.post("/api/v1/runs", invocation).status, 400) << "without its payload";
  invocation["payload"] = {{"root", "docs"}};
  auto const events = api.events(api.dispatch(invocation));
  EXPECT_EQ(text_of(events.back().data, "state"), "succeeded")
      << json::serialize(events.back().data);
}

TEST(TaskTypes, ARunThatNobodyTakesInTimeEndsAsThat) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(R"([{"text": "hello"}])");
  world.serve();
  Api api = world.api();
  EXPECT_EQ(api.post("/api/v1/queues/all/pause", {}).status, 200);
  auto invocation = World::invocation(api.add_workspace(repository.path()), model, "go");
  invocation["limits"] = {{"queue_s", 1}};
  auto const run = api.dispatch(invocation);
  auto const events = api.events(run);
  EXPECT_EQ(fault_of(events, run.run), "");
  EXPECT_EQ(text_of(last_of(events, "limit"), "which"), "queue_s");
  EXPECT_EQ(text_of(events.back().data, "state"), "failed");
  EXPECT_EQ(text_of(events.back().data, "reason"), "queue_timeout");
}

}  // namespace
}  // namespace drover::harness
