// What a run is given as its machine: limits that end it, and a root file system of its own.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include <boost/json.hpp>

#include "harness/world.h"
#include "os/files.h"

namespace drover::harness {
namespace {

TEST(Sandbox, AWorkspaceThatGrowsTooMuchEndsTheRunWithTheReason) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto const model = world.model(R"([
    {"tool_calls": [{"name": "Bash", "input": {"command":
       "sleep 1; i=0; while :; do head -c 8M /dev/zero > big-$i; i=$((i+1)); done"}}]},
    {"text": "Never said."}])");
  auto invocation = World::invocation(api.add_workspace(repository.path()), model, "go");
  invocation["limits"] = json::object{{"disk_mb", 32}};
  auto const run = api.dispatch(invocation);
  auto const events = api.events(run, Millis{60'000});
  auto const end = last_of(events, "turn-complete");
  EXPECT_EQ(text_of(end, "state"), "failed");
  EXPECT_EQ(text_of(end, "reason"), "over_disk");
  EXPECT_TRUE(text_of(end, "detail").contains("the limit is 32 MiB")) << text_of(end, "detail");
  EXPECT_EQ(text_of(last_of(events, "limit"), "which"), "disk_mb");
  // Control: within the limit the same folder is committed.
  auto const modest = world.model(R"([
    {"tool_calls": [{"name": "Bash", "input": {"command": "head -c 8M /dev/zero > small"}}]},
    {"text": "Done."}])");
  auto const other = world.repository("other");
  invocation = World::invocation(api.add_workspace(other.path()), modest, "go");
  invocation["limits"] = json::object{{"disk_mb", 32}};
  auto const fine = last_of(api.events(api.dispatch(invocation)), "turn-complete");
  EXPECT_EQ(text_of(fine, "state"), "succeeded") << text_of(fine, "detail");
}

TEST(Sandbox, AnAgentWorksInARootFileSystemOfItsOwn) {
  World world;
  auto const repository = world.repository("project");
  // Nothing but folders: the unit brings itself, and needs no shell to write a file.
  std::string const root = world.root() + "/root";
  for (std::string const name : {"usr", "etc"})
    std::filesystem::create_directories(root + "/" + name);
  ASSERT_TRUE(os::write_file_atomic(root + "/etc/release", "mini\n"));
  std::string const file = world.root() + "/agent.json";
  json::object const agent{{"name", "mini"}, {"rootfs", json::string{root}}};
  ASSERT_TRUE(os::write_file_atomic(file, json::serialize(agent)));
  world.serve();
  ASSERT_EQ(world.drover({"agents", "apply", "-f", file}).exit_code, 0);
  auto const model = world.model(R"([
    {"tool_calls": [{"name": "Read", "input": {"file_path": "/etc/release"}},
                    {"name": "Read", "input": {"file_path": "/usr/bin/env"}},
                    {"name": "Write", "input": {"file_path": "/workspace/new.txt", "content": "new\n"}}]},
    {"expect": {"tool_results": [{"contains": "mini"}, {"is_error": true}, {"is_error": false}]},
     "text": "Done."}])");
  auto const outcome = world.drover(
      {"run", "--json", "--agent", "mini", "-w", repository.path(), "--model", model, "go"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text();
  EXPECT_EQ(repository.read("new.txt"), "new\n");
  EXPECT_EQ(repository.status(), "");
}

}  // namespace
}  // namespace drover::harness
