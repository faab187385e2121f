#include "git/commit.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>

#include "base/random.h"
#include "git/index_file.h"
#include "git/test_repository.h"

namespace drover::git {
namespace {

class Commit : public testing::RepositoryTest {
 protected:
  [[nodiscard]] static bool skipped(CommitOutcome const& outcome, std::string const& path,
                                    SkipReason reason) {
    return std::ranges::find(outcome.skipped, Skipped{path, reason}) != outcome.skipped.end();
  }
};

TEST_F(Commit, TakesAddsChangesDeletesModesAndLinks) {
  make_repository();
  write("tool.sh", "#!/bin/sh\n");
  write("old", "gone soon\n");
  sh("git add -A && git commit -q -m second");
  write("README", "hello\nthere\n");
  write("a/b/c.txt", "new\n");
  sh("rm old; chmod +x tool.sh; ln -s ../outside link; ln -s /etc/passwd absolute");
  auto const outcome = commit_cleanly();
  EXPECT_TRUE(outcome.committed);
  EXPECT_EQ(outcome.commit.hex(), git("rev-parse HEAD"));
  EXPECT_EQ(outcome.parent.hex(), git("rev-parse HEAD~1"));
  EXPECT_EQ(outcome.tree.hex(), git("rev-parse HEAD^{tree}"));
  EXPECT_EQ(outcome.branch, "main");
  EXPECT_EQ(git("show --format= --name-status --no-renames HEAD"),
            "M\tREADME\nA\ta/b/c.txt\nA\tabsolute\nA\tlink\nD\told\nM\ttool.sh");
  EXPECT_EQ(git("cat-file -p HEAD:absolute"), "/etc/passwd");
  EXPECT_EQ(git("ls-tree HEAD tool.sh").substr(0, 6), "100755");
  EXPECT_EQ(outcome.files.size(), 6U);
  std::string counts;
  for (auto const& file : outcome.files)
    counts += fmt::format("{}\t{}\t{}\n", file.insertions, file.deletions, file.path);
  EXPECT_EQ(counts, git("show --format= --numstat --no-renames HEAD") + "\n");
}

TEST_F(Commit, DoesNothingWhenNothingChanged) {
  make_repository();
  auto const before = git("rev-parse HEAD");
  sh("touch README");
  auto const outcome = commit_cleanly();
  EXPECT_FALSE(outcome.committed);
  EXPECT_EQ(git("rev-parse HEAD"), before);
  EXPECT_TRUE(outcome.files.empty());
}

TEST_F(Commit, TakesWhatTheUserHadStaged) {
  make_repository();
  write("staged", "one\n");
  sh("git add staged && git rm -q --cached src/main.c && rm src/main.c");
  EXPECT_TRUE(commit_cleanly().committed);
  EXPECT_EQ(git("ls-tree -r --name-only HEAD"), "README\nstaged");
}

TEST_F(Commit, RestoresTheTreeWhenStagedAndUnstagedCancelOut) {
  make_repository();
  auto const before = git("rev-parse HEAD");
  write("README", "other\n");
  sh("git add README");
  write("README", "hello\n");
  auto const outcome = commit_cleanly();
  EXPECT_FALSE(outcome.committed);
  EXPECT_EQ(git("rev-parse HEAD"), before);
}

TEST_F(Commit, WritesAuthorCommitterAndTrailersThatGitParses) {
  make_repository();
  write("README", "x\n");
  auto what = request("Fix the parser\nand more");
  what.body = "Because.\n\n--- a divider\nFake-Trailer: yes";
  ASSERT_TRUE(commit(what));
  EXPECT_EQ(git("log -1 --format='%an|%ae|%cn|%ce|%at|%s'"),
            "Ada|ada@example.com|drover|drover@localhost|1800000000|Fix the parser");
  EXPECT_EQ(git("log -1 --format=%B | git interpret-trailers --parse"),
            "Drover-Session: ses-1\nDrover-Run: run-1");
  expect_clean();
}

TEST_F(Commit, KeepsIdentitiesFromForgingHeaders) {
  make_repository();
  write("README", "x\n");
  auto what = request();
  what.author = {"Eve <root@x>\ncommitter Mallory", "a>b\n<c"};
  ASSERT_TRUE(commit(what));
  EXPECT_EQ(git("log -1 --format='%an|%ae|%cn'"), "Eve root@xcommitter Mallory|abc|drover");
  expect_clean();
}

TEST_F(Commit, MovesTheBranchWithReflogEntries) {
  make_repository();
  write("README", "x\n");
  (void)commit_cleanly();
  EXPECT_EQ(git("reflog -1 --format=%gs HEAD"), "commit: Change things");
  EXPECT_EQ(git("reflog -1 --format=%gs main"), "commit: Change things");
}

TEST_F(Commit, MovesADetachedHead) {
  make_repository();
  sh("git checkout -q --detach");
  auto const main = git("rev-parse main");
  write("README", "x\n");
  auto const outcome = commit_cleanly();
  EXPECT_EQ(outcome.branch, "");
  EXPECT_EQ(git("rev-parse main"), main);
  EXPECT_EQ(git("rev-parse HEAD"), outcome.commit.hex());
}

TEST_F(Commit, RefusesWhenHeadIsNotWhereExpected) {
  make_repository();
  auto const first = Oid::parse(git("rev-parse HEAD"));
  write("README", "by somebody else\n");
  sh("git commit -q -a -m second");
  write("README", "ours\n");
  auto what = request();
  what.expected_head = *first;
  auto const outcome = commit(what);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::conflict);
  EXPECT_EQ(git("status --porcelain"), " M README");
  EXPECT_FALSE(os::exists(work_ + "/.git/index.lock"));
}

TEST_F(Commit, LeavesIgnoredAndExcludedFilesAlone) {
  make_repository();
  write(".gitignore", "*.log\n!keep.log\n/build/\n**/cache/\n");
  write("sub/.gitignore", "*\n!.gitignore\n!wanted\n");
  write(".git/info/exclude", "private\n");
  for (auto const* path :
       {"a.log", "keep.log", "build/out", "x/build/in", "x/cache/y", "sub/wanted", "sub/unwanted",
        "private", ".claude/.session", ".claude/projects/t.jsonl", ".claude/settings.json",
        ".drover/spill/1", "deep/er/a.log"})
    write(path, "x\n");
  auto const outcome = commit(request());
  ASSERT_TRUE(outcome);
  EXPECT_EQ(git("ls-tree -r --name-only HEAD"),
            ".claude/settings.json\n.gitignore\nREADME\nkeep.log\nsrc/main.c\nsub/.gitignore\n"
            "sub/wanted\nx/build/in");
  EXPECT_EQ(git("status --porcelain"), "?? .claude/.session\n?? .claude/projects/\n?? .drover/");
  auto repository = open();
  ASSERT_TRUE(repository.exclude_locally({".claude/.session", ".claude/projects/", ".drover/"}));
  ASSERT_TRUE(repository.exclude_locally({".drover/"}));
  EXPECT_EQ(git("status --porcelain"), "");
  EXPECT_EQ(read(".git/info/exclude"), "private\n.claude/.session\n.claude/projects/\n.drover/\n");
}

TEST_F(Commit, FollowsTrackedFilesUnderIgnoredFolders) {
  make_repository();
  write("out/kept", "1\n");
  sh("git add -A && git commit -q -m out");
  write(".gitignore", "out/\n");
  write("out/kept", "2\n");
  write("out/new", "x\n");
  (void)commit_cleanly();
  EXPECT_EQ(git("show HEAD:out/kept"), "2");
  EXPECT_EQ(git("ls-tree -r --name-only HEAD out"), "out/kept");
}

TEST_F(Commit, ReplacesFilesByFoldersAndBack) {
  make_repository();
  write("one", "file\n");
  write("two/inner", "x\n");
  write("two-more", "x\n");
  write("three/deep/er", "x\n");
  sh("git add -A && git commit -q -m shapes");
  sh("rm one && mkdir one && echo in > one/in && rm -r two && echo now > two && "
     "rm -r three && ln -s one three");
  (void)commit_cleanly();
  EXPECT_EQ(git("ls-tree -r --name-only HEAD"), "README\none/in\nsrc/main.c\nthree\ntwo\ntwo-more");
}

TEST_F(Commit, TakesAnyNameThatAFileSystemAllows) {
  make_repository();
  write("new\nline", "1\n");
  write("tab\there", "2\n");
  write("umläut/ключ", "3\n");
  write("bad-\xff-utf8", "4\n");
  write("-rf", "5\n");
  write("quote\"back\\slash", "6\n");
  auto const outcome = commit_cleanly();
  EXPECT_EQ(outcome.files.size(), 6U);
  EXPECT_EQ(git("ls-files | wc -l"), "8");
}

TEST_F(Commit, SkipsWhatMayLeadOutOfTheTree) {
  make_repository();
  ASSERT_TRUE(os::write_file_atomic(top_ + "/secret", "SECRET\n"));
  ASSERT_EQ(link((top_ + "/secret").c_str(), (work_ + "/planted").c_str()), 0);
  ASSERT_EQ(mkfifo((work_ + "/fifo").c_str(), 0600), 0);
  sh("rm README && mkfifo README");
  write("fine", "x\n");
  sh("ln -s fifo to-fifo");
  int const sock = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_EQ(chdir(work_.c_str()), 0);
  std::snprintf(address.sun_path, sizeof address.sun_path, "sock");
  ASSERT_EQ(bind(sock, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(sock);
  ASSERT_EQ(chdir("/"), 0);
  auto const outcome = commit(request());
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_TRUE(skipped(*outcome, "planted", SkipReason::hard_link));
  EXPECT_TRUE(skipped(*outcome, "fifo", SkipReason::special_file));
  EXPECT_TRUE(skipped(*outcome, "README", SkipReason::special_file));
  EXPECT_TRUE(skipped(*outcome, "sock", SkipReason::special_file));
  EXPECT_EQ(outcome->skipped.size(), 4U);
  EXPECT_EQ(git("ls-tree -r --name-only HEAD"), "README\nfine\nsrc/main.c\nto-fifo");
  EXPECT_EQ(git("log --all -p | grep -c SECRET || true"), "0");
  EXPECT_EQ(git("show HEAD:README"), "hello");
}

TEST_F(Commit, RefusesATrackedFileThatBecameAHardLink) {
  make_repository();
  ASSERT_TRUE(os::write_file_atomic(top_ + "/secret", "SECRET\n"));
  sh("rm README && ln ../secret README");
  auto const outcome = commit(request());
  ASSERT_TRUE(outcome);
  EXPECT_FALSE(outcome->committed);
  EXPECT_TRUE(skipped(*outcome, "README", SkipReason::hard_link));
}

TEST_F(Commit, AcceptsAnUnchangedTrackedHardLink) {
  make_repository();
  sh("ln README ../elsewhere");
  auto const outcome = commit(request());
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->skipped.empty());
}

TEST_F(Commit, DoesNotFollowAFolderThatBecameALink) {
  make_repository();
  ASSERT_TRUE(os::make_folders(top_ + "/outside"));
  ASSERT_TRUE(os::write_file_atomic(top_ + "/outside/main.c", "SECRET\n"));
  sh("rm -r src && ln -s ../outside src");
  (void)commit_cleanly();
  EXPECT_EQ(git("cat-file -p HEAD:src"), "../outside");
}

TEST_F(Commit, RulesFilesThatAreNoFilesBlockNothing) {
  make_repository();
  write("sub/x", "x\n");
  sh("mkfifo .gitignore .gitattributes sub/.gitattributes");
  auto const outcome = commit(request());
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_TRUE(outcome->committed);
  EXPECT_EQ(outcome->skipped.size(), 3U);
}

TEST_F(Commit, IgnoresNestedRepositories) {
  make_repository();
  sh("git init -q nested && echo x > nested/file && git -C nested add -A && "
     "git -C nested commit -q -m inner && mkdir -p deep/fake/.git && echo y > deep/fake/z && "
     "git -C src init -q && echo z > src/more.c");
  write("fine", "x\n");
  auto const outcome = commit(request());
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(skipped(*outcome, "nested", SkipReason::nested_repository));
  EXPECT_TRUE(skipped(*outcome, "deep/fake", SkipReason::nested_repository));
  EXPECT_TRUE(skipped(*outcome, "src", SkipReason::nested_repository));
  EXPECT_EQ(git("ls-tree -r HEAD | grep -c ^160000 || true"), "0");
  EXPECT_EQ(git("ls-tree -r --name-only HEAD"), "README\nfine\nsrc/main.c\nsrc/more.c");
}

TEST_F(Commit, KeepsARecordedSubmoduleAsItIs) {
  make_repository();
  sh("git init -q sub && git -C sub commit -q --allow-empty -m one && git add sub 2>/dev/null && "
     "git commit -q -m gitlink");
  auto const recorded = git("rev-parse HEAD:sub");
  sh("git -C sub commit -q --allow-empty -m two && echo x > sub/file");
  write("README", "x\n");
  auto const outcome = commit(request());
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->committed);
  EXPECT_EQ(git("rev-parse HEAD:sub"), recorded);
}

TEST_F(Commit, SkipsNamesThatAreDotGitToSomeSystem) {
  make_repository();
  write("sub/.GIT/config", "x\n");
  write("sub/git~1/config", "x\n");
  write("sub/.git. /config", "x\n");
  write("sub/.g\u200cit/config", "x\n");
  write("sub/.github/fine", "x\n");
  write("sub/.gitkeep", "x\n");
  sh("ln -s /etc/passwd .gitmodules");
  auto const outcome = commit(request());
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->skipped.size(), 5U);
  EXPECT_EQ(git("ls-tree -r --name-only HEAD sub"), "sub/.github/fine\nsub/.gitkeep");
  expect_sound();
}

