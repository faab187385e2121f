#include "base/schema.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include <boost/json.hpp>

namespace drover {
namespace {

json::value parse(std::string_view text) {
  auto value = parse_json(text);
  EXPECT_TRUE(value.has_value()) << text << ": " << (value ? "" : value.error().message);
  return value ? *std::move(value) : json::value{};
}

Schema compile(std::string_view text, SchemaSet const* others = nullptr) {
  auto schema = Schema::compile(parse(text), others);
  if (!schema) throw std::runtime_error(std::string{text} + ": " + schema.error().message);
  return *std::move(schema);
}

bool fits(std::string_view schema, std::string_view value) {
  return compile(schema).validate(parse(value)).empty();
}

// One row: a schema, values that fit, values that do not. Most are from the official test suite.
struct Row {
  char const* schema;
  std::vector<char const*> good;
  std::vector<char const*> bad;
};

TEST(Schema, KeywordsAcceptAndRefuse) {
  std::vector<Row> const rows = {
      {"true", {"1", "null", "{}"}, {}},
      {"false", {}, {"1", "null", "{}"}},
      {"{}", {"1", "\"x\"", "[]"}, {}},
      {R"({"type":"integer"})",
       {"1", "1.0", "-3", "18446744073709551615"},
       {"1.1", "\"1\"", "true", "null"}},
      {R"({"type":"number"})", {"1", "1.5"}, {"\"1\"", "[]"}},
      {R"({"type":["string","null"]})", {"\"\"", "null"}, {"0", "{}"}},
      {R"({"enum":[1,"a",null,[1,2],{"x":1,"y":2}]})",
       {"1", "1.0", "\"a\"", "null", "[1,2]", "[1.0,2]", R"({"y":2,"x":1})"},
       {"2", "true", "[2,1]", R"({"x":1})", "false"}},
      {R"({"const":{"a":[0]}})",
       {R"({"a":[0]})", R"({"a":[0.0]})"},
       {R"({"a":[false]})", R"({"a":[]})"}},
      {R"({"const":false})", {"false"}, {"0", "null", "\"\""}},
      {R"({"required":["a","b"]})", {R"({"a":1,"b":null})", "[]", "1"}, {"{}", R"({"a":1})"}},
      {R"({"properties":{"a":{"type":"integer"}},"patternProperties":{"^x-":{"type":"string"}},"additionalProperties":false})",
       {"{}", R"({"a":1,"x-b":"c"})"},
       {R"({"a":"1"})", R"({"x-b":1})", R"({"b":1})", R"({"ax-":"1"})"}},
      {R"({"properties":{"a":true},"additionalProperties":{"type":"integer"}})",
       {R"({"a":"s","b":2})"},
       {R"({"b":"2"})"}},
      {R"({"patternProperties":{"a":{"type":"integer"}},"properties":{"ab":{"minimum":2}}})",
       {R"({"ab":2})"},
       {R"({"ab":1})", R"({"ab":"x"})"}},
      {R"({"propertyNames":{"pattern":"^[a-z]+$"}})", {R"({"a":1})"}, {R"({"A":1})", R"({"":1})"}},
      {R"({"minProperties":1,"maxProperties":2})",
       {R"({"a":1})", "[]"},
       {"{}", R"({"a":1,"b":1,"c":1})"}},
      {R"({"dependentRequired":{"card":["name"]}})",
       {"{}", R"({"name":1})", R"({"card":1,"name":2})"},
       {R"({"card":1})"}},
      {R"({"dependentSchemas":{"a":{"required":["b"]}}})",
       {"{}", R"({"a":1,"b":1})"},
       {R"({"a":1})"}},
      {R"({"items":{"type":"integer"}})", {"[]", "[1,2]", "{}"}, {"[1,\"2\"]"}},
      {R"({"prefixItems":[{"type":"integer"},{"type":"string"}]})",
       {"[]", "[1]", "[1,\"a\",null]"},
       {"[\"a\"]", "[1,2]"}},
      {R"({"prefixItems":[{"type":"integer"}],"items":false})", {"[]", "[1]"}, {"[1,2]"}},
      {R"({"contains":{"minimum":5}})", {"[3,5]", "{}"}, {"[]", "[3,4]"}},
      {R"({"contains":{"const":1},"minContains":2,"maxContains":3})",
       {"[1,1]", "[1,1,2,1]"},
       {"[1]", "[1,1,1,1]"}},
      {R"({"contains":{"const":1},"minContains":0})", {"[]", "[2]"}, {}},
      {R"({"minItems":1,"maxItems":2})", {"[1]", "[1,2]"}, {"[]", "[1,2,3]"}},
      {R"({"uniqueItems":true})",
       {"[1,2]", "[1,true]", "[0,false]", "[[1],[2]]", R"([{"a":1},{"a":2}])", R"(["a","\"a\""])",
        "[]"},
       {"[1,1]", "[1.0,1]", "[[1,2],[1,2]]", R"([{"a":1,"b":2},{"b":2,"a":1}])", "[null,null]"}},
      {R"({"minLength":2,"maxLength":3})",
       {"\"ab\"", "\"é€𝄞\"", "1"},
       {"\"a\"", "\"𝄞\"", "\"abcd\""}},
      {R"({"pattern":"^a+$"})", {"\"aa\"", "1"}, {"\"ab\"", "\"\""}},
      {R"({"minimum":1.5,"maximum":3})", {"1.5", "2", "3.0", "\"0\""}, {"1", "3.1"}},
      {R"({"exclusiveMinimum":1,"exclusiveMaximum":2})", {"1.5"}, {"1", "2", "1.0"}},
      {R"({"minimum":9223372036854775807})",
       {"9223372036854775807", "9223372036854775808"},
       {"9223372036854775806"}},
      {R"({"maximum":-1})", {"-1"}, {"18446744073709551615", "0"}},
      {R"({"multipleOf":2})", {"4", "0", "-2", "4.0"}, {"3", "4.5"}},
      {R"({"multipleOf":0.0001})", {"0.0075"}, {"0.00751"}},
      {R"({"multipleOf":0.01})", {"19.99", "4.35"}, {"4.354"}},
      {R"({"type":"integer","multipleOf":0.123456789})", {}, {"1e308"}},
      {R"({"allOf":[{"minimum":2},{"maximum":4}]})", {"3"}, {"1", "5"}},
      {R"({"anyOf":[{"type":"integer"},{"minimum":2}]})", {"1", "2.5", "3"}, {"1.5"}},
      {R"({"oneOf":[{"type":"integer"},{"minimum":2}]})", {"1", "2.5"}, {"3", "1.5"}},
      {R"({"not":{"type":["integer","boolean"]}})", {"\"a\""}, {"1", "true"}},
      {R"({"if":{"exclusiveMaximum":0},"then":{"minimum":-10},"else":{"multipleOf":2}})",
       {"-1", "4"},
       {"-100", "3"}},
      {R"({"then":{"const":1},"else":{"const":2}})", {"3"}, {}},
      {R"({"format":"date-time"})", {"\"2026-11-21T03:34:27Z\"", "3"}, {"\"2026-11-21\"", "\"\""}},
      {R"({"format":"uri"})",
       {"\"urn:a:b\"", "\"https://x/y?z#a\"", "3"},
       {"\"x\"", "\"//a\"", "\"http://a b\"", "\"1a:b\"", "\":\"", "\"a:\"", "\"http://ä\""}},
      {R"({"$ref":"#/$defs/a","$defs":{"a":{"type":"integer"}},"maximum":3})",
       {"1"},
       {"4", "\"a\""}},
      {R"({"properties":{"next":{"$ref":"#"},"v":{"type":"integer"}},"additionalProperties":false})",
       {R"({"v":1,"next":{"v":2,"next":{}}})"},
       {R"({"next":{"next":{"v":"x"}}})"}},
      {R"({"$defs":{"a~b/c":{"const":1}},"$ref":"#/$defs/a~0b~1c"})", {"1"}, {"2"}},
      {R"({"$id":"urn:t","properties":{"a":{"$ref":"urn:t#/$defs/x"}},"$defs":{"x":{"const":1}}})",
       {R"({"a":1})"},
       {R"({"a":2})"}},
  };
  for (auto const& row : rows) {
    for (auto const* value : row.good)
      EXPECT_TRUE(fits(row.schema, value)) << row.schema << ' ' << value;
    for (auto const* value : row.bad)
      EXPECT_FALSE(fits(row.schema, value)) << row.schema << ' ' << value;
  }
}

TEST(Schema, ViolationsNamePointerKeywordAndWhatWasExpected) {
  auto const schema = compile(R"({
    "type":"object","required":["id","mode"],"additionalProperties":false,
    "properties":{"id":{"type":"string","minLength":1},"mode":{"enum":["ro","rw"]},
      "a/b":{"type":"array","items":{"type":"integer","minimum":1}}}})");
  auto const violations = schema.validate(parse(R"({"mode":"x","a/b":[1,0,"q"],"extra":1})"));
  std::vector<std::string> texts;
  for (auto const& violation : violations)
    texts.push_back(violation.text());
  EXPECT_EQ(texts, (std::vector<std::string>{
                       "/id: expected a string, found nothing",
                       "/mode: expected one of \"ro\", \"rw\", found \"x\"",
                       "/a~1b/1: expected a number of at least 1, found 0",
                       "/a~1b/2: expected an integer, found string",
                       "/extra: expected no member of this name; known are a/b, id, mode"}));
  EXPECT_EQ(violations[2].keyword, "minimum");
  EXPECT_EQ(violations[2].pointer, "/a~1b/1");

