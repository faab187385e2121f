#include "workflow/step_id.h"

#include <gtest/gtest.h>

namespace drover::workflow {
namespace {

std::string shape(char const* text) {
  auto const value = parse_json(text);
  return shape_hash(&*value);
}

// The hashes are those of the SDK, out of the run v6/keys.
TEST(StepId, TheShapeOfArgumentsIsTheSdks) {
  EXPECT_EQ(shape_hash(nullptr), "cf939b398b75");
  EXPECT_EQ(shape("{}"), "44136fa355b3");
  EXPECT_EQ(shape(R"({"x":1})"), "b6af41632c80");
  EXPECT_EQ(shape(R"({"b":1,"A":2,"a":"s","_x":null,"10":[1,"q"],"9":{}})"), "bacd1bc619cd");
  EXPECT_EQ(shape(R"([1,[2,"x"],{"z":true}])"), "ea49901abadd");
  EXPECT_EQ(shape("5"), "fd1a55ee2217");
}

TEST(StepId, NamesAreNormalizedAsTheSdkDoes) {
  EXPECT_EQ(shaped_step_base("we ird/id:x", " My Label! ", "s"), "we-ird-id-x.My-Label-.s");
  EXPECT_EQ(shaped_step_base("num", "日本", "s"), "num.-.s");
  EXPECT_EQ(shaped_step_base("plain", "", "s"), "plain.default.s");
}

TEST(StepId, CountedOnesAreReadBack) {
  EXPECT_EQ(counted_step_id(1), "S000001");
  EXPECT_EQ(parse_counted_step_id("S000042"), 42);
  EXPECT_EQ(parse_counted_step_id(counted_step_id(12'345'678)), 12'345'678);
  for (auto const* const other : {"", "S1", "S00000x", "alpha.default.b6af41632c80.0"})
    EXPECT_FALSE(parse_counted_step_id(other)) << other;
}

TEST(StepId, TheShapeIsBlindToValuesAndTheHashIsNot) {
  EXPECT_EQ(shape(R"({"x":1})"), shape(R"({"x":2})"));
  auto const one = parse_json(R"({"x":1,"y":2})");
  auto const two = parse_json(R"({"y":2,"x":1})");
  auto const other = parse_json(R"({"x":2,"y":2})");
  EXPECT_EQ(arguments_hash(&*one), arguments_hash(&*two));
  EXPECT_NE(arguments_hash(&*one), arguments_hash(&*other));
  EXPECT_NE(arguments_hash(nullptr), arguments_hash(&*one));
}

}  // namespace
}  // namespace drover::workflow