TEST_F(Commit, RefusesToCommitRawWhatAFilterShouldClean) {
  make_repository();
  write(".gitattributes",
        "*.bin filter=lfs diff=lfs merge=lfs -text\n*.u16 working-tree-encoding=UTF-16\n");
  write("big.bin", "content\n");
  write("wide.u16", "content\n");
  auto const outcome = commit(request());
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(skipped(*outcome, "big.bin", SkipReason::external_filter));
  EXPECT_TRUE(skipped(*outcome, "wide.u16", SkipReason::unsupported_encoding));
  EXPECT_EQ(git("ls-tree -r --name-only HEAD"), ".gitattributes\nREADME\nsrc/main.c");
}

// The same files with the same rules have to give the same tree as `git add -A`.
TEST_F(Commit, ConvertsLineEndsAndIdentLikeGit) {
  for (std::string const config : {"false", "true", "input"}) {
    sh("rm -rf .git ./* .gitattributes; git init -q -b main; git config core.autocrlf " + config +
       "; git config core.safecrlf false");
    write("stored-crlf.txt", "a\r\nb\r\n");
    write("stored-crlf.auto", "a\r\nb\r\n");
    sh("git -c core.autocrlf=false add -A && git commit -q -m base");
    write(".gitattributes",
          "*.txt2 text\n*.auto text=auto\n*.eol eol=crlf\n*.lf text eol=lf\n*.bin binary\n"
          "*.id ident\n*.legacy crlf\n[attr]special text ident\n*.sp special\nauto-lf/* text=auto "
          "eol=lf\n"
          "sub/** -text\n\"with space\" text\n");
    for (auto const* name : {"plain", "x.txt2", "x.auto", "x.eol", "x.lf", "x.bin", "x.id",
                             "x.legacy", "x.sp", "auto-lf/x", "sub/deep/x.txt2", "with space"})
      write(name, "one\r\ntwo\r\n$Id: old stuff $ and $Id$\r\n$Id: not\r\nclosed$\r\n");
    write("mixed.auto", "one\r\ntwo\n");
    write("lone.auto", "one\rtwo\r\n");
    write("nul.auto", std::string("one\r\n\0two\r\n", 11));
    write("stored-crlf.txt", "a\r\nb\r\nc\r\n");
    write("stored-crlf.auto", "a\r\nb\r\nc\r\n");
    sh("cp -r . ../oracle && cd ../oracle && git add -A && git write-tree > ../tree");
    auto const outcome = commit(request());
    ASSERT_TRUE(outcome) << outcome.error().text();
    EXPECT_EQ(outcome->tree.hex() + "\n", *os::read_file(top_ + "/tree")) << "autocrlf " << config;
    EXPECT_EQ(git("status --porcelain"), "");
    sh("rm -rf ../oracle");
  }
}

