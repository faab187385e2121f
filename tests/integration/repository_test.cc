// The user's own repository: what is refused, worktrees, landing, and one writer at a time.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "harness/world.h"

namespace drover::harness {
namespace {

std::string write_file(std::string_view name, std::string_view text) {
  return fmt::format(
      R"([{{"tool_calls": [{{"name": "Write", "input": {{"file_path": "/workspace/{0}", "content": "{1}\n"}}}}]}},
          {{"expect": {{"tool_results": [{{"is_error": false}}]}}, "text": "Wrote {0}."}}])",
      name, text);
}

// Stands still until the user makes the file `go`, which it takes away again.
std::string wait_then_write(std::string_view name) {
  return fmt::format(
      R"([{{"tool_calls": [{{"name": "Bash", "input": {{"command":
            "until [ -e go ]; do sleep 0.01; done; rm go; echo text > {0}"}}}}]}},
          {{"expect": {{"tool_results": [{{"is_error": false}}]}}, "text": "Wrote {0}."}}])",
      name);
}

TEST(Repository, UncommittedChangesAreRefusedWithTheWaysOn) {
  World world;
  auto const repository = world.repository("project");
  repository.write("README.md", "changed by the user\n");
  repository.write("untracked.txt", "mine\n");
  std::string const before = repository.head();
  std::string const status = repository.status();
  world.serve();
  auto const outcome = world.drover(
      {"run", "-w", repository.path(), "--model", world.model(write_file("a.txt", "a")), "go"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.text();
  for (std::string_view const word : {"README.md", "untracked.txt", "--worktree", "--allow-dirty"})
    EXPECT_TRUE(outcome.err.contains(word)) << word << " in " << outcome.text();
  EXPECT_EQ(repository.head(), before);
  EXPECT_EQ(repository.status(), status);
  EXPECT_EQ(repository.read("README.md"), "changed by the user\n");
  EXPECT_EQ(world.api().get("/api/v1/runs").body.at("runs").as_array().size(), 0U);
}

TEST(Repository, AllowDirtyCommitsTheUsersChangesFirstAsTheUsers) {
  World world;
  auto const repository = world.repository("project");
  repository.write("README.md", "changed by the user\n");
  repository.write("untracked.txt", "mine\n");
  std::string const before = repository.head();
  world.serve();
  auto const outcome = world.drover({"run", "-w", repository.path(), "--allow-dirty", "--model",
                                     world.model(write_file("a.txt", "a")), "go"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text();
  EXPECT_EQ(repository.commits(before + "..HEAD"), 2U);
  EXPECT_EQ(repository.show("%an %cn", "HEAD~1"), "Uma User Uma User");
  EXPECT_EQ(repository.git({"show", "--format=", "--name-only", "HEAD~1"}),
            "README.md\nuntracked.txt");
  EXPECT_EQ(repository.git({"show", "--format=", "--name-only", "HEAD"}), "a.txt");
  EXPECT_EQ(repository.show("%cn"), "drover");
  EXPECT_EQ(repository.status(), "");
}

TEST(Repository, AWorktreeSessionLeavesADirtyCheckoutAlone) {
  World world;
  auto const repository = world.repository("project");
  repository.write("README.md", "changed by the user\n");
  std::string const before = repository.head();
  std::string const status = repository.status();
  world.serve();
  auto const outcome = world.drover({"run", "--json", "-w", repository.path(), "--worktree",
                                     "--model", world.model(write_file("a.txt", "a")), "go"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text();
  EXPECT_EQ(repository.head(), before);
  EXPECT_EQ(repository.status(), status);
  EXPECT_FALSE(repository.has("a.txt"));
  auto const end = outcome.lines().back();
  std::string const branch = text_of(end.at("commits").at(0).as_object(), "branch");
  EXPECT_EQ(repository.git({"rev-parse", "--abbrev-ref", "HEAD"}), "main");
  EXPECT_TRUE(branch.starts_with("drover/ses-")) << branch;
  // Uma's change is no part of it: it starts from what was committed.
  EXPECT_EQ(repository.git({"show", branch + ":README.md"}), "a project");
  EXPECT_EQ(repository.git({"show", branch + ":a.txt"}), "a");
  EXPECT_EQ(repository.show("%P", branch), before);
}

TEST(Repository, TwoWorktreeSessionsWorkAtTheSameTime) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto const workspace = api.add_workspace(repository.path());
  std::vector<RunRef> runs;
  for (std::string_view const name : {"one.txt", "two.txt"})
    runs.push_back(api.dispatch(
        World::invocation(workspace, world.model(wait_then_write(name)), "go", "worktree")));
  // Each stands in its tool call, so both are at work now.
  for (RunRef const& run : runs)
    ASSERT_TRUE(api.await_event(run, "tool-call"));
  for (RunRef const& run : runs) {
    auto const session = api.get("/api/v1/sessions/" + run.session).body;
    EXPECT_EQ(text_of(session, "state"), "active");
    ASSERT_NE(text_of(session, "worktree"), "");
    Repository const tree{text_of(session, "worktree"), world.environment()};
    tree.write("go", "");
  }
  for (RunRef const& run : runs)
    EXPECT_EQ(text_of(last_of(api.events(run), "turn-complete"), "state"), "succeeded");
  EXPECT_EQ(repository.git({"show", "drover/" + runs[0].session + ":one.txt"}), "text");
  EXPECT_EQ(repository.git({"show", "drover/" + runs[1].session + ":two.txt"}), "text");
}

// A worktree session that ended, with its branch.
std::string worktree_session(World const& world, Repository const& repository,
                             std::string const& model) {
  auto const outcome = world.drover(
      {"run", "--json", "-w", repository.path(), "--worktree", "--model", model, "go"});
  if (outcome.exit_code != 0) throw std::runtime_error(outcome.text());
  auto const end = outcome.lines().back();
  return text_of(end.at("commits").at(0).as_object(), "branch")
      .substr(std::string{"drover/"}.size());
}

TEST(Repository, LandMovesTheBranchForwardThenMerges) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  auto const first = worktree_session(world, repository, world.model(write_file("one.txt", "1")));
  auto const second = worktree_session(world, repository, world.model(write_file("two.txt", "2")));

  auto const forward = world.drover({"land", "--json", first});
  ASSERT_EQ(forward.exit_code, 0) << forward.text();
  EXPECT_EQ(text_of(forward.lines().back(), "kind"), "fast_forward");
  EXPECT_EQ(repository.head(), repository.git({"rev-parse", "drover/" + first}));
  EXPECT_EQ(repository.read("one.txt"), "1\n");
  EXPECT_EQ(repository.status(), "");

  auto const only_forward = world.drover({"land", "--strategy", "ff", second});
  EXPECT_EQ(only_forward.exit_code, 1) << only_forward.text();
  EXPECT_FALSE(repository.has("two.txt"));

  auto const merge = world.drover({"land", "--json", second});
  ASSERT_EQ(merge.exit_code, 0) << merge.text();
  EXPECT_EQ(text_of(merge.lines().back(), "kind"), "merge");
  EXPECT_EQ(repository.show("%P"), repository.git({"rev-parse", "drover/" + first}) + " " +
                                       repository.git({"rev-parse", "drover/" + second}));
  EXPECT_EQ(repository.read("two.txt"), "2\n");
  EXPECT_EQ(repository.status(), "");
  EXPECT_EQ(repository.git({"rev-parse", "--abbrev-ref", "HEAD"}), "main");

  auto const again = world.drover({"land", "--json", second});
  EXPECT_EQ(text_of(again.lines().back(), "kind"), "up_to_date") << again.text();
}

// A worktree session that has written `new.txt`.
RunRef written_in_worktree(World& world, Api& api, Repository const& repository) {
  auto const model = world.model(R"([
    {"tool_calls": [{"name": "Write", "input": {"file_path": "/workspace/new.txt", "content": "new\n"}}]},
    {"text": "Written."}])");
  auto const run = api.dispatch(
      World::invocation(api.add_workspace(repository.path()), model, "go", "worktree"));
  EXPECT_EQ(text_of(api.events(run).back().data, "state"), "succeeded");
  return run;
}

TEST(Repository, ALandedSessionIsRemovedWithAllThatItHad) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto const run = written_in_worktree(world, api, repository);
  auto const session = api.get("/api/v1/sessions/" + run.session).body;
  std::string const worktree = text_of(session, "worktree");
  ASSERT_TRUE(std::filesystem::exists(worktree));

  auto const early = world.drover({"sessions", "rm", run.session});
  EXPECT_EQ(early.exit_code, 1) << early.text();
  EXPECT_TRUE(early.err.contains("not merged")) << early.text();
  EXPECT_TRUE(early.err.contains("--force")) << early.text();
  EXPECT_TRUE(std::filesystem::exists(worktree));

  EXPECT_EQ(world.drover({"land", run.session}).exit_code, 0);
  std::ofstream{worktree + "/by-hand.txt"} << "mine";
  auto const dirty = world.drover({"sessions", "rm", run.session});
  EXPECT_EQ(dirty.exit_code, 1) << dirty.text();
  EXPECT_TRUE(dirty.err.contains("by-hand.txt")) << dirty.text();
  std::filesystem::remove(worktree + "/by-hand.txt");

  for (int i = 0; i < 2; ++i) {
    auto const removed = world.drover({"sessions", "rm", run.session});
    EXPECT_EQ(removed.exit_code, 0) << removed.text();
  }
  EXPECT_FALSE(std::filesystem::exists(worktree));
  EXPECT_FALSE(std::filesystem::exists(world.state_folder() + "/sessions/" + run.session));
  EXPECT_EQ(repository.git({"branch", "--list", "drover/*"}), "");
  EXPECT_EQ(repository.git({"worktree", "list"}).find('\n'), std::string::npos);
  EXPECT_TRUE(world.units().empty());
  EXPECT_EQ(repository.read("new.txt"), "new\n");
  EXPECT_EQ(api.get("/api/v1/sessions").body.at("sessions").as_array().size(), 0U);
  EXPECT_EQ(text_of(api.run(run.run), "state"), "succeeded");
  auto const late = world.drover({"send", run.session, "more"});
  EXPECT_EQ(late.exit_code, 1) << late.text();
  EXPECT_TRUE(late.err.contains("was removed")) << late.text();
}

TEST(Repository, ASessionAtWorkIsNotRemovedAndAnAbandonedOneOnlyByForce) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto const abandoned = written_in_worktree(world, api, repository);
  auto const forced = world.drover({"sessions", "rm", "--force", abandoned.session});
  EXPECT_EQ(forced.exit_code, 0) << forced.text();
  EXPECT_EQ(repository.git({"branch", "--list", "drover/*"}), "");

  auto const busy = api.dispatch(World::invocation(
      api.add_workspace(repository.path()),
      world.model(R"([{"tool_calls": [{"name": "Bash", "input": {"command": "sleep 600"}}]}])"),
      "go", "worktree"));
  ASSERT_TRUE(api.await_event(busy, "tool-call"));
  auto const refused = api.erase("/api/v1/sessions/" + busy.session + "?force=true");
  EXPECT_EQ(refused.status, 409) << refused.text;
  EXPECT_TRUE(refused.error_text().contains(busy.run)) << refused.text;
  EXPECT_EQ(text_of(api.run(busy.run), "state"), "running");
  EXPECT_EQ(api.erase("/api/v1/sessions/ses-nobody").status, 404);
}

TEST(Repository, AConflictIsNamedAndNothingIsHalfDone) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  auto const first =
      worktree_session(world, repository, world.model(write_file("same.txt", "one")));
  auto const second =
      worktree_session(world, repository, world.model(write_file("same.txt", "two")));
  ASSERT_EQ(world.drover({"land", first}).exit_code, 0);
  std::string const before = repository.head();

  auto const outcome = world.drover({"land", second});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.text();
  EXPECT_TRUE((outcome.out + outcome.err).contains("same.txt")) << outcome.text();
  EXPECT_EQ(repository.head(), before);
  EXPECT_EQ(repository.status(), "");
  EXPECT_EQ(repository.read("same.txt"), "one\n");
  EXPECT_FALSE(repository.has(".git/MERGE_HEAD"));
  EXPECT_FALSE(repository.has(".git/index.lock"));
}

