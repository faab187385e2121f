#include "worker/run_terms.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace drover::worker {
namespace {

using std::chrono::seconds;

WallTime const kNow = from_unix_ms(1'000'000);

contract::TaskType type_of(std::string_view text) {
  return contract::parse_task_type(text).value();
}

contract::Invocation invocation_of(std::string const& more) {
  return contract::parse_invocation(
             R"({"identity": {"subject": "dev", "launcher": "user:dev"}, "runner": "native",
                 "workspaces": [{"id": "demo", "mode": "rw"}], "trigger": "message",
                 "start": {"entrypoint": {"inline": "Go."}})" +
             more + "}")
      .value();
}

contract::TaskType const kType = type_of(
    R"({"name": "t", "prompt": "Be brief.", "pool": "large", "priority": "high",
        "payload": {"type": "object", "properties": {"n": {"type": "integer"}}},
        "timeouts": {"queue_s": 60, "run_s": 600}, "retry": {"attempts_max": 7},
        "defaults": {"limits": {"max_turns": 5, "timeout_s": 1, "wait_s": 30}}})");

contract::AgentSpec agent_of(std::string_view text) {
  return contract::parse_agent(text).value();
}
contract::AgentSpec const kAgent = agent_of(R"({"name": "default"})");

TEST(RunTerms, WhatTheTypeLeavesOutItsAgentSays) {
  auto const agent = agent_of(
      R"({"name": "a", "limits": {"max_turns": 50, "memory_mb": 256}, "labels": {"zone": "eu"}})");
  auto const terms = terms_of(kType, agent, invocation_of(""), kNow).value();
  EXPECT_EQ(terms.limits.max_turns, 5);
  EXPECT_EQ(terms.limits.memory_mb, 256);
  EXPECT_EQ(terms.entry.labels.at("zone"), "eu");
}

TEST(RunTerms, WhatTheInvocationLeavesOutItsTypeSays) {
  auto const terms =
      terms_of(kType, kAgent, invocation_of(R"(, "payload": {"n": 1})"), kNow).value();
  EXPECT_TRUE(terms.prompt.starts_with("Be brief.\n\nGo.\n\n")) << terms.prompt;
  EXPECT_TRUE(terms.prompt.contains(R"({"n":1})")) << terms.prompt;
  EXPECT_EQ(terms.limits.queue_s, 60);
  EXPECT_EQ(terms.limits.timeout_s, 600) << "the type's time stands before its default limits";
  EXPECT_EQ(terms.limits.max_turns, 5);
  EXPECT_EQ(terms.limits.wait_s, 30);
  EXPECT_EQ(terms.entry.task_type, "t");
  EXPECT_EQ(terms.entry.pool, "large");
  EXPECT_EQ(terms.entry.priority, 1);
  EXPECT_EQ(terms.entry.retry.attempts_max, 7);
  EXPECT_EQ(terms.entry.not_before, kNow);
}

TEST(RunTerms, WhatTheInvocationSaysStandsBeforeItsType) {
  auto const terms =
      terms_of(kType, kAgent,
               invocation_of(
                   R"(, "limits": {"timeout_s": 9}, "priority": 0, "tenant": "team-a",
                      "fifo_group": "g", "concurrency_key": "one",
                      "concurrency": [{"key": "four", "max": 4}],
                      "dedup": {"key": "pr:1", "life_s": 60}, "retry": {"attempts_max": 2},
                      "delay_s": 30)"),
               kNow)
          .value();
  EXPECT_EQ(terms.limits.timeout_s, 9);
  EXPECT_EQ(terms.entry.priority, 0) << "0 is a priority";
  EXPECT_EQ(terms.entry.tenant, "team-a");
  EXPECT_EQ(terms.entry.fifo_groups, std::vector<std::string>{"user:g"});
  std::vector<broker::ConcurrencyKey> const keys = {{"one", 1}, {"four", 4}};
  EXPECT_EQ(terms.entry.keys, keys);
  EXPECT_EQ(terms.entry.dedup_key, "pr:1");
  EXPECT_EQ(terms.entry.dedup_life, seconds{60});
  EXPECT_EQ(terms.entry.retry.attempts_max, 2);
  EXPECT_EQ(terms.entry.not_before, kNow + seconds{30});
}

// The contract's bounds are the queue's: what one lets through the other takes.
TEST(RunTerms, TheQueueTakesWhatTheContractLetsThrough) {
  std::string const longest(150, 'x');
  std::string keys;
  for (int i = 0; i < 8; ++i)
    keys += (keys.empty() ? "" : ",") + std::string{R"({"key": "k)"} + std::to_string(i) +
            R"(", "max": 1000000})";
  auto terms = terms_of(type_of(R"({"name": "t"})"), kAgent,
                        invocation_of(R"(, "tenant": ")" + longest + R"(", "fifo_group": ")" +
                                      longest + R"(", "concurrency": [)" + keys +
                                      R"(], "dedup": {"key": ")" + longest +
                                      R"(", "life_s": 31622400}, "retry": {"attempts_max": 1000,
                                      "backoff": "list", "delays_s": [31536000]})"),
                        kNow)
                   .value();
  terms.entry.run = RunId::trusted("run-1");
  // As of a session that writes the most workspaces that an invocation can name.
  terms.entry.fifo_groups.push_back("session:" + std::string(63, 's'));
  for (int i = 0; i < 32; ++i)
    terms.entry.fifo_groups.push_back("workspace:" + std::to_string(i));
  auto const taken = broker::check_entry(terms.entry);
  EXPECT_TRUE(taken) << taken.error().text();
}

TEST(RunTerms, APayloadThatDoesNotFitHasItsPlace) {
  auto const refused = terms_of(kType, kAgent, invocation_of(R"(, "payload": {"n": "one"})"), kNow);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().message.starts_with("/payload/n:")) << refused.error().message;
}

}  // namespace
}  // namespace drover::worker
