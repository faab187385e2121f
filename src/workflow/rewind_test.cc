#include "workflow/rewind.h"

#include <gtest/gtest.h>

#include "workflow/create_run.h"
#include "workflow/open_run.h"
#include "workflow/repair.h"
#include "workflow/state_cache.h"
#include "workflow/testing.h"

namespace drover::workflow {
namespace {

// A run with the effects a, b, c, of which the first two have ended, and a signal behind them.
class Rewinds : public testing::Scratch {
 protected:
  void SetUp() override {
    Scratch::SetUp();
    NewRun wanted;
    wanted.runs_root = folder_ + "/runs";
    wanted.run_id = "one";
    wanted.inputs = json::value(json::object{{"n", 1}});
    auto const created = create_run(wanted, clock_, random_);
    ASSERT_TRUE(created) << created.error().message;
    run_ = created->folder;
    auto opened = OpenRun::open(run_, "test", clock_, random_);
    ASSERT_TRUE(opened) << opened.error().message;
    for (std::string const name : {"a", "b", "c"}) {
      OpenRun::Request asked;
      asked.task.effect_id = "effect-" + name;
      asked.task.task_id = "task";
      asked.task.step_id = "step-" + name;
      asked.task.key = "key-" + name;
      asked.task.definition = json::object{{"kind", "node"}};
      asked.label = name;
      std::vector<OpenRun::Request> requests;
      requests.push_back(std::move(asked));
      ASSERT_TRUE(opened->request(requests));
      if (name == "c") break;
      TaskResult result;
      result.value = json::value(name);
      ASSERT_TRUE(opened->post("effect-" + name, std::move(result)));
    }
    ASSERT_TRUE(opened->append(
        NewEvent{event_type::kSignal, json::object{{"name", "go"}, {"payload", 7}}}));
  }
  RunView view(RunFolder const& run) {
    auto read = read_run(run);
    EXPECT_TRUE(read) << read.error().message;
    return *std::move(read);
  }
  static std::vector<std::string> types(RunView const& view) {
    std::vector<std::string> types;
    for (auto const& event : view.journal.events)
      types.push_back(event.type);
    return types;
  }
  Result<std::uint64_t> point(std::string_view name) {
    auto const now = view(run_);
    return entries_before(now.journal.events, now.history, name);
  }

