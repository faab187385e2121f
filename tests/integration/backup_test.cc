// `drover backup` of a server at work, and `drover restore` where its state was lost.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "harness/world.h"
#include "os/files.h"

namespace drover::harness {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kAnswers = R"([{"repeat": 1000, "text": "Yes."}])";
// Is under way until its server is lost; the next attempt knows that the first call has no known
// end.
constexpr std::string_view kWaits = R"([
  {"tool_calls": [{"name": "Bash", "input": {"command": "touch .claude/begun; sleep 600"}}]},
  {"expect": {"tool_results": [{"is_error": true}]},
   "tool_calls": [{"name": "Bash", "input": {"command": "echo text >> made.txt"}}]},
  {"text": "Made it."}, {"repeat": 1000, "text": "Yes."}])";

json::object read_only(std::string const& workspace, std::string const& model) {
  auto invocation = World::invocation(workspace, model, "look");
  invocation["workspaces"].as_array()[0].as_object()["mode"] = "ro";
  return invocation;
}

std::vector<std::string> names_in(std::string const& folder) {
  std::vector<std::string> names;
  for (auto const& one : fs::directory_iterator(folder))
    names.push_back(one.path().filename().string());
  std::ranges::sort(names);
  return names;
}

enum class Loss : std::uint8_t {
  stopped,  // the server ended in order, and its folder is gone: another machine
  killed,   // the server died with units under way, and its folder is not trusted any more
};

void PrintTo(Loss loss, std::ostream* out) {
  *out << (loss == Loss::stopped ? "stopped" : "killed");
}

class BackupAndLoss : public ::testing::TestWithParam<Loss> {};

void lose_state_and_restore(World& world, Loss loss, std::string const& file) {
  std::vector<std::string> words = {"restore", file};
  if (loss == Loss::stopped) {
    world.stop_server();
    fs::remove_all(world.state_folder());
  } else {
    world.kill_server();
    words.insert(words.begin() + 1, "--replace");
  }
  auto const restored = world.drover(words);
  ASSERT_EQ(restored.exit_code, 0) << restored.text();
}

TEST_P(BackupAndLoss, WhatWasAnsweredBeforeItEndsExactlyOnceAfterTheRestore) {
  World world;
  auto const waiting = world.repository("waiting");
  auto const busy = world.repository("busy");
  auto const answers = world.model(kAnswers);
  world.serve();
  Api api = world.api();
  auto const busy_id = api.add_workspace(busy.path());
  auto const waiting_id = api.add_workspace(waiting.path());

  std::vector<RunRef> runs;
  auto const done = api.dispatch(World::invocation(busy_id, answers, "first"));
  auto const looked = api.dispatch(read_only(busy_id, answers));
  auto const branched = api.dispatch(World::invocation(busy_id, world.model(R"([
        {"tool_calls": [{"name": "Bash", "input": {"command": "echo one > branched.txt"}}]},
        {"text": "One."},
        {"tool_calls": [{"name": "Bash", "input": {"command": "cat branched.txt"}}]},
        {"expect": {"tool_results": [{"is_error": false, "contains": "one"}]}, "text": "Yes."}])"),
                                                       "branch", "worktree"));
  for (RunRef const& run : {done, looked, branched})
    EXPECT_EQ(text_of(api.events(run).back().data, "state"), "succeeded");
  // One under way, and one queued behind it.
  runs.push_back(api.dispatch(World::invocation(waiting_id, world.model(kWaits), "make it")));
  ASSERT_TRUE(eventually([&] { return waiting.has(".claude/begun"); }));
  runs.push_back(api.dispatch(World::invocation(waiting_id, answers, "then this")));

  // Further ones come in while the archive is written.
  std::atomic<bool> stop{false};
  std::vector<RunRef> meanwhile;
  std::jthread dispatcher{[&] {
    Api more = world.api();
    while (!stop)
      meanwhile.push_back(more.dispatch(World::invocation(busy_id, answers, "more")));
  }};
  std::string const file = world.root() + "/backup.tar.zst";
  auto const backup = world.drover({"backup", "--json", file});
  stop = true;
  dispatcher.join();
  ASSERT_EQ(backup.exit_code, 0) << backup.text();
  auto const line = backup.lines().back();
  ASSERT_GE(integer_or(line, "runs", 0), 5);
  EXPECT_GE(integer_or(line, "sessions", 0), 5);
  // Ids are in the order of dispatch: as many as the archive has beside the five.
  auto const inside =
      std::min(meanwhile.size(), static_cast<std::size_t>(integer_or(line, "runs", 0) - 5));
  runs.insert(runs.end(), meanwhile.begin(),
              meanwhile.begin() + static_cast<std::ptrdiff_t>(inside));

  lose_state_and_restore(world, GetParam(), file);
  world.serve();

  Api again = world.api();
  EXPECT_EQ(again.token(), api.token());
  for (RunRef const& run : runs) {
    auto const events = again.events(run);
    EXPECT_EQ(fault_of(events, run.run), "");
    EXPECT_EQ(text_of(events.back().data, "state"), "succeeded")
        << json::serialize(events.back().data);
  }
  EXPECT_EQ(waiting.git({"show", "HEAD:made.txt"}), "text");
  for (std::string const& session :
       {done.session, looked.session, branched.session, runs[0].session}) {
    auto const sent = world.drover({"send", "--json", session, "go on"});
    EXPECT_EQ(sent.exit_code, 0) << sent.text();
    EXPECT_EQ(text_of(sent.lines().back(), "reply"), "Yes.");
  }
  EXPECT_EQ(fault_of(again.events(done), done.run), "");
  // What the old server's units had open went with them; its folder is the user's to remove.
  world.stop_server();
  for (auto const& one : fs::directory_iterator(world.root()))
    if (one.path().filename().string().contains(".before-restore-")) fs::remove_all(one.path());
}

