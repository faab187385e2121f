#include "os/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>

#include "os/files.h"

namespace drover::os {
namespace {

constexpr Millis kPatience{5000};

struct Pipe {
  Fd read, write;
  Pipe() {
    int fds[2];
    EXPECT_EQ(0, ::pipe2(fds, O_CLOEXEC));
    read = Fd{fds[0]};
    write = Fd{fds[1]};
  }
};

Process shell(std::string const& script, int out = -1) {
  ProcessSpec const spec{.argv = {"/bin/sh", "-c", script}, .env = {"ONLY=this"}, .out = out};
  auto process = Process::spawn(spec);
  EXPECT_TRUE(process.has_value());
  return std::move(*process);
}

TEST(Process, ReportsTheExitCodeAndTheSignal) {
  auto three = shell("exit 3");
  EXPECT_EQ((ExitStatus{.code = 3, .signal = 0}), three.wait(kPatience)->value());
  auto killed = shell("kill -9 $$");
  EXPECT_EQ((ExitStatus{.code = 0, .signal = SIGKILL}), killed.wait(kPatience)->value());
  // Asked again, the answer stays.
  EXPECT_EQ(SIGKILL, killed.wait(Millis{0})->value().signal);
}

TEST(Process, WaitEndsAtItsDeadline) {
  auto process = shell("sleep 30");
  auto const begin = std::chrono::steady_clock::now();
  auto const status = process.wait(Millis{50});
  ASSERT_TRUE(status.has_value());
  EXPECT_FALSE(status->has_value());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{5});
}

TEST(Process, HasTheGivenEnvironmentAndNoOtherDescriptor) {
  Fd const leak{::open("/dev/null", O_RDONLY)};  // not close-on-exec, on purpose
  ASSERT_TRUE(leak.valid());
  Pipe pipe;
  auto process = shell("/usr/bin/env | /bin/grep -v -e ^PWD -e ^_ -e ^SHLVL; ls /proc/$$/fd",
                       pipe.write.get());
  pipe.write.reset();
  auto const text = read_all(pipe.read.get(), "output", 4096);
  ASSERT_TRUE(text.has_value());
  EXPECT_EQ("ONLY=this\n0\n1\n2\n", *text);
}

TEST(Process, TheDestructorLeavesNoProcess) {
  pid_t pid = -1;
  {
    auto process = shell("sleep 30");
    pid = process.pid();
    EXPECT_TRUE(open_process(pid).has_value());
  }
  EXPECT_EQ(ErrorCode::not_found, open_process(pid).error().code);
}

TEST(Process, AMissingProgramIsAnErrorThatNamesIt) {
  auto const process = Process::spawn({.argv = {"/nonexistent/program"}});
  ASSERT_FALSE(process.has_value());
  EXPECT_NE(std::string::npos, process.error().message.find("/nonexistent/program"));
}

TEST(Process, StartTimeTellsProcessesApart) {
  auto const mine = start_ticks(::getpid());
  ASSERT_TRUE(mine.has_value());
  EXPECT_EQ(*mine, *start_ticks(::getpid()));
  auto later = shell("sleep 30");
  EXPECT_GE(*start_ticks(later.pid()), *mine);
  // A command may hold what looks like the end of the field.
  EXPECT_EQ(99U,
            parse_start_ticks("7 (a) b) c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 99 0"));
  EXPECT_EQ(std::nullopt, parse_start_ticks("7 (a) S 1 2"));
  EXPECT_EQ(std::nullopt, parse_start_ticks(""));
}

}  // namespace
}  // namespace drover::os
