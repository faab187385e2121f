#include "workflow/expression.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace drover::workflow {
namespace {

json::object const kNames = *parse_json(R"({
  "inputs": {"target": "all", "n": 3, "big": 9223372036854775807, "half": 0.5, "none": null,
             "repositories": [{"name": "a", "stars": 1}, {"name": "b", "stars": 5}]},
  "steps": {"build": {"success": true, "exitCode": 0}}})")
                                 ->if_object();

std::string value_of(std::string_view text) {
  auto const expression = Expression::parse(text);
  if (!expression) return "PARSE " + expression.error().message;
  auto const value = expression->evaluate(kNames);
  return value ? json::serialize(*value) : "ERROR " + value.error().message;
}

TEST(Expression, HasTheValueThatItSays) {
  std::pair<char const*, char const*> const cases[] = {
      {"1 + 2 * 3", "7"},
      {"(1 + 2) * 3", "9"},
      {"7 / 2", "3"},
      {"7 % 2 - -1", "2"},
      {"7.0 / 2", "3.5E0"},
      {"inputs.half + 1", "1.5E0"},
      {"1 == 1.0", "true"},
      {"'a' + \"b\\n\"", "\"ab\\n\""},
      {"[1] + [2, 'x']", "[1,2,\"x\"]"},
      {"{'a': 1, 'b': [inputs.n]}", "{\"a\":1,\"b\":[3]}"},
      {"inputs.target == 'all' ? 'yes' : 'no'", "\"yes\""},
      {"false ? 1 : true ? 2 : 3", "2"},
      {"!steps.build.success || inputs.n >= 3 && inputs.n != 4", "true"},
      {"true || nothing.is.here", "true"},
      {"false && nothing", "false"},
      {"'b' > 'a' && 2 < 2.5", "true"},
      {"inputs.repositories[1].name", "\"b\""},
      {"inputs['tar' + 'get']", "\"all\""},
      {"size(inputs.repositories) + size('h\xc3\xa9') + 'xyz'.size()", "7"},
      {"has(inputs.target) && !has(inputs.nothing) && !has(inputs.target.deeper)", "true"},
      {"'a' in ['a'] && 'target' in inputs && !(2 in [1])", "true"},
      {"inputs.repositories.filter(r, r.stars > 3).map(r, r.name)", "[\"b\"]"},
      {"inputs.repositories.all(r, r.stars > 0) && inputs.repositories.exists(r, r.stars == 5)",
       "true"},
      {"[1, 2].map(x, [3].map(y, x * y))", "[[3],[6]]"},
      {"inputs.repositories.map(r, r.name).join(', ')", "\"a, b\""},
      {"'abc'.startsWith('a') && 'abc'.endsWith('c') && 'abc'.contains('b')", "true"},
      {"int('42') + int(3.9) + int(2)", "47"},
      {"double('0.5')", "5E-1"},
      {"string(1) + string({'a': null})", "\"1{\\\"a\\\":null}\""},
      {"inputs.none == null", "true"},
      {" inputs . n ", "3"},
      {"inputs.n in [3]", "true"},
      {"[] == []", "true"},
  };
  for (auto const& [text, value] : cases)
    EXPECT_EQ(value_of(text), value) << text;
}

TEST(Expression, WhatDoesNotFitIsAnErrorAndNoGuess) {
  for (auto const* const text : {"nothing",
                                 "inputs.nothing",
                                 "inputs.n.x",
                                 "inputs.repositories[2]",
                                 "inputs.repositories[-1]",
                                 "inputs.n ? 1 : 2",
                                 "!1",
                                 "'a' && true",
                                 "1 + 'a'",
                                 "1 < 'a'",
                                 "1 / 0",
                                 "1 % 0",
                                 "inputs.big + 1",
                                 "-inputs.big - 2",
                                 "1.0 / 0",
                                 "unknown(1)",
                                 "size(1)",
                                 "int('x')",
                                 "int(1e300)",
                                 "'a'.nothing('b')",
                                 "'a'.contains(1)",
                                 "1.map(x, x)",
                                 "[1].filter(x, x)",
                                 "has(inputs)",
                                 "{1: 2}",
                                 "1 in 2",
                                 "size(1, 2)"})
    EXPECT_TRUE(value_of(text).starts_with("ERROR ") || value_of(text).starts_with("PARSE "))
        << text << " is " << value_of(text);
}

