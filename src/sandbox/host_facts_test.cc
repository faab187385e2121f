#include "sandbox/host_facts.h"

#include <gtest/gtest.h>

namespace drover::sandbox {
namespace {

HostFacts willing() {
  HostFacts facts;
  facts.user_namespaces_max = 15'000;
  facts.unprivileged_clone = 1;
  facts.apparmor_restricts = 0;
  facts.program = "/usr/bin/drover";
  return facts;
}

TEST(HostFacts, NothingIsWrongWithAWillingHost) {
  EXPECT_EQ("", namespace_fix(willing()));
  HostFacts const unknown;
  EXPECT_EQ("", namespace_fix(unknown));
}

TEST(HostFacts, EachRefusalHasItsOwnFixAndRootNeedsOnlyTheFirst) {
  auto none = willing();
  none.user_namespaces_max = 0;
  auto debian = willing();
  debian.unprivileged_clone = 0;
  auto ubuntu = willing();
  ubuntu.apparmor_restricts = 1;
  EXPECT_TRUE(namespace_fix(none).starts_with("sysctl -w user.max_user_namespaces="));
  EXPECT_TRUE(namespace_fix(debian).contains("kernel.unprivileged_userns_clone=1"));
  EXPECT_TRUE(namespace_fix(ubuntu).contains("drover doctor --apparmor-profile"));
  EXPECT_TRUE(namespace_fix(ubuntu).contains("apparmor_parser -r"));
  none.root = debian.root = ubuntu.root = true;
  EXPECT_NE("", namespace_fix(none));
  EXPECT_EQ("", namespace_fix(debian));
  EXPECT_EQ("", namespace_fix(ubuntu));
}

TEST(HostFacts, TheProfileNamesThisProgramAloneAndAllowsNamespacesAlone) {
  auto const profile = apparmor_profile("/opt/my tools/dr*ver");
  EXPECT_TRUE(profile.contains("profile drover \"/opt/my tools/dr\\*ver\" flags=(unconfined) {"))
      << profile;
  EXPECT_TRUE(profile.contains("\n  userns,\n"));
  EXPECT_FALSE(profile.contains("capability"));
}

TEST(HostFacts, ThisHostsAreRead) {
  auto const facts = host_facts();
  EXPECT_TRUE(facts.program.ends_with("sandbox_test")) << facts.program;
  EXPECT_GE(facts.user_namespaces_max, 0);
}

}  // namespace
}  // namespace drover::sandbox
