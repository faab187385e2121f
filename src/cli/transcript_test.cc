#include "cli/transcript.h"

#include <gtest/gtest.h>

#include <algorithm>

#include <boost/json/parse.hpp>

#include "base/text.h"

namespace drover::cli {
namespace {

std::string render(std::initializer_list<char const*> events, Style const& style = {}) {
  TranscriptRenderer renderer{style};
  std::string out;
  for (char const* const event : events)
    out += renderer.on_event(json::parse(event).as_object());
  return out + renderer.finish();
}

Style terminal(std::size_t width, Colour colour = Colour::never) {
  return {.device = Device::terminal, .colour = colour, .redraws = true, .width = width};
}

TEST(Transcript, AnOrdinaryTurn) {
  EXPECT_EQ(
      render(
          {R"({"type":"state","from":"queued","to":"running"})",
           R"({"type":"message-delta","text":"\n\nI will run "})",
           R"({"type":"message-delta","text":"the test."})",
           R"({"type":"tool-call","tool":"Bash","args":{"command":"make test"},"callId":"1"})",
           R"({"type":"tool-result","callId":"1","ok":false,"summary":"a\nb\n","ms":1500})",
           R"({"type":"tool-call","tool":"Edit","args":{"file_path":"/workspace/src/a.sh",)"
           R"("old_string":"x","new_string":"y\nz"},"callId":"2"})",
           R"({"type":"tool-result","callId":"2","ok":true,"summary":"","ms":1})",
           R"({"type":"message-delta","text":"Done.\n"})",
           R"({"type":"done","ok":true,"reason":"completed","reply":"Done."})",
           R"({"type":"commit","workspace":"app","sha":"1a2b3c4d5e6f","branch":"main","files":1,)"
           R"("insertions":2,"deletions":1,"subject":"Fix it"})",
           R"({"type":"turn-complete","state":"succeeded","reason":"completed"})"}),
      "I will run the test.\n"
      "\n"
      "● Bash  make test\n"
      "  ⎿ failed: a  (1.5 s)\n"
      "    b\n"
      "● Edit  src/a.sh  (+2 -1)\n"
      "  ⎿ no output\n"
      "\n"
      "Done.\n"
      "\n"
      "✔ commit 1a2b3c4d on main: Fix it  (1 file, +2 -1)\n");
}

TEST(Transcript, ParallelResultsOutOfOrderNameTheirTool) {
  EXPECT_EQ(render({R"({"type":"tool-call","tool":"Read","args":{"file_path":"a"},"callId":"1"})",
                    R"({"type":"tool-call","tool":"Grep","args":{"pattern":"x","path":"src"},)"
                    R"("callId":"2"})",
                    R"({"type":"tool-result","callId":"1","ok":true,"summary":"one"})",
                    R"({"type":"tool-result","callId":"2","ok":true,"summary":"two"})"}),
            "● Read  a\n"
            "● Grep  x  in src\n"
            "  ⎿ Read: one\n"
            "  ⎿ two\n");
}

TEST(Transcript, LongResultsAreBoundedAndSaySo) {
  std::string summary;
  for (int i = 0; i < 50; ++i)
    summary += "line\\n";
  std::string const event =
      R"({"type":"tool-result","callId":"1","ok":true,"summary":")" + summary + "\"}";
  std::string const out = render({event.c_str()});
  EXPECT_TRUE(out.contains("… 46 more lines")) << out;
  EXPECT_EQ(std::ranges::count(out, '\n'), 5);
}

TEST(Transcript, ARetrySaysThatThePartialAnswerIsDiscarded) {
  std::string const retry =
      R"({"type":"retry","attempt":1,"wait_ms":1500,"reason":"529 overloaded"})";
  EXPECT_EQ(render({R"({"type":"message-delta","text":"Half an ans"})", retry.c_str(),
                    R"({"type":"message-delta","text":"A whole answer"})"}),
            "Half an ans\n"
            "\n"
            "↻ retry 1 in 1.5 s: 529 overloaded; the partial answer above is discarded\n"
            "\n"
            "A whole answer\n");
  // Nothing was shown of the call that failed, so nothing is discarded.
  EXPECT_FALSE(render({retry.c_str()}).contains("discarded"));
}

TEST(Transcript, AReplyThatWasNotStreamedIsShownOnce) {
  EXPECT_EQ(render({R"({"type":"done","ok":true,"reply":"Hello"})"}), "Hello\n");
  EXPECT_EQ(render({R"({"type":"message-delta","text":"Hello"})",
                    R"({"type":"done","ok":true,"reply":"Hello"})"}),
            "Hello\n");
}

TEST(Transcript, FailuresAndViolationsAreNamed) {
  EXPECT_EQ(render({R"({"type":"done","ok":false,"reason":"model_error","detail":"400 bad"})"}),
            "✗ model_error: 400 bad\n");
  EXPECT_EQ(render({R"({"type":"rejected","workspace":"app","violations":["no",)"
                    R"({"path":"a/b","message":"is protected"}]})"}),
            "✗ the change to app was rejected, and nothing of it is committed\n"
            "  no\n"
            "  a/b: is protected\n");
  EXPECT_EQ(render({R"({"type":"commit-failed","workspace":"app","error":"disk full"})"}),
            "✗ cannot commit app: disk full\n");
}

// Every member that an agent or its tools can write, with every trick in it.
TEST(Transcript, HostileTextReachesNoTerminal) {
  constexpr std::string_view kTricks =
      R"(\u001b]52;c;aGk=\u0007\u001b[2J\u001b[10A\u001b]0;title\u001b\\\u009b31m\u202eevil\u2066)"
      R"(\r\u0008\u007f\u0000\u001bP+q\u001b\\)";
  std::string const tricks{kTricks};
  std::vector<std::string> const events = {
      R"({"type":"message-delta","text":"T"})",
      R"({"type":"thinking-delta","text":"T"})",
      R"({"type":"tool-call","tool":"T","args":{"T":"T"},"callId":"T"})",
      R"({"type":"tool-call","tool":"Bash","args":{"command":"T\nT"},"callId":"2"})",
      R"({"type":"tool-call","tool":"Write","args":{"file_path":"T","content":"T"},"callId":"3"})",
      R"({"type":"tool-call","tool":"Grep","args":{"pattern":"T","path":"T"},"callId":"4"})",
      R"({"type":"tool-call","tool":"Bash","args":"T","callId":"5"})",
      R"({"type":"tool-result","callId":"T","ok":true,"summary":"T\nT"})",
      R"({"type":"tool-result","callId":"2","ok":false,"summary":"T"})",
      R"({"type":"retry","attempt":1,"wait_ms":1,"reason":"T"})",
      R"({"type":"error","message":"T"})",
      R"({"type":"state","to":"waiting","reason":"T"})",
      R"({"type":"commit","sha":"T","branch":"T","subject":"T","workspace":"T"})",
      R"({"type":"commit-failed","workspace":"T","error":"T"})",
      R"({"type":"rejected","workspace":"T","violations":["T",{"path":"T","message":"T"},{"T":1}]})",
      R"({"type":"limit","which":"T"})",
      R"({"type":"egress","host":"T","port":1,"outcome":"refused","reason":"T"})",
      R"({"type":"mcp-call","server":"T","tool":"T","outcome":"refused","reason":"T"})",
      R"({"type":"approval-requested","kind":"tool","title":"T","id":"T"})",
      R"({"type":"question","text":"T"})",
      R"({"type":"approval-requested","title":"T"})",
      R"({"type":"policy-reverted","paths":["T"]})",
      R"({"type":"done","ok":false,"reason":"T","detail":"T","reply":"T"})",
      R"({"type":"T"})"};
  for (std::string const& event : events) {
    std::string text;
    for (char const c : event) {
      // "T" stands for the tricks, in keys too, but not in the type names.
      if (c == 'T') {
        text += tricks;
      } else {
        text += c;
      }
    }
    for (Style const& style : {Style{}, terminal(60)}) {
      TranscriptRenderer renderer{style};
      std::string const out = renderer.on_event(json::parse(text).as_object()) + renderer.finish();
      EXPECT_EQ(terminal_safe(out), out) << event;
      EXPECT_TRUE(is_utf8(out)) << event;
    }
  }
}

TEST(Transcript, AReturnSplitFromItsNewlineIsALineEnd) {
  EXPECT_EQ(render({R"({"type":"message-delta","text":"a\r"})",
                    R"({"type":"message-delta","text":"\nb"})"}),
            "a\nb\n");
}

TEST(Transcript, ToolLinesFitTheTerminal) {
  std::string const event = R"({"type":"tool-call","tool":"Bash","args":{"command":")" +
                            std::string(300, 'x') + R"("},"callId":"1"})";
  std::string const line = render({event.c_str()}, terminal(50));
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
  EXPECT_LT(line.size(), 60U);
  EXPECT_TRUE(line.contains("…"));
}

