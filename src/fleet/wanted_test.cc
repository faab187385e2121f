#include "fleet/wanted.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace drover::fleet {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

FleetPlaces places() {
  FleetPlaces made;
  made.state_folder = "/var/lib/drover";
  made.unit_program = "/usr/libexec/drover-unit";
  made.unit_digest = "d1";
  made.backend = "process";
  made.image = "agents:1";
  return made;
}

contract::AgentSpec resident(std::string const& name, int replicas = 1) {
  contract::AgentSpec agent;
  agent.name = name;
  agent.resident = true;
  agent.replicas = replicas;
  return agent;
}

Instance only(contract::AgentSpec const& agent, FleetPlaces const& at = places()) {
  auto const wanted = wanted_fleet({agent}, {}, at);
  EXPECT_THAT(wanted.instances, SizeIs(1));
  return wanted.instances.begin()->second;
}

std::string refusal(contract::AgentSpec const& agent) {
  auto const wanted = wanted_fleet({agent}, {}, places());
  EXPECT_THAT(wanted.instances, IsEmpty());
  EXPECT_THAT(wanted.refused, SizeIs(1));
  return wanted.refused.front().error.text();
}

std::vector<std::string> names(Wanted const& wanted) {
  std::vector<std::string> all;
  for (auto const& [name, one] : wanted.instances)
    all.push_back(name);
  return all;
}

TEST(Wanted, OneForEachReplicaOfAnEnabledResidentAgent) {
  auto disabled = resident("off");
  disabled.enabled = false;
  contract::AgentSpec usual;
  usual.name = "usual";
  auto const wanted = wanted_fleet({resident("dev", 3), disabled, usual}, {}, places());
  EXPECT_THAT(names(wanted), testing::ElementsAre("dev", "dev-2", "dev-3"));
  EXPECT_EQ(wanted.instances.at("dev-3").of, (Replica{"dev", 3}));
}

TEST(Wanted, OfTwoNewOnesANameIsTheAgentsOwn) {
  auto const wanted = wanted_fleet({resident("dev", 2), resident("dev-2")}, {}, places());
  EXPECT_THAT(names(wanted), testing::ElementsAre("dev", "dev-2"));
  EXPECT_EQ(wanted.instances.at("dev-2").of.agent, "dev-2");
  ASSERT_THAT(wanted.refused, SizeIs(1));
  EXPECT_EQ(wanted.refused.front().of, (Replica{"dev", 2}));
  EXPECT_THAT(wanted.refused.front().error.text(), HasSubstr("rename"));
}