TEST_F(Commit, RefusesOverEachLimitAndChangesNothing) {
  make_repository();
  auto const before = git("rev-parse HEAD");
  for (int i = 0; i < 5; ++i)
    write("f" + std::to_string(i), std::string(1000, 'x') + std::to_string(i));
  auto const expect_refused = [&](CommitLimits const& limits, std::string const& word) {
    auto what = request();
    what.limits = limits;
    auto const outcome = commit(what);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, ErrorCode::too_large);
    EXPECT_NE(outcome.error().message.find(word), std::string::npos) << outcome.error().message;
    EXPECT_EQ(git("rev-parse HEAD"), before);
    EXPECT_EQ(git("ls-files"), "README\nsrc/main.c");
    EXPECT_EQ(
        shell("ls .git/objects/tmp_obj_* .git/index.lock .git/index.drover 2>/dev/null", work_)
            .text,
        "");
  };
  expect_refused({.files_max = 4}, "4 files");
  expect_refused({.file_bytes_max = 1000}, "1000");
  expect_refused({.total_bytes_max = 3000}, "3000");
  EXPECT_TRUE(commit_cleanly().committed);
}

TEST_F(Commit, NamesTheIndexLockAndHowToGetRidOfIt) {
  make_repository();
  write("README", "x\n");
  write(".git/index.lock", "");
  auto const outcome = commit(request());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::conflict);
  EXPECT_NE(outcome.error().message.find(work_ + "/.git/index.lock"), std::string::npos);
  EXPECT_NE(outcome.error().next.find("rm '"), std::string::npos);
  EXPECT_TRUE(os::exists(work_ + "/.git/index.lock"));
}

