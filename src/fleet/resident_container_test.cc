#include "fleet/resident_container.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <boost/json.hpp>

#include "fleet/mount_sources.h"
#include "os/files.h"

namespace drover::fleet {
namespace {

using testing::HasSubstr;

Instance dev() {
  Instance instance;
  instance.name = "dev-2";
  instance.of = {"dev", 2};
  instance.backend = "docker";
  instance.workload.id = workload_id("dev-2");
  instance.workload.image = "agents:1";
  instance.workload.sandbox.argv = {"/run/drover/unit"};
  instance.workload.sandbox.env = {"TEAM=blue"};
  instance.volume = "drover-dev-2-state";
  instance.hash = "h1";
  instance.uid = 400'001;
  return instance;
}

json::object body() {
  runtime::EngineFacts facts;
  facts.seccomp = facts.memory_limit = facts.pids_limit = facts.cpu_limit = true;
  runtime::ContainerTerms terms;
  terms.server = "me";
  terms.image = "agents:1";
  terms.seccomp_profile = "{}";
  terms.user = {400'001, 400'001};
  auto request = runtime::container_request(dev().workload, terms, facts).value();
  return resident_body(dev(), "me", std::move(request.body));
}

TEST(ResidentContainer, HasTheWallsOfEveryOtherAndStaysUp) {
  auto const made = body();
  auto const& host = made.at("HostConfig").get_object();
  EXPECT_EQ("none", host.at("NetworkMode"));
  EXPECT_EQ(json::value(json::array{"ALL"}), host.at("CapDrop"));
  EXPECT_EQ(json::value(true), host.at("ReadonlyRootfs"));
  EXPECT_EQ("400001:400001", made.at("User"));
  EXPECT_EQ("unless-stopped", host.at("RestartPolicy").at("Name"));
  EXPECT_EQ("drover-dev-2-state", host.at("Mounts").as_array().back().at("Source"));
  EXPECT_EQ("/state", host.at("Mounts").as_array().back().at("Target"));
}

TEST(ResidentContainer, ItsLabelsAreTheFleetsAndNotTheBackends) {
  auto const made = body();
  auto const& labels = made.at("Labels").get_object();
  EXPECT_FALSE(labels.contains(runtime::kServerLabel));
  EXPECT_FALSE(labels.contains(runtime::kWorkloadLabel));
  runtime::Container seen;
  seen.agent = labels.at(runtime::kAgentLabel).get_string();
  seen.instance = labels.at(runtime::kInstanceLabel).get_string();
  seen.spec = labels.at(runtime::kSpecLabel).get_string();
  seen.state = runtime::ContainerState::running;
  auto const actual = actual_of(seen);
  EXPECT_EQ(actual.agent, "dev");
  EXPECT_EQ(actual.instance, "dev-2");
  EXPECT_EQ(actual.hash, "h1");
  EXPECT_EQ(actual.phase, Phase::running);
  seen.restarting = true;
  EXPECT_EQ(actual_of(seen).phase, Phase::restarting);
  seen.removing = true;
  EXPECT_EQ(actual_of(seen).phase, Phase::removing);
}

class MountSources : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/drover-mounts-XXXXXX";
    ASSERT_NE(nullptr, ::mkdtemp(name));
    path_ = name;
    std::filesystem::create_directory(path_ + "/folder");
    std::filesystem::create_symlink("folder", path_ + "/link");
  }
  void TearDown() override { EXPECT_TRUE(os::remove_tree(path_)); }
  std::string refusal(std::string const& name, sandbox::MountMode mode, uid_t user) {
    sandbox::SandboxSpec spec;
    spec.mounts = {{path_ + "/" + name, "/in", mode, sandbox::Ownership::as_on_disk}};
    auto const made = mount_sources(spec, user);
    if (made) EXPECT_EQ(made->size(), 1U);
    return made ? "" : made.error().text();
  }
  std::string path_;
};

TEST_F(MountSources, AreLetInByTheFolderItself) {
  constexpr uid_t kOther = 400'123;
  std::string const folder = path_ + "/folder";
  auto const ro = sandbox::MountMode::ro;
  auto const rw = sandbox::MountMode::rw;
  ASSERT_EQ(0, ::chmod(folder.c_str(), 0755));
  EXPECT_EQ(refusal("folder", ro, kOther), "");
  EXPECT_THAT(refusal("folder", rw, kOther), HasSubstr("chown -R 400123"));
  EXPECT_EQ(refusal("folder", rw, ::geteuid()), "");
  ASSERT_EQ(0, ::chmod(folder.c_str(), 0700));
  EXPECT_THAT(refusal("folder", ro, kOther), HasSubstr("chmod"));
  EXPECT_THAT(refusal("missing", ro, kOther), HasSubstr("missing"));
  EXPECT_THAT(refusal("link", ro, ::geteuid()), HasSubstr("link"));
}

}  // namespace
}  // namespace drover::fleet
