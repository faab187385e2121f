#include "cli/member_edits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace drover::cli {
namespace {

using ::testing::HasSubstr;

Result<json::object> edited(std::vector<std::string> const& texts,
                            std::vector<std::string> const& unsets = {},
                            std::string_view spec = R"({"name":"a"})") {
  std::vector<MemberSet> sets;
  for (std::string const& text : texts)
    sets.push_back(parse_member_set(text).value());
  return edit_members(Definition::agent, parse_json(spec)->as_object(), sets, unsets);
}

std::string shown(Result<json::object> const& spec) {
  return spec ? json::serialize(*spec) : spec.error().message;
}

TEST(MemberEdits, SetAndTakeAway) {
  EXPECT_EQ(shown(edited({"limits.max_turns=20", "model=anthropic/claude-sonnet-4-5"})),
            R"({"name":"a","model":"anthropic/claude-sonnet-4-5","limits":{"max_turns":20}})");
  EXPECT_EQ(shown(edited({R"(tools=["Read","Grep"])", "resident=true"})),
            R"({"name":"a","tools":["Read","Grep"],"resident":true})");
  EXPECT_EQ(
      shown(edited({}, {"backend", "image", "limits.max_turns"},
                   R"({"name":"a","backend":"docker","image":"x","limits":{"max_turns":1}})")),
      R"({"name":"a"})");
  EXPECT_EQ(shown(edited({"backend=docker", "image=x:1"})),
            R"({"name":"a","backend":"docker","image":"x:1"})")
      << "one without the other would not do";
}

TEST(MemberEdits, AValueIsTheTextWhereItsMemberTakesOne) {
  EXPECT_EQ(shown(edited({"env.N=1", "env.T=true", R"(env.Q="1")", "description=17", "warm=2"})),
            R"({"name":"a","description":"17","env":{"N":"1","Q":"1","T":"true"},"warm":2})");
  EXPECT_EQ(shown(edited({"labels.zone.eu=1"})), R"({"name":"a","labels":{"zone.eu":"1"}})")
      << "a label's name may hold dots";
  EXPECT_EQ(shown(edited({"prompt=a=b"})), R"({"name":"a","prompt":"a=b"})");
}

TEST(MemberEdits, WhatDoesNotFitIsNamed) {
  EXPECT_THAT(shown(edited({"limits.max_turns=many"})), HasSubstr("/limits/max_turns"));
  EXPECT_THAT(shown(edited({"modle=x"})), HasSubstr("/modle"));
  EXPECT_THAT(shown(edited({"model.name=x"}, {}, R"({"name":"a","model":"m"})")),
              HasSubstr("--set model.name"));
  EXPECT_THAT(shown(edited({}, {"image"})), HasSubstr("--unset image"));
  EXPECT_THAT(shown(edited({}, {"limits.max_turns"})), HasSubstr("--unset limits.max_turns"));
  for (char const* const text : {"x", "=x", "a..b=1", ".a=1", "a.=1"})
    EXPECT_FALSE(parse_member_set(text)) << text;
}

}  // namespace
}  // namespace drover::cli
