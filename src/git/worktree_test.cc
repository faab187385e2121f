#include "git/worktree.h"

#include "git/diff.h"
#include "git/land.h"
#include "git/test_repository.h"

namespace drover::git {
namespace {

class Linked : public testing::RepositoryTest {
 protected:
  void SetUp() override {
    RepositoryTest::SetUp();
    make_repository();
    linked_ = top_ + "/linked";
  }
  [[nodiscard]] Result<Repository> add(std::string const& branch = "drover/ses-1") {
    auto repository = open();
    auto const start = repository.resolve_commit("HEAD");
    return add_worktree(repository, linked_, branch, *start);
  }
  // Adds the work tree, writes a file in it and commits.
  void change_in_branch(std::string const& path, std::string const& content) {
    if (!os::exists(linked_)) ASSERT_TRUE(add());
    auto worktree = Repository::open(linked_);
    ASSERT_TRUE(worktree) << worktree.error().text();
    std::string const whole = linked_ + "/" + path;
    ASSERT_TRUE(os::make_folders(whole.substr(0, whole.rfind('/'))));
    ASSERT_TRUE(os::write_file_atomic(whole, content));
    auto const outcome = commit_changes(*worktree, request("In the branch"));
    ASSERT_TRUE(outcome) << outcome.error().text();
    ASSERT_TRUE(outcome->committed);
  }
  [[nodiscard]] Result<LandOutcome> land_branch(LandStrategy strategy = LandStrategy::automatic) {
    auto repository = open();
    return land(repository, {.branch = "drover/ses-1",
                             .strategy = strategy,
                             .identity = agent(),
                             .when = when(),
                             .trailers = {{"Drover-Session", "ses-1"}},
                             .excluded = {}});
  }
  // What git knows and what is on disk, to show that nothing changed.
  [[nodiscard]] std::string fingerprint() const {
    return git("rev-parse HEAD") + git("status --porcelain") + git("ls-files -s") +
           shell("find . -path ./.git -prune -o -type f -print0 | sort -z | xargs -0 sha1sum",
                 work_)
               .text;
  }
  std::string linked_;
};

TEST_F(Linked, IsACheckoutThatGitAccepts) {
  write("run.sh", "#!/bin/sh\n");
  write("crlf.txt", "a\nb\n");
  write(".gitattributes", "crlf.txt eol=crlf\n");
  sh("chmod +x run.sh; ln -s README link; git add -A; git commit -q -m more");
  auto const worktree = add();
  ASSERT_TRUE(worktree) << worktree.error().text();
  EXPECT_TRUE(worktree->is_linked_worktree());
  EXPECT_EQ(git_in(linked_, "status --porcelain"), "");
  EXPECT_EQ(git_in(linked_, "rev-parse --abbrev-ref HEAD"), "drover/ses-1");
  EXPECT_EQ(git_in(linked_, "write-tree"), git("rev-parse HEAD^{tree}"));
  EXPECT_EQ(*os::read_file(linked_ + "/crlf.txt"), "a\r\nb\r\n");
  EXPECT_EQ(access((linked_ + "/run.sh").c_str(), X_OK), 0);
  EXPECT_NE(git("worktree list").find(linked_), std::string::npos);
  auto const list = list_worktrees(open());
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 1U);
  EXPECT_EQ((*list)[0].path, linked_);
  EXPECT_EQ((*list)[0].branch, "drover/ses-1");
  EXPECT_EQ(git("worktree prune -v"), "");
}

TEST_F(Linked, CommitsWithoutTouchingTheMainCheckout) {
  write("README", "the user's unfinished work\n");
  auto const before = fingerprint();
  change_in_branch("sub/new", "x\n");
  EXPECT_EQ(fingerprint(), before);
  EXPECT_EQ(git_in(linked_, "status --porcelain"), "");
  EXPECT_EQ(git("ls-tree -r --name-only drover/ses-1"), "README\nsrc/main.c\nsub/new");
  EXPECT_EQ(git_in(linked_, "reflog -1 --format=%gs HEAD"), "commit: In the branch");
  EXPECT_EQ(git("fsck --strict --no-dangling --no-progress"), "");
}

TEST_F(Linked, RefusesABranchThatIsCheckedOutAndAnExistingPath) {
  EXPECT_EQ(add("main").error().code, ErrorCode::conflict);
  ASSERT_TRUE(add());
  EXPECT_EQ(add("other").error().code, ErrorCode::conflict);
  auto repository = open();
  auto const start = repository.resolve_commit("HEAD");
  EXPECT_EQ(add_worktree(repository, top_ + "/second", "drover/ses-1", *start).error().code,
            ErrorCode::conflict);
  EXPECT_FALSE(os::exists(top_ + "/second"));
  EXPECT_EQ(add_worktree(repository, top_ + "/second", "bad..name", *start).error().code,
            ErrorCode::invalid_argument);
}

// Every state that a kill within add_worktree leaves, from the first to the last.
TEST_F(Linked, WhatAKillLeftOfItIsClearedAndMadeAnew) {
  std::string const admin = work_ + "/.git/worktrees/linked";
  std::string const lock = work_ + "/.git/refs/heads/drover/ses-1.lock";
  write("kept.txt", "kept\n");
  sh("git add -A; git commit -q -m more");
  std::vector<std::string> const states = {
      "rm -rf '" + linked_ + "' '" + admin +
          "'; git branch -q -D drover/ses-1; mkdir -p .git/refs/heads/drover; touch '" + lock + "'",
      "rm -rf '" + linked_ + "' '" + admin + "'/*",
      "rm -rf '" + linked_ + "'; rm '" + admin + "/index'",
      "rm -rf '" + linked_ + "/.git' '" + linked_ + "'/*; rm '" + admin + "/index'",
      "rm '" + linked_ + "/kept.txt' '" + admin + "/index'",
  };
  for (std::string const& state : states) {
    SCOPED_TRACE(state);
    ASSERT_TRUE(add());
    sh(state);
    auto repository = open();
    auto const cleared = clear_unfinished_worktree(repository, linked_, "drover/ses-1");
    ASSERT_TRUE(cleared) << cleared.error().text();
    auto const made = add();
    ASSERT_TRUE(made) << made.error().text();
    EXPECT_EQ(shell("git status --porcelain", linked_).text, "");
    EXPECT_EQ(shell("git worktree list | wc -l", work_).text, "2");
    EXPECT_TRUE(os::exists(linked_ + "/kept.txt"));
    ASSERT_TRUE(remove_worktree(repository, linked_, WorktreeRemoval::discard));
  }
}

TEST_F(Linked, ClearingLeavesAWholeOneAndAFolderThatGitDoesNotKnow) {
  auto repository = open();
  ASSERT_TRUE(add());
  ASSERT_TRUE(os::write_file_atomic(linked_ + "/work.txt", "of an agent"));
  ASSERT_TRUE(clear_unfinished_worktree(repository, linked_, "drover/ses-1"));
  EXPECT_TRUE(os::exists(linked_ + "/work.txt"));
  sh("rm -rf .git/worktrees/linked");
  ASSERT_TRUE(clear_unfinished_worktree(repository, linked_, "drover/ses-1"));
  EXPECT_TRUE(os::exists(linked_ + "/work.txt"));
}

TEST_F(Linked, IsRemovedWithItsAdministration) {
  change_in_branch("new", "x\n");
  auto repository = open();
  ASSERT_TRUE(os::write_file_atomic(linked_ + "/unsaved", "x"));
  EXPECT_EQ(remove_worktree(repository, linked_, WorktreeRemoval::clean_only).error().code,
            ErrorCode::conflict);
  EXPECT_EQ(delete_branch(repository, "drover/ses-1").error().code, ErrorCode::forbidden);
  ASSERT_TRUE(remove_worktree(repository, linked_, WorktreeRemoval::discard));
  ASSERT_TRUE(remove_worktree(repository, linked_, WorktreeRemoval::discard));
  EXPECT_FALSE(os::exists(linked_));
  EXPECT_FALSE(os::exists(work_ + "/.git/worktrees/linked"));
  EXPECT_EQ(git("branch --list --format='%(refname:short)'"), "drover/ses-1\nmain");
  ASSERT_TRUE(delete_branch(repository, "drover/ses-1"));
  EXPECT_EQ(git("branch --list --format='%(refname:short)'"), "main");
}

TEST_F(Linked, LandsByFastForward) {
  change_in_branch("src/new.c", "x\n");
  change_in_branch("README", "changed\n");
  auto const outcome = land_branch();
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(outcome->kind, LandKind::fast_forward);
  EXPECT_EQ(git("rev-parse main"), git("rev-parse drover/ses-1"));
  EXPECT_EQ(outcome->commit.hex(), git("rev-parse main"));
  EXPECT_EQ(read("README"), "changed\n");
  EXPECT_EQ(read("src/new.c"), "x\n");
  expect_clean();
  EXPECT_EQ(land_branch()->kind, LandKind::up_to_date);
}

TEST_F(Linked, LandsDeletionsModesLinksAndShapes) {
  write("gone/deep/file", "x\n");
  write("shape", "file\n");
  write("tool", "x\n");
  sh("git add -A && git commit -q -m base");
  ASSERT_TRUE(add());
  EXPECT_EQ(shell("rm -r gone && rm shape && mkdir shape && echo y > shape/in && chmod +x tool && "
                  "ln -s tool link",
                  linked_)
                .status,
            0);
  change_in_branch("z", "z\n");
  ASSERT_TRUE(land_branch());
  expect_clean();
  EXPECT_FALSE(os::exists(work_ + "/gone"));
  EXPECT_EQ(read("shape/in"), "y\n");
}

TEST_F(Linked, LandsByAMergeCommit) {
  change_in_branch("from-branch", "x\n");
  write("from-user", "y\n");
  sh("git add -A && git commit -q -m mine");
  EXPECT_EQ(land_branch(LandStrategy::fast_forward).error().code, ErrorCode::conflict);
  auto const outcome = land_branch();
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(outcome->kind, LandKind::merge);
  EXPECT_EQ(git("log -1 --format='%s|%an'"), "Merge branch 'drover/ses-1'|Ada");
  EXPECT_EQ(git("rev-parse HEAD^2"), git("rev-parse drover/ses-1"));
  EXPECT_EQ(read("from-branch"), "x\n");
  EXPECT_EQ(read("from-user"), "y\n");
  expect_clean();
}

TEST_F(Linked, MergesEvenWhereAFastForwardWouldDo) {
  change_in_branch("new", "x\n");
  auto const outcome = land_branch(LandStrategy::merge);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->kind, LandKind::merge);
  EXPECT_EQ(git("rev-list --count HEAD"), "3");
  expect_clean();
}

