#include "fleet/log_follow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fleet/docker_log_stream.h"
#include "fleet/model_engine.h"
#include "store/scratch.h"

namespace drover::fleet {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class LogFollowTest : public ::testing::Test {
 protected:
  struct One {
    std::string container;
    bool wanted = true;
  };

  void SetUp() override { add("dev", "c1"); }
  void TearDown() override {
    if (follow_) follow_->cancel();
    finish();
    EXPECT_EQ(engine_.followers, 0) << "the engine's connections are free";
  }
  void add(std::string const& name, std::string const& container) {
    Actual seen;
    seen.instance = name;
    seen.phase = Phase::running;
    engine_.boxes[container] = {seen, false, name, 0, 0, {}};
    instances_[name] = {container, true};
    changed_.notify();
  }
  void end(std::string const& container) {
    engine_.boxes.at(container).seen.phase = Phase::ended;
    changed_.notify();
  }
  std::optional<LogPlace> place_of(std::string const& name) {
    auto const found = instances_.find(name);
    if (found == instances_.end()) return std::nullopt;
    auto const box = engine_.boxes.find(found->second.container);
    bool const runs = box != engine_.boxes.end() && box->second.seen.phase == Phase::running;
    return LogPlace{&engine_, found->second.container, runs, found->second.wanted};
  }
  void start(LogWish wish) {
    wish.agent = "dev";
    LogFollow::Parts parts{.executor = loop_.get_executor(),
                           .instances =
                               [this](std::string const&) {
                                 std::vector<std::string> names;
                                 for (auto const& [name, one] : instances_)
                                   names.push_back(name);
                                 return names;
                               },
                           .place = [this](std::string const& name) { return place_of(name); },
                           .changed = changed_,
                           .stopping = stopping_};
    follow_ = std::make_shared<LogFollow>(std::move(parts), std::move(wish));
    ended_ = false;
    boost::asio::co_spawn(loop_, LogFollow::run(follow_), [this](std::exception_ptr const& thrown) {
      EXPECT_FALSE(thrown);
      ended_ = true;
    });
  }
  void finish() {
    if (!follow_) return;
    until([this] { return ended_; });
    follow_.reset();
  }
  template <class Condition>
  void until(Condition condition) {
    store::run_until(loop_, std::move(condition));
  }
  static Task<Result<std::vector<LogEvent>>> next_of(std::shared_ptr<LogFollow> follow) {
    co_return co_await follow->next(std::chrono::steady_clock::now() + std::chrono::seconds{10});
  }
  // So many, in words.
  std::vector<std::string> take(std::size_t count) {
    std::vector<std::string> words;
    while (words.size() < count && !follow_->over()) {
      for (auto const& event : store::finish(loop_, next_of(follow_)).value()) {
        words.push_back(word_of(event));
        cursors_ = event.cursors;
      }
    }
    return words;
  }
  static std::string word_of(LogEvent const& event) {
    switch (event.kind) {
      case LogEvent::Kind::line:
        return event.instance + ": " + event.line.text;
      case LogEvent::Kind::gap:
        return event.instance + " gap";
      case LogEvent::Kind::replaced:
        return event.instance + " replaced";
      case LogEvent::Kind::trouble:
        return event.instance + " trouble";
    }
    return "";
  }

