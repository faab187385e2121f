#include "agent/tool.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <fstream>
#include <thread>

#include <boost/json.hpp>

#include "agent/output.h"
#include "agent/testing.h"
#include "base/text.h"

namespace drover::agent {
namespace {

using testing::PollWaiter;
using testing::TempFolder;

class ToolTest : public ::testing::Test {
 protected:
  ToolReply run(std::string const& tool, std::string_view input) {
    auto tools = make_tools({tool});
    EXPECT_TRUE(tools);
    json::value const value = json::parse(input);
    scope_.cwd = &cwd_;
    scope_.spill_path = folder_ / "spill/out.txt";
    scope_.waiter = &waiter_;
    scope_.clock = &clock_;
    scope_.stop = &stop_;
    scope_.new_cwd.clear();
    auto reply = tools->front()->run(*JsonObject::of(value), scope_);
    if (!scope_.new_cwd.empty()) cwd_ = scope_.new_cwd;
    return reply;
  }
  ToolReply bash(std::string const& command, std::string const& more = "") {
    return run("Bash", R"({"command":)" + json::serialize(json::string(command)) + more + "}");
  }
  void write(std::string_view name, std::string_view content) {
    std::string const path = folder_ / name;
    ASSERT_TRUE(os::make_folders(path.substr(0, path.rfind('/'))));
    std::ofstream{path} << content;
  }
  std::string read(std::string_view name) { return *os::read_file(folder_ / name); }
  static bool is_error(ToolReply const& reply) {
    return reply.outcome == model::ToolOutcome::error;
  }

