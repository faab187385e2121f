#include "agent/transcript.h"

#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "agent/testing.h"

namespace drover::agent {
namespace {

using testing::TempFolder;

class TranscriptTest : public ::testing::Test {
 protected:
  Transcript open() {
    auto transcript = Transcript::open({folder_ / ".claude", "ses-1"}, clock_);
    EXPECT_TRUE(transcript) << transcript.error().message;
    return *std::move(transcript);
  }
  std::string path() { return folder_ / ".claude/projects/-workspace/ses-1.jsonl"; }
  std::string content() { return *os::read_file(path()); }
  void append(std::string_view text) { std::ofstream{path(), std::ios::app} << text; }

  static std::string user(std::string_view text) {
    std::array const blocks{model::text_block(text)};
    return model::message_json(model::Role::user, blocks);
  }
  static model::ToolCall call(std::string id) {
    model::ToolCall out;
    out.id = std::move(id);
    out.name = "Bash";
    out.input["command"] = "true";
    out.input["ratio"] = 1.0;
    return out;
  }
  static void answer(Transcript& transcript, std::vector<std::string> const& call_ids) {
    model::Response response;
    response.blocks.push_back(model::text_block("working"));
    for (auto const& id : call_ids)
      response.blocks.push_back(model::tool_use_block(call(id)));
    ASSERT_TRUE(transcript.assistant(response,
                                     model::message_json(model::Role::assistant, response.blocks)));
  }