  RunFolder run_{""};
};

TEST_F(Rewinds, APointIsAnEntryOrWhatWasBeforeAnEffect) {
  EXPECT_EQ(point("3"), 3U);
  EXPECT_EQ(point("7"), 7U);
  EXPECT_EQ(point("effect-b"), 3U);
  EXPECT_EQ(point("b"), 3U);
  EXPECT_EQ(point("step-b"), 3U);
  EXPECT_EQ(point(""), 7U);
  for (auto const* const none : {"0", "8", "d", "effect-"})
    EXPECT_EQ(point(none).error().code, ErrorCode::not_found) << none;
}

TEST_F(Rewinds, ALabelOfSeveralEffectsNamesNone) {
  auto opened = OpenRun::open(run_, "test", clock_, random_);
  ASSERT_TRUE(opened);
  OpenRun::Request asked;
  asked.task = {"effect-d",  "task", "key-d", "step-d", json::object{{"kind", "node"}},
                std::nullopt};
  asked.label = "a";
  std::vector<OpenRun::Request> requests;
  requests.push_back(std::move(asked));
  ASSERT_TRUE(opened->request(requests));
  EXPECT_EQ(point("a").error().code, ErrorCode::conflict);
}

TEST_F(Rewinds, ARewoundRunKeepsWhatItGaveUpAndIsNotMendedBack) {
  auto const rewound = rewind_run(run_, "b", clock_, random_);
  ASSERT_TRUE(rewound) << rewound.error().message;
  EXPECT_EQ(rewound->kept, 3U);
  EXPECT_EQ(rewound->left_out, 4U);
  auto const now = view(run_);
  EXPECT_EQ(types(now),
            (std::vector<std::string>{"RUN_CREATED", "EFFECT_REQUESTED", "EFFECT_RESOLVED",
                                      "DROVER_REWOUND", "DROVER_SIGNAL"}));
  EXPECT_EQ(now.history.by_id("effect-b"), nullptr);
  EXPECT_EQ(now.history.signals().size(), 1U);
  EXPECT_EQ(testing::files_in(rewound->backup).size(), 7U);
  EXPECT_TRUE(read_state(run_)->head == now.history.head());
  EXPECT_EQ(testing::files_in(run_.at("tasks")), std::vector<std::string>{"effect-a"});
  // Repair takes what lies in tasks/ for entries that were lost.
  auto const plan = inspect_journal(run_, clock_, random_);
  ASSERT_TRUE(plan);
  EXPECT_FALSE(plan->changes());
  // It goes on: the same step may be asked for again.
  auto opened = OpenRun::open(run_, "test", clock_, random_);
  ASSERT_TRUE(opened);
  OpenRun::Request again;
  again.task = {"effect-b2", "task", "key-b", "step-b", json::object{{"kind", "node"}},
                std::nullopt};
  std::vector<OpenRun::Request> requests;
  requests.push_back(std::move(again));
  EXPECT_TRUE(opened->request(requests));
}

TEST_F(Rewinds, AResultThatIsGivenUpIsSetAside) {
  auto const rewound = rewind_run(run_, "4", clock_, random_);  // b was asked for and has not ended
  ASSERT_TRUE(rewound) << rewound.error().message;
  EXPECT_EQ(view(run_).history.by_id("effect-b")->status, EffectStatus::requested);
  EXPECT_FALSE(os::exists(run_.task("effect-b") + "/result.json"));
  EXPECT_TRUE(os::exists(run_.task("effect-b") + "/task.json"));
  EXPECT_FALSE(inspect_journal(run_, clock_, random_)->changes());
}

TEST_F(Rewinds, ToItsLastEntryIsNothing) {
  auto const rewound = rewind_run(run_, "7", clock_, random_);
  ASSERT_TRUE(rewound);
  EXPECT_EQ(rewound->left_out, 0U);
  EXPECT_EQ(rewound->backup, "");
  EXPECT_EQ(view(run_).history.head().seq, 7U);
}

TEST_F(Rewinds, AForkIsAnotherRunAndLeavesThisOneAlone) {
  auto const before = view(run_);
  ForkWish wish;
  wish.point = "effect-c";
  wish.run_id = "two";
  auto const forked = fork_run(run_, wish, clock_, random_);
  ASSERT_TRUE(forked) << forked.error().message;
  auto const now = view(forked->folder);
  EXPECT_EQ(types(now),
            (std::vector<std::string>{"RUN_CREATED", "EFFECT_REQUESTED", "EFFECT_RESOLVED",
                                      "EFFECT_REQUESTED", "EFFECT_RESOLVED", "DROVER_REWOUND",
                                      "DROVER_SIGNAL"}));
  EXPECT_EQ(now.record.run_id, "two");
  EXPECT_EQ(string_or(now.journal.events.front().data, "runId", ""), "two");
  EXPECT_NE(now.record.completion_proof(), before.record.completion_proof());
  EXPECT_EQ(seed_of(now.record, now.history), seed_of(before.record, before.history));
  EXPECT_EQ(testing::read(forked->folder.at("inputs.json")), testing::read(run_.at("inputs.json")));
  auto const given = read_given(forked->folder, *now.history.by_id("effect-b"));
  ASSERT_TRUE(given);
  EXPECT_EQ(given->value, json::value("b"));
  EXPECT_EQ(types(view(run_)), types(before));
  EXPECT_EQ(fork_run(run_, wish, clock_, random_).error().code, ErrorCode::conflict);
  EXPECT_EQ(testing::files_in(folder_ + "/runs"), (std::vector<std::string>{"one", "two"}));
}

TEST_F(Rewinds, AForkOfAnEndedRunHasNotEnded) {
  {
    auto opened = OpenRun::open(run_, "test", clock_, random_);
    ASSERT_TRUE(opened);
    ASSERT_TRUE(opened->append(NewEvent{event_type::kRunHalted, json::object{{"reason", "x"}}}));
  }
  auto const forked = fork_run(run_, {}, clock_, random_);
  ASSERT_TRUE(forked) << forked.error().message;
  EXPECT_EQ(view(forked->folder).history.end(), RunEnd::none);
  EXPECT_EQ(view(run_).history.end(), RunEnd::halted);
}

// Every run of the SDK, at every entry: what is left is a run that can be opened.
TEST_F(Rewinds, AnyPrefixOfARecordedRunIsARun) {
  for (auto const* const name :
       {"v6/completed", "v6/pending-parallel", "v0/completed", "v6/keys"}) {
    RunFolder const recorded = copy(name);
    auto const whole = view(recorded);
    for (std::size_t keep = 1; keep <= whole.journal.events.size(); ++keep) {
      SCOPED_TRACE(std::string{name} + " at " + std::to_string(keep));
      ForkWish wish;
      wish.point = std::to_string(keep);
      auto const forked = fork_run(recorded, wish, clock_, random_);
      ASSERT_TRUE(forked) << forked.error().message;
      auto const opened = OpenRun::open(forked->folder, "test", clock_, random_);
      ASSERT_TRUE(opened) << opened.error().message;
      for (auto const& effect : opened->history().effects())
        if (effect.status != EffectStatus::requested)
          EXPECT_TRUE(read_given(forked->folder, effect));
      EXPECT_FALSE(inspect_journal(forked->folder, clock_, random_)->changes());
    }
  }
}

}  // namespace
}  // namespace drover::workflow
