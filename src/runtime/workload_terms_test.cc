#include "runtime/workload_terms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drover::runtime {
namespace {

using testing::Contains;
using testing::HasSubstr;

Result<std::string> no_folder(WorkspaceId const& id) {
  return fail(ErrorCode::not_found, "there is no workspace {}", id);
}

Profile profile() {
  Profile made;
  made.name = "shell";
  made.command = {"/bin/sh"};
  made.cpu = 2;
  made.memory_mb = 512;
  made.idle = Millis{60'000};
  made.env = {{"MODE", "safe"}};
  return made;
}

contract::WorkloadSpec asked() {
  contract::WorkloadSpec spec;
  spec.workload_id = "one/of:any kind";
  spec.profile = "shell";
  return spec;
}

WorkloadSpec made(contract::WorkloadSpec const& spec) {
  return workload_spec(WorkloadId::trusted("wl-1"), spec, profile(), no_folder).value();
}

TEST(WorkloadTerms, ACallerMayAskForLessAndNeverForMore) {
  auto spec = asked();
  EXPECT_EQ(512U, made(spec).sandbox.limits.memory_mb.value);
  spec.resources.memory_mb = 100;
  spec.resources.cpu = 8;
  auto const limits = made(spec).sandbox.limits;
  EXPECT_EQ(100U, limits.memory_mb.value);
  EXPECT_EQ(sandbox::LimitOrigin::asked, limits.memory_mb.origin);
  EXPECT_EQ(2000U, limits.cpu_milli.value);
  spec.idle_timeout_s = 3600;
  EXPECT_EQ(Millis{60'000}, idle_limit(spec, profile()));
  spec.idle_timeout_s = 1.5;
  EXPECT_EQ(Millis{1'500}, idle_limit(spec, profile()));
}

TEST(WorkloadTerms, TheProfilesEnvironmentStands) {
  auto spec = asked();
  spec.env = {{"MODE", "wild"}, {"DEPTH", "3"}};
  auto const env = made(spec).sandbox.env;
  EXPECT_THAT(env, Contains("MODE=safe"));
  EXPECT_THAT(env, Contains("DEPTH=3"));
  EXPECT_THAT(env, Contains(HasSubstr("PATH=")));
}

TEST(WorkloadTerms, MountsAreWorkspacesAndReadOnly) {
  auto with = profile();
  with.mounts = {{WorkspaceId::trusted("docs"), "/data"}};
  auto const missing = workload_spec(WorkloadId::trusted("wl-1"), asked(), with, no_folder);
  ASSERT_FALSE(missing);
  EXPECT_EQ(ErrorCode::not_found, missing.error().code);
  auto const spec = workload_spec(WorkloadId::trusted("wl-1"), asked(), with,
                                  [](WorkspaceId const&) -> Result<std::string> { return "/ws"; })
                        .value();
  ASSERT_EQ(1U, spec.sandbox.mounts.size());
  EXPECT_EQ("/ws", spec.sandbox.mounts[0].source);
  EXPECT_EQ(sandbox::MountMode::ro, spec.sandbox.mounts[0].mode);
}

TEST(WorkloadTerms, WhatNoBackendHasIsRefused) {
  auto gpu = asked();
  gpu.resources.gpu = 1;
  auto k8s = asked();
  k8s.backend = contract::BackendKind::k8s;
  for (auto const& spec : {gpu, k8s}) {
    auto const refused = workload_spec(WorkloadId::trusted("wl-1"), spec, profile(), no_folder);
    ASSERT_FALSE(refused);
    EXPECT_EQ(ErrorCode::invalid_argument, refused.error().code);
  }
  auto docker = asked();
  docker.backend = contract::BackendKind::docker;
  EXPECT_EQ("docker", made(docker).backend);
}

}  // namespace
}  // namespace drover::runtime
