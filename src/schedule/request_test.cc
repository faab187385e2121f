// Scheduled requests over real HTTP: what is sent, what is tried again, what is out of reach.
#include <gtest/gtest.h>

#include "base/guarded.h"
#include "net/test_server.h"
#include "schedule/fixture.h"
#include "schedule/target.h"

namespace drover::schedule {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

// Answers on a thread of its own.
struct Target {
  std::vector<int> statuses;  // of the first answers; 200 afterwards. Set before the first request
  Guarded<std::vector<net::HttpRequest>> requests;
  net::TestServer server{[this](net::HttpRequest request, net::HttpReply& reply) {
    auto known = requests.lock();
    int const status = known->size() < statuses.size() ? statuses[known->size()] : 200;
    known->push_back(std::move(request));
    return answer(status, reply);
  }};

  std::vector<net::HttpRequest> all() { return *requests.lock(); }
  std::size_t count() { return requests.lock()->size(); }
  static Task<void> answer(int status, net::HttpReply& reply) {
    net::Headers headers{{"location", "http://169.254.169.254/"}};
    co_await reply.send(status, std::move(headers), "body");
  }
};

class RequestTest : public ::testing::Test {
 protected:
  store::Scratch scratch;
  ManualClock clock;
  TestRuns runs;
  Target target;
  std::unique_ptr<Engine> engine;

  void boot(net::Reach reach = net::Reach::no_metadata) {
    SchedulerOptions options;
    options.reach = reach;
    engine = std::make_unique<Engine>(scratch, clock, runs, options);
    engine->start();
  }
  void TearDown() override {
    if (engine) engine->stop();
  }
  ScheduleId create(std::string const& request_members, std::string const& members = "") {
    return engine->create(R"({"execute_at":"2026-01-01T00:00:00Z","request":{"url":")" +
                          target.server.url("/hook") + "\"" + request_members + "}" + members +
                          "}");
  }
  bool ends(ScheduleId const& id, ScheduleStatus status) {
    return engine->until([&] { return engine->view(id).status == status; });
  }
};

TEST_F(RequestTest, CarriesBodyHeadersAndAKeyThatIsTheSameForEachAttempt) {
  boot();
  target.statuses = {500, 503};
  auto const id = create(R"(,"method":"PUT","headers":{"X-Api-Key":"sesame"},"body":{"a":1})");
  for (std::size_t attempt : {1U, 2U}) {
    ASSERT_TRUE(engine->until([&] {
      return target.count() == attempt && engine->history(id)[0].state == FiringState::pending;
    }));
    clock.advance(attempt == 1 ? seconds{30} : seconds{120});
  }
  ASSERT_TRUE(ends(id, ScheduleStatus::completed));
  auto const requests = target.all();
  ASSERT_EQ(requests.size(), 3U);
  std::set<std::string> keys;
  for (auto const& request : requests) {
    EXPECT_EQ(request.method, "PUT");
    EXPECT_EQ(request.body, R"({"a":1})");
    EXPECT_EQ(*request.header("x-api-key"), "sesame");
    EXPECT_EQ(*request.header("content-type"), "application/json");
    keys.insert(*request.header("idempotency-key"));
  }
  EXPECT_EQ(keys.size(), 1U);
  EXPECT_EQ(*requests[2].header("x-drover-attempt"), "3");
  auto const firing = engine->history(id)[0];
  EXPECT_EQ(firing.http_status, 200);
  EXPECT_EQ(firing.attempts, 3);
}

TEST_F(RequestTest, ARefusalAndARedirectAreFinal) {
  boot();
  target.statuses = {400, 302};
  for (int status : {400, 302}) {
    auto const id = create("");
    ASSERT_TRUE(ends(id, ScheduleStatus::failed));
    auto const firing = engine->history(id)[0];
    EXPECT_EQ(firing.http_status, status);
    EXPECT_EQ(firing.attempts, 1);
  }
  EXPECT_EQ(target.count(), 2U);
}

TEST_F(RequestTest, APersistentFailureEndsAfterItsAttempts) {
  boot();
  target.statuses = {500, 500, 500, 500};
  auto const id = create("", R"(,"retry":{"max_attempts":2,"backoff":[0]})");
  ASSERT_TRUE(ends(id, ScheduleStatus::failed));
  EXPECT_EQ(engine->history(id)[0].attempts, 2);
  EXPECT_EQ(target.count(), 2U);
}

TEST_F(RequestTest, InsideNetworksAreOutOfReachUnlessAllowed) {
  boot(net::Reach::public_only);
  auto refused = contract::parse_schedule_job(R"({"cron":"@daily","request":{"url":")" +
                                              target.server.url("/") + "\"}}");
  ASSERT_TRUE(refused);
  auto const literal = engine->finish(engine->schedules.create(*std::move(refused)));
  ASSERT_FALSE(literal);
  EXPECT_EQ(literal.error().code, ErrorCode::invalid_argument);
  std::string const url = target.server.url("/");
  auto const id = engine->create(R"({"execute_at":0,"request":{"url":"http://localhost)" +
                                 url.substr(url.rfind(':')) + "\"}}");
  ASSERT_TRUE(ends(id, ScheduleStatus::failed));
  EXPECT_TRUE(engine->history(id)[0].reason.contains("may not reach"));
  EXPECT_TRUE(target.count() == 0);
}

TEST_F(RequestTest, AnEventIsTheBodyWhereTheJobHasNone) {
  boot();
  auto const id = engine->create(R"({"event":{"type":"a"},"request":{"url":")" +
                                 target.server.url("/") + "\"}}");
  auto event = contract::parse_incoming_event(R"({"type":"a","data":{"x":1}})");
  ASSERT_TRUE(engine->finish(engine->schedules.accept(*event)));
  ASSERT_TRUE(engine->until([&] { return engine->view(id).status == ScheduleStatus::pending; }));
  ASSERT_EQ(target.count(), 1U);
  EXPECT_TRUE(target.all()[0].body.contains(R"("data":{"x":1})")) << target.all()[0].body;
}

TEST_F(RequestTest, HeadersOfOurOwnMakingAndOddAddressesAreRefused) {
  auto const refused = [](std::string_view request, net::Reach reach) {
    auto const job =
        contract::parse_schedule_job(R"({"cron":"@daily","request":)" + std::string{request} + "}");
    return job && !check_request(std::get<contract::ScheduledRequest>(job->target), reach);
  };
  EXPECT_TRUE(
      refused(R"({"url":"https://x/","headers":{"Idempotency-Key":"a"}})", net::Reach::anywhere));
  EXPECT_TRUE(refused(R"({"url":"https://x/","headers":{"a b":"c"}})", net::Reach::anywhere));
  EXPECT_TRUE(refused(R"({"url":"http://[fe80::1]:80/"})", net::Reach::no_metadata));
  EXPECT_TRUE(refused(R"({"url":"http://10.0.0.1:80/"})", net::Reach::public_only));
  EXPECT_FALSE(refused(R"({"url":"http://10.0.0.1:80/"})", net::Reach::no_metadata));
  EXPECT_FALSE(refused(R"({"url":"https://example.com/"})", net::Reach::public_only));
}

}  // namespace
}  // namespace drover::schedule