TEST_F(Linked, NamesConflictsAndTouchesNothing) {
  change_in_branch("README", "theirs\n");
  write("README", "ours\n");
  sh("git commit -q -a -m mine");
  auto const before = fingerprint();
  auto const outcome = land_branch();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->kind, LandKind::conflicts);
  EXPECT_EQ(outcome->conflicts, std::vector<std::string>{"README"});
  EXPECT_EQ(fingerprint(), before);
  EXPECT_FALSE(os::exists(work_ + "/.git/MERGE_HEAD"));
  EXPECT_FALSE(os::exists(work_ + "/.git/index.lock"));
}

TEST_F(Linked, RefusesOverUncommittedAndUntrackedFiles) {
  change_in_branch("new", "theirs\n");
  write("README", "unfinished\n");
  auto before = fingerprint();
  auto outcome = land_branch();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::conflict);
  EXPECT_NE(outcome.error().message.find("README"), std::string::npos);
  EXPECT_EQ(fingerprint(), before);

  sh("git checkout -q README && echo new >> .git/info/exclude && echo precious > new");
  before = fingerprint();
  outcome = land_branch();
  ASSERT_FALSE(outcome);
  EXPECT_NE(outcome.error().message.find("new"), std::string::npos);
  EXPECT_EQ(fingerprint(), before);
  EXPECT_EQ(read("new"), "precious\n");
}

