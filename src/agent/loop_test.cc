#include "agent/loop.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <chrono>
#include <fstream>

#include <boost/json.hpp>

#include "agent/testing.h"

namespace drover::agent {
namespace {

using testing::PollWaiter;
using testing::RecordingSink;
using testing::ScriptedClient;
using testing::TempFolder;

class LoopTest : public ::testing::Test {
 protected:
  struct Ran {
    TurnOutcome outcome;
    RecordingSink sink;
    std::vector<std::string> requests;
  };
  enum class Told : std::uint8_t { each_end, nothing };
  // A fresh process over the same session folder.
  Ran run(std::string_view script, std::vector<TurnRequest> const& turns, LoopOptions options = {},
          Told told = Told::each_end) {
    Ran ran;
    ScriptedClient client{script, waiter_, clock_};
    SeededRandom random{1};
    options.cwd = folder_.path();
    options.model = "scripted";
    options.session = "ses-1";
    options.retry.base = Millis{1};
    auto transcript = Transcript::open({folder_ / ".claude", "ses-1"}, clock_);
    EXPECT_TRUE(transcript) << transcript.error().message;
    Loop loop{options,
              *make_tools(tool_names()),
              *std::move(transcript),
              {&client, &ran.sink, &waiter_, &clock_, &random}};
    for (TurnRequest const& turn : turns)
      ran.outcome = loop.run_turn(turn);
    ran.requests = client.requests;
    expect_paired(ran.requests);
    // An attempt that is over has nobody to tell.
    if (waiter_.superseded()) return ran;
    EXPECT_EQ(ran.sink.texts("done").size(), told == Told::each_end ? turns.size() : 0U);
    if (told == Told::each_end) EXPECT_EQ(ran.sink.seen.back().type, "done");
    return ran;
  }

  // The property that providers insist on: each tool call is answered by the next message.
  static void expect_paired(std::vector<std::string> const& requests) {
    for (std::string const& request : requests) {
      auto const body = json::parse(request);
      auto const& messages = body.at("messages").as_array();
      for (std::size_t i = 0; i < messages.size(); ++i) {
        std::vector<std::string> calls;
        for (auto const& block : messages[i].at("content").as_array())
          if (block.at("type") == "tool_use") calls.emplace_back(block.at("id").as_string());
        if (calls.empty()) continue;
        ASSERT_LT(i + 1, messages.size()) << "a call without a result: " << request;
        std::vector<std::string> results;
        for (auto const& block : messages[i + 1].at("content").as_array())
          if (block.at("type") == "tool_result")
            results.emplace_back(block.at("tool_use_id").as_string());
        ASSERT_EQ(results, calls);
      }
    }
  }
  std::string journal() {
    return *os::read_file(folder_ / ".claude/projects/-workspace/ses-1.jsonl");
  }
  // What a kill -9 leaves: the journal up to and with the last line that holds `mark`.
  void cut_journal_behind(std::string_view mark) {
    std::string const text = journal();
    auto const at = text.rfind(mark);
    ASSERT_NE(at, std::string::npos);
    std::ofstream{folder_ / ".claude/projects/-workspace/ses-1.jsonl", std::ios::trunc}
        << text.substr(0, text.find('\n', at) + 1);
  }

  SystemClock clock_;
  TempFolder folder_;
  PollWaiter waiter_{clock_};
};

TEST_F(LoopTest, WorksUntilTheModelIsDone) {
  std::ofstream{folder_ / "f.txt"} << "bug\n";
  auto const ran = run(R"({"turns":[
    {"thinking":"hm","text":"Looking.","tool_calls":[{"name":"Read","input":{"file_path":"f.txt"}},
                                 {"name":"Glob","input":{"pattern":"*.txt"}}]},
    {"expect":{"tool_results":[{"contains":"1\tbug"},{"contains":"f.txt"}],"tools_include":["Read","Write","Edit","Bash","Glob","Grep"]},
     "tool_calls":[{"name":"Edit","input":{"file_path":"f.txt","old_string":"bug","new_string":"fix"}},
                   {"name":"Bash","input":{"command":"cat f.txt"}}]},
    {"expect":{"tool_results":[{"is_error":false},{"contains":"fix"}]},"text":"Fixed."}]})",
                       {{"run-1", "please", "", 50}});
  EXPECT_EQ(ran.outcome.reason, DoneReason::completed) << ran.outcome.detail;
  EXPECT_EQ(ran.outcome.reply, "Fixed.");
  EXPECT_EQ(ran.outcome.turns, 3);
  EXPECT_EQ(ran.sink.types(), "thinking text call call ok ok call call ok ok text done");
}

