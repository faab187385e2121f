#include "api/router.h"

#include <gtest/gtest.h>

namespace drover::api {
namespace {

Task<Status> nothing(Call, net::HttpReply&) {
  co_return Status{};
}

Router example() {
  Router router;
  for (auto const& [method, pattern] : {std::pair{"GET", "/api/v1/runs"},
                                        {"POST", "/api/v1/runs"},
                                        {"GET", "/api/v1/runs/{run}"},
                                        {"GET", "/api/v1/sessions/{session}/runs/{run}/events"}})
    router.add({method, pattern, Access::token, nothing});
  return router;
}

TEST(Router, FillsTheParameters) {
  Router const router = example();
  auto const match = router.match("GET", "/api/v1/sessions/ses-1/runs/run-2/events");
  ASSERT_TRUE(match);
  EXPECT_EQ(match->path.at("session"), "ses-1");
  EXPECT_EQ(match->path.at("run"), "run-2");
}

TEST(Router, TellsAWrongMethodFromAWrongPath) {
  Router const router = example();
  EXPECT_EQ(router.match("GET", "/api/v1/run").error().code, ErrorCode::not_found);
  auto const wrong = router.match("DELETE", "/api/v1/runs");
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message.find("GET, POST"), std::string::npos) << wrong.error().message;
}

TEST(Router, AnEmptySegmentIsNoParameter) {
  Router const router = example();
  EXPECT_FALSE(router.match("GET", "/api/v1/runs/"));
  EXPECT_FALSE(router.match("GET", "/api/v1/runs/a/b"));
}

TEST(Router, HeadGoesToGet) {
  Router const router = example();
  EXPECT_EQ(router.match("HEAD", "/api/v1/runs")->route->method, "GET");
}

}  // namespace
}  // namespace drover::api
