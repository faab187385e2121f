#include "model/retry.h"

#include <gtest/gtest.h>

namespace drover::model {
namespace {

Failure http(int status, std::string type = {}, std::string message = {}) {
  Failure failure;
  failure.status = status;
  failure.type = std::move(type);
  failure.message = std::move(message);
  return failure;
}

TEST(Classify, RetriesWhatMayPass) {
  for (int const status : {408, 429, 500, 502, 503, 504, 529, 599})
    EXPECT_EQ(classify(http(status)), Verdict::retry) << status;
  for (int const status : {400, 401, 402, 403, 404, 405, 422, 600})
    EXPECT_EQ(classify(http(status)), Verdict::fatal) << status;
  for (auto const kind : {Failure::Kind::cut, Failure::Kind::malformed, Failure::Kind::timeout,
                          Failure::Kind::connect}) {
    Failure failure;
    failure.kind = kind;
    EXPECT_EQ(classify(failure), Verdict::retry);
  }
}

TEST(Classify, TellsTheTypedEndingsApart) {
  EXPECT_EQ(classify(http(402, "budget_exhausted")), Verdict::budget_exhausted);
  EXPECT_EQ(classify(http(429, "budget_exhausted")), Verdict::budget_exhausted);
  EXPECT_EQ(classify(http(400, "invalid_request_error",
                          "prompt is too long: 210000 tokens > 200000 maximum")),
            Verdict::prompt_too_long);
  EXPECT_EQ(classify(http(413)), Verdict::prompt_too_long);
  EXPECT_EQ(classify(http(409)), Verdict::fenced);
}

TEST(Failure, IsReadFromAnyErrorBody) {
  auto const anthropic = failure_from_response(
      529, R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})", "",
      "");
  EXPECT_EQ(anthropic.text(), "529 overloaded_error: Overloaded");
  auto const ours = failure_from_response(
      402, R"({"error":{"code":"budget_exhausted","message":"no money"}})", "", "");
  EXPECT_EQ(classify(ours), Verdict::budget_exhausted);
  EXPECT_EQ(failure_from_response(502, "<html>bad\x1b[2J gateway", "", "").text().find('\x1b'),
            std::string::npos);
  EXPECT_FALSE(failure_from_response(500, "", "", "").message.empty());
}

TEST(Failure, ReadsTheWaitOfThePeer) {
  EXPECT_EQ(failure_from_response(429, "", "3", "").retry_after, Millis{3000});
  EXPECT_EQ(failure_from_response(429, "", "0.5", "").retry_after, Millis{500});
  EXPECT_EQ(failure_from_response(429, "", "3", "40").retry_after, Millis{40});
  for (std::string_view const bad :
       {"", "soon", "-1", "nan", "Wed, 21 Oct 2026 07:28:00 GMT", "1x"})
    EXPECT_FALSE(failure_from_response(429, "", bad, "").retry_after) << bad;
  EXPECT_EQ(failure_from_response(429, "", "1e300", "").retry_after, Millis{86'400'000});
}

TEST(RetryWait, StaysBelowAnExponentialBoundAndTheCap) {
  RetryPolicy policy;
  policy.attempts_max = 100;
  SeededRandom random{7};
  Millis longest{0};
  for (int attempt = 1; attempt < 99; ++attempt) {
    auto const bound =
        std::min<std::int64_t>(30'000, attempt > 20 ? 30'000 : 500LL << (attempt - 1));
    for (int i = 0; i < 50; ++i) {
      auto const wait = retry_wait(policy, http(500), attempt, random);
      ASSERT_TRUE(wait);
      ASSERT_GE(wait->count(), 0);
      ASSERT_LE(wait->count(), bound) << attempt;
      longest = std::max(longest, *wait);
    }
  }
  EXPECT_GT(longest, Millis{20'000}) << "the jitter uses the whole range";
}

TEST(RetryWait, HonoursThePeerAndGivesUp) {
  RetryPolicy const policy;
  SeededRandom random{7};
  Failure failure = http(429);
  failure.retry_after = Millis{3000};
  for (int i = 0; i < 100; ++i) {
    auto const wait = retry_wait(policy, failure, 1, random);
    ASSERT_TRUE(wait);
    ASSERT_GE(*wait, Millis{3000});
    ASSERT_LE(*wait, Millis{3300});
  }
  failure.retry_after = policy.retry_after_max + Millis{1};
  EXPECT_FALSE(retry_wait(policy, failure, 1, random));
  EXPECT_FALSE(retry_wait(policy, http(500), policy.attempts_max, random));
  EXPECT_FALSE(retry_wait(policy, http(400), 1, random));
}

}  // namespace
}  // namespace drover::model