TEST_F(LoopTest, FurtherMessagesContinueTheConversation) {
  constexpr std::string_view kScript = R"({"turns":[{"text":"one"},
    {"expect":{"last_user_text_contains":"second"},"text":"two"},
    {"expect":{"last_user_text_contains":"third"},"text":"three"}]})";
  auto const first = run(kScript, {{"run-1", "first", "", 50}, {"run-2", "second", "", 50}});
  EXPECT_EQ(first.outcome.reply, "two");
  auto const later = run(kScript, {{"run-3", "third", "", 50}});
  EXPECT_EQ(later.outcome.reply, "three");
  EXPECT_TRUE(later.requests[0].find("first") < later.requests[0].find("second"));
}

constexpr std::string_view kAskingScript = R"({"turns":[
    {"text":"Two ways.","tool_calls":[
      {"name":"Bash","input":{"command":"echo seen"}},
      {"name":"AskUserQuestion","input":{"questions":[{"question":"Which one?","header":"Way",
        "options":[{"label":"left","description":"the short one"},{"label":"right"}]}]}}]},
    {"expect":{"tool_results":[{"contains":"seen"},{"contains":"next message","is_error":false}],
               "last_user_text_contains":"left"},"text":"Went left."}]})";

TEST_F(LoopTest, AQuestionEndsTheTurnAndTheNextMessageAnswersIt) {
  auto const asked = run(kAskingScript, {{"run-1", "go", "", 50}});
  EXPECT_EQ(asked.outcome.reason, DoneReason::waiting_input);
  EXPECT_TRUE(asked.outcome.ok());
  EXPECT_EQ(asked.outcome.detail, "Which one?");
  EXPECT_EQ(asked.outcome.reply, "Two ways.");
  EXPECT_EQ(asked.sink.types(), "text call call ok ok question done");
  // In another process, later.
  auto const answered = run(kAskingScript, {{"run-2", "left, please", "", 50}});
  EXPECT_EQ(answered.outcome.reason, DoneReason::completed) << answered.outcome.detail;
  EXPECT_EQ(answered.outcome.reply, "Went left.");
}

TEST_F(LoopTest, AKilledTurnThatHadAskedStillWaits) {
  ASSERT_EQ(run(kAskingScript, {{"run-1", "go", "", 50}}).outcome.reason,
            DoneReason::waiting_input);
  cut_journal_behind("\"result\"");
  auto const resumed = run(kAskingScript, {{"run-1", "go", "", 50}});
  EXPECT_EQ(resumed.outcome.reason, DoneReason::waiting_input);
  EXPECT_EQ(resumed.outcome.detail, "Which one?");
  EXPECT_TRUE(resumed.requests.empty()) << "the model was called again";
}

TEST_F(LoopTest, AQuestionThatIsNoneIsTheModelsToMend) {
  auto const ran = run(R"({"turns":[
    {"tool_calls":[{"name":"AskUserQuestion","input":{"questions":[]}}]},
    {"expect":{"tool_results":[{"is_error":true,"contains":"/questions"}]},"text":"Never mind."}]})",
                       {{"run-1", "go", "", 50}});
  EXPECT_EQ(ran.outcome.reason, DoneReason::completed) << ran.outcome.detail;
}