TEST(Repository, LandRefusesToOverwriteTheUsersChange) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  auto const session = worktree_session(world, repository, world.model(write_file("one.txt", "1")));
  repository.write("one.txt", "the user's own\n");
  std::string const before = repository.head();
  auto const outcome = world.drover({"land", session});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.text();
  EXPECT_TRUE((outcome.out + outcome.err).contains("one.txt")) << outcome.text();
  EXPECT_EQ(repository.read("one.txt"), "the user's own\n");
  EXPECT_EQ(repository.head(), before);
}

TEST(Repository, TheSecondWriterWaitsItsTurn) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto const workspace = api.add_workspace(repository.path());
  auto const first =
      api.dispatch(World::invocation(workspace, world.model(wait_then_write("one.txt")), "go"));
  ASSERT_TRUE(api.await_event(first, "tool-call"));
  auto const second =
      api.dispatch(World::invocation(workspace, world.model(write_file("two.txt", "2")), "go"));
  // Another workspace is not held up, which shows that the server had time to start the second.
  auto const elsewhere = world.repository("elsewhere");
  auto const other = api.dispatch(World::invocation(api.add_workspace(elsewhere.path()),
                                                    world.model(write_file("a.txt", "a")), "go"));
  EXPECT_EQ(text_of(last_of(api.events(other), "turn-complete"), "state"), "succeeded");
  EXPECT_EQ(text_of(api.run(second.run), "state"), "queued");
  EXPECT_EQ(text_of(api.get("/api/v1/workspaces/" + workspace).body, "writer"), first.session);

  repository.write("go", "");
  EXPECT_EQ(text_of(last_of(api.events(first), "turn-complete"), "state"), "succeeded");
  EXPECT_EQ(text_of(last_of(api.events(second), "turn-complete"), "state"), "succeeded");
  EXPECT_GE(text_of(api.run(second.run), "started_at"), text_of(api.run(first.run), "finished_at"));
  EXPECT_EQ(repository.show("%s"), "Wrote two.txt.");
  EXPECT_EQ(repository.show("%s", "HEAD~1"), "Wrote one.txt.");
}