TEST(Transcript, ColourIsOnlyThereWhereItWasAskedFor) {
  auto const event = R"({"type":"error","message":"no"})";
  EXPECT_EQ(render({event}, terminal(80, Colour::always)), "\x1b[31m✗ no\x1b[0m\n");
  EXPECT_EQ(render({event}, terminal(80)), "✗ no\n");
}

TEST(Transcript, TalliesStateAndUsage) {
  TranscriptRenderer renderer{{}};
  auto const feed = [&](char const* event) {
    return renderer.on_event(json::parse(event).as_object());
  };
  EXPECT_EQ(feed(R"({"type":"usage","input":10,"cache_read":5,"output":7,"cost_usd":0.5})"), "");
  EXPECT_EQ(feed(R"({"type":"usage","input":1,"output":1,"cost_usd":1})"), "");
  EXPECT_EQ(renderer.tally().tokens_in, 16);
  EXPECT_EQ(renderer.tally().tokens_out, 8);
  EXPECT_DOUBLE_EQ(renderer.tally().cost_usd, 1.5);
  EXPECT_EQ(renderer.tally().model_calls, 2);
  EXPECT_FALSE(feed(R"({"type":"state","to":"waiting","reason":"approval"})").empty());
  EXPECT_EQ(renderer.tally().state, "waiting");
  EXPECT_FALSE(renderer.tally().ended);
  EXPECT_EQ(feed(R"({"type":"turn-complete","state":"failed","reason":"oom"})"), "");
  EXPECT_TRUE(renderer.tally().ended);
}

TEST(Transcript, UnknownEventsAndMissingMembersAreNoError) {
  EXPECT_EQ(render({R"({"type":"from-the-future","x":1})", R"({})", R"({"type":7})"}), "");
  EXPECT_EQ(render({R"({"type":"tool-call"})"}), "● ?  null\n");
}

}  // namespace
}  // namespace drover::cli
