#include "contract/workspace.h"

#include <gtest/gtest.h>

#include <utility>

#include "base/schema.h"
#include "contract/test_examples.h"

namespace drover::contract {
namespace {

TEST(WorkspaceContract, MountsAndRulesRoundTrip) {
  for (auto const& example : examples("workspace.v1", "valid", "mount")) {
    auto const mount = parse_mount(example.text);
    ASSERT_TRUE(mount.has_value()) << example.name;
    EXPECT_EQ(to_json(*mount), json_of(example.text)) << example.name;
  }
  for (auto const& example : examples("workspace.v1", "valid", "rules")) {
    auto const rules = parse_rules(example.text);
    ASSERT_TRUE(rules.has_value()) << example.name;
    EXPECT_EQ(to_json(*rules), json_of(example.text)) << example.name;
  }
  for (auto const& example : examples("workspace.v1", "invalid", "mount"))
    EXPECT_FALSE(parse_mount(example.text).has_value()) << example.name;
  for (auto const& example : examples("workspace.v1", "invalid", "rules"))
    EXPECT_FALSE(parse_rules(example.text).has_value()) << example.name;
}

TEST(WorkspaceContract, FrontMatterKeepsKeysOfItsOwn) {
  for (auto const& example : examples("workspace.v1", "valid", "frontMatter")) {
    auto const parsed = parse_front_matter(json_of(example.text));
    ASSERT_TRUE(parsed.has_value()) << example.name;
    EXPECT_EQ(parsed->json, json_of(example.text));
    EXPECT_EQ(parsed->id, "ada");
  }
}

TEST(WorkspaceContract, AnEntitySchemaThatDoesNotHoldIsRefused) {
  auto const error =
      parse_rules(R"({"version":1,"mode":"warn","entities":{"person":{"requird":["x"]}}})").error();
  EXPECT_EQ(error_pointer(error), "/entities/person") << error.message;
}

TEST(WorkspaceContract, TheWorkingMountIsThePrimaryElseTheFirstWritable) {
  auto const mount = [](char const* slug, bool write, bool primary) {
    Mount out;
    out.slug = WorkspaceId::trusted(slug);
    out.write = write;
    out.primary = primary;
    return out;
  };
  auto const chosen = [](std::vector<Mount> const& mounts) {
    auto const* found = working_mount(mounts);
    return found == nullptr ? std::string{"none"} : found->slug.str();
  };
  EXPECT_EQ(chosen({}), "none");
  EXPECT_EQ(chosen({mount("a", true, false), mount("b", false, true)}), "b");
  EXPECT_EQ(chosen({mount("a", false, false), mount("b", true, false)}), "b");
  EXPECT_EQ(chosen({mount("a", false, false), mount("b", false, false)}), "a");
}

}  // namespace
}  // namespace drover::contract
