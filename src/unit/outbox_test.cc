#include "unit/outbox.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "unit/unit_api.h"

namespace drover::unit {
namespace {

BootTime at(std::int64_t ms) {
  return BootTime{} + Millis{ms};
}

std::vector<json::object> events(std::string const& batch) {
  std::vector<json::object> out;
  for (std::string_view const line : split(batch, '\n'))
    if (!line.empty()) out.push_back(json::parse(line).as_object());
  return out;
}

TEST(Outbox, JoinsDeltasForAMoment) {
  Outbox outbox;
  EXPECT_FALSE(outbox.due());
  outbox.add_delta("message-delta", "t", "a", at(100));
  outbox.add_delta("message-delta", "t", "b", at(110));
  EXPECT_EQ(outbox.due(), at(115));
  auto const batch = events(outbox.take_batch());
  ASSERT_EQ(batch.size(), 1U);
  EXPECT_EQ(batch[0].at("text"), "ab");
  EXPECT_TRUE(outbox.empty());
}

TEST(Outbox, AnyOtherEventGoesAtOnceAndKeepsTheOrder) {
  Outbox outbox;
  outbox.add_delta("thinking-delta", "t", "h", at(100));
  outbox.add_delta("message-delta", "t", "a", at(100));
  outbox.add(error_event("t", "x"));
  outbox.add_delta("message-delta", "t", "b", at(100));
  EXPECT_LE(*outbox.due(), at(100));
  auto const batch = events(outbox.take_batch());
  ASSERT_EQ(batch.size(), 4U);
  EXPECT_EQ(batch[0].at("type"), "thinking-delta");
  EXPECT_EQ(batch[1].at("text"), "a");
  EXPECT_EQ(batch[2].at("type"), "error");
  EXPECT_EQ(batch[3].at("text"), "b");
}

TEST(Outbox, ManyBytesOfTextDoNotWait) {
  Outbox outbox;
  outbox.add_delta("message-delta", "t", std::string(Outbox::kDeltaBytes, 'x'), at(100));
  EXPECT_LE(*outbox.due(), at(100));
}

TEST(Outbox, NoBatchAndNoEventIsOverItsLimit) {
  Outbox outbox;
  std::string text;
  for (int i = 0; i < 200'000; ++i)
    text += "ü";
  outbox.add_delta("message-delta", "t", text, at(0));
  for (int i = 0; i < 5000; ++i)
    outbox.add(error_event("t", std::string(300, 'e')));
  std::string together;
  std::size_t count = 0;
  while (!outbox.empty()) {
    std::string const batch = outbox.take_batch();
    EXPECT_LE(batch.size(), Outbox::kBatchBytesMax);
    auto const some = events(batch);
    EXPECT_LE(some.size(), Outbox::kBatchEventsMax);
    count += some.size();
    for (auto const& event : some)
      if (event.at("type") == "message-delta") together += event.at("text").as_string();
  }
  EXPECT_EQ(together, text);
  EXPECT_GE(count, 5007U);
}

TEST(Outbox, SaysWhenTheProducerMustWait) {
  Outbox outbox;
  while (!outbox.over_limit())
    outbox.add(std::string(100'000, ' '));
  while (!outbox.empty())
    static_cast<void>(outbox.take_batch());
  EXPECT_FALSE(outbox.over_limit());
}

TEST(UnitApi, EventsAreBoundedJson) {
  model::ToolCall call;
  call.id = "c";
  call.name = "Write";
  call.input["content"] = std::string(5'000'000, 'x');
  call.input["file_path"] = "a\nb";
  std::string const line = tool_call_event("t", call);
  EXPECT_LT(line.size(), 2 * kArgumentBytesMax);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(json::parse(line).at("args").at("file_path"), "a\nb");
  for (int i = 0; i < 100; ++i)
    call.input[std::to_string(i)] = std::string(5000, 'y');
  EXPECT_LT(tool_call_event("t", call).size(), kArgumentsBytesMax);
  agent::TurnOutcome outcome;
  outcome.reply = std::string(1'000'000, 'r');
  auto const done = json::parse(done_event("t", "s", outcome));
  EXPECT_EQ(done.at("ok"), true);
  EXPECT_FALSE(done.as_object().contains("detail"));
  EXPECT_LE(done.at("reply").as_string().size(), kReplyBytesMax);
  outcome.reason = agent::DoneReason::max_turns;
  outcome.detail = "d\x80";
  EXPECT_EQ(json::parse(done_event("t", "s", outcome)).at("detail"), "d\xef\xbf\xbd");
}

TEST(UnitApi, ReadsTheDescription) {
  auto const full = parse_description(
      R"({"unit":"u","session":"ses-1","runner":"native","cwd":"/w","session_dir":"/w/.claude","system":"s",
          "model":"m","tools":["Read"],"idle_s":5,"max_output_tokens":100,"workspaces":[]})");
  ASSERT_TRUE(full) << full.error().message;
  EXPECT_EQ(full->tools, std::vector<std::string>{"Read"});
  EXPECT_EQ(full->idle_s, 5);
  auto const bad = parse_description(R"({"unit":"u","session":1})");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message, "/session: expected a string, found integer");
}

TEST(UnitApi, ReadsInboxItems) {
  auto const message = parse_inbox_item(
      R"({"type":"message","turn_id":"run-1","run":"run-1","epoch":1,"prompt":"p","model":"m","limits":{"max_turns":7}})");
  ASSERT_TRUE(message);
  EXPECT_EQ(message->turns_max, 7);
  EXPECT_EQ(parse_inbox_item(R"({"type":"interrupt"})")->type, InboxItem::Type::interrupt);
  EXPECT_EQ(parse_inbox_item(R"({"type":"steer"})")->type, InboxItem::Type::unknown);
  EXPECT_FALSE(parse_inbox_item(R"({"type":"message","turn_id":"x"})"));
  EXPECT_FALSE(parse_inbox_item("nonsense"));
}

}  // namespace
}  // namespace drover::unit
