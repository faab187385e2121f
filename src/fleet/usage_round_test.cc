#include "fleet/usage_round.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include <boost/asio/io_context.hpp>

#include "fleet/model_engine.h"
#include "os/task_group.h"
#include "store/scratch.h"

namespace drover::fleet {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

// Each container uses as many bytes as its name is long; of some it says so when it is let.
class MeteredEngine final : public ModelEngine {
 public:
  explicit MeteredEngine(boost::asio::io_context& loop) : let_(loop.get_executor()) {}

  Task<Result<Usage>> usage(std::string container) override {
    ++asked;
    ++now_;
    most_at_once = std::max(most_at_once, now_);
    auto const seen = let_.version();
    co_await let_.wait(seen, until(container));
    --now_;
    if (gone.contains(container)) co_return fail(ErrorCode::not_found, "no {}", container);
    co_return Usage{.memory_bytes = container.size(), .cpu_us = 1};
  }
  void let() { let_.notify(); }

  std::set<std::string> slow;
  std::set<std::string> gone;
  int asked = 0;
  int most_at_once = 0;

 private:
  [[nodiscard]] std::chrono::steady_clock::time_point until(std::string const& container) const {
    if (slow.contains(container)) return os::AsyncEvent::kForever;
    return std::chrono::steady_clock::now() + Millis{1};
  }

  int now_ = 0;
  os::AsyncEvent let_;
};

class UsageRoundTest : public ::testing::Test {
 protected:
  void TearDown() override {
    engine_.let();
    loop_.restart();
    loop_.run();
    EXPECT_EQ(workers_.running(), 0U);
  }
  void add(std::string const& name) { asks_.push_back({name, &engine_, name}); }
  UsageByInstance ask(Millis within) {
    auto const round = std::make_shared<UsageRound>(loop_.get_executor(), asks_);
    for (int i = 0; i < 2; ++i)
      workers_.spawn(UsageRound::work(round), "usage");
    return store::finish(loop_, round->answers(std::chrono::steady_clock::now() + within));
  }

  boost::asio::io_context loop_;
  MeteredEngine engine_{loop_};
  os::TaskGroup workers_{loop_.get_executor(), "test"};
  std::vector<UsageRound::Ask> asks_;
};

TEST_F(UsageRoundTest, EachIsAskedOnceAndAFewAtOnce) {
  for (char const* const name : {"a", "bb", "ccc", "dddd", "eeeee"})
    add(name);
  engine_.gone = {"bb"};
  auto const used = ask(Millis{60'000});
  EXPECT_THAT(used, SizeIs(4)) << "one that is gone uses nothing that is known";
  EXPECT_EQ(used.at("dddd").memory_bytes, 4U);
  EXPECT_EQ(engine_.asked, 5);
  EXPECT_EQ(engine_.most_at_once, 2);
}

TEST_F(UsageRoundTest, WhoDoesNotSayInTimeIsLeftOutAndNobodyBehindItIsAsked) {
  for (char const* const name : {"a", "slow", "slower", "bb"})
    add(name);
  engine_.slow = {"slow", "slower"};
  auto const used = ask(Millis{20});
  EXPECT_THAT(used, SizeIs(1));
  EXPECT_TRUE(used.contains("a"));
  EXPECT_EQ(engine_.asked, 3);
  engine_.let();
}

TEST_F(UsageRoundTest, OfNoneNobodyWaits) {
  EXPECT_THAT(ask(Millis{60'000}), IsEmpty());
}

}  // namespace
}  // namespace drover::fleet
