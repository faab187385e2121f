#include "workflow/task_files.h"

#include <gtest/gtest.h>

#include "workflow/open_run.h"
#include "workflow/testing.h"

namespace drover::workflow {
namespace {

using testing::kData;
using testing::read;
using testing::runs;

class TaskFiles : public testing::Scratch {
 protected:
  RunFolder run() { return RunFolder{folder_}; }
};

json::object without(json::object const& record, std::initializer_list<std::string_view> names) {
  json::object rest;
  for (auto const& member : record)
    if (std::ranges::find(names, std::string_view{member.key()}) == names.end())
      rest.emplace(member.key(), member.value());
  return rest;
}

TEST_F(TaskFiles, EveryTaskOfTheSdkIsWrittenToTheByte) {
  int seen = 0;
  for (auto const& name : runs()) {
    RunFolder const theirs{kData + "/" + name};
    auto const writer = name.starts_with("v0") ? Writer::older : Writer::current;
    for (auto const& effect_id : testing::files_in(theirs.at("tasks"))) {
      if (!os::exists(theirs.task(effect_id) + "/task.json")) continue;
      auto const record = read_task(theirs, effect_id).value()->as_object();
      NewTask task;
      task.effect_id = effect_id;
      task.task_id = string_or(record, "taskId", "");
      task.key = string_or(record, "invocationKey", "");
      task.step_id = string_or(record, "stepId", "");
      if (auto const* const inputs = record.if_contains("inputs")) task.inputs = *inputs;
      task.definition = without(record, {"schemaVersion", "effectId", "taskId", "invocationKey",
                                         "stepId", "inputs", "sdkVersion"});
      ASSERT_TRUE(write_task(run(), writer, task));
      EXPECT_EQ(read(run().task(effect_id) + "/task.json"),
                read(theirs.task(effect_id) + "/task.json"))
          << name;
      ++seen;
    }
  }
  EXPECT_GT(seen, 30);
}

TEST_F(TaskFiles, EveryResultOfTheSdkIsWrittenToTheByte) {
  int seen = 0;
  for (auto const& name : runs()) {
    if (name == "v6/corrupt-truncated") continue;
    RunFolder const theirs{kData + "/" + name};
    auto const view = read_run(theirs);
    ASSERT_TRUE(view);
    for (auto const& effect : view->history.effects()) {
      if (effect.status == EffectStatus::requested) continue;
      auto const record = read_result(theirs, effect).value()->as_object();
      TaskResult result;
      if (string_or(record, "status", "") == "error") result.outcome = Outcome::error;
      if (auto const* const value = record.if_contains("result")) result.value = *value;
      if (auto const* const error = record.if_contains("error")) result.error = *error;
      result.out_ref = string_or(record, "stdoutRef", "");
      result.started_at = string_or(record, "startedAt", "");
      result.finished_at = string_or(record, "finishedAt", "");
      ASSERT_TRUE(write_result(run(), view->record.writer, effect, result));
      EXPECT_EQ(read(run().task(effect.id) + "/result.json"),
                read(theirs.task(effect.id) + "/result.json"))
          << name;
      ++seen;
    }
  }
  EXPECT_GT(seen, 10);
}

TEST_F(TaskFiles, ALargeValueLiesBesideAndComesBack) {
  Effect effect;
  effect.id = "01M7XPHZ6W3PN1J1AX26VGTYNV";
  effect.status = EffectStatus::resolved_ok;
  for (std::size_t const size : {std::size_t{1} << 10U, std::size_t{3} << 20U}) {
    TaskResult result;
    result.value = json::value(std::string(size, 'x'));
    ASSERT_TRUE(write_result(run(), Writer::current, effect, result));
    auto const record = read_result(run(), effect).value()->as_object();
    EXPECT_EQ(record.contains("resultRef"), size > (std::size_t{1} << 20U));
    EXPECT_EQ(read_given(run(), effect)->value, *result.value);
  }
}

TEST_F(TaskFiles, AReferenceThatLeadsOutIsRefused) {
  Effect effect;
  effect.id = "e";
  effect.status = EffectStatus::resolved_ok;
  ASSERT_TRUE(os::write_file_atomic(folder_ + "-out.json", "{\"result\":1}"));
  effect.result_ref = "../" + std::filesystem::path{folder_}.filename().string() + "-out.json";
  EXPECT_EQ(read_given(run(), effect).error().code, ErrorCode::data_corrupt);
  EXPECT_TRUE(os::remove_tree(folder_ + "-out.json"));
}

TEST_F(TaskFiles, AnEndedEffectWithoutAResultIsAnError) {
  Effect effect;
  effect.id = "e";
  effect.status = EffectStatus::resolved_ok;
  EXPECT_EQ(read_given(run(), effect).error().message, "Result for effect e is missing from disk");
}

}  // namespace
}  // namespace drover::workflow
