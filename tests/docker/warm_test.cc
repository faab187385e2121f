// Containers ahead of need, over a real dockerd.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/text.h"
#include "docker/backend_fixture.h"

namespace drover::runtime {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// Says what it has become, where the workspace is.
constexpr std::string_view kWaits = R"sh(
  tr '\0' '\n' < "$0" > /tmp/told
  cd "$(head -n 1 /tmp/told)" && cp /tmp/told told.txt && cat README && exec sleep 0.1)sh";

class WarmContainersTest : public DockerBackendTest {
 protected:
  WarmWish wish(std::int64_t count = 1) {
    WarmWish wish;
    wish.spec = script("echo this was not ahead of need");
    wish.spec.agent = "test";
    wish.waiting = {"/bin/sh", "-c", std::string{kWaits}, "/run/drover/start"};
    wish.places = {"/workspace", "/run/drover"};
    wish.count = count;
    return wish;
  }
  WorkloadSpec work(WarmWish const& wish) {
    WorkloadSpec spec = wish.spec;
    spec.id = script("").id;
    spec.sandbox.env = {"GREETING=hello you", "EMPTY="};
    spec.sandbox.cwd = wish.spec.sandbox.cwd;
    spec.sandbox.mounts = {
        {workspace(), "/workspace", sandbox::MountMode::rw, sandbox::Ownership::owner_is_agent},
        {path_ + "/ws/.git", "/workspace/.git", sandbox::MountMode::ro,
         sandbox::Ownership::owner_is_agent}};
    return spec;
  }
  std::string running() { return daemon_->cli({"ps", "-q", "--no-trunc"}); }
  std::string until_warm() {
    until([&] { return backend_->warm() == 1; });
    return the_container();
  }
};

TEST_F(WarmContainersTest, OneIsTakenWithItsMountsAndItsEnvironment) {
  auto warm = wish();
  warm.spec.sandbox.cwd = "/workspace";
  ASSERT_TRUE(await(backend_->keep_warm({warm})));
  auto const container = until_warm();
  auto spec = work(warm);
  ASSERT_TRUE(await(backend_->start(spec)));
  EXPECT_THAT(containers(), HasSubstr(container));
  auto const ended = until_ended(spec.id);
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_EQ(ended.stop_reason, StopReason::completed);
  EXPECT_EQ(ended.output_tail, "hello\n");
  std::string const told = path_ + "/ws/told.txt";
  EXPECT_EQ(os::read_file(told).value(), "/workspace\nGREETING=hello you\nEMPTY=\n");
  struct stat info{};
  ASSERT_EQ(0, ::stat(told.c_str(), &info));
  EXPECT_EQ(info.st_uid, kOwner) << "as what a workload writes that was started for it";
  EXPECT_NE(until_warm(), container) << "another waits in its place";
}

TEST_F(WarmContainersTest, WhatIsReadOnlyIsAlsoThere) {
  auto warm = wish();
  warm.spec.sandbox.cwd = "/workspace";
  warm.waiting[2] = R"sh(read -r _ < "$0"; cd /workspace; touch here;
                       touch .git/x || echo refused; touch /run/drover/x || echo neither)sh";
  ASSERT_TRUE(await(backend_->keep_warm({warm})));
  until_warm();
  auto const spec = work(warm);
  ASSERT_TRUE(await(backend_->start(spec)));
  EXPECT_THAT(until_ended(spec.id).output_tail,
              testing::AllOf(HasSubstr("refused\n"), HasSubstr("neither\n")));
  EXPECT_TRUE(os::exists(path_ + "/ws/here"));
  EXPECT_FALSE(os::exists(path_ + "/ws/.git/x"));
}

TEST_F(WarmContainersTest, WhatDoesNotFitIsStartedForItself) {
  ASSERT_TRUE(await(backend_->keep_warm({wish()})));
  auto const container = until_warm();
  EXPECT_EQ(run(script("exit 5")).exit_code, 5);
  EXPECT_EQ(until_warm(), container) << "still there";
}

TEST_F(WarmContainersTest, OneThatEndsByItselfIsReplaced) {
  ASSERT_TRUE(await(backend_->keep_warm({wish()})));
  auto const first = until_warm();
  daemon_->cli({"kill", first});
  until([&] { return !running().empty() && running() != first; });
  auto const second = the_container();
  daemon_->cli({"rm", "-f", second});
  until([&] { return !running().empty() && running() != second; });
}

TEST_F(WarmContainersTest, AsManyAsAreWantedAndNoMore) {
  auto const count = [&] { return split(running(), '\n').size(); };
  auto const warm = wish(3);
  ASSERT_TRUE(await(backend_->keep_warm({warm})));
  until([&] { return backend_->warm() == 3; });
  auto fewer = warm;
  fewer.count = 1;
  ASSERT_TRUE(await(backend_->keep_warm({fewer})));
  EXPECT_EQ(count(), 1U);
  ASSERT_TRUE(await(backend_->keep_warm({})));
  EXPECT_THAT(containers(), IsEmpty());
  EXPECT_TRUE(std::filesystem::is_empty(path_ + "/docker/warm"));
}

TEST_F(WarmContainersTest, ThoseOfADeadServerAreRemoved) {
  ASSERT_TRUE(await(backend_->keep_warm({wish()})));
  auto const first = until_warm();
  restart();
  ASSERT_TRUE(backend_->recover());
  until([&] { return containers().empty(); });
  ASSERT_TRUE(await(backend_->keep_warm({wish()})));
  EXPECT_NE(until_warm(), first);
}

TEST_F(WarmContainersTest, AnImageThatIsNotThereIsNoReasonToSpin) {
  auto warm = wish();
  warm.spec.image = "no-such-image:1";
  ASSERT_TRUE(await(backend_->keep_warm({warm})));
  loop_.restart();
  loop_.run_for(Millis{300});
  ASSERT_TRUE(await(backend_->keep_warm({wish()}))) << "and what is wanted next is not held up";
  until_warm();
}

}  // namespace
}  // namespace drover::runtime