TEST_F(Commit, RemovesALockThatAKilledDroverLeft) {
  make_repository();
  write("README", "x\n");
  write(".git/index.lock", "drover 999999\n");
  EXPECT_TRUE(commit_cleanly().committed);
}

TEST_F(Commit, RemovesAReferenceLockThatAKilledDroverLeftWithTheIndexLock) {
  make_repository();
  write("README", "x\n");
  write(".git/index.lock", "drover 999999\n");
  write(".git/refs/heads/main.lock", "");
  EXPECT_TRUE(commit_cleanly().committed);
}

TEST_F(Commit, LeavesAReferenceLockThatIsNotOurs) {
  make_repository();
  write("README", "x\n");
  write(".git/refs/heads/main.lock", "");
  auto const outcome = commit(request());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::conflict);
  EXPECT_NE(outcome.error().next.find(work_ + "/.git/refs/heads/main.lock"), std::string::npos);
  EXPECT_TRUE(os::exists(work_ + "/.git/refs/heads/main.lock"));
}

TEST_F(Commit, SurvivesAKillAtAnyMoment) {
  make_repository();
  for (int i = 0; i < 300; ++i)
    write(fmt::format("d{}/f{}", i % 10, i), "x\n");
  (void)commit_cleanly();
  SeededRandom random{7};
  int killed = 0;
  for (int round = 0; round < 25; ++round) {
    pid_t const child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      // Commits until it is killed.
      for (int i = 0;; ++i) {
        FILE* const file = std::fopen((work_ + "/d3/f3").c_str(), "w");
        if (file == nullptr) _exit(2);
        std::fprintf(file, "%d %d\n", round, i);
        std::fclose(file);
        auto const outcome = commit(request());
        if (outcome) continue;
        std::fprintf(stderr, "the child's commit failed: %s\n", outcome.error().text().c_str());
        _exit(3);
      }
    }
    usleep(static_cast<useconds_t>(5'000 + random.below(40'000)));
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child failed with " << WEXITSTATUS(status);
    if (os::exists(work_ + "/.git/index.lock")) ++killed;
    EXPECT_EQ(git("fsck --strict --no-dangling --no-progress --connectivity-only"), "");
  }
  EXPECT_GT(killed, 0) << "no kill hit a commit, so the test proves nothing";
  write("d3/f3", "the end\n");
  EXPECT_TRUE(commit_cleanly().committed);
  EXPECT_EQ(git("show HEAD:d3/f3"), "the end");
}

