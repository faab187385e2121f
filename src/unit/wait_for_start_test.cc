#include "unit/wait_for_start.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "os/fd.h"
#include "os/files.h"

namespace drover::unit {
namespace {

// A child waits, as a unit does, and says what it has become.
class WaitForStart : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/drover-wait-XXXXXX";
    ASSERT_NE(nullptr, ::mkdtemp(name));
    folder_ = name;
    ASSERT_EQ(0, ::mkfifo(fifo().c_str(), 0600));
  }
  void TearDown() override { EXPECT_TRUE(os::remove_tree(folder_)); }

  [[nodiscard]] std::string fifo() const { return folder_ + "/start"; }

  // Exit status of the child once `text` was written.
  int begin(std::string const& text, int (*check)(std::string const&)) {
    ::setenv("OF_BEFORE", "1", 1);
    pid_t const child = ::fork();
    if (child == 0) ::_exit(wait_for_start(fifo()) ? check(folder_) : 100);
    os::Fd const out{::open(fifo().c_str(), O_WRONLY | O_CLOEXEC)};
    EXPECT_TRUE(os::write_all(out.get(), text, fifo()));
    ::close(out.get());
    (void)const_cast<os::Fd&>(out).release();
    int status = 0;
    EXPECT_EQ(child, ::waitpid(child, &status, 0));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::string folder_;
};

bool has(char const* name, std::string_view value) {
  char const* const found = ::getenv(name);
  return found != nullptr && found == value;
}

TEST_F(WaitForStart, BecomesWhatItIsTold) {
  std::string text = folder_ + '\0';
  text += "A=1";
  text += '\0';
  text += "EMPTY=";
  text += '\0';
  text += "B=x=y z";
  text += '\0';
  EXPECT_EQ(0, begin(text, [](std::string const& folder) {
              char place[256];
              bool const there = ::getcwd(place, sizeof place) != nullptr && folder == place;
              bool const told = has("A", "1") && has("EMPTY", "") && has("B", "x=y z");
              return there && told && ::getenv("OF_BEFORE") == nullptr ? 0 : 1;
            }));
}

TEST_F(WaitForStart, WhatIsCutOffIsRefused) {
  EXPECT_EQ(100, begin(folder_ + '\0' + "A=1", [](std::string const&) { return 0; }));
  EXPECT_EQ(100, begin("", [](std::string const&) { return 0; }));
}

}  // namespace
}  // namespace drover::unit