TEST_F(LoopTest, RetriesEveryPassingFaultAndDiscardsThePartialTurn) {
  auto const ran = run(R"({"turns":[{"text":["a","b"],"faults":[
      {"kind":"status","status":429,"retry_after_ms":5},{"kind":"status","status":529},{"kind":"status","status":500},
      {"kind":"cut","after_events":4},{"kind":"hang"},{"kind":"malformed","after_events":3},
      {"kind":"stream_error","after_events":3}]}]})",
                       {{"run-1", "x", "", 50}});
  EXPECT_EQ(ran.outcome.reason, DoneReason::completed) << ran.outcome.detail;
  EXPECT_EQ(ran.outcome.reply, "ab");
  EXPECT_EQ(ran.outcome.turns, 1) << "a retried call counts once";
  EXPECT_EQ(ran.sink.texts("retry").size(), 7U);
  EXPECT_EQ(ran.requests.size(), 8U);
  EXPECT_EQ(ran.requests.front(), ran.requests.back());
  EXPECT_EQ(ran.sink.types().substr(ran.sink.types().rfind("retry")), "retry text text done");
}

TEST_F(LoopTest, GivesUpWithTheProvidersWords) {
  auto const fatal =
      run(R"({"turns":[{"faults":[{"kind":"status","status":400,"message":"bad thing"}]}]})",
          {{"run-1", "x", "", 50}});
  EXPECT_EQ(fatal.outcome.reason, DoneReason::model_error);
  EXPECT_NE(fatal.outcome.detail.find("bad thing"), std::string::npos);
  EXPECT_EQ(fatal.requests.size(), 1U);
  LoopOptions options;
  options.retry.attempts_max = 3;
  auto const tired = run(R"({"turns":[{"faults":[{"kind":"status","status":500,"times":9}]}]})",
                         {{"run-2", "x", "", 50}}, options);
  EXPECT_EQ(tired.outcome.reason, DoneReason::model_error);
  EXPECT_EQ(tired.requests.size(), 3U);
}

TEST_F(LoopTest, TypesTheEndings) {
  EXPECT_EQ(
      run(R"({"turns":[{"faults":[{"kind":"status","status":402,"type":"budget_exhausted"}]}]})",
          {{"run-1", "x", "", 50}})
          .outcome.reason,
      DoneReason::budget_exhausted);
  EXPECT_EQ(
      run(R"({"turns":[{"faults":[{"kind":"status","status":400,"message":"prompt is too long: 9 > 8"}]}]})",
          {{"run-2", "x", "", 50}})
          .outcome.reason,
      DoneReason::prompt_too_long);
  EXPECT_EQ(
      run(R"({"turns":[{"stop_reason":"refusal"}]})", {{"run-3", "x", "", 50}}).outcome.reason,
      DoneReason::model_error);
}

TEST_F(LoopTest, CountsModelCallsAgainstTheLimit) {
  auto const ran = run(
      R"({"turns":[{"repeat":9,"text":"t{{turn}}","tool_calls":[{"name":"Bash","input":{"command":"echo {{iteration}} >> log"}}]}]})",
      {{"run-1", "x", "", 4}});
  EXPECT_EQ(ran.outcome.reason, DoneReason::max_turns);
  EXPECT_EQ(ran.outcome.turns, 4);
  EXPECT_EQ(ran.outcome.reply, "t3");
  EXPECT_EQ(*os::read_file(folder_ / "log"), "0\n1\n2\n3\n");
}

TEST_F(LoopTest, GoesOnWhenTheOutputLimitCutsAnAnswer) {
  auto const ran = run(R"({"turns":[{"text":"first half","stop_reason":"max_tokens"},
    {"expect":{"last_user_text_contains":"Go on"},"text":"second half"}]})",
                       {{"run-1", "x", "", 50}});
  EXPECT_EQ(ran.outcome.reason, DoneReason::completed);
  EXPECT_EQ(run(R"({"after_last":"loop","turns":[{"text":"a","stop_reason":"max_tokens"}]})",
                {{"run-2", "x", "", 50}})
                .outcome.reason,
            DoneReason::model_error);
}

