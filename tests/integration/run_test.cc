// A run that goes well: the change, the commit, the continued conversation, the granted mode.
#include <gtest/gtest.h>
#include <signal.h>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "harness/world.h"

namespace drover::harness {
namespace {

constexpr std::string_view kEdit = R"([
  {"text": "Looking.", "tool_calls": [{"name": "Read", "input": {"file_path": "/workspace/README.md"}}]},
  {"expect": {"tool_results": [{"contains": "a project", "is_error": false}]},
   "tool_calls": [{"name": "Edit", "input": {"file_path": "/workspace/README.md",
     "old_string": "a project", "new_string": "a better project"}},
    {"name": "Write", "input": {"file_path": "/workspace/src/new.txt", "content": "new\n"}}]},
  {"expect": {"tool_results": [{"is_error": false}, {"is_error": false}]},
   "text": "Made the project better.\n\nAll of it."},
  {"expect": {"last_user_text_contains": "what did you do"}, "text": "I made the project better."}
])";

TEST(Run, CommitsWhatItChangedInTheNamesOfUserAndDrover) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(kEdit);
  std::string const before = repository.head();
  world.serve();
  auto const outcome =
      world.drover({"run", "--json", "-w", repository.path(), "--model", model, "make it better"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text();

  EXPECT_EQ(repository.read("README.md"), "a better project\n");
  EXPECT_EQ(repository.read("src/new.txt"), "new\n");
  EXPECT_EQ(repository.status(), "");
  EXPECT_EQ(repository.show("%P"), before);
  EXPECT_EQ(repository.show("%an <%ae>"), "Uma User <uma@example.com>");
  EXPECT_EQ(repository.show("%cn <%ce>"), "drover <drover@localhost>");
  EXPECT_EQ(repository.show("%s"), "Made the project better.");
  auto const last = outcome.lines().back();
  EXPECT_EQ(text_of(last, "type"), "turn-complete");
  EXPECT_EQ(text_of(last, "state"), "succeeded");
  EXPECT_EQ(repository.show("%(trailers:key=Drover-Run,valueonly,separator=%x2C)"),
            text_of(last, "run"));
  EXPECT_EQ(repository.show("%(trailers:key=Drover-Model,valueonly,separator=%x2C)"), model);
  EXPECT_TRUE(repository.show("%(trailers:key=Drover-Session,valueonly,separator=%x2C)")
                  .starts_with("ses-"));
  // What the session keeps in the workspace stays out of the user's history.
  EXPECT_EQ(repository.git({"ls-files"}), "README.md\nsrc/new.txt");
  EXPECT_TRUE(repository.has(".claude/.session"));
}

TEST(Run, ASecondMessageContinuesTheConversationInTheWarmUnit) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  std::string const workspace = api.add_workspace(repository.path());
  auto const first =
      api.dispatch(World::invocation(workspace, world.model(kEdit), "make it better"));
  ASSERT_EQ(text_of(last_of(api.events(first), "turn-complete"), "state"), "succeeded");
  auto const unit = world.units();
  ASSERT_EQ(unit.size(), 1U);

  // The script's fourth turn answers only a request that holds the three answers before it.
  auto const outcome = world.drover({"send", "--json", first.session, "and what did you do?"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text();
  EXPECT_EQ(text_of(outcome.lines().back(), "reply"), "I made the project better.");
  EXPECT_EQ(world.units(), unit);
  EXPECT_EQ(repository.commits(), 2U);  // nothing was changed, so nothing was committed
  EXPECT_EQ(integer_or(api.get("/api/v1/sessions/" + first.session).body, "runs", 0), 2);
}

TEST(Run, TheConversationOutlivesServerAndUnit) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(kEdit);
  world.serve();
  std::string session;
  {
    Api api = world.api();
    auto const first = api.dispatch(
        World::invocation(api.add_workspace(repository.path()), model, "make it better"));
    session = first.session;
    (void)api.events(first);
  }
  world.stop_server();
  EXPECT_EQ(world.leftovers(), std::vector<std::string>{});
  world.serve();
  auto const outcome = world.drover({"send", "--json", session, "and what did you do?"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text();
  EXPECT_EQ(text_of(outcome.lines().back(), "reply"), "I made the project better.");
}

TEST(Run, StartsAServerForItselfAndDownStopsIt) {
  World world;
  auto const repository = world.repository("project");
  auto const outcome = world.drover(
      {"run", "-w", repository.path(), "--model", world.model(kEdit), "make it better"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text();
  EXPECT_TRUE(outcome.out.contains("Made the project better.")) << outcome.text();
  EXPECT_FALSE(processes_below(::getpid()).empty());
  auto const down = world.drover({"down"});
  EXPECT_EQ(down.exit_code, 0) << down.text();
  EXPECT_TRUE(eventually([] { return processes_below(::getpid()).empty(); }));
}

constexpr std::string_view kTryToWrite = R"([
  {"tool_calls": [{"name": "Write", "input": {"file_path": "/workspace/README.md", "content": "spoilt"}},
                  {"name": "Bash", "input": {"command": "echo spoilt > /workspace/new.txt"}},
                  {"name": "Bash", "input": {"command": "cat /workspace/README.md"}}]},
  {"expect": {"tool_results": [{"is_error": true}, {"contains": "Read-only file system", "is_error": true},
                               {"contains": "a project", "is_error": false}]},
   "text": "I could only read."}
])";

TEST(Run, AReadOnlyWorkspaceIsReadOnlyInside) {
  World world;
  auto const repository = world.repository("project");
  std::string const before = repository.head();
  world.serve();
  auto const outcome = world.drover({"run", "--json", "--ro", "-w", repository.path(), "--model",
                                     world.model(kTryToWrite), "try"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text();
  EXPECT_EQ(repository.read("README.md"), "a project\n");
  EXPECT_EQ(repository.head(), before);
  EXPECT_EQ(repository.git({"status", "--porcelain", "--ignored"}), "");
  EXPECT_EQ(outcome.lines().back().at("commits").as_array().size(), 0U);
}

constexpr std::string_view kAttackGit = R"([
  {"tool_calls": [{"name": "Bash", "input": {"command":
     "echo '#!/bin/sh\ntouch /tmp/owned' > .git/hooks/pre-commit; echo x >> .git/config; rm -rf .git/refs; echo done > out.txt"}}]},
  {"text": "tried"}
])";

TEST(Run, TheRepositorysOwnFolderCannotBeWrittenFromInside) {
  World world;
  auto const repository = world.repository("project");
  std::string const config = repository.read(".git/config");
  world.serve();
  auto const outcome =
      world.drover({"run", "-w", repository.path(), "--model", world.model(kAttackGit), "attack"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text();
  EXPECT_EQ(repository.read(".git/config"), config);
  EXPECT_FALSE(repository.has(".git/hooks/pre-commit"));
  EXPECT_EQ(repository.git({"show", "HEAD:out.txt"}), "done");
  EXPECT_EQ(repository.git({"fsck", "--no-progress"}), "");
}

TEST(Run, EachGrantedWorkspaceGetsItsOwnCommit) {
  World world;
  auto const first = world.repository("first");
  auto const second = world.repository("second");
  auto const model = world.model(R"([
    {"tool_calls": [{"name": "Write", "input": {"file_path": "/workspace/a.txt", "content": "a\n"}},
                    {"name": "Write", "input": {"file_path": "/workspaces/second/b.txt", "content": "b\n"}}]},
    {"expect": {"tool_results": [{"is_error": false}, {"is_error": false}]}, "text": "Both."}])");
  world.serve();
  auto const outcome = world.drover(
      {"run", "--json", "-w", first.path(), "-w", second.path(), "--model", model, "change both"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text();
  EXPECT_EQ(first.git({"show", "--format=", "--name-only", "HEAD"}), "a.txt");
  EXPECT_EQ(second.git({"show", "--format=", "--name-only", "HEAD"}), "b.txt");
  EXPECT_EQ(first.status() + second.status(), "");
  EXPECT_EQ(outcome.lines().back().at("commits").as_array().size(), 2U);

  auto const diff = world.drover({"diff", text_of(outcome.lines().back(), "run")});
  EXPECT_EQ(diff.exit_code, 0) << diff.text();
  EXPECT_TRUE(diff.out.contains("+a\n")) << diff.out;
  EXPECT_TRUE(diff.out.contains("+b\n")) << diff.out;
}

TEST(Run, MessagesToOneSessionAreAnsweredInTheirOrder) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto const model = world.model(R"([
    {"delay_ms": 150, "text": "1"},
    {"expect": {"last_user_text_contains": "message 1"}, "delay_ms": 50, "text": "2"},
    {"expect": {"last_user_text_contains": "message 2"}, "text": "3"},
    {"expect": {"last_user_text_contains": "message 3"}, "text": "4"}])");
  std::vector<RunRef> runs{
      api.dispatch(World::invocation(api.add_workspace(repository.path()), model, "message 0"))};
  for (std::string const& prompt :
       {std::string{"message 1"}, std::string{"message 2"}, std::string{"message 3"}})
    runs.push_back(api.send_message(runs.front().session, prompt));
  for (std::size_t i = 0; i < runs.size(); ++i) {
    auto const events = api.events(runs[i]);
    EXPECT_EQ(fault_of(events, runs[i].run), "");
    EXPECT_EQ(text_of(events.back().data, "reply"), std::to_string(i + 1))
        << json::serialize(events.back().data);
  }
}

TEST(Run, CtrlCDetachesAndTheRunGoesOn) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  auto const model = world.model(R"([
    {"tool_calls": [{"name": "Bash", "input": {"command": "until [ -e go ]; do sleep 0.01; done; rm go; echo x > out.txt"}}]},
    {"text": "Done."}])");
  auto const follower =
      world.start_drover({"run", "-w", repository.path(), "--model", model, "go"});
  Api api = world.api();
  ASSERT_TRUE(eventually([&] {
    return api.get("/api/v1/runs?state=running").body.at("runs").as_array().size() == 1;
  }));
  auto const listed = api.get("/api/v1/runs").body.at("runs").at(0).as_object();
  RunRef const run{text_of(listed, "id"), text_of(listed, "session")};
  ASSERT_TRUE(api.await_event(run, "tool-call"));
  follower->signal(SIGINT);
  auto const outcome = follower->finish();
  EXPECT_EQ(outcome.exit_code, 130) << outcome.text();
  EXPECT_TRUE(outcome.err.contains("drover attach")) << outcome.text();

  EXPECT_EQ(text_of(api.run(run.run), "state"), "running");
  repository.write("go", "");
  auto const attached = world.drover({"attach", "--json", run.run});
  EXPECT_EQ(attached.exit_code, 0) << attached.text();
  EXPECT_EQ(repository.git({"show", "HEAD:out.txt"}), "x");
}

}  // namespace
}  // namespace drover::harness
