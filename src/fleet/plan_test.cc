#include "fleet/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "fleet/model_engine.h"

namespace drover::fleet {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Kind = Step::Kind;

constexpr std::string_view kPrefix = "drover";

Instance instance(std::string const& name, std::string const& hash = "h1") {
  Instance made;
  made.name = name;
  made.of = {name, 1};
  made.backend = "docker";
  made.hash = hash;
  return made;
}

Actual container(std::string const& id, std::string const& instance_of,
                 Phase phase = Phase::running, std::string const& hash = "h1") {
  Actual made;
  made.id = id;
  made.name = container_name(kPrefix, instance_of);
  made.instance = instance_of;
  made.agent = instance_of;
  made.hash = hash;
  made.phase = phase;
  return made;
}

WantedInstances wanted(std::vector<Instance> const& instances) {
  WantedInstances all;
  for (auto const& one : instances)
    all.emplace(one.name, one);
  return all;
}

InstancePlan plan_of(std::vector<Instance> const& want, std::vector<Actual> const& actual) {
  auto const plans = plan(wanted(want), {}, actual, kPrefix);
  EXPECT_THAT(plans, SizeIs(1));
  return plans.front();
}

TEST(Plan, OneThatFitsAndRunsIsLeft) {
  for (auto const phase : {Phase::running, Phase::restarting}) {
    auto const made = plan_of({instance("dev")}, {container("c1", "dev", phase)});
    EXPECT_THAT(made.steps, IsEmpty());
    EXPECT_EQ(made.outcome, Outcome::unchanged);
  }
}

TEST(Plan, OneThatIsMissingIsMadeAndOneThatNobodyWantsGoes) {
  auto const made = plan_of({instance("dev")}, {});
  EXPECT_THAT(made.steps,
              ElementsAre(Step{Kind::create, "", "drover-dev"}, Step{Kind::start, {}, {}}));
  EXPECT_EQ(made.outcome, Outcome::created);
  auto const gone = plan_of({}, {container("c1", "dev", Phase::paused)});
  EXPECT_THAT(gone.steps, ElementsAre(Step{Kind::remove, "c1", {}}));
  EXPECT_EQ(gone.outcome, Outcome::removed);
}

TEST(Plan, WhatWasDoneByHandIsUndone) {
  EXPECT_THAT(plan_of({instance("dev")}, {container("c1", "dev", Phase::paused)}).steps,
              ElementsAre(Step{Kind::unpause, "c1", {}}));
  EXPECT_THAT(plan_of({instance("dev")}, {container("c1", "dev", Phase::ended)}).steps,
              ElementsAre(Step{Kind::start, "c1", {}}));
  auto renamed = container("c1", "dev");
  renamed.name = "mine";
  EXPECT_THAT(plan_of({instance("dev")}, {renamed}).steps,
              ElementsAre(Step{Kind::rename, "c1", "drover-dev"}))
      << "by its labels it is still ours";
}

TEST(Plan, AChangedSpecOrImageIsRolledAndTheNewOneIsMadeFirst) {
  auto moved = container("c1", "dev");
  moved.image_moved = true;
  auto spoiled = container("c1", "dev");
  spoiled.spoiled = true;
  for (auto const& before : {container("c1", "dev", Phase::running, "h0"), moved, spoiled}) {
    auto const made = plan_of({instance("dev")}, {before});
    EXPECT_EQ(made.outcome, Outcome::updated);
    EXPECT_THAT(made.steps,
                ElementsAre(Step{Kind::create, "", "drover-dev.next"}, Step{Kind::remove, "c1", ""},
                            Step{Kind::start, "", ""}, Step{Kind::rename, "", "drover-dev"}));
  }
}

TEST(Plan, OfTwoTheOneThatFitsStays) {
  auto const old = container("c1", "dev", Phase::running, "h0");
  auto made = container("c2", "dev", Phase::created);
  made.name = "drover-dev.next";
  auto const rolled = plan_of({instance("dev")}, {old, made});
  EXPECT_THAT(rolled.steps, ElementsAre(Step{Kind::remove, "c1", ""}, Step{Kind::start, "c2", ""},
                                        Step{Kind::rename, "c2", "drover-dev"}))
      << "a roll that was cut off goes on";
  auto const twice = plan_of({instance("dev")}, {container("c1", "dev", Phase::ended),
                                                 container("c2", "dev", Phase::running)});
  EXPECT_THAT(twice.steps, ElementsAre(Step{Kind::remove, "c1", ""}));
}

TEST(Plan, ACreationThatWasCutOffIsFinished) {
  auto const made = plan_of({instance("dev")}, {container("c1", "dev", Phase::created)});
  EXPECT_THAT(made.steps, ElementsAre(Step{Kind::start, "c1", ""}));
  EXPECT_EQ(made.outcome, Outcome::created);
}

TEST(Plan, ARemovalUnderWayIsWaitedFor) {
  auto const waits = plan_of({instance("dev")}, {container("c1", "dev", Phase::removing)});
  EXPECT_THAT(waits.steps, IsEmpty());
  EXPECT_EQ(waits.outcome, Outcome::failed);
  EXPECT_NE(waits.reason, "");
  EXPECT_THAT(plan_of({}, {container("c1", "dev", Phase::removing)}).steps, IsEmpty());
}

TEST(Plan, AnotherAgentsContainerIsNoneOfItsOwn) {
  auto other = container("c1", "dev");
  other.agent = "somebody";
  auto const made = plan_of({instance("dev")}, {other});
  EXPECT_EQ(made.outcome, Outcome::updated);
}

TEST(Plan, WhatIsKeptIsInNoPlan) {
  EXPECT_THAT(plan({}, {"dev"}, {container("c1", "dev", Phase::ended)}, kPrefix), IsEmpty());
}

// ---- histories ----------------------------------------------------------------------------------

class History {
 public:
  explicit History(unsigned seed) : dice_(seed) {}

