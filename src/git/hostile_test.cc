// Every known way by which a repository makes `git` run a program, against every operation of this
// layer. Each vector has a positive control: plain `git` does run the payload.
#include <functional>

#include "git/diff.h"
#include "git/land.h"
#include "git/test_repository.h"
#include "git/worktree.h"

namespace drover::git {
namespace {

struct Vector {
  std::string name;
  std::string plant;    // shell, in the work tree; $PAYLOAD is the program
  std::string control;  // a plain git command that runs the payload
};

class Hostile : public testing::RepositoryTest, public ::testing::WithParamInterface<Vector> {
 protected:
  void SetUp() override {
    RepositoryTest::SetUp();
    make_repository();
    write("notes.txt", "one\ntwo\nthree\nfour\nfive\n");
    sh("git add -A && git commit -q -m notes && git checkout -q -b drover/ses-1 && "
       "sed -i s/five/FIVE/ notes.txt && git commit -q -a -m theirs && git checkout -q main");
    fired_ = top_ + "/FIRED";
    std::string const payload = top_ + "/payload";
    ASSERT_TRUE(os::write_file_atomic(payload, "#!/bin/sh\ntouch " + fired_ + "\ncat\n", 0755));
    sh("export PAYLOAD=" + payload + "; " + GetParam().plant);
    ASSERT_EQ(unlink(fired_.c_str()) == 0 || errno == ENOENT, true);
  }
  void expect_not_fired(std::string const& after) const {
    EXPECT_FALSE(os::exists(fired_)) << "the payload of " << GetParam().name << " ran in " << after;
  }
  std::string fired_;
};

TEST_P(Hostile, RunsNothing) {
  auto const before = inspect(work_);
  ASSERT_TRUE(before) << before.error().text();
  expect_not_fired("inspect");
  auto repository = Repository::open(work_);
  ASSERT_TRUE(repository) << repository.error().text();
  write("notes.txt", "ONE\ntwo\nthree\nfour\nfive\n");
  write("plain", "new\n");
  ASSERT_TRUE(preview_changes(*repository, {}, {}));
  auto const outcome = commit_changes(*repository, request());
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_TRUE(outcome->committed);
  expect_not_fired("commit");
  ASSERT_TRUE(diff(*repository, outcome->parent, outcome->commit));
  expect_not_fired("diff");
  auto worktree = add_worktree(*repository, top_ + "/linked", "drover/ses-1", outcome->commit);
  ASSERT_TRUE(worktree) << worktree.error().text();
  expect_not_fired("add_worktree");
  // Some vectors leave the tree dirty on purpose; then this is refused, which is as good.
  (void)land(*repository, {.branch = "drover/ses-1",
                           .strategy = LandStrategy::automatic,
                           .identity = agent(),
                           .when = when(),
                           .trailers = {},
                           .excluded = {}});
  expect_not_fired("land");
  ASSERT_TRUE(remove_worktree(*repository, top_ + "/linked", WorktreeRemoval::discard));
  expect_not_fired("remove_worktree");

  write("notes.txt", "control\ntwo\nthree\nfour\nfive\n");
  (void)shell(GetParam().control, work_);
  EXPECT_TRUE(os::exists(fired_)) << "the control of " << GetParam().name
                                  << " did not fire, so the test proves nothing";
}

TEST_P(Hostile, MergesWithoutRunningAnything) {
  // Both sides change one file, in a repository that is clean except for what is planted.
  auto repository = Repository::open(work_);
  ASSERT_TRUE(repository);
  write("notes.txt", "ONE\ntwo\nthree\nfour\nfive\n");
  ASSERT_TRUE(commit_changes(*repository, request()));
  auto const landed = land(*repository, {.branch = "drover/ses-1",
                                         .strategy = LandStrategy::merge,
                                         .identity = agent(),
                                         .when = when(),
                                         .trailers = {},
                                         .excluded = {}});
  expect_not_fired("land");
  if (landed) {
    EXPECT_EQ(landed->kind, LandKind::merge);
  }
}

constexpr auto kFsmonitor = "git config core.fsmonitor $PAYLOAD";

INSTANTIATE_TEST_SUITE_P(
    Vectors, Hostile,
    ::testing::Values(
        Vector{"fsmonitor", kFsmonitor, "git status"},
        Vector{"include_path",
               "printf '[core]\\n fsmonitor = %s\\n' $PAYLOAD > evil.config; "
               "git config include.path ../evil.config",
               "git status"},
        Vector{"config_worktree",
               "git config extensions.worktreeConfig true; "
               "printf '[core]\\n fsmonitor = %s\\n' $PAYLOAD > .git/config.worktree",
               "git status"},
        Vector{"dot_git_file",
               "mv .git ../evil-git && echo 'gitdir: ../evil-git' > .git && "
               "git config core.fsmonitor $PAYLOAD",
               "git status"},
        Vector{"hooks",
               "for h in pre-commit commit-msg post-commit post-index-change reference-transaction "
               "post-checkout post-merge pre-merge-commit; do cp $PAYLOAD .git/hooks/$h; done",
               "git commit -q -a -m control"},
        Vector{"hooks_path",
               "mkdir h; for h in pre-commit reference-transaction post-checkout; do "
               "cp $PAYLOAD h/$h; done; git config core.hooksPath h",
               "git commit -q -a -m control"},
        Vector{"gpg_program",
               "git config gpg.program $PAYLOAD; git config commit.gpgSign true; "
               "git config merge.verifySignatures true",
               "git commit -q -a -m control"},
        Vector{"diff_external", "git config diff.external $PAYLOAD", "git diff"},
        Vector{"filter_clean",
               "git config filter.x.clean $PAYLOAD; git config filter.x.smudge $PAYLOAD; "
               "echo '*.txt filter=x' > .gitattributes",
               "git add -A"},
        Vector{"filter_process",
               "git config filter.x.process $PAYLOAD; echo '*.txt filter=x' > .gitattributes",
               "git add -A"},
        Vector{"info_attributes",
               "git config filter.x.clean $PAYLOAD; mkdir -p .git/info; "
               "echo '*.txt filter=x' > .git/info/attributes",
               "git add -A"},
        Vector{"textconv",
               "git config diff.x.textconv $PAYLOAD; echo '*.txt diff=x' > .gitattributes",
               "git diff"},
        Vector{"diff_command",
               "git config diff.x.command $PAYLOAD; echo '*.txt diff=x' > .gitattributes",
               "git diff"},
        Vector{"gitlink_fsmonitor",
               "git init -q sub && git -C sub commit -q --allow-empty -m one && "
               "git add sub 2>/dev/null && git commit -q -m link && "
               "git -C sub config core.fsmonitor $PAYLOAD && echo x > sub/new",
               "git status"},
        Vector{"nested_unrecorded_fsmonitor",
               "git init -q sub && git -C sub commit -q --allow-empty -m one && "
               "git -C sub config core.fsmonitor $PAYLOAD",
               "git add sub; git status"},
        Vector{"merge_driver",
               "git config merge.x.driver \"$PAYLOAD %A %O %B\"; "
               "echo '*.txt merge=x' > .gitattributes; git add -A; git commit -q -m attributes",
               "git reset -q --hard; git checkout -q -b c1; sed -i s/two/dos/ notes.txt; "
               "git commit -q -a -m c1; git checkout -q -b c2 HEAD~1; sed -i s/four/cuatro/ "
               "notes.txt; "
               "git commit -q -a -m c2; git merge -q -m m c1"}),
    [](auto const& info) { return info.param.name; });

}  // namespace
}  // namespace drover::git