TEST_F(LoopTest, BadCallsAreResultsThatTheModelReads) {
  auto const ran = run(
      R"({"turns":[{"tool_calls":[{"name":"Reed","input":{}},{"name":"Read","input":{"file_path":7}}]},
    {"expect":{"tool_results":[{"is_error":true,"contains":"There is no tool 'Reed'"},{"is_error":true,"contains":"/file_path: expected a string"}]},"text":"ok"}]})",
      {{"run-1", "x", "", 50}});
  EXPECT_EQ(ran.outcome.reason, DoneReason::completed) << ran.outcome.detail;
}

TEST_F(LoopTest, StopsAModelThatRepeatsAFailingCall) {
  auto const ran = run(
      R"({"turns":[{"repeat":50,"tool_calls":[{"name":"Read","input":{"file_path":"none"}}]}]})",
      {{"run-1", "x", "", 50}});
  EXPECT_EQ(ran.outcome.reason, DoneReason::model_error);
  EXPECT_EQ(ran.outcome.turns, 5);
  EXPECT_NE(ran.outcome.detail.find("same failing call 5 times"), std::string::npos);
  auto const varied = run(
      R"({"after_last":"loop","turns":[{"repeat":4,"tool_calls":[{"name":"Read","input":{"file_path":"none"}}]},
     {"tool_calls":[{"name":"Bash","input":{"command":"true"}}]}]})",
      {{"run-2", "x", "", 20}});
  EXPECT_EQ(varied.outcome.reason, DoneReason::max_turns)
      << "a success in between starts the count again";
}

TEST_F(LoopTest, ReadOnlyToolsRunBesideEachOtherAndResultsKeepTheirOrder) {
  for (int i = 0; i < 8; ++i)
    std::ofstream{folder_ / ("f" + std::to_string(i))} << "content " << i << "\n";
  std::string calls;
  std::string expected;
  for (int i = 0; i < 8; ++i) {
    calls += (i == 0 ? "" : ",") +
             (R"({"name":"Read","input":{"file_path":"f)" + std::to_string(i) + R"("}})");
    expected += (i == 0 ? "" : ",") + (R"({"contains":"content )" + std::to_string(i) + R"("})");
  }
  auto const ran = run(R"({"turns":[{"tool_calls":[)" + calls +
                           R"(]},{"expect":{"tool_results":[)" + expected + R"(]},"text":"ok"}]})",
                       {{"run-1", "x", "", 50}});
  EXPECT_EQ(ran.outcome.reason, DoneReason::completed) << ran.outcome.detail;
}

TEST_F(LoopTest, AnInterruptEndsToolsWithAValidHistory) {
  constexpr std::string_view kScript =
      R"({"turns":[{"tool_calls":[{"name":"Bash","input":{"command":"sleep 20"}},
    {"name":"Bash","input":{"command":"touch never"}}]},
    {"expect":{"last_user_text_contains":"again"},"text":"ok"}]})";
  waiter_.interrupt_at = clock_.boot_now() + Millis{150};
  auto const started = std::chrono::steady_clock::now();
  auto const ran = run(kScript, {{"run-1", "x", "", 50}});
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds{2});
  EXPECT_EQ(ran.outcome.reason, DoneReason::interrupted);
  EXPECT_FALSE(os::exists(folder_ / "never"));
  waiter_.interrupt_at.reset();
  EXPECT_EQ(run(kScript, {{"run-2", "again", "", 50}}).outcome.reply, "ok");
}

TEST_F(LoopTest, AnInterruptInTheStreamKeepsWhatWasShown) {
  constexpr std::string_view kScript =
      R"({"turns":[{"text":["partial ","never"],"faults":[{"kind":"hang","after_events":3,"times":99}]},
    {"text":"ok"}]})";
  waiter_.interrupt_at = clock_.boot_now() + Millis{20};
  auto const ran = run(kScript, {{"run-1", "x", "", 50}});
  EXPECT_EQ(ran.outcome.reason, DoneReason::interrupted);
  waiter_.interrupt_at.reset();
  auto const next = run(kScript, {{"run-2", "again", "", 50}});
  EXPECT_EQ(next.outcome.reply, "ok");
  EXPECT_NE(next.requests[0].find("partial "), std::string::npos);
  EXPECT_NE(next.requests[0].find("interrupted"), std::string::npos);
}

