#include "cli/follow.h"

#include <gtest/gtest.h>

#include <thread>

#include "cli/testing/fake_api_server.h"

namespace drover::cli {
namespace {

// Dispatches `prompt` and follows it; collects the event numbers.
class FollowTest : public testing::Test {
 protected:
  Endpoint endpoint() const {
    Endpoint endpoint;
    endpoint.url = server_.url();
    endpoint.token = Secret{"secret"};
    return endpoint;
  }
  void dispatch(std::string_view prompt) {
    ApiClient client{endpoint()};
    json::object body;
    body["prompt"] = prompt;
    ASSERT_TRUE(client.post("/sessions/ses-1/messages", body));
  }
  Result<FollowEnd> follow(Follow mode = Follow::yes, std::int64_t after = 0) {
    FollowRequest const request{SessionId::trusted("ses-1"), RunId::trusted("run-1"), after, mode};
    FollowHooks const hooks{
        .on_event =
            [this](std::string_view, json::object const& event) {
              seen_.push_back(integer_or(event, "seq", -1));
              return net::StreamStep::more;
            },
        .on_notice = [this](std::string const& line) { notices_.push_back(line); },
        .locate = [this]() -> Result<Endpoint> { return endpoint(); }};
    return follow_events(endpoint(), request, hooks, clock_, &abort_);
  }

  FakeApiServer server_{"secret"};
  SystemClock clock_;
  std::atomic<bool> abort_{false};
  std::vector<std::int64_t> seen_;
  std::vector<std::string> notices_;
};

std::vector<std::int64_t> const kAll = {1, 2, 3, 4, 5, 6, 7};

TEST_F(FollowTest, EndsAfterTheTerminalEvent) {
  dispatch("succeed");
  EXPECT_EQ(*follow(), FollowEnd::complete);
  EXPECT_EQ(seen_, kAll);
  EXPECT_TRUE(notices_.empty());
}

TEST_F(FollowTest, ResumesBehindANumber) {
  dispatch("succeed");
  EXPECT_EQ(*follow(Follow::yes, 5), FollowEnd::complete);
  EXPECT_EQ(seen_, (std::vector<std::int64_t>{6, 7}));
}

// The server cuts each connection in the middle of the third event.
TEST_F(FollowTest, LostConnectionsLeaveNoGapAndNoRepeat) {
  dispatch("cut");
  EXPECT_EQ(*follow(), FollowEnd::complete);
  EXPECT_EQ(seen_, kAll);
  EXPECT_FALSE(notices_.empty());
}

TEST_F(FollowTest, FindsARestartedServerOnAnotherPort) {
  dispatch("slow");
  std::thread restart{[&] {
    EXPECT_TRUE(server_.wait_for_events(6));
    server_.pause();
    std::this_thread::sleep_for(std::chrono::milliseconds{300});
    server_.resume();
    ApiClient client{endpoint()};
    EXPECT_TRUE(client.post("/runs/run-1/cancel", {}));
  }};
  auto const end = follow();
  restart.join();
  ASSERT_TRUE(end) << end.error().text();
  EXPECT_EQ(*end, FollowEnd::complete);
  EXPECT_EQ(seen_, kAll);
}

TEST_F(FollowTest, TheHistoryOfARunThatGoesOnEndsWhereTheServerSays) {
  dispatch("slow");
  EXPECT_EQ(*follow(Follow::no), FollowEnd::history_end);
  EXPECT_EQ(seen_, (std::vector<std::int64_t>{1, 2, 3, 4, 5, 6}));
  EXPECT_TRUE(notices_.empty());
}

TEST_F(FollowTest, AnAbortIsSeenSoon) {
  dispatch("slow");
  BootTime start;
  std::thread interrupt{[&] {
    EXPECT_TRUE(server_.wait_for_events(6));
    start = clock_.boot_now();
    abort_ = true;
  }};
  auto const end = follow();
  interrupt.join();
  ASSERT_TRUE(end) << end.error().text();
  EXPECT_EQ(*end, FollowEnd::aborted);
  EXPECT_LT(clock_.boot_now() - start, std::chrono::milliseconds{500});
}

TEST_F(FollowTest, AnAnswerForGoodIsNotRetried) {
  FollowRequest const request{SessionId::trusted("ses-2"), RunId::trusted("run-9"), 0, Follow::yes};
  FollowHooks const hooks{.on_event = [](auto, auto const&) { return net::StreamStep::more; },
                          .on_notice = [](auto const&) {},
                          .locate = [this]() -> Result<Endpoint> { return endpoint(); }};
  auto const end = follow_events(endpoint(), request, hooks, clock_, nullptr);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, ErrorCode::not_found);
  EXPECT_EQ(server_.requests().size(), 1U);

  Endpoint wrong = endpoint();
  wrong.token = Secret{"guess"};
  auto const refused = follow_events(wrong, request, hooks, clock_, nullptr);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unauthenticated);
}

}  // namespace
}  // namespace drover::cli