TEST_F(Commit, RefusesInTheMiddleOfAMerge) {
  make_repository();
  sh("git checkout -q -b other && echo o > README && git commit -q -am other && "
     "git checkout -q main && echo m > README && git commit -q -am mine; git merge -q other || "
     "true");
  auto const outcome = commit(request());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::conflict);
  EXPECT_NE(outcome.error().message.find("merge"), std::string::npos);
}

TEST_F(Commit, RefusesWithoutAFirstCommit) {
  sh("git init -q");
  write("README", "x\n");
  auto const outcome = commit(request());
  ASSERT_FALSE(outcome);
  EXPECT_NE(outcome.error().message.find("no commit yet"), std::string::npos);
}

TEST_F(Commit, SeesAChangeOfTheSameSizeInTheSameInstant) {
  make_repository();
  for (int i = 0; i < 20; ++i) {
    write("README", fmt::format("{:05}\n", i));
    ASSERT_TRUE(commit_cleanly().committed) << i;
    EXPECT_EQ(git("show HEAD:README"), fmt::format("{:05}", i));
  }
}

TEST_F(Commit, KeepsTheCacheTreeThatGitTrusts) {
  make_repository();
  for (int i = 0; i < 30; ++i)
    write(fmt::format("d{}/e{}/f", i % 7, i), "x\n");
  (void)commit_cleanly();
  sh("rm -r d3 && echo y > d2/e2/f && mkdir d2/new && echo z > d2/new/z");
  (void)commit_cleanly();
  // What git computes from the entries alone has to be what our cache tree says.
  EXPECT_EQ(git("write-tree"), git("rev-parse HEAD^{tree}"));
  sh("git read-tree HEAD");
  EXPECT_EQ(git("write-tree"), git("rev-parse HEAD^{tree}"));
}

