#include "runtime/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace drover::runtime {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kBoth = R"(
[indexer]
backend = "docker"
image = "registry.example:5000/indexer:2"
cwd = "/data"
cpu = 1.5
memory_mb = 256
pids = 64
idle_s = 600
lifetime_s = 3600
env = { DEPTH = "3" }
mounts = [{ workspace = "docs", path = "/data" }]

[shell]
command = ["/bin/sh", "-c", "sleep 5"]
)";

TEST(Profiles, AreReadFromToml) {
  auto const profiles = parse_profiles("profiles.toml", kBoth).value();
  ASSERT_EQ(2U, profiles.size());
  auto const& indexer = profiles.at("indexer");
  EXPECT_EQ("docker", indexer.backend);
  EXPECT_EQ("registry.example:5000/indexer:2", indexer.image);
  EXPECT_EQ(1.5, indexer.cpu);
  EXPECT_EQ(256, indexer.memory_mb);
  EXPECT_EQ(Millis{600'000}, indexer.idle);
  EXPECT_EQ("3", indexer.env.at("DEPTH"));
  ASSERT_EQ(1U, indexer.mounts.size());
  EXPECT_EQ("docs", indexer.mounts[0].workspace.str());
  EXPECT_THAT(profiles.at("shell").command, ElementsAre("/bin/sh", "-c", "sleep 5"));
}

TEST(Profiles, OneIsStoredAsItIs) {
  for (auto const& [name, profile] : parse_profiles("profiles.toml", kBoth).value()) {
    auto const again = parse_profile(name, to_json(profile)).value();
    EXPECT_EQ(to_json(profile), to_json(again)) << name;
  }
}

TEST(Profiles, WhatDoesNotFitIsNamed) {
  struct Case {
    std::string_view text;
    std::string_view word;
  };
  for (auto const& [text, word] : std::vector<Case>{
           {R"({"a": {}})", "/command"},
           {R"({"a": {"command": ["sh"]}})", "absolute"},
           {R"({"a": {"command": "sh"}})", "/command"},
           {R"({"a": {"image": "../x"}})", "/image"},
           {R"({"a": {"image": "x", "memroy_mb": 1}})", "memroy_mb"},
           {R"({"a": {"image": "x", "memory_mb": -1}})", "/memory_mb"},
           {R"({"a": {"image": "x", "mounts": [{"workspace": "../x", "path": "/a"}]}})", "../x"},
           {R"({"a": {"image": "x", "mounts": [{"workspace": "x", "path": "a"}]}})", "absolute"},
           {R"({"a": {"image": "x", "env": {"A": 1}}})", "/env/A"},
           {R"({"a": 1})", "object"}}) {
    auto const refused = parse_profiles("profiles.json", text);
    ASSERT_FALSE(refused) << text;
    EXPECT_THAT(refused.error().message, HasSubstr(std::string{word})) << text;
    EXPECT_THAT(refused.error().message, HasSubstr("profile a")) << text;
  }
}

}  // namespace
}  // namespace drover::runtime