  auto const error = schema.check(parse("[]")).error();
  EXPECT_EQ(error.code, ErrorCode::invalid_argument);
  EXPECT_EQ(error.message, "the document: expected an object, found array");
  EXPECT_EQ(error_pointer(error), "");
  EXPECT_EQ(error_pointer(schema.check(parse(R"({"id":"","mode":"ro"})")).error()), "/id");
  EXPECT_TRUE(schema.check(parse(R"({"id":"x","mode":"ro"})")).has_value());
}

TEST(Schema, AlternativesReportTheOneThatWasMeant) {
  auto const schema = compile(R"({"oneOf":[
    {"type":"object","required":["session"],"properties":{"session":{"type":"string"}},"additionalProperties":false},
    {"type":"object","required":["entrypoint"],"properties":{"entrypoint":{"type":"object",
      "properties":{"inline":{"type":"string"}},"additionalProperties":false}},"additionalProperties":false}]})");
  EXPECT_EQ(schema.check(parse(R"({"entrypoint":{"inline":3}})")).error().message,
            "/entrypoint/inline: expected a string, found integer");
  EXPECT_EQ(
      schema.check(parse(R"({"other":1})")).error().message,
      "the document: expected one of these: an object with session, an object with entrypoint");
  EXPECT_EQ(
      compile(R"({"anyOf":[{"type":"string"},{"type":"null"}]})").check(parse("1")).error().message,
      "the document: expected one of these: a string, null");
}

