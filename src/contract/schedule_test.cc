#include "contract/schedule.h"

#include <gtest/gtest.h>

#include "base/schema.h"
#include "contract/test_examples.h"

namespace drover::contract {
namespace {

TEST(ScheduleContract, JobsEventsAndHooksRoundTrip) {
  for (auto const& example : examples("schedule.v1", "valid", "job")) {
    auto const job = parse_schedule_job(example.text);
    ASSERT_TRUE(job.has_value()) << example.name << job.error().message;
    EXPECT_EQ(to_json(*job, HeaderValues::keep), json_of(example.text)) << example.name;
  }
  for (auto const& example : examples("schedule.v1", "valid", "incomingEvent")) {
    auto const event = parse_incoming_event(example.text);
    ASSERT_TRUE(event.has_value()) << example.name;
    EXPECT_EQ(to_json(*event), json_of(example.text)) << example.name;
  }
  for (auto const& example : examples("schedule.v1", "valid", "hook")) {
    auto const hook = parse_hook(example.text);
    ASSERT_TRUE(hook.has_value()) << example.name;
    EXPECT_EQ(to_json(*hook), json_of(example.text)) << example.name;
  }
  for (auto const& example : examples("schedule.v1", "invalid", "job"))
    EXPECT_FALSE(parse_schedule_job(example.text).has_value()) << example.name;
}

TEST(ScheduleContract, TimesAreReadFromSecondsAndFromText) {
  auto const at = [](std::string_view time) {
    auto const job = parse_schedule_job(
        std::string{R"({"request":{"url":"https://x/"},"execute_at":)"} + std::string{time} + "}");
    EXPECT_TRUE(job.has_value()) << time;
    return job ? to_rfc3339(std::get<OnceTrigger>(job->trigger).execute_at.at) : "";
  };
  EXPECT_EQ(at("1795232067"), "2026-11-21T03:34:27.000Z");
  EXPECT_EQ(at("1795232067.25"), "2026-11-21T03:34:27.250Z");
  EXPECT_EQ(at(R"("2026-11-21T04:34:27+01:00")"), "2026-11-21T03:34:27.000Z");
}

TEST(ScheduleContract, CredentialsOfARequestAreMasked) {
  auto const job = parse_schedule_job(R"({"cron":"@daily","request":{"url":"https://x/","headers":
      {"Authorization":"Bearer abc","X-Api-Key":"def","Content-Type":"text/plain"}}})");
  ASSERT_TRUE(job.has_value());
  std::string const shown = json::serialize(to_json(*job, HeaderValues::mask));
  EXPECT_FALSE(shown.contains("abc")) << shown;
  EXPECT_FALSE(shown.contains("def")) << shown;
  EXPECT_TRUE(shown.contains("text/plain")) << shown;
  EXPECT_TRUE(json::serialize(to_json(*job, HeaderValues::keep)).contains("Bearer abc"));

  auto const in_url =
      parse_schedule_job(R"({"cron":"@daily","request":{"url":"https://me:pw@x/"}})");
  ASSERT_FALSE(in_url.has_value());
  EXPECT_EQ(error_pointer(in_url.error()), "/request/url");
  EXPECT_FALSE(in_url.error().text().contains("pw"));
}

TEST(ScheduleContract, WhatASchemaCannotSayIsRefusedWithItsPlace) {
  auto const pointer = [](std::string_view text) {
    auto const job = parse_schedule_job(text);
    EXPECT_FALSE(job.has_value()) << text;
    return job ? std::string{} : std::string{error_pointer(job.error())};
  };
  EXPECT_EQ(pointer(R"({"cron":"@daily","dispatch":{"identity":{"subject":"a","launcher":"user:a"},
      "runner":"native","workspaces":[{"id":"w","mode":"rw"}],"trigger":"message",
      "start":{"entrypoint":{"inline":"x"}},"idempotency_key":"k"}})"),
            "/dispatch/idempotency_key");
  EXPECT_EQ(
      pointer(R"({"cron":"@daily","request":{"url":"https://x/"},"start_at":20,"end_at":10})"),
      "/end_at");
}

TEST(ScheduleContract, TheLastBackoffRepeats) {
  RetryPolicy const retry;
  EXPECT_EQ(retry.delay_after(1), Millis{30'000});
  EXPECT_EQ(retry.delay_after(2), Millis{120'000});
  EXPECT_EQ(retry.delay_after(3), Millis{300'000});
  EXPECT_EQ(retry.delay_after(50), Millis{300'000});
}

TEST(ScheduleContract, TheFingerprintLeavesOutTheKeyOnly) {
  auto const print = [](std::string_view more) {
    auto const job =
        parse_schedule_job(std::string{R"({"cron":"@daily","request":{"url":"https://x/"})"} +
                           std::string{more} + "}");
    return job ? fingerprint(*job) : "";
  };
  EXPECT_EQ(print(""), print(R"(,"idempotency_key":"k")"));
  EXPECT_NE(print(""), print(R"(,"overlap":"skip")"));
}

}  // namespace
}  // namespace drover::contract
