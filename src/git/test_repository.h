#pragma once
// For the tests of this layer: a real repository in a folder of its own, made with the `git`
// program, which is also the oracle for what we did to it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "git/commit.h"
#include "git/repository.h"
#include "os/files.h"

namespace drover::git::testing {

struct Output {
  int status = -1;
  std::string text;
};

class RepositoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = base_folder() + "drover-git-XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    top_ = path;
    work_ = top_ + "/work";
    ASSERT_TRUE(os::make_folders(work_));
    ASSERT_TRUE(os::make_folders(top_ + "/home"));
    library_ = std::make_unique<Library>();
  }
  void TearDown() override {
    library_.reset();
    // Tests may leave folders without write permission.
    EXPECT_EQ(std::system(("chmod -R u+rwX '" + top_ + "' && rm -rf '" + top_ + "'").c_str()), 0);
  }

  [[nodiscard]] virtual std::string base_folder() const { return ::testing::TempDir(); }

  // Runs a shell command in a folder, without the machine's git configuration.
  [[nodiscard]] Output shell(std::string const& command, std::string const& folder) const {
    std::string const line =
        "cd '" + folder + "' && export HOME='" + top_ +
        "/home' GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0 LC_ALL=C GIT_AUTHOR_NAME=User "
        "GIT_AUTHOR_EMAIL=user@example.com GIT_COMMITTER_NAME=User "
        "GIT_COMMITTER_EMAIL=user@example.com; unset XDG_CONFIG_HOME; { " +
        command + "\n} 2>&1";
    Output output;
    FILE* const pipe = popen(line.c_str(), "r");
    if (pipe == nullptr) return output;
    char buffer[4096];
    for (std::size_t got = 0; (got = fread(buffer, 1, sizeof buffer, pipe)) > 0;)
      output.text.append(buffer, got);
    int const status = pclose(pipe);
    output.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    while (output.text.ends_with('\n'))
      output.text.pop_back();
    return output;
  }
  // The output of a command that has to succeed.
  [[nodiscard]] std::string git(std::string const& arguments) const {
    return git_in(work_, arguments);
  }
  [[nodiscard]] std::string git_in(std::string const& folder, std::string const& arguments) const {
    auto const output = shell("git " + arguments, folder);
    EXPECT_EQ(output.status, 0) << "git " << arguments << ": " << output.text;
    return output.text;
  }
  void sh(std::string const& command) const {
    auto const output = shell(command, work_);
    EXPECT_EQ(output.status, 0) << command << ": " << output.text;
  }

  void write(std::string const& path, std::string const& content) const {
    std::string const whole = work_ + "/" + path;
    ASSERT_TRUE(os::make_folders(whole.substr(0, whole.rfind('/'))));
    ASSERT_TRUE(os::write_file_atomic(whole, content));
  }
  [[nodiscard]] std::string read(std::string const& path) const {
    auto const content = os::read_file(work_ + "/" + path);
    return content ? *content : "(" + content.error().message + ")";
  }

  // A repository with one commit of README and src/main.c.
  void make_repository() const {
    sh("git init -q -b main");
    write("README", "hello\n");
    write("src/main.c", "int main() { return 0; }\n");
    sh("git add -A && git commit -q -m first");
  }

  [[nodiscard]] static Identity agent() { return {"Ada", "ada@example.com"}; }
  [[nodiscard]] static Identity drover() { return {"drover", "drover@localhost"}; }
  [[nodiscard]] static WallTime when() { return from_unix_ms(1'800'000'000'000); }
  [[nodiscard]] static CommitRequest request(std::string subject = "Change things") {
    return {.subject = std::move(subject),
            .body = {},
            .author = agent(),
            .committer = drover(),
            .when = when(),
            .trailers = {{"Drover-Session", "ses-1"}, {"Drover-Run", "run-1"}},
            .excluded = {".claude/.session", ".claude/sessions/", ".claude/projects/", ".drover/"},
            .limits = {},
            .expected_head = {}};
  }
  [[nodiscard]] Repository open() const {
    auto repository = Repository::open(work_);
    if (!repository) ADD_FAILURE() << repository.error().text();
    return std::move(repository).value();
  }
  [[nodiscard]] Result<CommitOutcome> commit(CommitRequest const& what) const {
    auto repository = Repository::open(work_);
    if (!repository) return std::unexpected(repository.error());
    return commit_changes(*repository, what);
  }
  // Commits, and holds the result against what git says.
  [[nodiscard]] CommitOutcome commit_cleanly() const {
    auto outcome = commit(request());
    if (!outcome) {
      ADD_FAILURE() << outcome.error().text();
      return {};
    }
    expect_clean();
    return std::move(*outcome);
  }
  void expect_clean() const {
    EXPECT_EQ(git("status --porcelain"), "");
    expect_sound();
  }
  void expect_sound() const {
    EXPECT_EQ(git("fsck --strict --no-dangling --no-progress"), "");
    EXPECT_EQ(git("diff --cached --name-only HEAD"), "");
  }

  std::string top_, work_;
  std::unique_ptr<Library> library_;
};

}  // namespace drover::git::testing
