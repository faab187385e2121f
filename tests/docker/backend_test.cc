// The Docker backend over a real dockerd.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/text.h"
#include "docker/backend_fixture.h"

namespace drover::runtime {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST_F(DockerBackendTest, RunsToItsEndAndSaysHow) {
  auto const status = run(script("echo hello; echo oops >&2; exit 0"));
  EXPECT_EQ("docker", status.backend);
  EXPECT_TRUE(status.started_at && status.stopped_at);
  EXPECT_EQ(0, status.exit_code);
  EXPECT_EQ(StopReason::completed, status.stop_reason);
  EXPECT_THAT(status.output_tail, HasSubstr("hello\n"));
  EXPECT_THAT(status.output_tail, HasSubstr("oops\n"));
  EXPECT_THAT(events_, ElementsAre("starting", "running", "stopped:completed"));
  EXPECT_THAT(containers(), IsEmpty());
}

TEST_F(DockerBackendTest, AFailureKeepsItsCode) {
  auto const status = run(script("exit 3"));
  EXPECT_EQ(3, status.exit_code);
  EXPECT_EQ(StopReason::failed, status.stop_reason);
}

TEST_F(DockerBackendTest, OutOfMemoryIsAReasonOfItsOwn) {
  auto spec = script("tail /dev/zero");
  spec.sandbox.argv = {"/bin/tail", "/dev/zero"};
  spec.sandbox.limits.memory_mb = {32, sandbox::LimitOrigin::asked};
  auto const status = run(std::move(spec));
  EXPECT_EQ(StopReason::oom, status.stop_reason);
  EXPECT_EQ(137, status.exit_code);
  // The control: the same signal from elsewhere is no lack of memory.
  EXPECT_EQ(StopReason::failed, run(script("kill -9 $$; exit 9")).stop_reason);
}

TEST_F(DockerBackendTest, TheProgramIsNobodyAndSeesNoNetwork) {
  auto const status =
      run(script("id -u; grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/self/status; "
                 "ls /sys/class/net; touch /etc/x; touch /tmp/ok && echo tmp-ok; "
                 "cat /proc/self/cgroup; echo $$"));
  auto const lines = split(status.output_tail, '\n');
  EXPECT_NE("0", lines.front());
  EXPECT_THAT(status.output_tail, HasSubstr("CapEff:\t0000000000000000"));
  EXPECT_THAT(status.output_tail, HasSubstr("CapBnd:\t0000000000000000"));
  EXPECT_THAT(status.output_tail, HasSubstr("NoNewPrivs:\t1"));
  EXPECT_THAT(status.output_tail, HasSubstr("Seccomp:\t2"));
  EXPECT_THAT(status.output_tail, HasSubstr("\nlo\n"));
  EXPECT_THAT(status.output_tail, Not(HasSubstr("eth0")));
  EXPECT_THAT(status.output_tail, HasSubstr("/etc/x: Read-only file system"));
  EXPECT_THAT(status.output_tail, HasSubstr("tmp-ok"));
  // Neither the id of its container nor the folder of ours.
  EXPECT_THAT(status.output_tail, Not(HasSubstr(daemon_->cgroup_parent())));
}

TEST_F(DockerBackendTest, WhatItWritesBelongsToTheOwnerOfTheWorkspace) {
  auto const ws = workspace();
  auto const other = workspace("other");
  auto spec = script(
      "exec 2>&1; stat -c %u /workspace/README; id -u; echo made > /workspace/new && echo rw-ok; "
      "echo x > /workspace/.git/HEAD; mv /workspace/.git /workspace/git2; "
      "cat /other/README; echo x > /other/README; cat /workspace/.gitfile");
  std::ofstream{ws + "/.gitfile"} << "on disk\n";
  using enum sandbox::MountMode;
  using enum sandbox::Ownership;
  spec.sandbox.mounts = {{ws, "/workspace", rw, owner_is_agent},
                         {ws + "/.git", "/workspace/.git", ro, owner_is_agent},
                         {other, "/other", ro, owner_is_agent}};
  spec.sandbox.files = {{"/workspace/.gitfile", "only inside\n"}};
  auto const status = run(std::move(spec));
  auto const lines = split(status.output_tail, '\n');
  ASSERT_GE(lines.size(), 3U) << status.output_tail;
  EXPECT_EQ(lines[0], lines[1]) << "inside, the owner is the agent";
  EXPECT_THAT(status.output_tail, HasSubstr("rw-ok"));
  EXPECT_THAT(status.output_tail, HasSubstr("/workspace/.git/HEAD: Read-only file system"));
  EXPECT_THAT(status.output_tail, HasSubstr("can't rename '/workspace/.git'"));
  EXPECT_THAT(status.output_tail, HasSubstr("hello"));
  EXPECT_THAT(status.output_tail, HasSubstr("/other/README: Read-only file system"));
  EXPECT_THAT(status.output_tail, HasSubstr("only inside"));
  struct stat info{};
  ASSERT_EQ(0, ::stat((ws + "/new").c_str(), &info));
  EXPECT_EQ(kOwner, info.st_uid);
  EXPECT_EQ("ref\n", os::read_file(ws + "/.git/HEAD").value());
  EXPECT_EQ("on disk\n", os::read_file(ws + "/.gitfile").value());
}

TEST_F(DockerBackendTest, ALinkIsNoMountSource) {
  auto const ws = workspace();
  std::filesystem::create_symlink("/etc", path_ + "/link");
  auto spec = script("ls /mnt");
  spec.sandbox.mounts = {
      {path_ + "/link", "/mnt", sandbox::MountMode::ro, sandbox::Ownership::owner_is_agent}};
  auto const started = await(backend_->start(spec));
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().text(), HasSubstr("symbolic link"));
  EXPECT_EQ(StopReason::start_failed, backend_->status(spec.id)->stop_reason);
}