  void disturb() {
    auto const id = any_box();
    switch (roll(9)) {
      case 0: {  // edited
        auto const one = name();
        wanted_[one] = instance(one, fmt::format("h{}", roll(3)));
        break;
      }
      case 1: {  // an agent comes or goes
        auto const one = name();
        if (wanted_.erase(one) == 0) wanted_[one] = instance(one, "h0");
        break;
      }
      case 2:
        if (id && !foreign(*id)) engine_.boxes.at(*id).seen.phase = any_phase();
        break;
      case 3:  // renamed by hand
        if (id) engine_.boxes.at(*id).seen.name = fmt::format("by-hand-{}", roll(1000000));
        break;
      case 4:
        if (id && !foreign(*id)) engine_.boxes.erase(*id);
        break;
      case 5: {  // somebody else's, which may have our name
        auto other = container("", "");
        other.name = container_name(kPrefix, name());
        if (!has_name(other.name)) engine_.add(other, true);
        break;
      }
      case 6: {  // one too many of ours
        auto twin = container("", name(), Phase::ended, fmt::format("h{}", roll(3)));
        twin.name =
            roll(2) == 0 ? next_name(kPrefix, twin.instance) : fmt::format("t{}", roll(1000000));
        if (!has_name(twin.name)) engine_.add(twin);
        break;
      }
      case 7:  // the image's name moved
        if (id) engine_.boxes.at(*id).seen.image_moved = true;
        break;
      default:  // the removals that were under way have ended
        std::erase_if(engine_.boxes,
                      [](auto const& entry) { return entry.second.seen.phase == Phase::removing; });
    }
  }

  // As the reconciler does; `steps` of it, then it dies.
  std::size_t apply(std::size_t steps) {
    std::size_t done = 0;
    for (auto const& one : plan(wanted_, {}, engine_.seen(), kPrefix)) {
      std::string made;
      for (auto const& step : one.steps) {
        if (done == steps) return done;
        ++done;
        if (!carry_out(one.instance, step, made)) break;
      }
    }
    return done;
  }

