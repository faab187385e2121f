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

// Put by a command, used by another, kept over a restart, taken back.
TEST(TaskTypes, ATypeThatWasAppliedIsWhatRunsAreMadeOf) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(
      R"([{"expect": {"last_user_text_contains": ["Greet politely.", "\"name\":\"Ada\""]},
           "text": "Good evening."}])");
  world.serve();
  std::string const file = world.root() + "/greet.toml";
  ASSERT_TRUE(os::write_file_atomic(
      file,
      "name = \"greet\"\nprompt = \"Greet politely.\"\npayload_required = true\n"
      "[payload]\ntype = \"object\"\nproperties.name = {type = \"string\"}\n"));
  auto const applied = world.drover({"task-types", "apply", "-f", file});
  EXPECT_EQ(applied.exit_code, 0) << applied.text();
  world.stop_server();
  world.serve();

  std::vector<std::string> const run = {"run",     "-w",  repository.path(), "--ro",  "--json",
                                        "--model", model, "--task",          "greet", "--payload"};
  auto const with_payload = [&](std::string const& payload) {
    auto arguments = run;
    arguments.push_back(payload);
    return world.drover(arguments);
  };
  auto const wrong = with_payload(R"({"name": 7})");
  EXPECT_EQ(wrong.exit_code, 2) << wrong.text();
  EXPECT_TRUE(wrong.text().contains("/payload/name")) << wrong.text();
  auto const right = with_payload(R"({"name": "Ada"})");
  EXPECT_EQ(right.exit_code, 0) << right.text();
  EXPECT_EQ(text_of(right.lines().back(), "reply"), "Good evening.") << right.text();

  auto const shown = world.drover({"task-types", "show", "greet", "--json"});
  EXPECT_EQ(text_of(shown.lines().at(0), "origin"), "api") << shown.text();
  EXPECT_EQ(world.drover({"task-types", "rm", "greet"}).exit_code, 0);
  EXPECT_EQ(world.drover({"task-types", "show", "greet"}).exit_code, 2);
  EXPECT_NE(world.drover({"task-types", "rm", "pr-review"}).exit_code, 0) << "it is built in";
  EXPECT_EQ(world.drover({"task-types", "show", "pr-review"}).exit_code, 0);
}

TEST(TaskTypes, AMessageIsOfItsSessionsType) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(R"([{"repeat": 3, "text": "Yes."}])");
  world.serve();
  Api api = world.api();
  auto invocation = World::invocation(api.add_workspace(repository.path()), model, "go");
  auto const first = api.dispatch(invocation);
  (void)api.events(first);
  EXPECT_EQ(text_of(api.run(first.run), "task_type"), "background-agent");

  invocation["task_type"] = "chat";
  auto const typed = api.dispatch(invocation);
  (void)api.events(typed);
  auto const message = api.send_message(typed.session, "and now?");
  (void)api.events(message);
  EXPECT_EQ(text_of(api.run(message.run), "task_type"), "chat");
  auto const session = api.get("/api/v1/sessions/" + typed.session);
  EXPECT_EQ(text_of(session.body, "task_type"), "chat") << session.text;
}

// A type that only reads makes a run that only reads, unless something else is said.
TEST(TaskTypes, WhatATypeSaysOfModeAndAgentHolds) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(R"([{"text": "Looks good."}])");
  world.serve();
  Api api = world.api();
  auto const mode_of = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments{
        "run",       "-w",        repository.path(),     "--model",  model,   "--task",
        "pr-review", "--payload", R"({"base": "main"})", "--detach", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    auto const outcome = world.drover(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.text();
    RunRef const run{text_of(outcome.lines().at(0), "run"),
                     text_of(outcome.lines().at(0), "session")};
    (void)api.events(run);
    return text_of(api.run(run.run).at("workspaces").as_array().at(0).as_object(), "mode");
  };
  EXPECT_EQ(mode_of({}), "ro");
  EXPECT_EQ(mode_of({"--rw"}), "rw");

  ASSERT_EQ(
      api.put("/api/v1/task-types/odd", {{"name", "odd"}, {"defaults", {{"agent", "librarian"}}}})
          .status,
      201);
  auto invocation = World::invocation(api.add_workspace(repository.path()), model, "go");
  invocation["task_type"] = "odd";
  auto const refused = api.post("/api/v1/runs", invocation);
  EXPECT_EQ(refused.status, 404);
  EXPECT_TRUE(refused.text.contains("librarian', which the task type odd names")) << refused.text;
  invocation["agent"] = "default";
  (void)api.events(api.dispatch(invocation));
}

TEST(TaskTypes, APutNamesWhatIsWrongAndWhoWasFirst) {
  World world;
  world.serve();
  Api api = world.api();
  auto const put = [&](std::string const& query, json::object const& body) {
    return api.put("/api/v1/task-types/nightly" + query, body);
  };
  auto const bad = put("", {{"name", "nightly"}, {"priority", "urgent"}});
  EXPECT_EQ(bad.status, 400);
  EXPECT_TRUE(bad.text.contains("/priority")) << bad.text;
  EXPECT_EQ(put("", {{"name", "weekly"}}).status, 400) << "another name than the path's";
  EXPECT_EQ(put("?revision=0", {{"name", "nightly"}}).status, 201);
  EXPECT_EQ(put("?revision=0", {{"name", "nightly"}}).status, 409);
  auto const second = put("?revision=1", {{"name", "nightly"}, {"pool", "large"}});
  EXPECT_EQ(second.status, 200) << second.text;
  EXPECT_EQ(second.body.at("revision").to_number<int>(), 2);
  auto const read = api.get("/api/v1/task-types/nightly");
  EXPECT_EQ(text_of(read.body.at("type").as_object(), "pool"), "large");
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