TEST(Schema, HostileTextInAMessageIsHarmlessAndShort) {
  auto const schema =
      compile(R"({"properties":{"a":{"enum":["x"]}},"additionalProperties":false})");
  json::object value;
  value["a"] = "\x1b]52;c;x\x07" + std::string(100'000, 'y');
  value["\x1b[2J"] = 1;
  for (auto const& violation : schema.validate(value)) {
    EXPECT_EQ(violation.text().find('\x1b'), std::string::npos);
    EXPECT_LT(violation.text().size(), 1000U);
  }
}

TEST(Schema, RefersToOtherDocumentsByTheirId) {
  SchemaSet set;
  ASSERT_TRUE(
      set.add(parse(R"({"$id":"urn:base","$defs":{"id":{"type":"string","pattern":"^[a-z]+$"},
    "list":{"items":{"$ref":"#/$defs/id"}}},"type":"object"})"))
          .has_value());
  EXPECT_EQ(set.add(parse(R"({"$id":"urn:base"})")).error().code, ErrorCode::conflict);
  EXPECT_EQ(set.add(parse("{}")).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(set.add(parse("true")).error().code, ErrorCode::invalid_argument);

  auto const schema = compile(R"({"$id":"urn:t","properties":{"ids":{"$ref":"urn:base#/$defs/list"},
    "any":{"$ref":"urn:base"}}})",
                              &set);
  EXPECT_TRUE(schema.validate(parse(R"({"ids":["a"],"any":{}})")).empty());
  EXPECT_EQ(schema.validate(parse(R"({"ids":["a","B"]})"))[0].pointer, "/ids/1");
  EXPECT_FALSE(schema.validate(parse(R"({"any":[]})")).empty());
}

TEST(Schema, OutlivesWhatItWasCompiledFrom) {
  auto const schema = [] {
    SchemaSet set;
    EXPECT_TRUE(set.add(parse(R"({"$id":"urn:base","const":1})")).has_value());
    auto const document = parse(R"({"items":{"$ref":"urn:base"}})");
    return *Schema::compile(document, &set);
  }();
  EXPECT_TRUE(schema.validate(parse("[1,1]")).empty());
  EXPECT_FALSE(schema.validate(parse("[1,2]")).empty());
}

