#include "git/test_repository.h"

namespace drover::git {
namespace {

class Open : public testing::RepositoryTest {};

TEST_F(Open, TellsTheKindsOfFoldersApart) {
  EXPECT_EQ(inspect(work_)->kind, FolderKind::empty_folder);
  write("file", "x");
  EXPECT_EQ(inspect(work_)->kind, FolderKind::plain_files);
  EXPECT_EQ(inspect(top_ + "/absent").error().code, ErrorCode::not_found);
  EXPECT_EQ(inspect(work_ + "/file").error().code, ErrorCode::invalid_argument);
  sh("git init -q -b trunk");
  auto state = inspect(work_);
  ASSERT_TRUE(state);
  EXPECT_EQ(state->kind, FolderKind::repository);
  EXPECT_TRUE(state->head.unborn);
  EXPECT_EQ(state->head.branch, "trunk");
  EXPECT_TRUE(state->dirty);
  sh("git add -A && git commit -q -m first");
  state = inspect(work_);
  EXPECT_FALSE(state->dirty);
  EXPECT_EQ(state->head.oid.hex(), git("rev-parse HEAD"));
  ASSERT_TRUE(os::make_folders(work_ + "/sub"));
  EXPECT_EQ(inspect(work_ + "/sub")->enclosing_repository, work_);
}

TEST_F(Open, ReportsDirtyPathsLikeGit) {
  make_repository();
  write("staged", "x");
  sh("git add staged && git rm -q --cached src/main.c");
  write("README", "other\n");
  write(".gitignore", "ignored\n");
  write("ignored", "x");
  auto const state = inspect(work_);
  ASSERT_TRUE(state);
  EXPECT_EQ(state->dirty_paths,
            (std::vector<std::string>{".gitignore", "README", "src/main.c", "staged"}));
  EXPECT_EQ(state->dirty_count, 4U);
  for (int i = 0; i < 50; ++i)
    write("many/" + std::to_string(i), "x");
  EXPECT_EQ(inspect(work_)->dirty_paths.size(), kDirtyPathsMax);
  EXPECT_EQ(inspect(work_)->dirty_count, 54U);
}

TEST_F(Open, ATouchIsNoChange) {
  make_repository();
  sh("touch -d '2001-01-01' README");
  EXPECT_FALSE(inspect(work_)->dirty);
}

TEST_F(Open, RefusesWhatIsNoWorkTreeWithTheNextStep) {
  auto const plain = Repository::open(work_);
  EXPECT_EQ(plain.error().code, ErrorCode::not_found);
  EXPECT_NE(plain.error().next.find("--init"), std::string::npos);
  sh("git init -q --bare ../bare");
  EXPECT_EQ(Repository::open(top_ + "/bare").error().code, ErrorCode::unsupported);
  make_repository();
  EXPECT_EQ(Repository::open(work_ + "/src").error().code, ErrorCode::not_found);
}

TEST_F(Open, RefusesAWorkTreeThatConfigurationPutElsewhere) {
  make_repository();
  sh("mkdir ../other && git config core.worktree " + top_ + "/other");
  EXPECT_EQ(Repository::open(work_).error().code, ErrorCode::unsupported);
}

TEST_F(Open, NoticesADotGitThatPointsElsewhereThanRegistered) {
  make_repository();
  std::string const registered = open().git_folder();
  sh("git init -q ../evil && mv .git ../moved && echo 'gitdir: ../evil/.git' > .git");
  auto const repository = Repository::open(work_, {.git_folder = registered});
  ASSERT_FALSE(repository);
}

TEST_F(Open, ToleratesWorktreeConfigAndSparseCheckout) {
  make_repository();
  sh("git config extensions.worktreeConfig true && git sparse-checkout set src 2>/dev/null");
  EXPECT_TRUE(Repository::open(work_));
  EXPECT_FALSE(inspect(work_)->dirty);
}

TEST_F(Open, InitSeedsAnEmptyFolder) {
  auto const repository = Repository::init(work_, {.author = agent(),
                                                   .committer = drover(),
                                                   .when = when(),
                                                   .files = {{".gitignore", ".drover/\n"}},
                                                   .excluded = {}});
  ASSERT_TRUE(repository) << repository.error().text();
  EXPECT_EQ(git("log --format='%s|%an'"), "seed|Ada");
  EXPECT_EQ(git("rev-parse --abbrev-ref HEAD"), "main");
  EXPECT_EQ(git("ls-tree -r --name-only HEAD"), ".gitignore");
  expect_clean();
  EXPECT_EQ(
      Repository::init(
          work_,
          {.author = agent(), .committer = drover(), .when = when(), .files = {}, .excluded = {}})
          .error()
          .code,
      ErrorCode::conflict);
}

TEST_F(Open, InitTakesPlainFilesAndAnUnbornRepository) {
  write("a/b", "x\n");
  sh("git init -q -b trunk");
  ASSERT_TRUE(Repository::init(
      work_,
      {.author = agent(), .committer = drover(), .when = when(), .files = {}, .excluded = {}}));
  EXPECT_EQ(git("ls-tree -r --name-only trunk"), "a/b");
  expect_clean();
}

TEST_F(Open, InitOfAnEmptyFolderMakesAnEmptySeed) {
  ASSERT_TRUE(Repository::init(
      work_,
      {.author = agent(), .committer = drover(), .when = when(), .files = {}, .excluded = {}}));
  EXPECT_EQ(git("log --format=%s"), "seed");
  expect_clean();
}

TEST_F(Open, UsersGlobalConfigurationCountsOnlyWhenAskedFor) {
  make_repository();
  ASSERT_TRUE(os::write_file_atomic(top_ + "/home/.gitconfig",
                                    "[user]\n name = Glo Bal\n email = g@example.com\n"));
  ASSERT_TRUE(os::make_folders(top_ + "/home/.config/git"));
  ASSERT_TRUE(os::write_file_atomic(top_ + "/home/.config/git/ignore", "*.swp\n"));
  write("x.swp", "x");
  EXPECT_FALSE(open().user_identity());
  EXPECT_TRUE(inspect(work_)->dirty);
  library_.reset();
  library_ = std::make_unique<Library>(LibraryOptions{.user_home = top_ + "/home"});
  EXPECT_EQ(open().user_identity()->name, "Glo Bal");
  EXPECT_FALSE(inspect(work_)->dirty);
}

}  // namespace
}  // namespace drover::git
