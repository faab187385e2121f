#include "runtime/container_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace drover::runtime {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

EngineFacts able() {
  EngineFacts facts;
  facts.os = "linux";
  facts.architecture = "x86_64";
  facts.seccomp = facts.memory_limit = facts.swap_limit = facts.pids_limit = facts.cpu_limit = true;
  facts.runtimes = {"runc"};
  return facts;
}

WorkloadSpec spec_of(std::string const& id) {
  WorkloadSpec spec;
  spec.id = WorkloadId::trusted(id);
  spec.profile = "unit";
  spec.sandbox.argv = {"/run/drover/unit"};
  spec.sandbox.env = {"A=1"};
  return spec;
}

ContainerTerms terms() {
  ContainerTerms terms;
  terms.server = "0123456789abcdef";
  terms.image = "busybox";
  terms.user = {265'536, 265'536};
  terms.host_uid = 265'536;
  terms.seccomp_profile = "{}";
  terms.binds = {{"/state/docker/binds/w/0", "/workspace", sandbox::MountMode::rw}};
  return terms;
}

json::object body_of(WorkloadSpec const& spec, ContainerTerms const& how) {
  return container_request(spec, how, able()).value().body;
}

TEST(ContainerSpec, EveryWallIsAskedFor) {
  auto const body = body_of(spec_of("w"), terms());
  auto const& host = body.at("HostConfig").get_object();
  EXPECT_EQ("none", host.at("NetworkMode"));
  EXPECT_EQ(json::value(true), host.at("ReadonlyRootfs"));
  EXPECT_EQ(json::value(json::array{"ALL"}), host.at("CapDrop"));
  EXPECT_EQ(json::value(false), host.at("Privileged"));
  EXPECT_EQ(json::value(json::array({"no-new-privileges", "seccomp={}"})), host.at("SecurityOpt"));
  EXPECT_EQ("private", host.at("CgroupnsMode"));
  EXPECT_EQ("private", host.at("IpcMode"));
  EXPECT_EQ("265536:265536", body.at("User"));
  EXPECT_EQ(json::value(json::array{"NONE"}), body.at("Healthcheck").at("Test"));
  EXPECT_EQ(json::value(false), host.at("Mounts").at(0).at("ReadOnly"));
  EXPECT_EQ("rprivate", host.at("Mounts").at(0).at("BindOptions").at("Propagation"));
}

TEST(ContainerSpec, LimitsAreTheSameAsOfASandbox) {
  auto spec = spec_of("w");
  spec.sandbox.limits.memory_mb = {100, sandbox::LimitOrigin::asked};
  spec.sandbox.limits.cpu_milli = {1500, sandbox::LimitOrigin::asked};
  spec.sandbox.limits.pids = {7, sandbox::LimitOrigin::asked};
  auto const host = body_of(spec, terms()).at("HostConfig").get_object();
  EXPECT_EQ(json::value(100 << 20), host.at("Memory"));
  EXPECT_EQ(json::value(100 << 20), host.at("MemorySwap"));
  EXPECT_EQ(json::value(1'500'000'000), host.at("NanoCpus"));
  EXPECT_EQ(json::value(7), host.at("PidsLimit"));
}

TEST(ContainerSpec, AnAskedLimitThatCannotBeHeldIsARefusal) {
  auto weak = able();
  weak.memory_limit = false;
  auto spec = spec_of("w");
  auto const defaulted = container_request(spec, terms(), weak);
  ASSERT_TRUE(defaulted);
  EXPECT_THAT(defaulted->unenforced, ElementsAre("memory"));
  EXPECT_FALSE(defaulted->body.at("HostConfig").get_object().contains("Memory"));
  spec.sandbox.limits.memory_mb.origin = sandbox::LimitOrigin::asked;
  auto const asked = container_request(spec, terms(), weak);
  ASSERT_FALSE(asked);
  EXPECT_EQ(ErrorCode::unsupported, asked.error().code);
}

TEST(ContainerSpec, VolumesOfAnImageAreMemory) {
  auto how = terms();
  how.image_volumes = {"/data", "/workspace"};
  auto const body = body_of(spec_of("w"), how);
  auto const& tmpfs = body.at("HostConfig").at("Tmpfs").get_object();
  EXPECT_TRUE(tmpfs.contains("/data"));
  EXPECT_FALSE(tmpfs.contains("/workspace")) << "that one is mounted";
  EXPECT_TRUE(tmpfs.contains("/tmp"));
  EXPECT_FALSE(tmpfs.contains("/dev/shm")) << "the engine makes it itself";
}

TEST(ContainerSpec, DescriptorsCannotBeHandedOver) {
  auto spec = spec_of("w");
  spec.sandbox.inherited = {{5, 5}};
  EXPECT_FALSE(container_request(spec, terms(), able()));
}

TEST(ContainerSpec, TheDigestTellsSpecsApartAndHidesTheirEnvironment) {
  auto const spec = spec_of("w");
  EXPECT_EQ(spec_digest(spec), spec_digest(spec_of("w")));
  std::vector<WorkloadSpec> others(8, spec);
  others[0].profile = "other";
  others[1].image = "other";
  others[2].sandbox.env = {"A=2"};
  others[3].sandbox.argv.emplace_back("x");
  others[4].sandbox.limits.pids.value = 1;
  others[5].sandbox.mounts.push_back({"/a", "/b"});
  others[6].sandbox.files.push_back({"/a", "b"});
  others[7].max_lifetime = Millis{5};
  for (auto const& other : others)
    EXPECT_NE(spec_digest(spec), spec_digest(other));
  // Joined differently, the same words are another spec.
  auto one = spec;
  auto two = spec;
  one.sandbox.argv = {"a b", "c"};
  two.sandbox.argv = {"a", "b c"};
  EXPECT_NE(spec_digest(one), spec_digest(two));
}

TEST(ContainerSpec, TheProgramIsNeverRootOfTheHost) {
  EngineFacts const rootful = able();
  EngineFacts rootless = able();
  rootless.rootless = true;
  EngineFacts remapped = able();
  remapped.remapped = true;
  EXPECT_EQ(265'540U, container_user(rootful, 0, 0, 265'540)->uid);
  EXPECT_EQ(1000U, container_user(rootful, 1000, 1000, 0)->uid);
  EXPECT_EQ(0U, container_user(rootless, 1000, 1000, 0)->uid) << "that is uid 1000 of the host";
  EXPECT_FALSE(container_user(rootless, 0, 0, 265'540));
  EXPECT_FALSE(container_user(remapped, 0, 0, 265'540));
}

TEST(ContainerSpec, AnEngineWithoutAWallIsRefused) {
  EXPECT_TRUE(check_engine(able(), "x86_64", ""));
  EXPECT_TRUE(check_engine(able(), "x86_64", "runc"));
  auto open = able();
  open.seccomp = false;
  EXPECT_FALSE(check_engine(open, "x86_64", ""));
  EXPECT_FALSE(check_engine(able(), "aarch64", ""));
  auto const unknown = check_engine(able(), "x86_64", "runsc");
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().next, HasSubstr("DROVER_DOCKER_RUNTIME"));
}

}  // namespace
}  // namespace drover::runtime