TEST(Schema, MistakesInASchemaAreCompileErrorsThatSayWhere) {
  struct Case {
    char const* schema;
    char const* pointer;
  };
  for (
      auto const& [schema, pointer] : std::vector<Case>{
          {"1", "its root"},
          {R"({"properties":{"a":3}})", "/properties/a:"},
          {R"({"propertees":{}})", "/propertees:"},
          {R"({"$defs":{"unused":{"typ":"x"}}})", "/$defs/unused/typ:"},
          {R"({"type":"int"})", "/type:"},
          {R"({"type":[]})", "/type:"},
          {R"({"enum":[]})", "/enum:"},
          {R"({"required":[1]})", "/required:"},
          {R"({"minLength":-1})", "/minLength:"},
          {R"({"minLength":1.5})", "/minLength:"},
          {R"({"minLength":1e300})", "/minLength:"},
          {R"({"multipleOf":0})", "/multipleOf:"},
          {R"({"minimum":"1"})", "/minimum:"},
          {R"({"pattern":"("})", "/pattern:"},
          {R"({"patternProperties":{"(":true}})", "/patternProperties:"},
          {R"({"uniqueItems":1})", "/uniqueItems:"},
          {R"({"allOf":[]})", "/allOf:"},
          {R"({"anyOf":{}})", "/anyOf:"},
          {R"({"items":[{}]})", "/items:"},
          {R"({"format":"email"})", "/format:"},
          {R"({"$schema":"http://json-schema.org/draft-07/schema#"})", "/$schema:"},
          {R"({"properties":{"a":{"$id":"urn:x"}}})", "/properties/a/$id:"},
          {R"({"unevaluatedProperties":false})", "/unevaluatedProperties:"},
          {R"({"$dynamicRef":"#x"})", "/$dynamicRef:"},
          {R"({"items":{"$ref":"#/$defs/none"}})", "/items/$ref:"},
          {R"({"$ref":"urn:unknown"})", "/$ref:"},
          {R"({"$ref":1})", "/$ref:"},
          {R"({"$ref":"#"})", "refers to itself"},
          {R"({"$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"$ref":"#/$defs/b"}]},"b":{"not":{"$ref":"#/$defs/a"}}}})",
           "refers to itself"},
      }) {
    auto const compiled = Schema::compile(parse(schema));
    ASSERT_FALSE(compiled.has_value()) << schema;
    EXPECT_NE(compiled.error().message.find(pointer), std::string::npos)
        << schema << ": " << compiled.error().message;
  }
}

TEST(Schema, ForeignSchemasMayHaveKeywordsOfTheirOwnButNoUncheckedAssertion) {
  auto const lenient = [](std::string_view text) {
    return Schema::compile(parse(text), nullptr, UnknownKeywords::ignore).has_value();
  };
  EXPECT_TRUE(lenient(R"({"x-order":3,"format":"email"})"));
  EXPECT_FALSE(lenient(R"({"unevaluatedProperties":false})"));
  EXPECT_FALSE(lenient(R"({"minLength":"x"})"));
}

TEST(Schema, WorkAndDepthAreBounded) {
  // 2^40 paths through one value.
  std::string schema = R"({"$ref":"#/$defs/d0","$defs":{)";
  for (int i = 0; i < 40; ++i)
    schema += "\"d" + std::to_string(i) + R"(":{"allOf":[{"$ref":"#/$defs/d)" +
              std::to_string(i + 1) + R"("},{"$ref":"#/$defs/d)" + std::to_string(i + 1) +
              R"("}]},)";
  schema += R"("d40":{"type":"integer"}}})";
  auto const violations = compile(schema).validate(parse("1"));
  ASSERT_EQ(violations.size(), 1U);
  EXPECT_NE(violations[0].message.find("fewer steps"), std::string::npos);

  // A value as deep as the parser takes is checked; a deeper one, made in the program, is refused.
  auto const recursive =
      compile(R"({"$ref":"#/$defs/n","$defs":{"n":{"allOf":[{"items":{"$ref":"#/$defs/n"}}]}}})");
  EXPECT_TRUE(recursive.validate(parse(std::string(64, '[') + std::string(64, ']'))).empty());
  json::value deep = json::array{};
  for (int i = 0; i < 1000; ++i)
    deep = json::array{std::move(deep)};
  EXPECT_EQ(recursive.validate(deep).size(), 1U);
  std::string nested;
  for (int i = 0; i < 60; ++i)
    nested += R"({"items":)";
  EXPECT_TRUE(Schema::compile(parse(nested + "true" + std::string(60, '}'))).has_value());

  // Reports do not grow with the value.
  std::string many = "[";
  for (int i = 0; i < 1000; ++i)
    many += "1,";
  EXPECT_EQ(compile(R"({"items":{"type":"string"}})").validate(parse(many + "1]")).size(),
            Schema::kViolationsMax);
}

TEST(Schema, LongArraysAreCheckedForUniquenessInLinearTime) {
  json::array items;
  for (int i = 0; i < 200'000; ++i)
    items.emplace_back(i);
  auto const schema = compile(R"({"uniqueItems":true})");
  EXPECT_TRUE(schema.validate(items).empty());
  items.emplace_back(77);
  EXPECT_EQ(schema.validate(items)[0].pointer, "/200000");
}

}  // namespace
}  // namespace drover