  void expect_wanted(unsigned seed) {
    EXPECT_THAT(engine_.violations, IsEmpty()) << "seed " << seed;
    for (auto const& [id, one] : wanted_) {
      // Only where somebody else has its name is there none.
      bool const taken = foreign_has(container_name(kPrefix, one.name));
      std::vector<Actual> ours;
      for (auto const& box : engine_.seen())
        if (box.instance == one.name) ours.push_back(box);
      if (taken && ours.empty()) continue;
      ASSERT_THAT(ours, SizeIs(1)) << one.name << ", seed " << seed;
      EXPECT_EQ(ours.front().phase, Phase::running) << "seed " << seed;
      EXPECT_EQ(ours.front().hash, one.hash);
      EXPECT_FALSE(ours.front().image_moved);
      if (!taken) EXPECT_EQ(ours.front().name, container_name(kPrefix, one.name));
    }
    for (auto const& box : engine_.seen())
      EXPECT_TRUE(wanted_.contains(box.instance)) << "seed " << seed;
  }
  void expect_at_rest(unsigned seed) {
    for (auto const& one : plan(wanted_, {}, engine_.seen(), kPrefix)) {
      bool const taken = foreign_has(container_name(kPrefix, one.instance));
      if (!taken) EXPECT_THAT(one.steps, IsEmpty()) << "seed " << seed;
    }
  }
  [[nodiscard]] std::size_t foreigners() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        engine_.boxes, [](auto const& entry) { return entry.second.foreign; }));
  }
  void end_removals() {
    std::erase_if(engine_.boxes,
                  [](auto const& entry) { return entry.second.seen.phase == Phase::removing; });
  }
  std::size_t roll(std::size_t below) { return dice_() % below; }

 private:
  bool carry_out(std::string const& of, Step const& step, std::string& made) {
    std::string const id = step.container.empty() ? made : step.container;
    switch (step.kind) {
      case Kind::create: {
        auto created = engine_.make(wanted_.at(of), step.name);
        if (created) made = *created;
        return created.has_value();
      }
      case Kind::start:
      case Kind::unpause:
        return engine_.run(id).has_value();
      case Kind::rename:
        return engine_.call_it(id, step.name).has_value();
      case Kind::remove:
        EXPECT_FALSE(foreign(id));
        engine_.boxes.erase(id);
        return true;
    }
    return false;
  }
  std::string name() {
    static char const* const kNames[] = {"dev", "dev-2", "ops", "writer"};
    return kNames[roll(4)];
  }
  // None that runs beside another: that nobody but drover's own steps could bring about.
  Phase any_phase() {
    static constexpr Phase kPhases[] = {Phase::created, Phase::paused, Phase::ended,
                                        Phase::removing};
    return kPhases[roll(4)];
  }
  std::optional<std::string> any_box() {
    if (engine_.boxes.empty()) return std::nullopt;
    return std::next(engine_.boxes.begin(), static_cast<long>(roll(engine_.boxes.size())))->first;
  }
  bool foreign(std::string const& id) const { return engine_.boxes.at(id).foreign; }
  bool has_name(std::string const& wanted_name) const {
    return std::ranges::any_of(
        engine_.boxes, [&](auto const& entry) { return entry.second.seen.name == wanted_name; });
  }
  bool foreign_has(std::string const& wanted_name) const {
    return std::ranges::any_of(engine_.boxes, [&](auto const& entry) {
      return entry.second.foreign && entry.second.seen.name == wanted_name;
    });
  }

  std::minstd_rand dice_;
  ModelEngine engine_;
  WantedInstances wanted_;
};

TEST(Plan, WhateverWasDoneItReachesWhatIsWantedAndThenRests) {
  constexpr unsigned kSeeds = 3000;
  for (unsigned seed = 1; seed <= kSeeds && !testing::Test::HasFailure(); ++seed) {
    History history{seed};
    for (int turn = 0; turn < 12; ++turn) {
      for (auto many = history.roll(4); many > 0; --many)
        history.disturb();
      history.apply(history.roll(6));  // and dies somewhere
    }
    auto const foreigners = history.foreigners();
    history.end_removals();
    history.apply(1000);
    history.expect_wanted(seed);
    history.expect_at_rest(seed);
    EXPECT_EQ(history.foreigners(), foreigners);
  }
}

}  // namespace
}  // namespace drover::fleet
