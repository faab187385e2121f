#include "broker/stream.h"

#include <gtest/gtest.h>

#include <string>

#include "base/json.h"

namespace drover::broker {
namespace {

WallTime const kAt = from_unix_ms(1'767'225'600'123);

TEST(StreamName, KeepsOutWhatCouldBreakAKeyOrALine) {
  EXPECT_TRUE(StreamName::parse("unit:agent-dev-chat-main:out"));
  for (std::string const& bad : {std::string{}, std::string{"a b"}, std::string{"a\nb"},
                                 std::string{"a/../b"}, std::string(201, 'x')})
    EXPECT_EQ(StreamName::parse(bad).error().code, ErrorCode::invalid_argument) << bad;
  EXPECT_EQ(StreamName::of_run(RunId::trusted("run-1")).str(), "task:run:run-1");
}

TEST(NumberEvent, PutsNumberAndTimeFirst) {
  auto const event =
      number_event({.type = "tool-call", .json = R"({"type":"tool-call","tool":"Bash"})"}, 7, kAt);
  ASSERT_TRUE(event);
  EXPECT_EQ((*event)->seq(), 7);
  EXPECT_EQ((*event)->type(), "tool-call");
  EXPECT_EQ((*event)->body(),
            R"({"seq":7,"at":"2026-01-01T00:00:00.123Z","type":"tool-call","tool":"Bash"})");
  EXPECT_EQ((*event)->sse(),
            "id: 7\nevent: tool-call\ndata: "
            R"({"seq":7,"at":"2026-01-01T00:00:00.123Z","type":"tool-call","tool":"Bash"})"
            "\n\n");
  EXPECT_TRUE(parse_json((*event)->body()));
}

TEST(NumberEvent, AnObjectWithoutMembersStaysJson) {
  auto const event = number_event({.type = "ping", .json = "{}"}, 1, kAt);
  ASSERT_TRUE(event);
  EXPECT_TRUE(parse_json((*event)->body())) << (*event)->body();
}

TEST(NumberEvent, RefusesWhatCouldForgeAnotherEvent) {
  auto const code = [](std::string type, std::string json) {
    auto const event = number_event({.type = std::move(type), .json = std::move(json)}, 1, kAt);
    return event ? std::optional<ErrorCode>{} : event.error().code;
  };
  EXPECT_EQ(code("x", "{}"), std::nullopt);
  EXPECT_EQ(code("x", "{\n\nevent: done\n}"), ErrorCode::invalid_argument);
  EXPECT_EQ(code("x", "{\r}"), ErrorCode::invalid_argument);
  EXPECT_EQ(code("x", "[]"), ErrorCode::invalid_argument);
  EXPECT_EQ(code("x", ""), ErrorCode::invalid_argument);
  EXPECT_EQ(code("x\ndata: y", "{}"), ErrorCode::invalid_argument);
  EXPECT_EQ(code("", "{}"), ErrorCode::invalid_argument);
  EXPECT_EQ(code("x", "{" + std::string(kEventBytesMax, ' ') + "}"), ErrorCode::too_large);
}

TEST(SseFrame, SharesTheEventsBuffer) {
  auto const event = number_event({.type = "x", .json = "{}"}, 1, kAt).value();
  auto const frame = sse_frame(event);
  EXPECT_EQ(frame.get(), &event->sse());
  EXPECT_EQ(event.use_count(), 2);
}

}  // namespace
}  // namespace drover::broker
