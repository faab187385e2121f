#include "workflow/replay.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/random.h"

namespace drover::workflow {
namespace {

// A journal in memory: what the replay finds to be new is asked for, and some of it ends.
class Script {
 public:
  void append(std::string_view type, json::object data) {
    Event event;
    event.name = {history.head().seq + 1, fmt::format("{:026}", history.head().seq + 1)};
    event.type = type;
    event.recorded_at = "2026-01-01T00:00:00.000Z";
    event.data = std::move(data);
    ASSERT_TRUE(history.apply(event));
  }
  void ask(Call const& call, Answer const& answer) {
    append(event_type::kEffectRequested,
           json::object{{"effectId", fmt::format("e{}", history.effects().size())},
                        {"invocationKey", answer.key},
                        {"stepId", answer.step_id},
                        {"taskId", call.task_id},
                        {"taskDefRef", "r"},
                        {"argumentsHash", call.arguments_hash}});
  }
  History history;
};

Call call(std::string task, std::string arguments = "{}", std::string label = "") {
  auto const value = parse_json(arguments);
  Call made;
  made.task_id = std::move(task);
  made.label = std::move(label);
  made.shape = shape_hash(&*value);
  made.arguments_hash = arguments_hash(&*value);
  return made;
}

TEST(Replay, TheSameCallsAreTheSameEffectsInEveryReplay) {
  for (auto const generation : {Generation::shaped, Generation::counted}) {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      SeededRandom random{seed};
      std::vector<Call> program;
      for (int i = 0; i < 30; ++i)
        program.push_back(call(fmt::format("t{}", random.below(4)),
                               fmt::format("{{\"n\":{}}}", random.below(3)),
                               random.below(2) == 0 ? "" : "label"));
      Script script;
      script.append("RUN_CREATED", {});
      std::size_t done = 0;
      while (done < program.size()) {
        Replay replay{script.history, "p", generation};
        std::vector<std::string> ids;
        for (std::size_t i = 0; i < std::min(program.size(), done + 1 + random.below(3)); ++i) {
          auto const answer = replay.call(program[i]);
          ASSERT_TRUE(answer) << answer.error().message;
          if (i < done) {
            ASSERT_NE(answer->effect, nullptr) << seed << " " << i;
            EXPECT_EQ(answer->effect->id, fmt::format("e{}", i));
          } else {
            ASSERT_EQ(answer->effect, nullptr);
            script.ask(program[i], *answer);
            ++done;
          }
        }
        EXPECT_TRUE(replay.check_all_used());
      }
    }
  }
}

TEST(Replay, OtherArgumentsAreToldWithBothSides) {
  Script script;
  script.append("RUN_CREATED", {});
  auto const before = call("alpha", R"({"x":1})");
  script.ask(before, *Replay{script.history, "p", Generation::shaped}.call(before));
  auto now = call("alpha", R"({"x":2})");
  now.where = "flow.mjs:4";
  Replay replay{script.history, "p", Generation::shaped};
  auto const answer = replay.call(now);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::conflict);
  for (auto const* const part : {"alpha", "flow.mjs:4", "e0", "entry 2", "p:alpha.default."})
    EXPECT_NE(answer.error().message.find(part), std::string::npos) << answer.error().message;
}

TEST(Replay, AnEffectThatTheCodeForgotIsTold) {
  Script script;
  script.append("RUN_CREATED", {});
  auto const before = call("alpha");
  script.ask(before, *Replay{script.history, "p", Generation::shaped}.call(before));
  Replay replay{script.history, "p", Generation::shaped};
  ASSERT_TRUE(replay.call(call("beta")));
  EXPECT_EQ(replay.check_all_used().error().code, ErrorCode::conflict);
  EXPECT_EQ(replay.unused().size(), 1);
}

TEST(Replay, TheSameKeyTwiceIsTheCodesMistake) {
  Script script;
  script.append("RUN_CREATED", {});
  auto keyed = call("alpha");
  keyed.key = "mine";
  script.ask(keyed, *Replay{script.history, "p", Generation::shaped}.call(keyed));
  Replay replay{script.history, "p", Generation::shaped};
  EXPECT_EQ(replay.call(keyed)->step_id, "mine");
  EXPECT_EQ(replay.call(keyed).error().code, ErrorCode::conflict);
}

TEST(Replay, BreakpointsAreNamedByTheirId) {
  Script script;
  Replay replay{script.history, "p", Generation::shaped};
  Call breakpoint = call("__sdk.breakpoint");
  breakpoint.kind = CallKind::breakpoint;
  breakpoint.key = "approve-it";
  EXPECT_EQ(replay.call(breakpoint)->step_id, "__sdk.breakpoint.approve-it");
  EXPECT_EQ(replay.call(breakpoint)->step_id, "__sdk.breakpoint.approve-it.1");
}

TEST(Replay, AnElapsedSleepOfAnOlderRunCountsIfItDidBefore) {
  constexpr auto const* kSleep = "__sdk.sleep";
  auto const step = [](std::uint64_t n, std::string task) {
    return std::pair{counted_step_id(n), std::move(task)};
  };
  struct Case {
    std::vector<std::pair<std::string, std::string>> journal;
    bool counts;
  };
  for (auto const& [journal, counts] : {Case{{}, false}, Case{{step(1, kSleep)}, false},
                                        Case{{step(1, kSleep), step(1, "beta")}, false},
                                        Case{{step(1, kSleep), step(2, "beta")}, true}}) {
    Script script;
    script.append("RUN_CREATED", {});
    for (auto const& [id, task] : journal)
      script.ask(call(task), {nullptr, id, invocation_key("p", id, task)});
    Replay const replay{script.history, "p", Generation::counted};
    EXPECT_EQ(replay.counts_when_elapsed(kSleep), counts);
  }
}

}  // namespace
}  // namespace drover::workflow