TEST_F(Linked, PutsTheWorkTreeBackWhenWritingFails) {
  write("locked/file", "x\n");
  sh("git config --global --add safe.directory '*'; git add -A && git commit -q -m base");
  if (geteuid() == 0) {
    // Root ignores permissions, so the repository is given to a user who is bound by them; after
    // the commit, since git leaves folders of objects that are root's.
    sh("chmod 777 .. && chown -R 4321:4321 .");
  }
  change_in_branch("locked/new", "y\n");
  change_in_branch("a-first", "y\n");
  sh("chmod 555 locked; chown -R 4321:4321 . ../linked 2>/dev/null || true");
  auto const before = fingerprint();
  auto const outcome = land_branch();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(fingerprint(), before);
  sh("chmod 755 locked");
  EXPECT_TRUE(land_branch());
}

TEST_F(Linked, RefusesHistoriesWithoutACommonCommitAndUnknownBranches) {
  EXPECT_EQ(land_branch().error().code, ErrorCode::not_found);
  sh("git checkout -q --orphan drover/ses-1 && git commit -q -m lonely && git checkout -q main");
  auto const outcome = land_branch();
  ASSERT_FALSE(outcome);
  EXPECT_NE(outcome.error().message.find("no commit in common"), std::string::npos);
}

TEST_F(Linked, DiffIsWhatGitPrints) {
  write("bin", std::string("a\0b", 3));
  write("no-newline", "one");
  write("mode", "x\n");
  write("to-link", "x\n");
  sh("git add -A && git commit -q -m base");
  write("README", "hello\nthere\n");
  write("bin", std::string("a\0c", 3));
  write("no-newline", "one\ntwo");
  write("dir/new", "1\n2\n");
  write("umläut", "x\n");
  sh("chmod +x mode; rm src/main.c; rm to-link; ln -s x to-link; git add -A; git commit -q -m "
     "change");
  auto const repository = open();
  auto const from = repository.resolve_commit("HEAD~1");
  auto const to = repository.resolve_commit("HEAD");
  auto const result = diff(repository, *from, *to);
  ASSERT_TRUE(result) << result.error().text();
  // git shows a change of type as a deletion and an addition, which we show as one.
  auto const expected = git("diff --no-renames --full-index HEAD~1 HEAD -- ':!to-link'");
  std::string ours = result->text;
  auto const at = ours.find("diff --git a/to-link");
  ASSERT_NE(at, std::string::npos);
  auto const end = ours.find("diff --git", at + 1);
  ours.erase(at, end - at);
  EXPECT_EQ(ours, expected + "\n");
  EXPECT_EQ(shell("git checkout -q HEAD~1 && cat > ../patch <<'END'\n" + ours +
                      "END\ngrep -v ^xx ../patch >/dev/null",
                  work_)
                .status,
            0);

  auto const cut = diff(repository, *from, *to, {.bytes_max = 300});
  ASSERT_TRUE(cut);
  EXPECT_TRUE(cut->truncated);
  EXPECT_LE(cut->text.size(), 300U);
  EXPECT_EQ(cut->files.size(), result->files.size());
  EXPECT_FALSE(result->truncated);
  auto const whole = diff(repository, Oid{}, *to);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->files.size(), 7U);
}

TEST_F(Linked, ABranchIsLandedOnceHeadHasItsCommits) {
  EXPECT_EQ(is_landed(open(), "drover/ses-1").value(), true) << "there is none";
  ASSERT_TRUE(add());
  EXPECT_EQ(is_landed(open(), "drover/ses-1").value(), true) << "nothing was committed";
  change_in_branch("new.txt", "new\n");
  EXPECT_EQ(is_landed(open(), "drover/ses-1").value(), false);
  ASSERT_TRUE(land_branch(LandStrategy::merge));
  EXPECT_EQ(is_landed(open(), "drover/ses-1").value(), true);
}

}  // namespace
}  // namespace drover::git