  SystemClock clock_;
  TempFolder folder_;
};

// The folder is the user's too: a unit that is killed at any moment leaves nothing there that would
// be committed as theirs.
TEST_F(TranscriptTest, MakesNothingBesideTheUsersFilesButItsOwnThreeNames) {
  std::string const folder = folder_ / ".claude";
  ASSERT_TRUE(os::make_folders(folder));
  os::Fd const watch{::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
  ASSERT_GE(::inotify_add_watch(watch.get(), folder.c_str(), IN_CREATE | IN_MOVED_TO), 0);
  (void)open();
  std::set<std::string> names;
  alignas(inotify_event) char buffer[4096];
  for (ssize_t size = 0; (size = ::read(watch.get(), buffer, sizeof buffer)) > 0;)
    for (ssize_t at = 0; at < size;) {
      auto const* const event = reinterpret_cast<inotify_event const*>(buffer + at);
      names.insert(event->name);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
  EXPECT_EQ(names, (std::set<std::string>{".session", "projects", "sessions"}));
  EXPECT_EQ(*os::read_file(folder + "/.session"), "ses-1\n");
}

TEST_F(TranscriptTest, ComesBackByteForByte) {
  std::string message;
  {
    auto transcript = open();
    EXPECT_TRUE(transcript.take_history().messages.empty());
    ASSERT_TRUE(transcript.user("run-1", UserKind::prompt, user("grüße\n\x01 \"q\"")));
    answer(transcript, {"a", "b"});
    // Out of order: the history has call order.
    ASSERT_TRUE(transcript.result("b", model::tool_result_block("b", "2", model::ToolOutcome::ok)));
    ASSERT_TRUE(transcript.intent("a"));
    ASSERT_TRUE(
        transcript.result("a", model::tool_result_block("a", "1", model::ToolOutcome::error)));
    std::array const blocks{model::text_block("working"), model::tool_use_block(call("a")),
                            model::tool_use_block(call("b"))};
    message = model::message_json(model::Role::assistant, blocks);
  }
  auto history = open().take_history();
  EXPECT_EQ(history.notice, "");
  ASSERT_EQ(history.messages.size(), 3U);
  EXPECT_EQ(history.messages[0].json, user("grüße\n\x01 \"q\""));
  EXPECT_EQ(history.messages[1].json, message);
  std::array const results{model::tool_result_block("a", "1", model::ToolOutcome::error),
                           model::tool_result_block("b", "2", model::ToolOutcome::ok)};
  EXPECT_EQ(history.messages[2].json, model::message_json(model::Role::user, results));
  EXPECT_TRUE(history.open_calls.empty());
  EXPECT_EQ(history.last.id, "run-1");
  EXPECT_EQ(history.last.turns, 1);
  EXPECT_FALSE(history.last.answered);
  EXPECT_EQ(*os::read_file(folder_ / ".claude/.session"), "ses-1\n");
  EXPECT_EQ(*os::read_file(folder_ / ".claude/sessions/ses-1.session"), "ses-1\n");
}

TEST_F(TranscriptTest, TellsWhichOpenCallsWereStarted) {
  {
    auto transcript = open();
    ASSERT_TRUE(transcript.user("run-1", UserKind::prompt, user("x")));
    answer(transcript, {"a", "b", "c"});
    ASSERT_TRUE(transcript.result("a", model::tool_result_block("a", "1", model::ToolOutcome::ok)));
    ASSERT_TRUE(transcript.intent("b"));
  }
  auto history = open().take_history();
  EXPECT_EQ(history.messages.size(), 2U);
  ASSERT_EQ(history.open_calls.size(), 3U);
  EXPECT_TRUE(history.open_calls[0].result.has_value());
  EXPECT_TRUE(history.open_calls[1].started);
  EXPECT_FALSE(history.open_calls[2].started);
  EXPECT_EQ(history.open_calls[2].call.input.at("command"), "true");
}

TEST_F(TranscriptTest, EveryTornTailGivesAPrefixAndStaysUsable) {
  std::string whole;
  {
    auto transcript = open();
    ASSERT_TRUE(transcript.user("run-1", UserKind::prompt, user("one")));
    answer(transcript, {"a"});
    ASSERT_TRUE(transcript.result("a", model::tool_result_block("a", "1", model::ToolOutcome::ok)));
    whole = content();
  }
  for (std::size_t length = 0; length < whole.size(); length += 11) {
    std::ofstream{path(), std::ios::trunc} << whole.substr(0, length);
    {
      auto transcript = open();
      auto const history = transcript.take_history();
      bool const at_line_end = length == 0 || whole[length - 1] == '\n';
      EXPECT_EQ(history.notice.empty(), at_line_end) << length;
      ASSERT_TRUE(transcript.user("run-2", UserKind::prompt, user("two")));
    }
    auto const again = open().take_history();
    EXPECT_EQ(again.notice, "") << length;
    EXPECT_EQ(again.messages.back().json, user("two"));
  }
}

TEST_F(TranscriptTest, DamageInTheMiddleStartsAfreshAndKeepsTheOldFile) {
  {
    auto transcript = open();
    ASSERT_TRUE(transcript.user("run-1", UserKind::prompt, user("one")));
  }
  append("garbage\n");
  append(R"({"type":"end","turn":"run-1","reason":"completed"})"
         "\n");
  auto transcript = open();
  auto const history = transcript.take_history();
  EXPECT_TRUE(history.messages.empty());
  EXPECT_NE(history.notice.find("starts afresh"), std::string::npos);
  auto const aside = history.notice.find(path() + ".damaged-");
  ASSERT_NE(aside, std::string::npos) << history.notice;
}

TEST_F(TranscriptTest, RefusesANewerVersionAndASecondWriter) {
  {
    auto const first = open();
    auto const second = Transcript::open({folder_ / ".claude", "ses-1"}, clock_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::conflict);
  }
  std::ofstream{path(), std::ios::trunc} << R"({"type":"session","v":2})"
                                            "\n";
  auto const newer = Transcript::open({folder_ / ".claude", "ses-1"}, clock_);
  ASSERT_FALSE(newer);
  EXPECT_EQ(newer.error().code, ErrorCode::unsupported);
}

TEST_F(TranscriptTest, AHostilePointerOrLinkLeadsNowhere) {
  ASSERT_TRUE(os::make_folders(folder_ / ".claude/sessions"));
  std::ofstream{folder_ / ".claude/sessions/ses-1.session"} << "../../../etc/x\n";
  EXPECT_EQ(open().id(), "ses-1");
  ASSERT_TRUE(os::remove_tree(folder_ / ".claude/projects/-workspace"));
  ASSERT_TRUE(os::make_folders(folder_ / ".claude/projects/-workspace"));
  ASSERT_EQ(::symlink("/etc/hostname", path().c_str()), 0);
  EXPECT_FALSE(Transcript::open({folder_ / ".claude", "ses-1"}, clock_));
}

TEST_F(TranscriptTest, SpillPathsStayInTheSessionsFolder) {
  auto const transcript = open();
  std::string const path = transcript.spill_path("../../x y");
  EXPECT_TRUE(path.starts_with(folder_ / ".claude/projects/-workspace/ses-1/tool-results/"))
      << path;
  EXPECT_EQ(path.find(".."), std::string::npos);
}

TEST_F(TranscriptTest, RemembersHowATurnEnded) {
  {
    auto transcript = open();
    ASSERT_TRUE(transcript.user("run-1", UserKind::prompt, user("x")));
    answer(transcript, {});
    TurnOutcome outcome;
    outcome.reply = "bye";
    outcome.turns = 1;
    ASSERT_TRUE(transcript.end("run-1", outcome));
  }
  auto const history = open().take_history();
  EXPECT_TRUE(history.last.answered);
  EXPECT_EQ(history.last.text, "working");
  ASSERT_TRUE(history.last.outcome);
  EXPECT_EQ(history.last.outcome->reply, "bye");
}

}  // namespace
}  // namespace drover::agent