TEST(Repository, AFolderWithFilesNeedsInit) {
  World world;
  auto const folder = world.folder("plain");
  folder.write("notes.txt", "mine\n");
  auto const model = world.model(write_file("a.txt", "a"));
  world.serve();
  auto const refused = world.drover({"run", "-w", folder.path(), "--model", model, "go"});
  EXPECT_EQ(refused.exit_code, 1) << refused.text();
  EXPECT_TRUE(refused.err.contains("--init")) << refused.text();
  EXPECT_FALSE(folder.has(".git"));

  auto const outcome = world.drover({"run", "--init", "-w", folder.path(), "--model", model, "go"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text();
  EXPECT_EQ(folder.commits(), 2U);
  EXPECT_EQ(folder.git({"show", "HEAD~1:notes.txt"}), "mine");
  EXPECT_EQ(folder.git({"show", "--format=", "--name-only", "HEAD"}), "a.txt");
}

TEST(Repository, AnEmptyFolderBecomesAWorkspace) {
  World world;
  auto const folder = world.folder("empty");
  world.serve();
  auto const outcome = world.drover(
      {"run", "-w", folder.path(), "--model", world.model(write_file("a.txt", "a")), "go"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text();
  EXPECT_EQ(folder.commits(), 2U);
  EXPECT_EQ(folder.git({"ls-files"}), "a.txt");
  EXPECT_EQ(folder.status(), "");
}

TEST(Repository, AnUnbornBranchGetsAFirstCommitOnlyWhereNothingIsLost) {
  World world;
  auto const model = world.model(write_file("a.txt", "a"));
  world.serve();
  auto const empty = world.folder("unborn");
  empty.git({"init", "--quiet"});
  auto const outcome = world.drover({"run", "-w", empty.path(), "--model", model, "go"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text();
  EXPECT_EQ(empty.git({"ls-files"}), "a.txt");

  auto const staged = world.folder("staged");
  staged.git({"init", "--quiet"});
  staged.write("mine.txt", "mine\n");
  staged.git({"add", "mine.txt"});
  auto const refused = world.drover({"run", "-w", staged.path(), "--model", model, "go"});
  EXPECT_EQ(refused.exit_code, 1) << refused.text();
  EXPECT_TRUE(refused.err.contains("no commit yet")) << refused.text();
  EXPECT_EQ(staged.status(), "A  mine.txt");
}

TEST(Repository, ALockOfAnotherGitIsNamedAndRespected) {
  World world;
  auto const repository = world.repository("project");
  repository.write(".git/index.lock", "");
  std::string const before = repository.head();
  world.serve();
  auto const outcome = world.drover(
      {"run", "-w", repository.path(), "--model", world.model(write_file("a.txt", "a")), "go"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.text();
  EXPECT_TRUE((outcome.out + outcome.err).contains("index.lock")) << outcome.text();
  // Known before any work is done, not when that is to be committed.
  EXPECT_FALSE(repository.has("a.txt"));
  EXPECT_TRUE(repository.has(".git/index.lock"));
  EXPECT_EQ(repository.head(), before);

  // One that a killed drover left is taken away.
  repository.write(".git/index.lock", "drover 1\n");
  auto const again = world.drover(
      {"run", "-w", repository.path(), "--model", world.model(write_file("a.txt", "a")), "go"});
  EXPECT_EQ(again.exit_code, 0) << again.text();
  EXPECT_EQ(repository.status(), "");
}

TEST(Repository, AMergeUnderWayIsRefused) {
  World world;
  auto const repository = world.repository("project");
  repository.git({"checkout", "--quiet", "-b", "side"});
  repository.write("README.md", "side\n");
  repository.commit_all("side");
  repository.git({"checkout", "--quiet", "main"});
  repository.write("README.md", "main\n");
  repository.commit_all("main");
  EXPECT_THROW(repository.git({"merge", "side"}), std::runtime_error);
  std::string const status = repository.status();
  world.serve();
  auto const outcome = world.drover({"run", "-w", repository.path(), "--allow-dirty", "--model",
                                     world.model(write_file("a.txt", "a")), "go"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.text();
  EXPECT_TRUE((outcome.out + outcome.err).contains("merge")) << outcome.text();
  EXPECT_EQ(repository.status(), status);
}

TEST(Repository, WhatIsNoFolderIsRefused) {
  World world;
  auto const model = world.model(write_file("a.txt", "a"));
  auto const folder = world.folder("box");
  folder.write("file.txt", "text\n");
  world.serve();
  auto const file = world.drover({"run", "-w", folder.file("file.txt"), "--model", model, "go"});
  EXPECT_EQ(file.exit_code, 2) << file.text();
  EXPECT_TRUE(file.err.contains("not a folder")) << file.text();

  auto const missing = world.drover({"run", "-w", folder.file("nowhere"), "--model", model, "go"});
  EXPECT_EQ(missing.exit_code, 2) << missing.text();
  EXPECT_TRUE(missing.err.contains("nowhere")) << missing.text();
}

// Bound onto itself read-only: root, too, cannot write there.
class ReadOnlyMount {
 public:
  explicit ReadOnlyMount(std::string path) : path_(std::move(path)) {
    mounted_ = ::mount(path_.c_str(), path_.c_str(), nullptr, MS_BIND, nullptr) == 0;
    held_ = mounted_ && ::mount(nullptr, path_.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY,
                                nullptr) == 0;
  }
  ~ReadOnlyMount() {
    if (mounted_) EXPECT_EQ(::umount2(path_.c_str(), MNT_DETACH), 0);
  }
  ReadOnlyMount(ReadOnlyMount const&) = delete;
  ReadOnlyMount& operator=(ReadOnlyMount const&) = delete;
  [[nodiscard]] bool held() const { return held_; }

 private:
  std::string path_;
  bool mounted_ = false;
  bool held_ = false;
};

TEST(Repository, AFolderThatCannotBeWrittenIsRefused) {
  World world;
  auto const repository = world.repository("project");
  ReadOnlyMount const mount{repository.path()};
  if (!mount.held()) {
    if (::geteuid() == 0) GTEST_SKIP() << "this machine does not let root mount";
    std::filesystem::permissions(repository.path(), std::filesystem::perms{0555});
  }
  world.serve();
  auto const outcome = world.drover(
      {"run", "-w", repository.path(), "--model", world.model(write_file("a.txt", "a")), "go"});
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_TRUE(outcome.err.contains("not writable")) << outcome.text();
  EXPECT_TRUE(outcome.err.contains(repository.path())) << outcome.text();
  world.stop_server();  // before the mount goes
  if (!mount.held()) std::filesystem::permissions(repository.path(), std::filesystem::perms{0755});
}

}  // namespace
}  // namespace drover::harness