  SystemClock clock_;
  TempFolder folder_;
  PollWaiter waiter_{clock_};
  std::atomic<bool> stop_{false};
  std::string cwd_ = folder_.path();
  ToolScope scope_;
};

TEST_F(ToolTest, SchemasAreObjectsThatNameWhatIsRequired) {
  auto const tools = make_tools({"Read", "Write", "Edit", "Bash", "Glob", "Grep"});
  ASSERT_TRUE(tools);
  for (auto const& tool : *tools) {
    auto const schema = json::parse(tool->spec().input_schema).as_object();
    EXPECT_EQ(schema.at("type"), "object");
    EXPECT_EQ(schema.at("additionalProperties"), false);
    for (auto const& name : schema.at("required").as_array())
      EXPECT_TRUE(schema.at("properties").as_object().contains(name.as_string()));
  }
  auto const unknown = make_tools({"Reed"});
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().message.find("'Reed'"), std::string::npos);
}

TEST_F(ToolTest, ArgumentsThatDoNotFitAreNamed) {
  for (std::string const tool : {"Read", "Write", "Edit", "Bash", "Glob", "Grep"}) {
    auto const reply = run(tool, "{}");
    EXPECT_TRUE(is_error(reply)) << tool;
    EXPECT_NE(reply.text.find("expected a string, found nothing"), std::string::npos) << reply.text;
  }
  EXPECT_NE(
      run("Read", R"({"file_path":"x","offset":"1"})").text.find("/offset: expected an integer"),
      std::string::npos);
}

TEST_F(ToolTest, ReadNumbersLinesAndPages) {
  write("a.txt", "one\ntwo\r\nthree");
  EXPECT_EQ(run("Read", R"({"file_path":"a.txt"})").text,
            "     1\tone\n     2\ttwo\n     3\tthree\n");
  EXPECT_EQ(run("Read", R"({"file_path":"a.txt","offset":2,"limit":1})").text,
            "     2\ttwo\n[there may be more: go on with offset 3]\n");
  EXPECT_TRUE(is_error(run("Read", R"({"file_path":"a.txt","offset":9})")));
  write("empty", "");
  EXPECT_NE(run("Read", R"({"file_path":"empty"})").text.find("is empty"), std::string::npos);
}

TEST_F(ToolTest, ReadBoundsLinesAndBytes) {
  write("wide", std::string(5000, 'x') + "\nend\n");
  EXPECT_NE(run("Read", R"({"file_path":"wide"})")
                .text.find("[... 3000 bytes of this line left out]\n     2\tend"),
            std::string::npos);
  std::string many;
  for (int i = 0; i < 100'000; ++i)
    many += "a line of some length\n";
  write("long", many);
  auto const reply = run("Read", R"({"file_path":"long","limit":90000})");
  EXPECT_LT(reply.text.size(), 110'000U);
  EXPECT_NE(reply.text.find("go on with offset"), std::string::npos);
  EXPECT_NE(run("Read", R"({"file_path":"long"})").text.find("go on with offset 2001]"),
            std::string::npos);
}

TEST_F(ToolTest, ReadRefusesWhatIsNoTextFile) {
  write("bin", std::string{"a\0b", 3});
  EXPECT_TRUE(is_error(run("Read", R"({"file_path":"bin"})")));
  EXPECT_TRUE(is_error(run("Read", R"({"file_path":"."})")));
  EXPECT_NE(run("Read", R"({"file_path":"none"})").text.find("File does not exist"),
            std::string::npos);
  ASSERT_EQ(::mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  EXPECT_TRUE(is_error(run("Read", R"({"file_path":"fifo"})"))) << "and does not wait for a writer";
}

TEST_F(ToolTest, WriteMakesFoldersKeepsModesAndFollowsLinks) {
  EXPECT_FALSE(is_error(run("Write", R"({"file_path":"d/e/f.sh","content":"x\n"})")));
  EXPECT_EQ(read("d/e/f.sh"), "x\n");
  ASSERT_EQ(::chmod((folder_ / "d/e/f.sh").c_str(), 0755), 0);
  ASSERT_EQ(::symlink("d/e/f.sh", (folder_ / "link").c_str()), 0);
  EXPECT_FALSE(is_error(run("Write", R"({"file_path":"link","content":"y\n"})")));
  EXPECT_EQ(read("d/e/f.sh"), "y\n");
  struct stat info{};
  ASSERT_EQ(::lstat((folder_ / "link").c_str(), &info), 0);
  EXPECT_TRUE(S_ISLNK(info.st_mode));
  ASSERT_EQ(::stat((folder_ / "d/e/f.sh").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0755U);
  EXPECT_TRUE(is_error(run("Write", R"({"file_path":"d","content":""})")));
}

TEST_F(ToolTest, EditWantsOneMatchOrReplaceAll) {
  write("a.txt", "x = 1\ny = 1\nx = 1\n");
  auto const twice =
      run("Edit", R"({"file_path":"a.txt","old_string":"x = 1","new_string":"x = 2"})");
  EXPECT_TRUE(is_error(twice));
  EXPECT_NE(twice.text.find("Found 2 matches"), std::string::npos);
  EXPECT_EQ(read("a.txt"), "x = 1\ny = 1\nx = 1\n") << "nothing was changed";
  auto const one =
      run("Edit", R"({"file_path":"a.txt","old_string":"y = 1","new_string":"y = 3"})");
  EXPECT_FALSE(is_error(one));
  EXPECT_NE(one.text.find("     2\ty = 3"), std::string::npos) << one.text;
  EXPECT_FALSE(is_error(run(
      "Edit", R"({"file_path":"a.txt","old_string":"x = 1","new_string":"","replace_all":true})")));
  EXPECT_EQ(read("a.txt"), "\ny = 3\n\n");
  EXPECT_NE(run("Edit", R"({"file_path":"a.txt","old_string":"zzz","new_string":"q"})")
                .text.find("not found"),
            std::string::npos);
  EXPECT_TRUE(is_error(run("Edit", R"({"file_path":"a.txt","old_string":"","new_string":"q"})")));
  EXPECT_TRUE(is_error(run("Edit", R"({"file_path":"a.txt","old_string":"y","new_string":"y"})")));
}

TEST_F(ToolTest, BashGivesOutputAndExitCode) {
  EXPECT_EQ(bash("echo out; echo err >&2").text, "out\nerr\nExit code 0");
  auto const failed = bash("echo x; exit 7");
  EXPECT_TRUE(is_error(failed));
  EXPECT_EQ(failed.text, "x\nExit code 7");
  EXPECT_EQ(bash("true").text, "(no output; exit code 0)");
  EXPECT_NE(bash("kill -9 $$").text.find("Killed by signal 9"), std::string::npos);
  EXPECT_EQ(bash("cat").text, "(no output; exit code 0)") << "there is no input";
  EXPECT_TRUE(is_error(bash("if")));
  EXPECT_TRUE(is_error(bash("true", R"(,"timeout":600001)")));
}

TEST_F(ToolTest, BashKeepsTheFolderAndNothingElse) {
  write("sub/x", "");
  bash("cd sub; export A=1");
  EXPECT_EQ(bash("pwd; echo [$A]").text, folder_ / "sub\n[]\nExit code 0");
  bash("cd ..; exit 3");
  EXPECT_EQ(bash("pwd").text, folder_.path() + "\nExit code 0") << "also behind an exit";
  bash("(cd sub)");
  EXPECT_EQ(cwd_, folder_.path());
}

bool alive(pid_t pid) {
  if (::kill(pid, 0) != 0) return false;
  auto const stat = os::read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
  return stat && stat->find(") Z ") == std::string::npos;
}
pid_t pid_in(std::string const& path) {
  auto const text = os::read_file(path);
  return text ? static_cast<pid_t>(std::atoi(text->c_str())) : -1;
}

TEST_F(ToolTest, BashTimeoutKillsGrandchildrenEvenInOtherSessions) {
  auto const started = std::chrono::steady_clock::now();
  auto const reply = bash(
      "echo before; sleep 60 & echo $! > a; setsid sleep 61 & sleep 0.1; "
      "pgrep -f 'sleep 61' | head -1 > b; (sleep 62 & echo $! > c; wait)",
      R"(,"timeout":700)");
  auto const took = std::chrono::steady_clock::now() - started;
  EXPECT_TRUE(is_error(reply));
  EXPECT_NE(reply.text.find("before\n"), std::string::npos) << "what it said is kept";
  EXPECT_NE(reply.text.find("timed out after 700 ms"), std::string::npos);
  EXPECT_LT(took, std::chrono::seconds{3});
  for (std::string_view const name : {"a", "b", "c"}) {
    pid_t const pid = pid_in(folder_ / name);
    ASSERT_GT(pid, 1) << name;
    EXPECT_FALSE(alive(pid)) << name;
  }
}

TEST_F(ToolTest, BashInterruptActsAtOnce) {
  waiter_.interrupt_at = clock_.boot_now() + Millis{100};
  auto const started = std::chrono::steady_clock::now();
  auto const reply = bash("sleep 30");
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::milliseconds{600});
  EXPECT_NE(reply.text.find("Interrupted"), std::string::npos);
}

TEST_F(ToolTest, BashDoesNotWaitForBackgroundProcesses) {
  auto const started = std::chrono::steady_clock::now();
  auto const reply = bash("sleep 20 & echo $! > pid; echo started");
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds{5});
  EXPECT_EQ(reply.text, "started\nExit code 0");
  pid_t const pid = pid_in(folder_ / "pid");
  EXPECT_TRUE(alive(pid));
  ::kill(pid, SIGKILL);
}

TEST_F(ToolTest, BashBoundsItsOutputWithoutLosingIt) {
  auto const reply = bash("for i in $(seq 1 20000); do echo line $i; done");
  EXPECT_LT(reply.text.size(), 30'000U);
  EXPECT_TRUE(reply.text.starts_with("line 1\nline 2\n"));
  EXPECT_TRUE(reply.text.ends_with("line 20000\nExit code 0"))
      << reply.text.substr(reply.text.size() - 60);
  EXPECT_NE(reply.text.find(scope_.spill_path), std::string::npos);
  auto const whole = read("spill/out.txt");
  EXPECT_EQ(std::count(whole.begin(), whole.end(), '\n'), 20'000);
}

TEST_F(ToolTest, BashEndsAnEndlessWriter) {
  auto const reply = bash("yes", R"(,"timeout":300)");
  EXPECT_TRUE(is_error(reply));
  EXPECT_LT(reply.text.size(), 30'000U);
}

TEST_F(ToolTest, GlobMatchesAndSorts) {
  write("a/b/one.cc", "");
  write("a/two.h", "");
  write("three.cc", "");
  write(".git/four.cc", "");
  write(".claude/projects/x/five.cc", "");
  write(".github/six.yml", "");
  EXPECT_EQ(run("Glob", R"({"pattern":"*.cc"})").text, folder_ / "three.cc\n");
  auto const all = run("Glob", R"({"pattern":"**/*.cc"})").text;
  EXPECT_NE(all.find("one.cc"), std::string::npos);
  EXPECT_NE(all.find("three.cc"), std::string::npos);
  EXPECT_EQ(all.find("four.cc"), std::string::npos);
  EXPECT_EQ(all.find("five.cc"), std::string::npos);
  EXPECT_NE(run("Glob", R"({"pattern":"**/*.{yml,h}"})").text.find("six.yml"), std::string::npos);
  EXPECT_EQ(run("Glob", R"({"pattern":"[!a]*.cc"})").text, folder_ / "three.cc\n");
  EXPECT_EQ(run("Glob", R"({"pattern":"?.h","path":"a"})").text, "No files found");
  EXPECT_EQ(run("Glob", R"({"pattern":"tw?.h","path":"a"})").text, folder_ / "a/two.h\n");
  EXPECT_EQ(run("Glob", R"({"pattern":")" + folder_.path() + R"(/a/*.h"})").text,
            folder_ / "a/two.h\n");
  EXPECT_TRUE(is_error(run("Glob", R"({"pattern":"*","path":"nowhere"})")));
}

TEST_F(ToolTest, GrepHasItsModes) {
  write("a.cc", "int x;\nint main() {\n  return x;\n}\n");
  write("b.h", "struct X;\n");
  EXPECT_EQ(run("Grep", R"({"pattern":"int \\w+"})").text, folder_ / "a.cc\n");
  EXPECT_EQ(run("Grep", R"({"pattern":"int","output_mode":"count"})").text, folder_ / "a.cc:2\n");
  EXPECT_EQ(run("Grep", R"({"pattern":"return","output_mode":"content","-B":1})").text,
            folder_ / "a.cc-2-int main() {\n" + (folder_ / "a.cc:3:  return x;\n"));
  EXPECT_EQ(
      run("Grep", R"({"pattern":"STRUCT x","-i":true,"output_mode":"content","-n":false})").text,
      folder_ / "b.h:struct X;\n");
  EXPECT_EQ(run("Grep", R"({"pattern":"\\bx\\b","glob":"*.h"})").text, "No matches found");
  EXPECT_EQ(run("Grep", R"({"pattern":"^}$","path":"a.cc","output_mode":"content"})").text,
            folder_ / "a.cc:4:}\n");
  EXPECT_NE(run("Grep", R"({"pattern":".","output_mode":"content","head_limit":2})")
                .text.find("there are more results"),
            std::string::npos);
  EXPECT_TRUE(is_error(run("Grep", R"({"pattern":"(x"})")));
  EXPECT_TRUE(is_error(run("Grep", R"({"pattern":"x","output_mode":"lines"})")));
}

TEST_F(ToolTest, GrepSurvivesHostilePatterns) {
  write("a", std::string(20'000, 'a') + "\n");
  auto const started = std::chrono::steady_clock::now();
  EXPECT_EQ(run("Grep", R"({"pattern":"(a*)*(a|a)*b$"})").text, "No matches found");
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds{5});
}

TEST_F(ToolTest, SearchesStopWhenTold) {
  for (int i = 0; i < 20; ++i)
    write("f" + std::to_string(i), "x\n");
  stop_ = true;
  EXPECT_EQ(run("Grep", R"({"pattern":"x"})").text, "Interrupted.");
  EXPECT_EQ(run("Glob", R"({"pattern":"*"})").text, "Interrupted.");
}

TEST(OutputCapture, ShortOutputIsWhole) {
  TempFolder const folder;
  OutputCapture capture{folder / "x/spill"};
  capture.append(
      "a\xff"
      "b\n");
  EXPECT_EQ(capture.finish(),
            "a\xef\xbf\xbd"
            "b\n");
  EXPECT_FALSE(os::exists(folder / "x"));
}

TEST(OutputCapture, LongOutputIsHeadTailAndFileForEveryPieceSize) {
  TempFolder const folder;
  std::string text;
  for (int i = 0; i < 3000; ++i)
    text += "строка " + std::to_string(i) + "\n";
  std::string first;
  for (std::size_t const piece : {std::size_t{1}, std::size_t{7}, std::size_t{1000}, text.size()}) {
    OutputCapture capture{folder / "spill", {.head_bytes = 300, .tail_bytes = 200}};
    for (std::size_t at = 0; at < text.size(); at += piece)
      capture.append(std::string_view{text}.substr(at, piece));
    std::string const shown = capture.finish();
    EXPECT_TRUE(is_utf8(shown));
    EXPECT_TRUE(shown.starts_with("строка 0\n"));
    EXPECT_TRUE(shown.ends_with("строка 2999\n"));
    EXPECT_LT(shown.size(), 900U);
    EXPECT_EQ(*os::read_file(folder / "spill"), text);
  }
}

TEST(OutputCapture, ManyShortLinesAreBoundedToo) {
  TempFolder const folder;
  OutputCapture capture{folder / "spill", {.head_lines = 10, .tail_lines = 5}};
  for (int i = 0; i < 100; ++i)
    capture.append("~\n");  // no name of a temporary folder has it
  std::string const shown = capture.finish();
  EXPECT_EQ(std::count(shown.begin(), shown.end(), '~'), 10 + 5) << shown;
}

TEST(OutputCapture, SaysWhenTheFileIsFullOrCannotBe) {
  TempFolder const folder;
  OutputCapture full{folder / "spill", {.head_bytes = 10, .tail_bytes = 10, .spill_bytes = 50}};
  full.append(std::string(100, 'a'));
  EXPECT_NE(full.finish().find("the first 50 bytes are in"), std::string::npos);
  std::ofstream{folder / "file"} << "";
  OutputCapture never{folder / "file/spill", {.head_bytes = 10, .tail_bytes = 10}};
  never.append(std::string(100, 'a'));
  EXPECT_NE(never.finish().find("could not be kept"), std::string::npos);
}

}  // namespace
}  // namespace drover::agent
