#include "model/scripted.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace drover::model {
namespace {

ScriptedModel parse(std::string_view text) {
  auto model = ScriptedModel::parse(text);
  EXPECT_TRUE(model) << model.error().message;
  return model ? *std::move(model) : *ScriptedModel::parse(R"({"turns":[{}]})");
}

std::string request(int assistant_messages,
                    std::string_view last = R"({"role":"user","content":"hi"})",
                    bool stream = true) {
  std::string messages = R"({"role":"user","content":"first"},)";
  for (int i = 0; i < assistant_messages; ++i)
    messages += R"({"role":"assistant","content":[{"type":"text","text":"a"}]},)";
  return std::string{R"({"model":"m","system":[{"type":"text","text":"Be kind."}],)"} +
         R"("tools":[{"name":"Bash"},{"name":"Read"}],"stream":)" + (stream ? "true" : "false") +
         R"(,"messages":[)" + messages + std::string{last} + "]}";
}

struct Outcome {
  int status = 0;
  std::string body;
  Millis waited{0};
  bool cut = false;
  bool hang = false;
  std::vector<std::pair<std::string, std::string>> headers;
};
Outcome run(Plan const& plan) {
  Outcome out;
  for (PlanStep const& step : plan) {
    EXPECT_FALSE(out.cut || out.hang) << "a cut or hang is the last step";
    switch (step.kind) {
      case PlanStep::Kind::wait:
        out.waited += step.wait;
        break;
      case PlanStep::Kind::head:
        out.status = step.status;
        out.headers = step.headers;
        break;
      case PlanStep::Kind::bytes:
        out.body += step.bytes;
        break;
      case PlanStep::Kind::cut:
        out.cut = true;
        break;
      case PlanStep::Kind::hang:
        out.hang = true;
        break;
    }
  }
  return out;
}

TEST(Scripted, TheTurnIsTheNumberOfAssistantMessages) {
  auto const model =
      parse(R"({"turns":[{"text":"zero"},{"text":"one {{turn}}","repeat":3},{"text":"last"}]})");
  ScriptedAttempts attempts;
  auto const text = [&](int turn) { return run(model.answer(request(turn), "s", attempts)).body; };
  EXPECT_NE(text(0).find("zero"), std::string::npos);
  EXPECT_NE(text(1).find("one 1"), std::string::npos);
  EXPECT_NE(text(3).find("one 3"), std::string::npos);
  EXPECT_NE(text(4).find("last"), std::string::npos);
  EXPECT_EQ(text(3), text(3)) << "a request asked again is answered the same";
  auto const beyond = run(model.answer(request(5), "s", attempts));
  EXPECT_EQ(beyond.status, 400);
  EXPECT_NE(beyond.body.find("has 5 turns, and this request asks for turn 6"), std::string::npos)
      << beyond.body;
}

TEST(Scripted, GoesOnBehindItsEndWhenAsked) {
  ScriptedAttempts attempts;
  auto const loop = parse(R"({"after_last":"loop","turns":[{"text":"A"},{"text":"B"}]})");
  EXPECT_NE(run(loop.answer(request(7), "s", attempts)).body.find("\"B\""), std::string::npos);
  auto const last =
      parse(R"({"after_last":"repeat_last","turns":[{"text":"A"},{"text":"B{{iteration}}"}]})");
  EXPECT_NE(run(last.answer(request(7), "s", attempts)).body.find("\"B6\""), std::string::npos);
}

TEST(Scripted, FaultsHappenTheirNumberOfTimesForEachSession) {
  auto const model = parse(R"({"turns":[{"text":"ok","faults":[
    {"kind":"status","status":429,"retry_after_s":1,"times":2},{"kind":"status","status":529}]}]})");
  ScriptedAttempts attempts;
  for (std::string_view const session : {"a", "b"}) {
    auto const first = run(model.answer(request(0), session, attempts));
    EXPECT_EQ(first.status, 429);
    EXPECT_EQ(first.headers[2], (std::pair<std::string, std::string>{"retry-after", "1"}));
    EXPECT_NE(first.body.find("rate_limit_error"), std::string::npos);
    EXPECT_EQ(run(model.answer(request(0), session, attempts)).status, 429);
    EXPECT_EQ(run(model.answer(request(0), session, attempts)).status, 529);
    EXPECT_EQ(run(model.answer(request(0), session, attempts)).status, 200);
    EXPECT_EQ(run(model.answer(request(0), session, attempts)).status, 200);
  }
}