TEST(Wanted, ANameStaysWhoseItWas) {
  KnownInstances known;
  known["dev-2"] = {{"dev", 2}, "process", 400'001, "drover-dev-2-state", true};
  auto const wanted = wanted_fleet({resident("dev", 2), resident("dev-2")}, known, places());
  EXPECT_EQ(wanted.instances.at("dev-2").of, (Replica{"dev", 2}))
      << "its state is not given to another agent";
  EXPECT_EQ(wanted.instances.at("dev-2").uid, 400'001U);
  ASSERT_THAT(wanted.refused, SizeIs(1));
  EXPECT_EQ(wanted.refused.front().of, (Replica{"dev-2", 1}));
}

TEST(Wanted, AStateIsNotBegunAnewElsewhere) {
  KnownInstances known;
  known["dev"] = {{"dev", 1}, "process", 400'001, "", true};
  auto agent = resident("dev");
  EXPECT_THAT(wanted_fleet({agent}, known, places()).refused, IsEmpty());
  agent.backend = "docker";
  auto const wanted = wanted_fleet({agent}, known, places());
  EXPECT_THAT(wanted.instances, IsEmpty());
  ASSERT_THAT(wanted.refused, SizeIs(1));
  EXPECT_THAT(wanted.refused.front().error.text(), HasSubstr("wipe"));
}

TEST(Wanted, WhatIsReadForEachTurnMakesNoNewContainer) {
  auto agent = resident("dev");
  auto const before = only(agent).hash;
  agent.prompt = "Be brief.";
  agent.description = "other words";
  agent.model = "other/model";
  agent.tools = {"Read"};
  EXPECT_EQ(only(agent).hash, before);
}

TEST(Wanted, WhatMakesTheContainerMakesANewOne) {
  auto const agent = resident("dev");
  std::set<std::string> hashes{only(agent).hash};
  auto const differs = [&](contract::AgentSpec const& other, FleetPlaces const& at = places()) {
    EXPECT_TRUE(hashes.insert(only(other, at).hash).second);
  };
  auto other = agent;
  other.env["TEAM"] = "blue";
  differs(other);
  other.env["TEAM"] = "red";
  differs(other);
  other = agent;
  other.limits.memory_mb = 512;
  differs(other);
  other = agent;
  other.mounts = {{"/srv/docs", "/docs", false}};
  differs(other);
  other.mounts[0].write = true;
  differs(other);
  other = agent;
  other.type = "coder";
  other.credentials = contract::CredentialSource::files;
  differs(other);
  other = agent;
  other.rootfs = "/srv/root";
  differs(other);
  other = agent;
  other.read_only_paths = {"/opt"};
  differs(other);
  other = agent;
  other.backend = "docker";
  differs(other);
  other.image = "agents:2";
  differs(other);
  auto newer = places();
  newer.unit_digest = "d2";
  differs(agent, newer);
}

TEST(Wanted, ANamedVolumeStaysWhatItWasWhenThePrefixChanges) {
  auto agent = resident("dev");
  agent.backend = "docker";
  EXPECT_EQ(only(agent).volume, "drover-dev-state");
  KnownInstances known;
  known["dev"] = {{"dev", 1}, "docker", 0, "drover-dev-state", true};
  auto other = places();
  other.prefix = "blue";
  EXPECT_EQ(wanted_fleet({agent}, known, other).instances.at("dev").volume, "drover-dev-state");
}

TEST(Wanted, NothingOfTheServersOwnIsBroughtInside) {
  auto agent = resident("dev");
  for (auto const* const source : {"/", "/var/lib", "/var/lib/drover", "/var/lib/drover/agents"}) {
    agent.mounts = {{source, "/in", false}};
    EXPECT_THAT(refusal(agent), HasSubstr(source));
  }
  agent.mounts = {{"/var/lib/drover-docs", "/in", false}};
  EXPECT_THAT(only(agent).workload.sandbox.mounts, SizeIs(4));
  for (auto const* const place : {"/state", "/state/x", "/run/drover/unit", "/run", "/workspace"}) {
    agent.mounts = {{"/srv", place, false}};
    EXPECT_THAT(refusal(agent), HasSubstr(place));
  }
}

TEST(Wanted, WhatTheBackendCannotGiveIsRefused) {
  auto agent = resident("dev");
  agent.backend = "docker";
  agent.limits.disk_mb = 5;
  EXPECT_THAT(refusal(agent), HasSubstr("disk_mb"));
  agent.limits.disk_mb.reset();
  auto bare = places();
  bare.image.clear();
  EXPECT_THAT(wanted_fleet({agent}, {}, bare).refused.at(0).error.text(), HasSubstr("image"));
}

TEST(Wanted, AnAgentCannotTakeWhatMakesTheInstanceWhatItIs) {
  auto agent = resident("dev");
  agent.env = {{"DROVER_INSTANCE", "other"}, {"TEAM", "blue"}};
  auto const env = only(agent).workload.sandbox.env;
  EXPECT_THAT(env, Contains("DROVER_INSTANCE=dev"));
  EXPECT_THAT(env, Contains("TEAM=blue"));
  EXPECT_THAT(env, testing::Not(Contains("DROVER_INSTANCE=other")));
}

TEST(Wanted, EveryInstanceHasAWorkloadIdThatIsASlug) {
  std::string const longest(63, 'a');
  EXPECT_TRUE(is_slug(workload_id(instance_name({longest, 64})).str()));
  EXPECT_NE(workload_id(longest + "-2"), workload_id(longest + "-3"));
  EXPECT_EQ(workload_id("dev").str(), "resident-dev");
}

}  // namespace
}  // namespace drover::fleet