  boost::asio::io_context loop_;
  os::AsyncEvent changed_{loop_.get_executor()};
  bool stopping_ = false;
  bool ended_ = true;
  ModelEngine engine_;
  std::map<std::string, One> instances_;
  std::shared_ptr<LogFollow> follow_;
  std::string cursors_;
};

TEST_F(LogFollowTest, BeginsWithTheLastLinesAndGoesOn) {
  engine_.said["c1"] = {"one", "two", "three"};
  LogWish wish;
  wish.lines = 2;
  start(std::move(wish));
  EXPECT_THAT(take(2), ElementsAre("dev: two", "dev: three"));
  engine_.said["c1"].push_back("four");
  EXPECT_THAT(take(1), ElementsAre("dev: four"));
}

TEST_F(LogFollowTest, GoesOnInTheContainerThatTakesItsPlaceAndInOneThatIsStartedAgain) {
  engine_.said["c1"] = {"one"};
  start({});
  EXPECT_THAT(take(1), ElementsAre("dev: one"));
  engine_.said["c1"].push_back("the last");
  end("c1");
  EXPECT_THAT(take(1), ElementsAre("dev: the last"));
  engine_.said["c1"].push_back("again");
  engine_.boxes.at("c1").seen.phase = Phase::running;
  changed_.notify();
  EXPECT_THAT(take(1), ElementsAre("dev: again")) << "and nothing twice";
  end("c1");
  engine_.said["c2"] = {"new"};
  add("dev", "c2");
  EXPECT_THAT(take(2), ElementsAre("dev replaced", "dev: new"));
}

TEST_F(LogFollowTest, AnEngineThatIsAwayIsTroubleOnceAndIsFoundAgain) {
  engine_.said["c1"] = {"one", "two"};
  int away = 3;
  engine_.fault = [&](std::string_view) {
    return away-- > 0 ? ModelEngine::Fault::down : ModelEngine::Fault::none;
  };
  LogWish wish;
  wish.lines = 1;
  start(std::move(wish));
  EXPECT_THAT(take(2), ElementsAre("dev trouble", "dev: two"));
  engine_.fault = [](std::string_view) { return ModelEngine::Fault::none; };
}

TEST_F(LogFollowTest, EndsWhenTheLastInstanceIsGone) {
  add("dev-2", "c2");
  start({});
  engine_.said["c2"] = {"hello"};
  EXPECT_THAT(take(1), ElementsAre("dev-2: hello"));
  for (auto& [name, one] : instances_)
    one = {"", false};
  end("c1");
  end("c2");
  EXPECT_THAT(take(1), IsEmpty());
  EXPECT_TRUE(follow_->over());
}

TEST_F(LogFollowTest, WhoWasCutOffGoesOnBehindWhatItHas) {
  add("dev-2", "c2");
  engine_.said["c1"] = {"a1", "a2"};
  engine_.said["c2"] = {"b1"};
  start({});
  EXPECT_EQ(take(3).size(), 3U);
  follow_->cancel();
  finish();
  engine_.said["c1"].push_back("a3");
  engine_.said["c2"].push_back("b2");
  LogWish wish;
  wish.lines = 100;
  wish.cursors = parse_cursors(cursors_).value();
  start(std::move(wish));
  EXPECT_THAT(take(2), testing::UnorderedElementsAre("dev: a3", "dev-2: b2"));
}

TEST_F(LogFollowTest, OneInstanceAloneIsFollowedWhereOneIsNamed) {
  add("dev-2", "c2");
  engine_.said["c1"] = {"a1"};
  engine_.said["c2"] = {"b1"};
  LogWish wish;
  wish.instance = "dev-2";
  start(std::move(wish));
  EXPECT_THAT(take(1), ElementsAre("dev-2: b1"));
  EXPECT_EQ(engine_.followers, 1);
}

TEST_F(LogFollowTest, ASlowReaderHoldsTheEngineBackAndLosesNothing) {
  for (int i = 0; i < 20'000; ++i)
    engine_.said["c1"].push_back(std::to_string(i));
  start({});
  until([this] { return engine_.followers == 1; });
  loop_.restart();
  loop_.run_for(Millis{50});
  auto const first = store::finish(loop_, next_of(follow_)).value();
  EXPECT_LE(first.size(), 1'000U) << "no more than that waits here";
  std::size_t all = first.size();
  while (all < 20'000)
    all += take(1).size();
  EXPECT_EQ(all, 20'000U);
}

TEST_F(LogFollowTest, AReaderThatGoesAwayFreesTheEngineAtOnceEvenWithAFullQueue) {
  for (int i = 0; i < 20'000; ++i)
    engine_.said["c1"].push_back(std::to_string(i));
  start({});
  until([this] { return engine_.followers == 1; });
  loop_.restart();
  loop_.run_for(Millis{20});
  follow_->cancel();
  loop_.restart();
  loop_.poll();
  EXPECT_EQ(engine_.followers, 0);
}

TEST(LogCursors, OfAnEngineAreAContainerAMomentAndACount) {
  std::string const container = "0123456789abcdef";
  auto const at = parse_engine_moment("0123456789ab/1795331132.607123456:12", container);
  ASSERT_TRUE(at);
  EXPECT_EQ(at->moment, "1795331132.607123456");
  EXPECT_EQ(at->count, 12U);
  EXPECT_FALSE(parse_engine_moment("0123456789ac/1795331132.607123456:12", container));
  for (std::string const bad :
       {"", "1795331132.607123456", "1795331132.607123456:", "1795331132.607123456:x",
        "179533113a.607123456:1", "1795331132.60712345:11", "1795331132.607123456:1x"})
    EXPECT_FALSE(parse_engine_moment("0123456789ab/" + bad, container)) << bad;
}

TEST(LogCursors, AreOneLineAndComeBackAsTheyWere) {
  LogCursors const cursors{{"dev", "1795331132.607123456"}, {"dev-2", "resident-dev-2-3/1:700"}};
  EXPECT_EQ(parse_cursors(format_cursors(cursors)).value(), cursors);
  EXPECT_THAT(parse_cursors("").value(), IsEmpty());
  for (std::string const bad : {"dev", "=1", "dev=", "dev=a\nb", "dev=a;b", "d v=1"})
    EXPECT_FALSE(parse_cursors(bad)) << bad;
  EXPECT_FALSE(parse_cursors("dev=" + std::string(300, '1')));
}

}  // namespace
}  // namespace drover::fleet
