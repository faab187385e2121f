#include "contract/task_type.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/schema.h"
#include "contract/test_examples.h"

namespace drover::contract {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TaskType type_of(std::string_view text) {
  auto type = parse_task_type(text);
  EXPECT_TRUE(type) << type.error().message;
  return *std::move(type);
}

Status checked(TaskType const& type, std::string_view payload) {
  auto const value = json_of(payload);
  return check_payload(type, &value);
}

TEST(TaskType, RoundTrips) {
  for (auto const& example : examples("task.v1", "valid", "taskType")) {
    auto const type = parse_task_type(example.text);
    ASSERT_TRUE(type) << example.name << ": " << type.error().message;
    EXPECT_EQ(to_json(*type), json_of(example.text)) << example.name;
  }
  for (auto const& example : examples("task.v1", "invalid", "taskType"))
    EXPECT_FALSE(parse_task_type(example.text)) << example.name;
}

TEST(TaskType, ASchemaThatDoesNotHoldIsRefused) {
  auto const error =
      parse_task_type(std::string_view{R"({"name": "a", "payload": {"requird": ["x"]}})"}).error();
  EXPECT_THAT(error.message, StartsWith("/payload"));
}

TEST(TaskType, APayloadThatDoesNotFitIsRefusedAtItsPlace) {
  auto const type = type_of(
      R"({"name": "a", "payload_required": true,
          "payload": {"type": "object", "required": ["root"], "additionalProperties": false,
                      "properties": {"root": {"type": "string"}}}})");
  EXPECT_TRUE(checked(type, R"({"root": "docs"})"));
  EXPECT_EQ(error_pointer(checked(type, R"({"root": 7})").error()), "/payload/root");
  EXPECT_EQ(error_pointer(checked(type, R"({"root": "a", "b": 1})").error()), "/payload/b");
  EXPECT_EQ(error_pointer(checked(type, R"([])").error()), "/payload");
  EXPECT_EQ(error_pointer(check_payload(type, nullptr).error()), "/payload");
}

TEST(TaskType, WithoutASchemaAPayloadIsAnyObject) {
  auto const type = type_of(R"({"name": "a"})");
  EXPECT_TRUE(check_payload(type, nullptr));
  EXPECT_TRUE(checked(type, R"({"whatever": [1]})"));
  EXPECT_FALSE(checked(type, R"("text")"));
}

TEST(TaskType, TheAgentIsToldTheTypesPromptThenTheCallersThenThePayload) {
  auto const type = type_of(R"({"name": "a", "prompt": "Do A."})");
  auto const payload = json_of(R"({"x": 1})");
  EXPECT_EQ(task_prompt(type, "Carefully.", nullptr), "Do A.\n\nCarefully.");
  std::string const whole = task_prompt(type, "", &payload);
  EXPECT_THAT(whole, StartsWith("Do A.\n\n"));
  EXPECT_THAT(whole, EndsWith("```json\n{\"x\":1}\n```"));
  EXPECT_EQ(task_prompt(type_of(R"({"name": "a"})"), "Just this.", nullptr), "Just this.");
}

TEST(TaskType, TheBuiltInOnesAreThoseOfTheField) {
  std::set<std::string> names;
  for (TaskType const& type : built_in_task_types()) {
    names.insert(type.name);
    EXPECT_FALSE(type.description.empty()) << type.name;
  }
  EXPECT_EQ(names, (std::set<std::string>{"background-agent", "chat", "compliance-scan",
                                          "drift-scan", "pr-review", "static-analysis"}));
}

}  // namespace
}  // namespace drover::contract