// The unit of an attempt that was fenced: the journal is the next attempt's.
TEST_F(LoopTest, AnAttemptThatIsOverWritesNothingMore) {
  constexpr std::string_view kScript =
      R"({"turns":[{"tool_calls":[{"name":"Bash","input":{"command":"touch begun; sleep 20"}}]},
    {"text":"ok"}]})";
  waiter_.interrupt_at = clock_.boot_now() + Millis{150};
  waiter_.by_another = true;
  auto const fenced = run(kScript, {{"run-1", "x", "", 50}});
  EXPECT_EQ(fenced.requests.size(), 1U);
  EXPECT_TRUE(os::exists(folder_ / "begun"));
  waiter_.interrupt_at.reset();
  auto const next = run(kScript, {{"run-1", "x", "", 50}});
  EXPECT_EQ(next.outcome.reason, DoneReason::completed) << next.outcome.detail;
  EXPECT_EQ(next.outcome.reply, "ok");
  ASSERT_EQ(next.requests.size(), 1U);
  EXPECT_NE(next.requests[0].find("its outcome is unknown"), std::string::npos);
  EXPECT_EQ(next.requests[0].find("user interrupted"), std::string::npos);
}

// The gateway knows before the unit's inbox does.
TEST_F(LoopTest, AnAttemptWhoseModelCallIsFencedEndsNothing) {
  constexpr std::string_view kFenced =
      R"({"turns":[{"tool_calls":[{"name":"Bash","input":{"command":"echo x >> count"}}]},
    {"faults":[{"kind":"status","status":409}],"text":"ok"}]})";
  constexpr std::string_view kNext = R"({"turns":[{"text":"never"},{"text":"ok"}]})";
  auto const fenced = run(kFenced, {{"run-1", "x", "", 50}}, {}, Told::nothing);
  EXPECT_EQ(fenced.requests.size(), 2U);
  auto const next = run(kNext, {{"run-1", "x", "", 50}});
  EXPECT_EQ(next.outcome.reason, DoneReason::completed) << next.outcome.detail;
  EXPECT_EQ(next.outcome.reply, "ok");
  EXPECT_EQ(*os::read_file(folder_ / "count"), "x\n");
}

constexpr std::string_view kResumable = R"({"turns":[
  {"text":"go","tool_calls":[{"name":"Bash","input":{"command":"echo x >> count"}},{"name":"Read","input":{"file_path":"count"}},
                             {"name":"Bash","input":{"command":"echo y >> count"}}]},
  {"text":"end"}]})";

TEST_F(LoopTest, AKilledTurnGoesOnWithoutRepeatingEffects) {
  ASSERT_EQ(run(kResumable, {{"run-1", "prompt", "", 50}}).outcome.reply, "end");
  cut_journal_behind("\"type\":\"intent\"");  // died while the second Bash ran
  auto const same = run(kResumable, {{"run-1", "prompt", "", 50}});
  EXPECT_EQ(same.outcome.reply, "end");
  EXPECT_EQ(same.outcome.turns, 2) << "the call before the kill counts";
  EXPECT_EQ(*os::read_file(folder_ / "count"), "x\ny\n");
  ASSERT_EQ(same.requests.size(), 1U);
  EXPECT_NE(same.requests[0].find("its outcome is unknown"), std::string::npos);
  EXPECT_EQ(same.requests[0].find("prompt\"", same.requests[0].find("prompt\"") + 1),
            std::string::npos)
      << "the prompt is there once";
}

TEST_F(LoopTest, AKillBeforeTheToolsRerunsOnlyReads) {
  ASSERT_EQ(run(kResumable, {{"run-1", "prompt", "", 50}}).outcome.reply, "end");
  cut_journal_behind("\"stop_reason\":\"tool_use\"");
  auto const same = run(kResumable, {{"run-1", "prompt", "", 50}});
  EXPECT_EQ(same.outcome.reply, "end");
  EXPECT_NE(same.requests[0].find("it had no effect"), std::string::npos);
  EXPECT_NE(same.requests[0].find("     1\\tx"), std::string::npos) << "Read was run again";
  EXPECT_EQ(*os::read_file(folder_ / "count"), "x\ny\n");
}