TEST_F(Commit, ReadsAndWritesIndexVersionFour) {
  make_repository();
  sh("git update-index --index-version 4");
  write("src/main2.c", "x\n");
  write("zebra/long/path/name", "x\n");
  (void)commit_cleanly();
  write("src/main2.c", "y\n");
  (void)commit_cleanly();
  EXPECT_EQ(shell("head -c 8 .git/index | od -An -tx1", work_).text, " 44 49 52 43 00 00 00 04");
}

TEST_F(Commit, HonoursSkipWorktreeAndIntentToAdd) {
  make_repository();
  sh("git update-index --skip-worktree src/main.c && rm -r src");
  write("later", "x\n");
  sh("git add -N later");
  auto const outcome = commit(request());
  ASSERT_TRUE(outcome);
  EXPECT_EQ(git("ls-tree -r --name-only HEAD"), "README\nlater\nsrc/main.c");
  EXPECT_EQ(git("status --porcelain"), "");
}

TEST_F(Commit, RefusesASplitIndexWithTheWayOut) {
  make_repository();
  sh("git update-index --split-index");
  write("README", "x\n");
  auto const outcome = commit(request());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::unsupported);
  EXPECT_NE(outcome.error().next.find("--no-split-index"), std::string::npos);
}

TEST_F(Commit, RefusesADamagedIndex) {
  make_repository();
  auto index = *os::read_file(work_ + "/.git/index");
  index[40] = static_cast<char>(index[40] ^ 1);
  write(".git/index", index);
  auto const outcome = commit(request());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::data_corrupt);
}

TEST_F(Commit, PreviewTellsWhatACommitWouldHoldAndMovesNothing) {
  make_repository();
  auto const before = git("rev-parse HEAD");
  write("README", "hello\nmore\n");
  auto repository = open();
  auto const preview = preview_changes(repository, {}, {});
  ASSERT_TRUE(preview);
  EXPECT_TRUE(preview->dirty);
  ASSERT_EQ(preview->files.size(), 1U);
  EXPECT_EQ(preview->files[0].path, "README");
  EXPECT_EQ(preview->files[0].insertions, 1U);
  EXPECT_EQ(git("rev-parse HEAD"), before);
  EXPECT_EQ(git("diff --cached --name-only"), "");
  EXPECT_EQ(commit_cleanly().tree, preview->tree);
}