TEST_F(DockerBackendTest, AFrozenOneRunsNothingUntilItIsThawed) {
  auto const ws = workspace();
  auto spec = script("i=0; while :; do i=$((i+1)); echo $i > /workspace/count; done");
  spec.sandbox.mounts = {
      {ws, "/workspace", sandbox::MountMode::rw, sandbox::Ownership::owner_is_agent}};
  auto const id = spec.id;
  auto const count = [&] { return os::read_file(ws + "/count").value_or(""); };
  ASSERT_TRUE(await(backend_->start(std::move(spec))));
  until([&] { return !count().empty(); });
  ASSERT_TRUE(await(backend_->freeze(id)));
  ASSERT_TRUE(await(backend_->freeze(id))) << "again is no error";
  auto const frozen_at = count();
  ASSERT_TRUE(await(backend_->thaw(id)));
  until([&] { return !count().empty() && count() != frozen_at; });
  ASSERT_TRUE(await(backend_->freeze(id)));
  auto const before = count();
  // Time in which it would write thousands of times.
  loop_.restart();
  loop_.run_for(Millis{100});
  EXPECT_EQ(before, count());
  auto const ended = await(backend_->destroy(id));
  ASSERT_TRUE(ended) << "a frozen one can be ended: " << ended.error().text();
}

TEST_F(DockerBackendTest, AWorkspaceGrowsNoFurtherThanItsLimit) {
  auto const ws = workspace();
  auto spec =
      script("i=0; while :; do i=$((i+1)); head -c 1048576 /dev/zero > /workspace/$i; done");
  spec.sandbox.mounts = {
      {ws, "/workspace", sandbox::MountMode::rw, sandbox::Ownership::owner_is_agent}};
  spec.sandbox.limits.disk_mb = 8;
  auto const status = run(std::move(spec));
  EXPECT_EQ(137, status.exit_code);
  EXPECT_THAT(status.detail, HasSubstr("8"));
}