INSTANTIATE_TEST_SUITE_P(All, BackupAndLoss, ::testing::Values(Loss::stopped, Loss::killed),
                         ::testing::PrintToStringParamName());

// The store is behind the workspace then: the commit and the conversation have what it does not
// know.
TEST(Backup, ARunThatEndedAfterTheBackupIsNotDoneTwice) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  RunRef run;
  std::string const file = world.root() + "/backup.tar.zst";
  {
    Api api = world.api();
    run = api.dispatch(World::invocation(api.add_workspace(repository.path()), world.model(R"([
          {"tool_calls": [{"name": "Bash", "input": {"command":
             "touch .claude/begun; until [ -e go ]; do sleep 0.01; done; rm go; echo text >> made.txt"}}]},
          {"text": "Made it."}, {"text": "Yes."}])"),
                                         "make it"));
    ASSERT_TRUE(eventually([&] { return repository.has(".claude/begun"); }));
    ASSERT_EQ(world.drover({"backup", file}).exit_code, 0);
    repository.write("go", "");
    EXPECT_EQ(text_of(api.events(run).back().data, "state"), "succeeded");
  }
  lose_state_and_restore(world, Loss::stopped, file);
  world.serve();
  auto const events = world.api().events(run);
  EXPECT_EQ(fault_of(events, run.run), "");
  EXPECT_EQ(text_of(events.back().data, "state"), "succeeded")
      << json::serialize(events.back().data);
  EXPECT_EQ(text_of(events.back().data, "reply"), "Made it.");
  EXPECT_EQ(repository.git({"show", "HEAD:made.txt"}), "text");
  EXPECT_EQ(repository.commits(), 2U);
  auto const sent = world.drover({"send", "--json", run.session, "go on"});
  EXPECT_EQ(text_of(sent.lines().back(), "reply"), "Yes.") << sent.text();
}

TEST(Backup, AServerThatRunsAndAStateThatIsThereAreNotTouched) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  auto const run = world.api().dispatch(World::invocation(
      world.api().add_workspace(repository.path()), world.model(kAnswers), "first"));
  (void)world.api().events(run);
  std::string const file = world.root() + "/backup.tar.zst";
  ASSERT_EQ(world.drover({"backup", file}).exit_code, 0);
  auto const serving = world.drover({"restore", "--replace", file});
  EXPECT_EQ(serving.exit_code, 1);
  EXPECT_TRUE(serving.err.contains("a drover server uses")) << serving.text();
  world.stop_server();
  auto const occupied = world.drover({"restore", file});
  EXPECT_EQ(occupied.exit_code, 1);
  EXPECT_TRUE(occupied.err.contains("--replace")) << occupied.text();
  auto const replaced = world.drover({"restore", "--replace", file});
  EXPECT_EQ(replaced.exit_code, 0) << replaced.text();
  EXPECT_TRUE(replaced.err.contains("state.before-restore-")) << replaced.text();
  world.serve();
  EXPECT_EQ(text_of(world.api().run(run.run), "state"), "succeeded");
}

TEST(Backup, TheCommandWritesOneFileAndSaysWhatIsInIt) {
  World world;
  world.serve();
  auto const named = world.drover({"backup"});
  ASSERT_EQ(named.exit_code, 0) << named.text();
  std::string const name = named.out.substr(0, named.out.find(':'));
  EXPECT_TRUE(name.starts_with("drover-2") && name.ends_with("Z.tar.zst")) << named.out;
  EXPECT_TRUE(named.out.contains("0 sessions, 0 runs")) << named.out;
  struct stat info{};
  ASSERT_EQ(::stat((world.root() + "/" + name).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
  auto const before = names_in(world.root());

  auto const elsewhere = world.drover({"backup", "--server", "http://127.0.0.1:1"});
  EXPECT_EQ(elsewhere.exit_code, 2) << elsewhere.text();
  auto const whole = world.drover({"backup", "--verify", name});
  EXPECT_EQ(whole.exit_code, 0) << whole.text();
  auto const piped = world.drover({"backup", "-"});
  ASSERT_EQ(piped.exit_code, 0) << piped.err;
  EXPECT_TRUE(piped.err.contains("0 sessions, 0 runs")) << piped.err;
  EXPECT_EQ(names_in(world.root()), before) << "nothing else is left";

  std::ofstream{world.root() + "/piped", std::ios::binary} << piped.out;
  EXPECT_EQ(world.drover({"backup", "--verify", "piped"}).exit_code, 0);
  std::ofstream{world.root() + "/piped", std::ios::binary}
      << piped.out.substr(0, piped.out.size() / 2);
  auto const cut = world.drover({"backup", "--verify", "piped"});
  EXPECT_EQ(cut.exit_code, 1) << cut.text();
  EXPECT_TRUE(cut.err.contains("no whole drover backup")) << cut.err;
}

}  // namespace
}  // namespace drover::harness
