#include "contract/event.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/schema.h"
#include "contract/schemas.h"
#include "contract/test_examples.h"

namespace drover::contract {
namespace {

EventHead head() {
  return {RunId::trusted("run-7"), Epoch{2}, "turn-7"};
}

// As the stream stores it.
json::value stored(std::string const& draft) {
  auto value = json_of(draft);
  value.as_object()["seq"] = 1;
  value.as_object()["at"] = "2026-11-21T03:34:27.123Z";
  return value;
}

void expect_event(std::string const& draft, EventType type) {
  auto const value = stored(draft);
  auto const checked = check(Contract::event, "event", value);
  EXPECT_TRUE(checked.has_value()) << draft << ": " << (checked ? "" : checked.error().message);
  EXPECT_EQ(string_or(value.as_object(), "type", ""), to_string(type));
  EXPECT_EQ(string_or(value.as_object(), "run", ""), "run-7");
  EXPECT_EQ(integer_or(value.as_object(), "epoch", 0), 2);
  EXPECT_EQ(string_or(value.as_object(), "turn_id", ""), "turn-7");
  EXPECT_EQ(draft.find('\n'), std::string::npos);
}

CommitSummary commit() {
  return {WorkspaceId::trusted("demo"), std::string(40, 'a'), "main", 3, 10, 2, "Fix \"it\"\n𝄞"};
}

TEST(Event, TypesAreThoseOfTheContract) {
  std::set<std::string> types;
  std::set<std::string> of_units;
  for (int i = 0; i <= static_cast<int>(EventType::turn_complete); ++i) {
    auto const type = static_cast<EventType>(i);
    EXPECT_EQ(parse_event_type(to_string(type)), type);
    types.emplace(to_string(type));
    if (is_from_unit(type)) of_units.emplace(to_string(type));
    EXPECT_EQ(is_terminal(type), type == EventType::turn_complete);
  }
  auto const listed = [](char const* definition) {
    std::set<std::string> out;
    auto const schema = json_of(schema_text(Contract::event));
    for (auto const& name :
         schema.at("$defs").at(definition).at("properties").at("type").at("enum").as_array())
      out.emplace(name.as_string());
    return out;
  };
  EXPECT_EQ(types, listed("event"));
  EXPECT_EQ(of_units, listed("unitEvent"));
}

TEST(Event, DraftsOfTheServerFitTheContract) {
  expect_event(state_draft(head(), RunState::queued, RunState::claimed), EventType::state);
  expect_event(state_draft(head(), RunState::running, RunState::queued, RunReason::lost),
               EventType::state);
  expect_event(usage_draft(head(), {1, 2, 3, 4, 0.25}, "m", 12), EventType::usage);
  expect_event(commit_draft(head(), commit()), EventType::commit);
  expect_event(rejected_draft(head(), WorkspaceId::trusted("demo"),
                              {{".env", "secrets", "holds a key"}, {"", "files_max", "too many"}}),
               EventType::rejected);
  expect_event(policy_reverted_draft(head(), WorkspaceId::trusted("demo"), {"a\"b", "c"}),
               EventType::policy_reverted);
  expect_event(commit_failed_draft(head(), WorkspaceId::trusted("demo"), "disk full"),
               EventType::commit_failed);
  expect_event(limit_draft(head(), "timeout_s"), EventType::limit);
  EgressAttempt attempt;
  attempt.host = "example.org";
  attempt.port = 443;
  attempt.address = "93.184.216.34";
  expect_event(egress_draft(head(), attempt), EventType::egress);
  attempt.address.clear();
  attempt.outcome = EgressAttempt::Outcome::refused;
  attempt.reason = "it is not among the hosts";
  expect_event(egress_draft(head(), attempt), EventType::egress);
  expect_event(error_draft(head(), "bad \xFF byte\x1b"), EventType::error);
  expect_event(retry_draft(head(), 2, 1500, "429"), EventType::retry);
  TurnComplete end{.state = RunState::succeeded,
                   .reason = RunReason::completed,
                   .detail = "",
                   .reply = "Done.\n",
                   .turns = 4,
                   .commits = {commit(), commit()},
                   .usage = {5, 6, 7, 8, 0.001},
                   .phases = {1, 2, 3, 4, 5, 15}};
  expect_event(turn_complete_draft(head(), end), EventType::turn_complete);
  expect_event(turn_complete_draft(head(), {}), EventType::turn_complete);
}

TEST(Event, PartsReadBackAsTheyWerePrinted) {
  Usage const usage{1, 2, 3, 4, 0.123456789};
  EXPECT_EQ(parse_usage(print(usage)), usage);
  Phases const phases{1, 2, 3, 4, 5, 6};
  EXPECT_EQ(parse_phases(print(phases)), phases);
  std::vector<CommitSummary> const commits = {commit(), commit()};
  EXPECT_EQ(parse_commits(print(commits)), commits);
  EXPECT_EQ(parse_commits("[]")->size(), 0U);
  Usage sum = usage;
  sum += usage;
  EXPECT_EQ(sum.cache_write, 8);
  EXPECT_DOUBLE_EQ(sum.cost_usd, 2 * usage.cost_usd);
}

TEST(UnitEvent, GoldensAreTakenAndForgeriesAreNot) {
  for (auto const& example : examples("event.v1", "valid", "unitEvent")) {
    auto const event = parse_unit_event(example.text);
    ASSERT_TRUE(event.has_value()) << example.name << ": " << event.error().message;
    expect_event(draft_of(*event, head()), event->type);
  }
  for (auto const& example : examples("event.v1", "invalid", "unitEvent"))
    EXPECT_FALSE(parse_unit_event(example.text).has_value()) << example.name;
}

TEST(UnitEvent, TheServersHeadReplacesWhatTheUnitSaid) {
  auto const event = parse_unit_event(
      R"({"turn_id":"somebody-elses","type":"tool-call","tool":"Bash","args":{"command":"x\u0007","n":[1]},"callId":"c"})");
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->turn_id, "somebody-elses");
  EXPECT_EQ(draft_of(*event, head()),
            R"({"run":"run-7","epoch":2,"type":"tool-call","turn_id":"turn-7","tool":"Bash",)"
            R"("args":{"command":"x\u0007","n":[1]},"callId":"c"})");
}

TEST(UnitEvent, BodiesAreReadLineByLine) {
  std::string const line = R"({"type":"message-delta","turn_id":"t","text":"x"})";
  EXPECT_EQ(parse_unit_events("", 10)->size(), 0U);
  EXPECT_EQ(parse_unit_events(line, 10)->size(), 1U);
  EXPECT_EQ(parse_unit_events(line + "\n" + line + "\r\n\n" + line + "\n", 10)->size(), 3U);
  EXPECT_EQ(parse_unit_events(line + "\n" + line, 1).error().code, ErrorCode::too_large);
  EXPECT_EQ(parse_unit_events(line + "\n", 1)->size(), 1U);
  auto const error = parse_unit_events(line + "\n{\"type\":\"commit\"}\n", 10).error();
  EXPECT_TRUE(error.message.starts_with("line 2: /type: expected one of")) << error.message;
  EXPECT_EQ(parse_unit_event(std::string(kUnitEventBytesMax + 1, ' ')).error().code,
            ErrorCode::too_large);
}

TEST(UnitEvent, ResultsHaveAReasonAlsoFromWorkersThatSendNone) {
  auto const result = [](std::string const& members) {
    auto const event = parse_unit_event(
        R"({"type":"done","turn_id":"t","reply":"r","sessionId":"s",)" + members + "}");
    EXPECT_TRUE(event.has_value()) << (event ? "" : event.error().message);
    return event ? result_of(*event) : UnitResult{};
  };
  EXPECT_EQ(result(R"("ok":true)").reason, RunReason::completed);
  EXPECT_EQ(result(R"("ok":false)").reason, RunReason::model_error);
  auto const full = result(R"("ok":false,"reason":"max_turns","turns":50,"detail":"d")");
  EXPECT_EQ(full.reason, RunReason::max_turns);
  EXPECT_EQ(full.turns, 50);
  EXPECT_EQ(full.detail, "d");
  EXPECT_EQ(full.session_id, "s");
}

}  // namespace
}  // namespace drover::contract
