#include "workflow/repair.h"

#include <gtest/gtest.h>

#include "workflow/open_run.h"
#include "workflow/testing.h"

namespace drover::workflow {
namespace {

class Repair : public testing::Scratch {};

TEST_F(Repair, AnEntryThatIsLostIsMadeAgainFromItsResult) {
  auto const run = copy("v6/corrupt-truncated");
  ASSERT_FALSE(read_run(run));
  auto const repaired = repair_journal(run, system_clock_, random_);
  ASSERT_TRUE(repaired) << repaired.error().message;
  EXPECT_EQ(repaired->plan.corrupt, 1);
  EXPECT_EQ(repaired->plan.lost, 0);
  EXPECT_EQ(testing::files_in(repaired->backup).size(), 4);
  auto const view = read_run(run);
  ASSERT_TRUE(view) << view.error().message;
  ASSERT_EQ(view->history.effects().size(), 2);
  auto const& alpha = view->history.effects()[0];
  EXPECT_EQ(alpha.status, EffectStatus::resolved_ok);
  EXPECT_EQ(alpha.resolved_seq, 3);
  EXPECT_EQ(json::serialize(read_given(run, alpha)->value), R"({"v":41})");
  // What could be read keeps its name.
  EXPECT_TRUE(os::exists(run.at("journal/000004.01M7XPJ5JYVNQR16GET2KPFFKV.json")));
  EXPECT_TRUE(repair_journal(run, system_clock_, random_)->backup.empty());
}

TEST_F(Repair, WhatNothingTellsOfIsSaidToBeLost) {
  auto const run = copy("v6/completed");
  ASSERT_TRUE(os::remove_tree(run.at("journal/000003.01M7XPJFK2HA6BE4E13TC86DH9.json")));
  ASSERT_TRUE(os::remove_tree(run.at("tasks")));
  auto const repaired = repair_journal(run, system_clock_, random_);
  ASSERT_TRUE(repaired);
  EXPECT_EQ(repaired->plan.lost, 1);
  auto const view = read_run(run);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->journal.events.back().type, kRepaired);
}

TEST_F(Repair, AWholeJournalIsLeftAlone) {
  for (auto const& name : testing::runs()) {
    if (name == "v6/corrupt-truncated") continue;
    auto const run = copy(name);
    auto const before = testing::files_in(run.journal());
    auto const repaired = repair_journal(run, system_clock_, random_);
    ASSERT_TRUE(repaired) << name;
    EXPECT_FALSE(repaired->plan.changes()) << name;
    EXPECT_EQ(testing::files_in(run.journal()), before);
  }
}

// Random journals, random damage: what comes out is always a journal, no readable end of an effect
// is lost, and nothing goes without a note.
TEST_F(Repair, WhateverIsDamagedTheResultHoldsTogether) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SeededRandom random{seed};
    std::vector<FoundEntry> entries;
    std::vector<FoundTask> tasks;
    std::uint64_t const count = 2 + random.below(20);
    for (std::uint64_t i = 1; i <= count; ++i) {
      Event event;
      event.name = {i, fmt::format("{:026}", 10 * i)};
      event.recorded_at = "2026-01-01T00:00:00.000Z";
      event.type = "NOTE";
      std::string const effect = fmt::format("{:026}", 10 * (i - i % 2) - 5);
      if (i > 1 && i % 2 == 0) {
        event.type = event_type::kEffectRequested;
        event.data = json::object{{"effectId", effect},
                                  {"invocationKey", effect},
                                  {"stepId", effect},
                                  {"taskId", "t"},
                                  {"taskDefRef", "r"}};
        FoundTask task;
        task.effect_id = effect;
        task.task = json::object{{"invocationKey", effect}, {"stepId", effect}, {"taskId", "t"}};
        if (random.below(4) != 0) task.result = json::object{{"status", "ok"}, {"result", 1}};
        tasks.push_back(std::move(task));
      } else if (i > 1) {
        event.type = event_type::kEffectResolved;
        event.data = json::object{{"effectId", effect}, {"status", "ok"}};
      }
      if (random.below(5) == 0) {
        if (random.below(2) == 0) entries.push_back({file_name(event.name), std::nullopt, "bad"});
        continue;
      }
      if (random.below(8) == 0) entries.push_back({file_name(event.name), event, ""});
      entries.push_back({file_name(event.name), event, ""});
    }
    auto const plan = plan_repair(entries, tasks, from_unix_ms(1'795'219'443'630), random);
    auto const history = History::of(plan.events);
    ASSERT_TRUE(history) << seed << " " << history.error().message;
    std::size_t readable = 0;
    for (auto const& entry : entries)
      readable += entry.event ? 1 : 0;
    if (plan.events.size() != readable) EXPECT_TRUE(plan.changes()) << seed;
  }
}

}  // namespace
}  // namespace drover::workflow
