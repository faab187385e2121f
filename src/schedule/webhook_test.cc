#include "schedule/webhook.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "schedule/fixture.h"

namespace drover::schedule {
namespace {

using contract::Hook;
using contract::HookScheme;

Secret const kSecret{"It's a Secret to Everybody"};
WallTime const kNow = from_unix_ms(1'795'232'067'000);

Hook hook(HookScheme scheme) {
  return {.name = "ci", .type = "ci", .type_header = "X-GitHub-Event", .scheme = scheme};
}

net::Headers signed_by_drover(std::string_view body, WallTime at, Secret const& secret = kSecret) {
  auto const seconds = to_unix_ms(at) / 1000;
  return {{"X-Drover-Signature",
           fmt::format("t={},v1={}", seconds,
                       hmac_sha256_hex(secret, fmt::format("{}.{}", seconds, body)))}};
}

TEST(Webhook, TheHmacIsThatOfGitHubsDocumentation) {
  EXPECT_EQ(hmac_sha256_hex(kSecret, "Hello, World!"),
            "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
}

TEST(Webhook, ASignedDeliveryBecomesAnEvent) {
  std::string const body = R"({"action":"opened"})";
  net::Headers headers{{"X-Hub-Signature-256", "sha256=" + hmac_sha256_hex(kSecret, body)},
                       {"X-GitHub-Event", "issues"},
                       {"X-GitHub-Delivery", "d-1"}};
  auto const delivery = read_delivery(hook(HookScheme::github), kSecret, headers, body, kNow);
  ASSERT_TRUE(delivery) << delivery.error().text();
  EXPECT_EQ(delivery->event.type, "ci.issues");
  EXPECT_EQ(delivery->event.source, "hook:ci");
  EXPECT_EQ(delivery->event.id, "d-1");
  EXPECT_EQ(delivery->event.data.at("action").as_string(), "opened");
  EXPECT_EQ(delivery->marks.size(), 2U);
  EXPECT_TRUE(
      read_delivery(hook(HookScheme::drover), kSecret, signed_by_drover(body, kNow), body, kNow));
}

TEST(Webhook, WhateverIsWrongWithTheSignatureIsRefusedInTheSameWords) {
  std::string const body = "{}";
  std::string const right = hmac_sha256_hex(kSecret, body);
  auto const good = signed_by_drover(body, kNow);
  std::string const value = *good.find("X-Drover-Signature");
  std::vector<std::pair<HookScheme, net::Headers>> const cases = {
      {HookScheme::github, {}},
      {HookScheme::github, {{"X-Hub-Signature-256", ""}}},
      {HookScheme::github, {{"X-Hub-Signature-256", right}}},
      {HookScheme::github, {{"X-Hub-Signature-256", "sha256=" + right.substr(1)}}},
      {HookScheme::github, {{"X-Hub-Signature-256", "sha256=" + std::string(64, '0')}}},
      {HookScheme::github,
       {{"X-Hub-Signature-256", "sha256=" + right}, {"X-Hub-Signature-256", "x"}}},
      {HookScheme::github, good},  // of the other scheme
      {HookScheme::drover, {{"X-Hub-Signature-256", "sha256=" + right}}},
      {HookScheme::drover, signed_by_drover("other", kNow)},
      {HookScheme::drover, signed_by_drover(body, kNow, Secret{"other"})},
      {HookScheme::drover, signed_by_drover(body, kNow - kReplayWindow - std::chrono::seconds{1})},
      {HookScheme::drover, signed_by_drover(body, kNow + kReplayWindow + std::chrono::seconds{1})},
      {HookScheme::drover, {{"X-Drover-Signature", value.substr(value.find(',') + 1)}}},
      {HookScheme::drover, {{"X-Drover-Signature", "t=1," + value}}},
      {HookScheme::drover, {{"X-Drover-Signature", "t=99999999999999999999,v1=" + right}}},
  };
  for (auto const& [scheme, headers] : cases) {
    auto const delivery = read_delivery(hook(scheme), kSecret, headers, body, kNow);
    ASSERT_FALSE(delivery);
    EXPECT_EQ(delivery.error().code, ErrorCode::unauthenticated);
    EXPECT_EQ(delivery.error().message, "the delivery's signature does not hold");
  }
  EXPECT_FALSE(read_delivery(hook(HookScheme::drover), Secret{},
                             signed_by_drover(body, kNow, Secret{""}), body, kNow));
}

TEST(Webhook, BoundsAndBodies) {
  std::string const large(kEventBytesMax + 1, ' ');
  auto const over =
      read_delivery(hook(HookScheme::drover), kSecret, signed_by_drover(large, kNow), large, kNow);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().code, ErrorCode::too_large);
  auto const form =
      read_delivery(hook(HookScheme::drover), kSecret, signed_by_drover("a=1", kNow), "a=1", kNow);
  ASSERT_FALSE(form);
  EXPECT_EQ(form.error().code, ErrorCode::invalid_argument);
}

TEST(Webhook, ADeliveryFiresOnceAndRepetitionsAreRecognisedByTheirSignature) {
  store::Scratch const scratch;
  ManualClock clock;
  TestRuns runs;
  auto engine = std::make_unique<Engine>(scratch, clock, runs);
  engine->start();
  engine->create(dispatch_job(R"("overlap":"allow","event":{"type":"push","source":"hook:gh"})"));
  auto const made = engine->finish(engine->schedules.create_hook(
      {.name = "gh", .type = "push", .type_header = {}, .scheme = HookScheme::github}));
  ASSERT_TRUE(made);
  auto const deliver = [&](std::string const& body, std::string const& id) {
    net::Headers headers{
        {"X-Hub-Signature-256", "sha256=" + hmac_sha256_hex(made->hook.secret, body)},
        {"X-GitHub-Delivery", id}};
    return engine->finish(engine->schedules.deliver("gh", headers, body));
  };
  auto const first = deliver(R"({"n":1})", "a");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->firings.size(), 1U);
  // The id is not signed, so changing it must not help.
  for (std::string const id : {"a", "b"}) {
    auto const again = deliver(R"({"n":1})", id);
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->duplicate) << id;
  }
  EXPECT_TRUE(deliver(R"({"n":2})", "a")->duplicate);
  EXPECT_FALSE(deliver(R"({"n":3})", "c")->duplicate);
  ASSERT_TRUE(engine->until([&] { return runs.invocations.size() == 2; }));
  // A new secret ends the old one.
  auto const renewed = engine->finish(
      engine->schedules.replace_hook(made->hook.hook, Schedules::SecretChange::renew));
  ASSERT_TRUE(renewed);
  EXPECT_FALSE(deliver(R"({"n":4})", "d"));
  engine->stop();
}

}  // namespace
}  // namespace drover::schedule
