#include "driver/effect_work.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace drover::driver {
namespace {

Result<CommandWork> parsed(std::string_view kind, std::string_view text) {
  return parse_command_work(kind, *parse_json(text));
}

TEST(EffectWork, AShellSaysItsCommandAndWhatItMayTouch) {
  auto const work =
      parsed("shell", R"({"kind":"shell","shell":{"command":"make \"$1\"","args":["all"],
    "env":{"CC":"clang"},"cwd":"sub","timeoutMs":5000,"expectedExitCode":3},"idempotent":true,
    "sandbox":{"folder":"ro","git":"rw","memoryMb":64,"pids":10,"cpu":0.5}})");
  ASSERT_TRUE(work) << work.error().message;
  EXPECT_EQ(work->kind, CommandWork::Kind::shell);
  EXPECT_EQ(work->program, "make \"$1\"");
  EXPECT_EQ(work->args, std::vector<std::string>{"all"});
  EXPECT_EQ(work->env, std::vector<std::string>{"CC=clang"});
  EXPECT_EQ(work->cwd, "sub");
  EXPECT_EQ(work->timeout, Millis{5000});
  EXPECT_EQ(work->expected_exit, 3);
  EXPECT_EQ(work->folder, FolderAccess::ro);
  EXPECT_EQ(work->git, FolderAccess::rw);
  EXPECT_EQ(work->memory_mb, 64);
  EXPECT_EQ(work->pids, 10);
  EXPECT_EQ(work->cpu, 0.5);
  EXPECT_EQ(work->lost, CommandWork::Lost::repeat);
}

TEST(EffectWork, WhatNobodySaidIsTheSafeSide) {
  auto const work = parsed("node", R"({"kind":"node","node":{"entry":"x.mjs"},"anything":1})");
  ASSERT_TRUE(work) << work.error().message;
  EXPECT_EQ(work->folder, FolderAccess::rw);
  EXPECT_EQ(work->git, FolderAccess::ro);
  EXPECT_EQ(work->lost, CommandWork::Lost::fails);
  EXPECT_EQ(work->timeout, Millis{15 * 60'000});
}

TEST(EffectWork, WhatDoesNotFitIsRefusedByItsPlace) {
  for (auto const& [text, place] : {
           std::pair{R"({"shell":{}})", "/shell/command"},
           std::pair{R"({"shell":{"command":"  "}})", "/shell/command"},
           std::pair{R"({"shell":"make"})", "/shell"},
           std::pair{R"({"shell":{"command":"x","args":[1]}})", "/shell/args"},
           std::pair{R"({"shell":{"command":"x","env":{"A=B":"c"}}})", "/shell/env"},
           std::pair{R"({"shell":{"command":"x","timeoutMs":0}})", "/shell/timeoutMs"},
           std::pair{R"({"shell":{"command":"x"},"sandbox":{"folder":"all"}})", "/sandbox/folder"},
           // What keeps something in is never passed over.
           std::pair{R"({"shell":{"command":"x"},"sandbox":{"network":true}})", "/sandbox/network"},
           std::pair{R"({"shell":{"command":"x"},"sandbox":{"cpu":0}})", "/sandbox/cpu"},
       }) {
    auto const work = parsed("shell", text);
    ASSERT_FALSE(work) << text;
    EXPECT_EQ(work.error().code, ErrorCode::invalid_argument);
    EXPECT_TRUE(work.error().message.starts_with(place)) << work.error().message;
  }
}

TEST(EffectWork, ADefinitionWithoutACommandIsSomebodyElses) {
  EXPECT_TRUE(names_a_command("shell", *parse_json(R"({"shell":{}})")));
  EXPECT_FALSE(names_a_command("node", *parse_json(R"({"kind":"node","title":"x"})")));
  EXPECT_FALSE(names_a_command("agent", *parse_json(R"({"agent":{}})")));
  EXPECT_EQ(carrier_of("skill"), Carrier::outside);
  EXPECT_EQ(carrier_of("orchestrator_task"), Carrier::outside);
}

}  // namespace
}  // namespace drover::driver