TEST_F(Commit, CommitsTheUsersChangesAsTheUsers) {
  make_repository();
  sh("git config user.name 'The User' && git config user.email the@user.example");
  write("README", "mine\n");
  auto repository = open();
  auto const user = repository.user_identity();
  ASSERT_TRUE(user);
  auto what = request("Uncommitted changes before drover session ses-1");
  what.author = what.committer = *user;
  ASSERT_TRUE(commit_changes(repository, what));
  EXPECT_EQ(git("log -1 --format='%an <%ae> %cn <%ce>'"),
            "The User <the@user.example> The User <the@user.example>");
}

TEST_F(Commit, SaysHowToSetAMissingIdentity) {
  make_repository();
  auto const user = open().user_identity();
  ASSERT_FALSE(user);
  EXPECT_NE(user.error().next.find("git config --global user.name"), std::string::npos);
}

TEST_F(Commit, FilesOfAnotherOwnerStayTheirs) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to have files of another user";
  make_repository();
  sh("chmod 755 .. && chown -R 4321:4321 .");
  write("README", "x\n");
  sh("chown 4321:4321 README");
  auto const outcome = commit(request());
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(shell("find . ! -uid 4321", work_).text, "");
  EXPECT_EQ(geteuid(), 0U);
  ASSERT_TRUE(os::write_file_atomic(top_ + "/mine", "x"));
  struct stat info{};
  ASSERT_EQ(stat((top_ + "/mine").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 0U);
}

// In memory where possible: what is held against git is the walk and the trees, not the disk.
class CommitMany : public Commit {
 protected:
  [[nodiscard]] std::string base_folder() const override {
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm/" : Commit::base_folder();
  }
};

TEST_F(CommitMany, TakesTenThousandFiles) {
  make_repository();
  // A hundred contents: ten thousand names are the point, not as many objects.
  sh("for d in $(seq 100); do mkdir -p big/$d; for f in $(seq 100); do echo $f > big/$d/$f; done; "
     "done");
  auto const outcome = commit_cleanly();
  EXPECT_EQ(outcome.files.size(), 10'000U);
  sh("echo x > big/1/1; rm big/50/50; echo n > big/99/new");
  auto const second = commit_cleanly();
  EXPECT_EQ(second.files.size(), 3U);
}

// More objects than are synced one by one.
TEST_F(Commit, WritesALargeBatchOfObjects) {
  make_repository();
  sh("for i in $(seq 200); do echo $i > f$i; done");
  EXPECT_EQ(commit_cleanly().files.size(), 200U);
  EXPECT_EQ(shell("ls .git/objects/tmp_obj_* 2>/dev/null", work_).text, "");
}

// Not a test of a property: prints what a governed commit costs. Run it alone, on a release build:
//   git_test --gtest_also_run_disabled_tests --gtest_filter='*Measure*'
TEST_F(Commit, DISABLED_MeasureThreeFilesOfTenThousand) {
  make_repository();
  sh("for d in $(seq 100); do mkdir -p big/$d; for f in $(seq 100); do echo $d $f > big/$d/$f; "
     "done; done; git add -A; git commit -q -m big; git gc -q; sleep 1.1; git status >/dev/null");
  using Clock = std::chrono::steady_clock;
  std::vector<double> opened;
  std::vector<double> total;
  for (int i = 0; i < 60; ++i) {
    for (auto const* path : {"big/1/1", "big/50/50", "src/main.c"})
      write(path, fmt::format("{}\n", i));
    auto const start = Clock::now();
    auto repository = Repository::open(work_);
    auto const middle = Clock::now();
    auto const outcome = commit_changes(*repository, request());
    auto const end = Clock::now();
    ASSERT_TRUE(outcome && outcome->committed && outcome->files.size() == 3);
    opened.push_back(std::chrono::duration<double, std::milli>(middle - start).count());
    total.push_back(std::chrono::duration<double, std::milli>(end - start).count());
  }
  std::ranges::sort(opened);
  std::ranges::sort(total);
  fmt::print("open p50 {:.2f} ms; open and commit p50 {:.2f} p95 {:.2f} min {:.2f} ms\n",
             opened[30], total[30], total[57], total[0]);
  expect_clean();
}

}  // namespace
}  // namespace drover::git