TEST(Expression, AMistakeIsNamedByItsColumn) {
  EXPECT_EQ(value_of("1 +"), "PARSE column 4 of '1 +': it ends too early");
  EXPECT_EQ(value_of("inputs.n === 3"), "PARSE column 12 of 'inputs.n === 3': expected a value");
  for (auto const* const text :
       {"", "(", "1 2", "a.", "[1,", "{1}", "'open", "'\\q'", "a ? b", "f(1", "x.map(1, 2)",
        "x.map(y)", "99999999999999999999", "1 < 2 < 3 4", "#", "${1}"})
    EXPECT_TRUE(value_of(text).starts_with("PARSE ")) << text << " is " << value_of(text);
}

TEST(Expression, NestingAndLengthAreBounded) {
  std::string const deep(5000, '(');
  EXPECT_NE(value_of(deep).find("too deeply"), std::string::npos);
  EXPECT_NE(value_of(std::string(5000, '!') + "true").find("too deeply"), std::string::npos);
  std::string chain = "1";
  for (int i = 0; i < 4000; ++i)
    chain += "+1";
  EXPECT_NE(value_of(chain).find("too long"), std::string::npos);
  EXPECT_TRUE(value_of(std::string(20'000, '1')).starts_with("PARSE "));
  // Lists within lists: a million of them is too much.
  std::string list = "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]";
  std::string nested = "1";
  for (char name = 'a'; name < 'f'; ++name)
    nested = list + ".map(" + name + ", " + nested + ")";
  EXPECT_NE(value_of(nested).find("too many steps"), std::string::npos);
}

std::string text_of(std::string_view text) {
  auto const value = render_text(text, kNames);
  EXPECT_EQ(static_cast<bool>(check_text(text)), value || value.error().message.contains(", in '"))
      << text;
  return value ? json::serialize(*value) : "ERROR " + value.error().message;
}

TEST(Text, HoldsExpressions) {
  EXPECT_EQ(text_of("plain $x {y}"), R"("plain $x {y}")");
  EXPECT_EQ(text_of("build ${inputs.target} ${1 + 1}"), R"("build all 2")");
  EXPECT_EQ(text_of("${inputs.repositories[0]}"), R"({"name":"a","stars":1})");
  EXPECT_EQ(text_of("${inputs.n}"), "3");
  EXPECT_EQ(text_of("${inputs.n} "), "\"3 \"");
  EXPECT_EQ(text_of("${ {'a': '}'} }"), R"({"a":"}"})");
  EXPECT_EQ(text_of("is ${inputs.repositories[0]}"), R"("is {\"name\":\"a\",\"stars\":1}")");
  EXPECT_EQ(text_of("$${inputs.n} costs $$5"), R"("${inputs.n} costs $$5")");
  EXPECT_EQ(text_of("${'${'}"), R"("${")");
  EXPECT_EQ(text_of(""), "\"\"");
}

TEST(Text, AMistakeIsAnError) {
  for (auto const* const text : {"${", "${}", "${1", "a ${inputs.nothing}", "${1}}${"})
    EXPECT_TRUE(text_of(text).starts_with("ERROR ")) << text;
}

TEST(Text, ValuesAreRenderedToTheirLeaves) {
  auto const value =
      parse_json(R"({"a": ["${inputs.n}", 1, null], "${x}": {"b": "${inputs.target}"}})");
  auto const rendered = render(*value, kNames);
  ASSERT_TRUE(rendered) << rendered.error().message;
  EXPECT_EQ(json::serialize(*rendered), R"({"a":[3,1,null],"${x}":{"b":"all"}})");
  EXPECT_FALSE(render(*parse_json(R"([{"a": "${nope}"}])"), kNames));
}

}  // namespace
}  // namespace drover::workflow