TEST_F(DockerBackendTest, StoppingAsksFirst) {
  auto const ws = workspace();
  auto spec =
      script("trap 'echo bye; exit 7' TERM; touch /workspace/ready; while :; do sleep 0.05; done");
  spec.sandbox.mounts = {
      {ws, "/workspace", sandbox::MountMode::rw, sandbox::Ownership::owner_is_agent}};
  auto const id = spec.id;
  ASSERT_TRUE(await(backend_->start(std::move(spec))));
  until([&] { return os::exists(ws + "/ready"); });
  auto const stopped = await(backend_->stop(id, StopReason::idle_timeout, Millis{20'000}));
  ASSERT_TRUE(stopped) << stopped.error().text();
  EXPECT_EQ(7, stopped->exit_code);
  EXPECT_EQ(StopReason::idle_timeout, stopped->stop_reason);
  EXPECT_THAT(stopped->output_tail, HasSubstr("bye"));
  EXPECT_THAT(events_, ElementsAre("starting", "running", "stopping", "stopped:idle_timeout"));
}

TEST_F(DockerBackendTest, WhoDoesNotHearIsKilled) {
  auto spec = script("trap '' TERM; while :; do sleep 1; done");
  auto const id = spec.id;
  ASSERT_TRUE(await(backend_->start(std::move(spec))));
  auto const stopped = await(backend_->stop(id, StopReason::stopped, Millis{200}));
  ASSERT_TRUE(stopped) << stopped.error().text();
  EXPECT_EQ(137, stopped->exit_code);
  EXPECT_EQ(StopReason::stopped, stopped->stop_reason);
}

TEST_F(DockerBackendTest, TheMaximalLifetimeIsKept) {
  auto spec = script("trap 'exit 0' TERM; while :; do sleep 0.05; done");
  spec.max_lifetime = Millis{300};
  EXPECT_EQ(StopReason::max_lifetime, run(std::move(spec)).stop_reason);
}

TEST_F(DockerBackendTest, StartingAgainIsOneWorkload) {
  auto const spec = script("sleep 60");
  ASSERT_TRUE(await(backend_->start(spec)));
  ASSERT_TRUE(await(backend_->start(spec)));
  EXPECT_THAT(the_container(), Not(IsEmpty()));
  auto other = spec;
  other.sandbox.env.emplace_back("X=1");
  auto const refused = await(backend_->start(other));
  ASSERT_FALSE(refused);
  EXPECT_EQ(ErrorCode::conflict, refused.error().code);
  EXPECT_THAT(refused.error().message, HasSubstr("env"));
}

TEST_F(DockerBackendTest, AMissingImageSaysWhatToDo) {
  auto spec = script("true");
  spec.image = "registry.invalid/none:1";
  auto const started = await(backend_->start(spec));
  ASSERT_FALSE(started);
  EXPECT_EQ(ErrorCode::not_found, started.error().code);
  EXPECT_THAT(started.error().text(), HasSubstr("registry.invalid/none:1"));
  EXPECT_THAT(started.error().text(), HasSubstr("docker pull"));
}

TEST_F(DockerBackendTest, AMissingEngineSaysWhere) {
  make("unix://" + path_ + "/nobody.sock");
  auto const started = await(backend_->start(script("true")));
  ASSERT_FALSE(started);
  EXPECT_EQ(ErrorCode::unavailable, started.error().code);
  EXPECT_THAT(started.error().text(), HasSubstr("nobody.sock"));
  EXPECT_THAT(started.error().text(), HasSubstr("DROVER_DOCKER_HOST"));
}

TEST_F(DockerBackendTest, AProgramThatIsNotThereIsAFailedStart) {
  auto spec = script("true");
  spec.sandbox.argv = {"/no/such/program"};
  auto const started = await(backend_->start(spec));
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().text(), HasSubstr("/no/such/program"));
  EXPECT_THAT(containers(), IsEmpty());
}

TEST_F(DockerBackendTest, WhatADeadServerLeftIsRemovedAndNothingElse) {
  auto spec = script("sleep 600");
  spec.owned_folders = {path_ + "/socket"};
  std::filesystem::create_directories(path_ + "/socket");
  ASSERT_TRUE(await(backend_->start(std::move(spec))));
  auto const orphan = the_container();
  // As ours by its name, and not by its labels.
  auto const foreign = daemon_->cli(
      {"run", "-d", "--ulimit", "nproc=1000", "--ulimit", "nofile=1000", "--network", "none",
       "--name", "drover-not-ours", std::string{DockerDaemon::kImage}, "/bin/sleep", "600"});
  restart();
  ASSERT_TRUE(backend_->recover());
  until([&] { return containers() == foreign; });
  EXPECT_FALSE(os::exists(path_ + "/socket"));
  daemon_->cli({"rm", "-f", foreign});
}

TEST_F(DockerBackendTest, AnAdoptedOneGoesOnAndItsEndIsSeen) {
  auto const ws = workspace();
  auto spec = script("until [ -e /workspace/end ]; do sleep 0.05; done; exit 5");
  spec.sandbox.mounts = {
      {ws, "/workspace", sandbox::MountMode::rw, sandbox::Ownership::owner_is_agent}};
  auto const id = spec.id;
  auto const started = await(backend_->start(spec)).value();
  auto const container = the_container();
  restart();
  backend_->adopt(spec, *started.started_at);
  ASSERT_TRUE(backend_->recover());
  ASSERT_TRUE(await(backend_->check()));
  EXPECT_EQ(container, the_container());
  EXPECT_EQ(WorkloadState::running, backend_->status(id)->state);
  std::ofstream{ws + "/end"};
  auto const status = until_ended(id);
  EXPECT_EQ(5, status.exit_code);
  EXPECT_EQ(StopReason::failed, status.stop_reason);
}

TEST_F(DockerBackendTest, AnAdoptedOneThatEndedMeanwhileEndsAsItDid) {
  auto spec = script("exit 6");
  spec.sandbox.argv = {"/bin/sh", "-c", "sleep 0.2; exit 6"};
  auto const started = await(backend_->start(spec)).value();
  backend_.reset();
  until([&] { return daemon_->cli({"ps", "-q"}).empty(); });
  make();
  backend_->adopt(spec, *started.started_at);
  ASSERT_TRUE(backend_->recover());
  EXPECT_EQ(6, until_ended(spec.id).exit_code);
}

TEST_F(DockerBackendTest, OneWhoseContainerIsGoneEndsAsFailed) {
  auto const spec = script("sleep 600");
  auto const started = await(backend_->start(spec)).value();
  backend_.reset();
  daemon_->cli({"rm", "-f", the_container()});
  make();
  backend_->adopt(spec, *started.started_at);
  ASSERT_TRUE(backend_->recover());
  EXPECT_EQ(StopReason::failed, until_ended(spec.id).stop_reason);
}

TEST_F(DockerBackendTest, OneThatSomebodyRemovesHasEnded) {
  auto const spec = script("sleep 600");
  ASSERT_TRUE(await(backend_->start(spec)));
  daemon_->cli({"rm", "-f", the_container()});
  EXPECT_EQ(StopReason::failed, until_ended(spec.id).stop_reason);
}

TEST_F(DockerBackendTest, AnEngineThatComesBackIsUsedAgain) {
  auto const spec = script("sleep 600");
  ASSERT_TRUE(await(backend_->start(spec)));
  daemon_->stop();
  daemon_->start();
  // The engine ended it, and says so once it is heard again.
  EXPECT_EQ(StopReason::failed, until_ended(spec.id).stop_reason);
  EXPECT_EQ(0, run(script("true")).exit_code);
}

}  // namespace
}  // namespace drover::runtime