TEST_F(LoopTest, ANewTurnAfterAKillClosesTheOldCalls) {
  ASSERT_EQ(run(kResumable, {{"run-1", "prompt", "", 50}}).outcome.reply, "end");
  cut_journal_behind("\"type\":\"intent\"");
  auto const other = run(kResumable, {{"run-2", "another", "", 50}});
  EXPECT_EQ(other.outcome.reply, "end");
  EXPECT_NE(other.requests[0].find("another"), std::string::npos);
}

TEST_F(LoopTest, EveryPrefixOfTheJournalLeadsToTheEnd) {
  ASSERT_EQ(run(kResumable, {{"run-1", "prompt", "", 50}}).outcome.reply, "end");
  std::string const whole = journal();
  for (auto line = whole.find('\n'); line != std::string::npos; line = whole.find('\n', line + 1)) {
    for (std::size_t const torn : {std::size_t{0}, std::size_t{10}}) {
      std::ofstream{folder_ / ".claude/projects/-workspace/ses-1.jsonl", std::ios::trunc}
          << whole.substr(0, line + 1 + torn);
      auto const ran = run(kResumable, {{"run-1", "prompt", "", 50}});
      EXPECT_EQ(ran.outcome.reply, "end");
      EXPECT_EQ(ran.outcome.reason, DoneReason::completed);
      EXPECT_EQ(ran.outcome.turns, 2);
    }
  }
}

TEST_F(LoopTest, AnEndedTurnIsOnlyReportedAgain) {
  ASSERT_EQ(run(kResumable, {{"run-1", "prompt", "", 50}}).outcome.reply, "end");
  auto const again = run(kResumable, {{"run-1", "prompt", "", 50}});
  EXPECT_EQ(again.outcome.reply, "end");
  EXPECT_TRUE(again.requests.empty());
  EXPECT_EQ(again.sink.types(), "done");
}

TEST_F(LoopTest, SaysWhatItRepaired) {
  ASSERT_EQ(run(kResumable, {{"run-1", "prompt", "", 50}}).outcome.reply, "end");
  std::ofstream{folder_ / ".claude/projects/-workspace/ses-1.jsonl", std::ios::app} << "{\"type\":";
  auto const ran = run(R"({"after_last":"loop","turns":[{"text":"z"}]})", {{"run-2", "x", "", 50}});
  EXPECT_EQ(ran.sink.types(), "error text done");
  EXPECT_NE(ran.sink.texts("error")[0].find("torn"), std::string::npos);
}

TEST_F(LoopTest, AWriteThatFailsIsASessionErrorAndLeavesAJournalThatHolds) {
  constexpr std::string_view kScript = R"({"after_last":"loop","turns":[{"text":"z"}]})";
  ASSERT_EQ(run(kScript, {{"run-1", "x", "", 50}}).outcome.reason, DoneReason::completed);
  // The kernel's file size limit stands for a full disk: the record is written in part.
  auto* const before = ::signal(SIGXFSZ, SIG_IGN);
  rlimit saved{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &saved), 0);
  rlimit small = saved;
  small.rlim_cur = journal().size() + 400;  // a short record still finds room
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  auto const full = run(kScript, {{"run-2", std::string(500, 'y'), "", 50}});
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &saved), 0);
  ::signal(SIGXFSZ, before);
  EXPECT_EQ(full.outcome.reason, DoneReason::session_error);
  EXPECT_NE(full.outcome.detail.find("cannot write"), std::string::npos) << full.outcome.detail;
  auto const again = run(kScript, {{"run-2", std::string(500, 'y'), "", 50}});
  EXPECT_EQ(again.outcome.reason, DoneReason::completed) << again.outcome.detail;
  EXPECT_EQ(again.sink.types(), "text done") << "nothing had to be repaired";
}

}  // namespace
}  // namespace drover::agent