TEST(Scripted, BreaksTheStreamAsTold) {
  auto const model = parse(R"({"turns":[{"text":["a","b"],"faults":[
    {"kind":"cut","after_events":3},{"kind":"hang"},{"kind":"hang","after_events":2},
    {"kind":"malformed","after_events":2},{"kind":"stream_error","after_events":4},
    {"kind":"cut","after_events":0}]}]})");
  ScriptedAttempts attempts;
  auto const next = [&] { return run(model.answer(request(0), "s", attempts)); };
  auto const events = [](std::string const& body) {
    std::size_t count = 0;
    for (auto at = body.find("event: "); at != std::string::npos; at = body.find("event: ", at + 1))
      ++count;
    return count;
  };
  auto const cut = next();
  EXPECT_TRUE(cut.cut);
  EXPECT_EQ(cut.status, 200);
  EXPECT_EQ(events(cut.body), 3U);
  auto const hang = next();
  EXPECT_TRUE(hang.hang);
  EXPECT_EQ(hang.status, 0) << "no headers";
  auto const later = next();
  EXPECT_TRUE(later.hang);
  EXPECT_EQ(events(later.body), 2U);
  auto const malformed = next();
  EXPECT_FALSE(malformed.cut);
  EXPECT_NE(malformed.body.find("{\"type\":\"content_block_de\n"), std::string::npos);
  auto const error = next();
  EXPECT_EQ(events(error.body), 5U);
  EXPECT_NE(error.body.find("overloaded_error"), std::string::npos);
  auto const empty = next();
  EXPECT_TRUE(empty.cut);
  EXPECT_EQ(empty.status, 200);
  EXPECT_EQ(empty.body, "");
  EXPECT_EQ(events(next().body), 7U) << "then it answers";
}

TEST(Scripted, WaitsBeforeHeadersAndDeltas) {
  auto const model =
      parse(R"({"delay_ms":5,"turns":[{"text":"abcdef","delta_bytes":2,"delta_delay_ms":10}]})");
  ScriptedAttempts attempts;
  auto const out = run(model.answer(request(0), "s", attempts));
  EXPECT_EQ(out.waited, Millis{35});
  EXPECT_NE(out.body.find(R"("text":"cd")"), std::string::npos);
}

TEST(Scripted, AnswersWithoutAStreamToo) {
  auto const model = parse(
      R"({"turns":[{"thinking":"t","text":["a","b"],"tool_calls":[{"name":"Bash","input":{"c":1}}],"usage":{"input":7,"output":3}}]})");
  ScriptedAttempts attempts;
  auto const out =
      run(model.answer(request(0, R"({"role":"user","content":"x"})", false), "s", attempts));
  auto const body = json::parse(out.body);
  EXPECT_EQ(body.at("content").at(1).at("text"), "ab");
  EXPECT_EQ(body.at("content").at(2).at("input").at("c"), 1);
  EXPECT_EQ(body.at("stop_reason"), "tool_use");
  EXPECT_EQ(body.at("usage").at("input_tokens"), 7);
}

struct Expectation {
  std::string_view expect;
  std::string_view last;
  std::string_view complaint;  // empty: it holds
};
class ScriptedExpectations : public testing::TestWithParam<Expectation> {};

TEST_P(ScriptedExpectations, HoldOrSayWhatCame) {
  auto const model =
      parse(R"({"turns":[{},{"text":"fine","expect":)" + std::string{GetParam().expect} + "}]}");
  ScriptedAttempts attempts;
  auto const out = run(model.answer(request(1, GetParam().last), "s", attempts));
  EXPECT_EQ(out.status, GetParam().complaint.empty() ? 200 : 400);
  if (GetParam().complaint.empty()) return;
  auto const message = std::string{json::parse(out.body).at("error").at("message").as_string()};
  EXPECT_TRUE(message.starts_with("scripted model: /turns/1/expect: ")) << message;
  EXPECT_NE(message.find(GetParam().complaint), std::string::npos) << message;
}

constexpr std::string_view kHi = R"({"role":"user","content":"hi there"})";
constexpr std::string_view kResults = R"({"role":"user","content":[
  {"type":"tool_result","tool_use_id":"a","content":"all ok"},
  {"type":"tool_result","tool_use_id":"b","is_error":true,"content":[{"type":"text","text":"FAIL"}]}]})";
INSTANTIATE_TEST_SUITE_P(
    All, ScriptedExpectations,
    testing::Values(
        Expectation{R"({"model":"m"})", kHi, ""},
        Expectation{R"({"model":"other"})", kHi, R"(expected the model "other", found "m")"},
        Expectation{R"({"system_contains":["kind","Be"]})", kHi, ""},
        Expectation{R"({"system_contains":"cruel"})", kHi, R"(contain "cruel", found "Be kind.")"},
        Expectation{R"({"last_user_text_contains":"hi"})", kHi, ""},
        Expectation{R"({"last_user_text_contains":"bye"})", kHi, R"(found "hi there")"},
        Expectation{R"({"last_user_text_contains":"first"})", kResults, ""},
        Expectation{R"({"tools_include":["Bash","Read"]})", kHi, ""},
        Expectation{R"({"tools_include":"Write"})", kHi, "found Bash, Read"},
        Expectation{
            R"({"tool_results":[{"contains":"ok","is_error":false},{"contains":"FAIL","is_error":true}]})",
            kResults, ""},
        Expectation{R"({"tool_results":[{"call":1,"lacks":"FAIL"}]})", kResults, R"(lack "FAIL")"},
        Expectation{R"({"tool_results":[{"call":1,"is_error":false}]})", kResults,
                    "is_error false, found true"},
        Expectation{R"({"tool_results":[{"call":2}]})", kResults, "found 2 tool results"},
        Expectation{R"({"tool_results":[{"contains":"ok"}]})", kHi, "found 0 tool results"}));

