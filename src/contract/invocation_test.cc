#include "contract/invocation.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include <boost/json.hpp>

#include "base/schema.h"
#include "contract/test_examples.h"

namespace drover::contract {
namespace {

std::string const kMinimal =
    R"({"identity":{"subject":"dev","launcher":"user:dev"},"runner":"native",)"
    R"("workspaces":[{"id":"demo","mode":"rw"}],"trigger":"message","start":{"entrypoint":{"inline":"x"}}})";

json::value with(std::initializer_list<std::pair<char const*, char const*>> members) {
  auto value = json_of(kMinimal);
  for (auto const& [key, text] : members)
    value.as_object()[key] = json_of(text);
  return value;
}

Invocation parsed(json::value const& value) {
  auto invocation = parse_invocation(value);
  if (!invocation) throw std::runtime_error(invocation.error().message);
  return *std::move(invocation);
}

// What drover treats as equal: a null token is none, default values are absent.
json::value normal(json::value value) {
  auto& identity = value.as_object()["identity"].as_object();
  if (auto const* token = identity.if_contains("token"); token != nullptr && token->is_null())
    identity.erase("token");
  return value;
}

TEST(Invocation, GoldensRoundTrip) {
  for (auto const& example : examples("unit.v1", "valid", "invocation")) {
    auto const invocation = parse_invocation(example.text);
    ASSERT_TRUE(invocation.has_value()) << example.name << ": " << invocation.error().message;
    EXPECT_EQ(to_json(*invocation, Tokens::keep), normal(json_of(example.text))) << example.name;
    auto const again = parse_invocation(print(*invocation, Tokens::keep));
    ASSERT_TRUE(again.has_value()) << example.name;
    EXPECT_EQ(print(*again, Tokens::keep), print(*invocation, Tokens::keep));
  }
}

TEST(Invocation, InvalidGoldensAreRefusedWithTheirPointer) {
  for (auto const& example : examples("unit.v1", "invalid", "invocation")) {
    auto const invocation = parse_invocation(example.text);
    ASSERT_FALSE(invocation.has_value()) << example.name;
    EXPECT_EQ(invocation.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(invocation.error().message.find(": expected"), std::string::npos)
        << example.name << ": " << invocation.error().message;
  }
}

TEST(Invocation, ErrorsReadAsOneSentence) {
  EXPECT_EQ(
      parse_invocation(with({{"workspaces", R"([{"id":"demo","mode":"write"}])"}})).error().message,
      R"(/workspaces/0/mode: expected one of "ro", "rw", "propose", found "write")");
  auto value = json_of(kMinimal);
  value.as_object().erase("trigger");
  EXPECT_EQ(
      parse_invocation(value).error().message,
      R"(/trigger: expected one of "message", "scheduled", "event", "transcription", found nothing)");
  EXPECT_EQ(parse_invocation(with({{"start", "{}"}})).error().message,
            "/start: expected one of these: an object with entrypoint, an object with session");
}

TEST(Invocation, OneWorkspaceCannotBeGrantedTwice) {
  auto const error =
      parse_invocation(with({{"workspaces", R"([{"id":"a","mode":"ro"},{"id":"a","mode":"rw"}])"}}))
          .error();
  EXPECT_EQ(error_pointer(error), "/workspaces/1/id");
}

TEST(Invocation, AnEmptyEntrypointNeedsATaskTypeThatSaysWhatToDo) {
  auto const refused = parse_invocation(with({{"start", R"({"entrypoint": {}})"}}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(error_pointer(refused.error()), "/start/entrypoint");
  EXPECT_TRUE(parse_invocation(
      with({{"start", R"({"entrypoint": {}})"}, {"task_type", R"("pr-review")"}})));
}

TEST(Invocation, WhatItAsksOfTheQueueIsCheckedBeyondItsSchema) {
  auto const place = [](std::initializer_list<std::pair<char const*, char const*>> members) {
    auto const refused = parse_invocation(with(members));
    return refused ? std::string{"taken"} : std::string{error_pointer(refused.error())};
  };
  EXPECT_EQ(place({{"delay_s", "1"}, {"delay_until", R"("2999-01-01T00:00:00Z")"}}), "/delay_s");
  EXPECT_EQ(place({{"concurrency", R"([{"key": "a"}, {"key": "a", "max": 2}])"}}),
            "/concurrency/1/key");
  EXPECT_EQ(place({{"concurrency_key", R"("a")"}, {"concurrency", R"([{"key": "a"}])"}}),
            "/concurrency/0/key");
  std::string const eight =
      R"([{"key": "1"}, {"key": "2"}, {"key": "3"}, {"key": "4"}, {"key": "5"}, {"key": "6"},
          {"key": "7"}, {"key": "8"}])";
  EXPECT_EQ(place({{"concurrency", eight.c_str()}}), "taken");
  EXPECT_EQ(place({{"concurrency", eight.c_str()}, {"concurrency_key", R"("9")"}}), "/concurrency");
}

// A priority of 0 is one: it stands before the task type's.
TEST(Invocation, APriorityOfZeroIsNotTheSameAsNone) {
  EXPECT_EQ(parsed(with({{"priority", "0"}})).priority, 0);
  EXPECT_FALSE(parsed(with({})).priority);
}

TEST(Invocation, TextThatIsNoJsonIsAnInvalidArgument) {
  for (auto const* text : {"", "{", "\xFF", "{\"a\":1,\"a\":2}"})
    EXPECT_EQ(parse_invocation(std::string_view{text}).error().code, ErrorCode::invalid_argument);
}

TEST(Invocation, APromptOfTenMegabytesIsTakenAndALargerOneIsNot) {
  auto value = json_of(kMinimal);
  auto& prompt = value.as_object()["start"].as_object()["entrypoint"].as_object()["inline"];
  prompt = std::string(10U << 20U, 'x');
  EXPECT_TRUE(parse_invocation(value).has_value());
  prompt = std::string((10U << 20U) + 1, 'x');
  EXPECT_EQ(parse_invocation(value).error().message,
            "/start/entrypoint/inline: expected at most 10485760 characters, found 10485761");
}

TEST(Invocation, ATokenIsNeverPrintedUnlessAskedFor) {
  auto const invocation = parsed(
      with({{"identity", R"({"subject":"dev","launcher":"user:dev","token":"tok-secret"})"}}));
  EXPECT_EQ(print(invocation).find("tok-secret"), std::string::npos);
  EXPECT_NE(print(invocation, Tokens::keep).find("tok-secret"), std::string::npos);
}

TEST(Invocation, PromptsOfPlansAndText) {
  auto const prompt = [](char const* entrypoint) {
    auto const invocation =
        parsed(with({{"start", (std::string{R"({"entrypoint":)"} + entrypoint + "}").c_str()}}));
    return std::get<Entrypoint>(invocation.start).prompt();
  };
  EXPECT_EQ(prompt(R"({"inline":"Fix it."})"), "Fix it.");
  EXPECT_EQ(prompt(R"({"path":"plan.md"})"), "Read and execute the plan at plan.md.");
  EXPECT_EQ(prompt(R"({"inline":"Mind the tests.","path":"plan.md"})"),
            "Mind the tests.\n\nRead and execute the plan at plan.md.");
}

TEST(Invocation, FingerprintIsThatOfTheWorkAlone) {
  auto const base = fingerprint(parsed(json_of(kMinimal)));
  EXPECT_EQ(base.size(), 64U);
  // Order of members, the key, the token and spelled-out defaults do not count.
  EXPECT_EQ(
      base,
      fingerprint(parsed(json_of(
          R"({"start":{"entrypoint":{"inline":"x"}},"trigger":"message",)"
          R"("workspaces":[{"checkout":"in_place","mode":"rw","id":"demo"}],"runner":"native",)"
          R"("identity":{"launcher":"user:dev","token":"t","subject":"dev"},"idempotency_key":"k"})"))));
  EXPECT_EQ(fingerprint(parsed(with({{"payload", R"({"a":1,"b":{"c":1,"d":2}})"}}))),
            fingerprint(parsed(with({{"payload", R"({"b":{"d":2,"c":1},"a":1})"}}))));
  EXPECT_EQ(fingerprint(parsed(with({{"limits", R"({"max_budget_usd":5})"}}))),
            fingerprint(parsed(with({{"limits", R"({"max_budget_usd":5.0})"}}))));
  std::set<std::string> all = {base};
  for (auto const& [key, text] : std::vector<std::pair<char const*, char const*>>{
           {"trigger", "\"event\""},
           {"start", R"({"entrypoint":{"inline":"y"}})"},
           {"start", R"({"session":{"ref":"x"}})"},
           {"model", "\"m\""},
           {"session", "\"ses-1\""},
           {"priority", "1"},
           {"tools", "[]"},
           {"payload", "null"},
           {"limits", R"({"max_turns":1})"},
           {"context", R"({"kind":"none"})"},
           {"workspaces", R"([{"id":"demo","mode":"ro"}])"}})
    EXPECT_TRUE(all.insert(fingerprint(parsed(with({{key, text}})))).second) << key << text;
}

TEST(Invocation, DefaultModeFollowsTheTrigger) {
  EXPECT_EQ(default_mode(Trigger::message), WorkspaceMode::rw);
  EXPECT_EQ(default_mode(Trigger::scheduled), WorkspaceMode::rw);
  EXPECT_EQ(default_mode(Trigger::event), WorkspaceMode::propose);
  EXPECT_EQ(default_mode(Trigger::transcription), WorkspaceMode::propose);
}

TEST(Invocation, NamesRoundTrip) {
  for (auto const* name : {"message", "scheduled", "event", "transcription"})
    EXPECT_EQ(to_string(*parse_trigger(name)), name);
  for (auto const* name : {"ro", "rw", "propose"})
    EXPECT_EQ(to_string(*parse_workspace_mode(name)), name);
  for (auto const* name : {"in_place", "worktree", "allow_dirty"})
    EXPECT_EQ(to_string(*parse_checkout(name)), name);
  for (auto const* name : {"user:a:b", "schedule:x", "integration:y"})
    EXPECT_EQ(parse_launcher(name)->text(), name);
  for (auto const* name : {"", "user", "user:", ":x", "root:x"})
    EXPECT_FALSE(parse_launcher(name).has_value()) << name;
  EXPECT_EQ(canonical_runner("claude"), "claude-code");
  EXPECT_EQ(canonical_runner("acp:gemini"), "acp:gemini");
}

std::string unit_of(json::value const& value, std::string const& session = "") {
  return unit_id(parsed(value), session.empty() ? SessionId{} : *SessionId::parse(session));
}

json::value for_subject(std::string const& subject) {
  auto value = json_of(kMinimal);
  value.as_object()["identity"].as_object()["subject"] = subject;
  return value;
}

TEST(UnitId, HasThePublishedShape) {
  EXPECT_EQ(unit_of(json_of(kMinimal)), "agent-dev-chat-main");
  EXPECT_EQ(unit_of(json_of(kMinimal), "ses-1"), "agent-dev-chat-ses-1");
  EXPECT_EQ(
      unit_of(with(
          {{"context", R"({"kind":"meeting","meeting":{"meeting_id":"m","session_uid":"9f8e"}})"},
           {"trigger", "\"transcription\""}})),
      "agent-meet-9f8e");
  auto const scheduled = unit_of(with({{"trigger", "\"scheduled\""}}));
  EXPECT_TRUE(scheduled.starts_with("agent-dev-scheduled-")) << scheduled;
  EXPECT_EQ(scheduled.size(), std::string_view{"agent-dev-scheduled-"}.size() + 10);
  EXPECT_EQ(output_topic("agent-dev-chat-main"), "unit:agent-dev-chat-main:out");
  EXPECT_EQ(input_topic("agent-dev-chat-main"), "unit:agent-dev-chat-main:in");
}

TEST(UnitId, IsStableOverRestarts) {
  // A changed digest would leave every running unit an orphan at an upgrade.
  EXPECT_EQ(unit_of(with({{"trigger", "\"event\""}})), "agent-dev-event-3c15f339f1");
}

TEST(UnitId, DigestTellsSourcesApart) {
  std::set<std::string> ids;
  for (auto const* context : {R"({"kind":"none"})", R"({"kind":"email","ref":{"uri":"mid:1"}})",
                              R"({"kind":"email","ref":{"uri":"mid:2"}})",
                              R"({"kind":"email","ref":{"uri":"mid:1","etag":"a"}})"})
    EXPECT_TRUE(ids.insert(unit_of(with({{"trigger", "\"event\""}, {"context", context}}))).second);
  EXPECT_TRUE(ids.insert(unit_of(with({{"trigger", "\"event\""}}))).second);
  EXPECT_TRUE(ids.insert(unit_of(with({{"trigger", "\"scheduled\""}}))).second);
  EXPECT_TRUE(ids.insert(unit_of(with({{"trigger", "\"event\""}}), "ses-1")).second);
  EXPECT_TRUE(ids.insert(unit_of(with({{"trigger", "\"event\""},
                                       {"start", R"({"entrypoint":{"inline":"y"}})"}})))
                  .second);
}

TEST(UnitId, IsAlwaysASlugAndNeverSharedByTwoPeople) {
  std::set<std::string> ids;
  for (auto const& [subject, session] : std::vector<std::pair<std::string, std::string>>{
           {"a", "b-chat-c"},
           {"a-chat-b", "c"},
           {"a", "chat-b"},
           {"a-chat", "b"},
           {"A", "x"},
           {"a", "x"},
           {"a.b", "x"},
           {"a b", "x"},
           {"a-b", "x"},
           {"Zoë", ""},
           {"zo", ""},
           {"日本", ""},
           {"meet", ""},
           {"../../etc", "x"},
           {std::string(200, 'a'), "x"},
           {std::string(200, 'a'), "y"},
           {std::string(199, 'a'), "x"},
           {"dev", "ses-01jd0000000000000000000000"},
           {"a-long-subject-name-of-a-person", "ses-01jd0000000000000000000000"},
           {"a-long-subject-name-of-a-person", "ses-01jd0000000000000000000001"}}) {
    auto const id = unit_of(for_subject(subject), session);
    EXPECT_TRUE(is_slug(id)) << id;
    EXPECT_TRUE(ids.insert(id).second) << subject << ' ' << session << ": " << id;
  }
  // Nobody can name a session so as to be served by Zoë's unit.
  auto const hers = unit_of(for_subject("Zoë"));
  auto const session = hers.substr(hers.find("-chat-") + 6);
  EXPECT_NE(unit_of(for_subject("zo"), session), hers);
}

TEST(Message, GoldensRoundTrip) {
  for (auto const& example : examples("unit.v1", "valid", "message")) {
    auto const message = parse_message(example.text);
    ASSERT_TRUE(message.has_value()) << example.name;
    EXPECT_EQ(to_json(*message), json_of(example.text)) << example.name;
  }
  EXPECT_EQ(parse_message(R"({"model":"x"})").error().message,
            "/prompt: expected a string, found nothing");
}

}  // namespace
}  // namespace drover::contract