struct BadScript {
  std::string_view text;
  std::string_view complaint;
};
class BadScripts : public testing::TestWithParam<BadScript> {};

TEST_P(BadScripts, AreRefusedWithThePlace) {
  auto const model = ScriptedModel::parse(GetParam().text);
  ASSERT_FALSE(model);
  EXPECT_NE(model.error().message.find(GetParam().complaint), std::string::npos)
      << model.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    All, BadScripts,
    testing::Values(
        BadScript{"", "not valid JSON"}, BadScript{"[]", "expected an object"},
        BadScript{"{}", "/turns: expected"}, BadScript{R"({"turns":[]})", "/turns: expected"},
        BadScript{R"({"turns":[{"txet":"x"}]})", "/turns/0/txet: unknown member"},
        BadScript{R"({"turns":[{"text":1}]})", "/turns/0/text: expected a string"},
        BadScript{R"({"turns":[{"text":["a",2]}]})", "/turns/0/text/1: expected a string"},
        BadScript{R"({"turns":[{},{"repeat":0}]})", "/turns/1/repeat: expected an integer from 1"},
        BadScript{R"({"turns":[{"tool_calls":[{"input":{}}]}]})",
                  "/turns/0/tool_calls/0/name: expected a string"},
        BadScript{R"({"turns":[{"tool_calls":[{"name":"B","input":[]}]}]})",
                  "/turns/0/tool_calls/0/input: expected an object"},
        BadScript{R"({"turns":[{"faults":[{"kind":"explode"}]}]})",
                  "/turns/0/faults/0/kind: expected one of"},
        BadScript{R"({"turns":[{"faults":[{"kind":"status"}]}]})",
                  "/turns/0/faults/0/status: expected"},
        BadScript{R"({"turns":[{"faults":[{"kind":"status","status":200}]}]})",
                  "expected an integer from 400 to 599, found 200"},
        BadScript{R"({"turns":[{"faults":[{"kind":"cut","status":429}]}]})",
                  "/turns/0/faults/0/status: unknown member"},
        BadScript{R"({"turns":[{"faults":[{"kind":"cut","times":0}]}]})",
                  "/turns/0/faults/0/times"},
        BadScript{R"({"turns":[{"expect":{"tool_results":[{"is_error":1}]}}]})",
                  "/turns/0/expect/tool_results/0/is_error"},
        BadScript{R"({"after_last":"stop","turns":[{}]})", "/after_last: expected one of"},
        BadScript{R"({"version":2,"turns":[{}]})", "/version"},
        BadScript{R"({"pricing":{"inptu":1},"turns":[{}]})", "/pricing/inptu: unknown member"},
        BadScript{R"({"turns":[{"usage":{"input":-1}}]})", "/turns/0/usage/input"}));

TEST(Scripted, FillsTemplatesOnlyWhereTheyAre) {
  auto const model = parse(
      R"({"turns":[{"repeat":2,"tool_calls":[{"name":"Bash","input":{"a":["{{iteration}} {{x}} {{"],"{{turn}}":1}}]}]})");
  ScriptedAttempts attempts;
  auto const out = run(model.answer(request(1, kHi, false), "s", attempts));
  auto const input = json::parse(out.body).at("content").at(0).at("input");
  EXPECT_EQ(input.at("a").at(0), "1 {{x}} {{");
  EXPECT_TRUE(input.as_object().contains("{{turn}}"));
  EXPECT_EQ(json::parse(out.body).at("content").at(0).at("id"), "toolu_scripted_000001_0");
}

TEST(Scripted, ForgetsTheOldestAttemptsFirst) {
  ScriptedAttempts attempts;
  EXPECT_EQ(attempts.next("first", 0), 1);
  EXPECT_EQ(attempts.next("first", 0), 2);
  for (std::size_t i = 0; i < ScriptedAttempts::kTurnsMax - 1; ++i)
    EXPECT_EQ(attempts.next("s", i), 1);
  EXPECT_EQ(attempts.next("first", 0), 3);
  EXPECT_EQ(attempts.next("new", 0), 1);
  EXPECT_EQ(attempts.next("first", 0), 1);
}

TEST(Scripted, ListsItsModels) {
  auto const model = parse(R"({"models":["x","y"],"turns":[{}]})");
  EXPECT_EQ(json::parse(model.model_list()).at("data").at(1).at("id"), "y");
  EXPECT_FALSE(model.price());
}

}  // namespace
}  // namespace drover::model
