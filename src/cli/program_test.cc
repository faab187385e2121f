// The program as a user runs it: exit codes, what goes to stdout and what to stderr, Ctrl-C on a
// terminal, starting and stopping the server. It talks real HTTP to a canned server.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include <boost/json/parse.hpp>

#include "base/json.h"
#include "base/text.h"
#include "cli/testing/fake_api_server.h"
#include "cli/testing/process.h"
#include "os/files.h"

namespace drover::cli {
namespace {

class Program : public testing::Test {
 protected:
  Program() {
    std::string name = testing::TempDir() + "/program.XXXXXX";
    folder_ = ::mkdtemp(name.data());
    std::filesystem::create_directories(state());
    std::filesystem::create_directories(work());
  }
  ~Program() override { (void)os::remove_tree(folder_); }

  std::string state() const { return folder_ + "/state"; }
  std::string work() const { return folder_ + "/work"; }

  void start_server() {
    server_ = std::make_unique<FakeApiServer>("secret");
    server_->publish(state());
  }

  ProcessOptions options(std::vector<std::string> const& words) const {
    ProcessOptions options;
    options.arguments = {CLI_TEST_PROGRAM};
    options.arguments.insert(options.arguments.end(), words.begin(), words.end());
    options.environment = {"DROVER_STATE_DIR=" + state(), "HOME=" + folder_, "PATH=/usr/bin:/bin",
                           "TERM=xterm"};
    return options;
  }
  ProcessResult run(std::vector<std::string> const& words, std::string const& input = "") const {
    ProcessOptions with = options(words);
    with.input = input;
    return TestProcess{with}.finish();
  }
  std::string request_body(std::string_view target) const {
    for (FakeRequest const& request : server_->requests())
      if (request.method == "POST" && request.target == target) return request.body;
    return "";
  }

  std::string folder_;
  std::unique_ptr<FakeApiServer> server_;
};

TEST_F(Program, RunShowsTheTranscriptAndTheFooterAndExitsWithZero) {
  start_server();
  auto const result = run({"run", "-w", work(), "succeed"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out,
            "Looking at the test.\n"
            "\n"
            "● Bash  make test\n"
            "  ⎿ 1 passed\n"
            "\n"
            "✔ succeeded in 8.2 s, 2 model calls\n"
            "  1a2b3c4d Fix the slug  on main, 1 file, +1 -1  [app]\n"
            "\n"
            "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new ␛]0;title␇\n"
            "\n"
            "queue  start  model  tools  commit  total\n"
            " 3 ms  31 ms  8.1 s  12 ms   22 ms  8.2 s\n"
            "tokens  1.2k in, 34 out   cost  $0.0123\n");
  EXPECT_EQ(result.err, "run-1 in ses-1\ngo on with: drover send ses-1 \"…\"\n");
  auto const invocation = json::parse(request_body("/api/v1/runs"));
  EXPECT_EQ(invocation.at("start").at("entrypoint").at("inline"), "succeed");
  EXPECT_EQ(json::parse(request_body("/api/v1/workspaces")).at("path").as_string(),
            std::filesystem::canonical(work()).string());
}

TEST_F(Program, ExitCodesTellHowItEnded) {
  start_server();
  EXPECT_EQ(run({"run", "-w", work(), "fail"}).exit_code, 1);
  EXPECT_EQ(run({"run", "-w", work(), "wait"}).exit_code, 4);
  EXPECT_EQ(run({"run", "-w", work(), "dirty"}).exit_code, 1);
  EXPECT_EQ(run({"run", "-w", folder_ + "/none", "x"}).exit_code, 2);
  EXPECT_EQ(run({"run", "-w", "unknown-id", "x"}).exit_code, 2);
  EXPECT_EQ(run({"attach", "run-7"}).exit_code, 2);
  EXPECT_EQ(run({"cancel", "../etc"}).exit_code, 2);
  EXPECT_EQ(run({"land", "ses-1"}).exit_code, 1);
  server_.reset();
  EXPECT_EQ(run({"ps"}).exit_code, 3);
}

TEST_F(Program, RefusalsAreOneSentenceWithTheWaysOn) {
  start_server();
  EXPECT_EQ(run({"run", "-w", work(), "dirty"}).err,
            "drover: the workspace app has uncommitted changes; use --worktree or --allow-dirty\n");
  EXPECT_EQ(run({"land", "ses-1"}).err,
            "drover: the branches conflict: a.txt, b.txt; merge by hand\n");
  auto const bad = run({"run", "-w", work(), "-"}, "caf\xe9");
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_EQ(bad.err, "drover: the prompt is not valid UTF-8 near byte 3\n");
  EXPECT_TRUE(request_body("/api/v1/runs").contains("dirty"));
}

TEST_F(Program, JsonIsOneEventALineAndNothingElseOnStdout) {
  start_server();
  auto const result = run({"run", "-w", work(), "--json", "succeed"});
  EXPECT_EQ(result.exit_code, 0);
  std::int64_t seq = 0;
  for (auto const line : split(trim(result.out), '\n'))
    EXPECT_EQ(json::parse(line).at("seq").as_int64(), ++seq);
  EXPECT_EQ(seq, 7);
  auto const events = run({"events", "--json", "run-1"});
  EXPECT_EQ(events.out, result.out);
}

TEST_F(Program, DetachPrintsTheRun) {
  start_server();
  EXPECT_EQ(run({"run", "-w", work(), "--detach", "succeed"}).out, "run-1\n");
  auto const with_json = run({"run", "-w", work(), "--detach", "--json", "succeed"});
  EXPECT_EQ(json::parse(with_json.out).at("session"), "ses-1");
}

TEST_F(Program, EveryDispatchCarriesAnIdempotencyKey) {
  start_server();
  (void)run({"run", "-w", work(), "--detach", "a"});
  (void)run({"run", "-w", work(), "--detach", "--idempotency-key", "mine", "a"});
  (void)run({"send", "ses-1", "--detach", "a"});
  std::vector<std::string> keys;
  for (FakeRequest const& request : server_->requests())
    if (auto const at = request.headers.find("idempotency-key"); at != request.headers.end())
      keys.push_back(at->second);
  ASSERT_EQ(keys.size(), 3U);
  EXPECT_FALSE(keys[0].empty());
  EXPECT_EQ(keys[1], "mine");
  EXPECT_NE(keys[0], keys[2]);
}

TEST_F(Program, ContinuingASessionKeepsItsWorkspaces) {
  start_server();
  EXPECT_EQ(run({"send", "ses-1", "succeed"}).exit_code, 0);
  EXPECT_EQ(run({"run", "--session", "ses-1", "succeed"}).exit_code, 0);
  EXPECT_EQ(request_body("/api/v1/runs"), "");
  auto const refused = run({"run", "--session", "ses-1", "--worktree", "x"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_TRUE(refused.err.contains("go with -w"));
}

TEST_F(Program, ListingsAreTablesOrJsonLines) {
  start_server();
  auto const ps = run({"ps"});
  EXPECT_TRUE(ps.out.starts_with("RUN    STATE      CREATED")) << ps.out;
  EXPECT_TRUE(ps.out.contains("$0.0123  make it ␛[31mred\n")) << ps.out;
  EXPECT_EQ(json::parse(run({"ps", "--json"}).out).at("id"), "run-1");
  EXPECT_TRUE(run({"sessions"}).out.contains("ses-1    parked"));
  EXPECT_EQ(json::parse(run({"sessions", "--json"}).out).at("id"), "ses-1");
  EXPECT_TRUE(run({"workspaces"}).out.contains("1a2b3c4d +changes"));
  EXPECT_EQ(run({"workspaces", "add", work()}).out, "app\n");
  EXPECT_EQ(run({"workspaces", "rm", "app"}).exit_code, 0);
}

TEST_F(Program, DiffToAPipeIsVerbatim) {
  start_server();
  auto const result = run({"diff", "run-1"});
  EXPECT_TRUE(result.out.contains("+new \x1b]0;title\x07\n"));
  ProcessOptions terminal = options({"diff", "run-1"});
  terminal.wiring = Wiring::terminal;
  auto const shown = TestProcess{terminal}.finish();
  EXPECT_FALSE(shown.out.contains("\x1b]0")) << shown.out;
  EXPECT_TRUE(shown.out.contains("\x1b[32m+new ␛]0;title␇\x1b[0m")) << shown.out;
}

TEST_F(Program, AttachAndLogsShowTheSameTranscript) {
  start_server();
  ASSERT_EQ(run({"run", "-w", work(), "--detach", "succeed"}).exit_code, 0);
  auto const attached = run({"attach", "ses-1", "--no-diff"});
  EXPECT_EQ(attached.exit_code, 0);
  EXPECT_TRUE(attached.out.starts_with("Looking at the test.\n"));
  EXPECT_FALSE(attached.out.contains("diff --git"));
  auto const logs = run({"logs"});
  EXPECT_TRUE(attached.out.starts_with(logs.out)) << logs.out;
  ASSERT_EQ(run({"run", "-w", work(), "--detach", "slow"}).exit_code, 0);
  EXPECT_TRUE(run({"logs", "run-1"}).out.ends_with("⎿ 1 passed\n"));
}

TEST_F(Program, CtrlCDetachesAndTheRunGoesOn) {
  start_server();
  ProcessOptions with = options({"run", "-w", work(), "slow"});
  with.wiring = Wiring::terminal;
  TestProcess process{with};
  ASSERT_TRUE(process.wait_for_output("1 passed"));
  process.signal(SIGINT);
  auto const result = process.finish();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_TRUE(result.out.contains("Return with: drover attach run-1")) << result.out;
  EXPECT_EQ(request_body("/api/v1/runs/run-1/cancel"), "");
  for (FakeRequest const& request : server_->requests())
    EXPECT_FALSE(request.target.ends_with("/cancel"));
}

TEST_F(Program, ASecondCtrlCCancels) {
  start_server();
  ProcessOptions with = options({"run", "-w", work(), "slow"});
  with.wiring = Wiring::terminal;
  TestProcess process{with};
  ASSERT_TRUE(process.wait_for_output("1 passed"));
  process.signal(SIGINT);
  ASSERT_TRUE(process.wait_for_output("again within two seconds"));
  process.signal(SIGINT);
  auto const result = process.finish();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_TRUE(result.out.contains("Cancelled run-1")) << result.out;
  EXPECT_EQ(request_body("/api/v1/runs/run-1/cancel"), "{}");
}

TEST_F(Program, APersonAnswersAQuestionWhereItIsAsked) {
  start_server();
  ProcessOptions with = options({"run", "-w", work(), "ask"});
  with.wiring = Wiring::terminal;
  TestProcess process{with};
  ASSERT_TRUE(process.wait_for_output("Your answer"));
  process.type("succeed\n");
  auto const result = process.finish();
  EXPECT_EQ(result.exit_code, 0) << result.out;
  EXPECT_TRUE(result.out.contains("? Which one?")) << result.out;
  EXPECT_TRUE(result.out.contains("- right")) << result.out;
  EXPECT_EQ(json::parse(request_body("/api/v1/sessions/ses-1/messages")).at("prompt"), "succeed");
}

TEST_F(Program, AnUnansweredQuestionExitsWithFourAndTheWayBack) {
  start_server();
  ProcessOptions with = options({"run", "-w", work(), "ask"});
  with.wiring = Wiring::terminal;
  TestProcess process{with};
  ASSERT_TRUE(process.wait_for_output("Your answer"));
  process.type("\n");
  auto const left = process.finish();
  EXPECT_EQ(left.exit_code, 4) << left.out;
  EXPECT_TRUE(left.out.contains("drover send ses-1")) << left.out;
  auto const piped = run({"run", "-w", work(), "ask"});
  EXPECT_EQ(piped.exit_code, 4);
  EXPECT_TRUE(piped.err.contains("drover send ses-1")) << piped.err;
}

TEST_F(Program, ATerminalShowsProgressAndColourUnlessToldNotTo) {
  start_server();
  ProcessOptions with = options({"run", "-w", work(), "slow"});
  with.wiring = Wiring::terminal;
  {
    TestProcess process{with};
    EXPECT_TRUE(process.wait_for_output("running"));
    EXPECT_TRUE(process.wait_for_output("1 call  1.2k in, 34 out  $0.0123"));
    EXPECT_TRUE(process.wait_for_output("\x1b[36m●\x1b[0m"));
  }
  with.environment.emplace_back("NO_COLOR=1");
  TestProcess process{with};
  ASSERT_TRUE(process.wait_for_output("1 passed"));
  process.signal(SIGTERM);
  auto const result = process.finish();
  EXPECT_FALSE(result.out.contains("\x1b[36m"));
  EXPECT_EQ(result.exit_code, 128 + SIGTERM);
}

TEST_F(Program, AFullDiskUnderStdoutIsAnError) {
  start_server();
  ProcessOptions with = options({"-c", std::string{CLI_TEST_PROGRAM} + " ps > /dev/full"});
  with.arguments.front() = "/bin/sh";
  auto const result = TestProcess{with}.finish();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(result.err.contains("No space left on device")) << result.err;
}

TEST_F(Program, UpStartsOneServerAndDownStopsIt) {
  auto const up = run({"up"});
  ASSERT_EQ(up.exit_code, 0) << up.err;
  EXPECT_TRUE(up.out.starts_with("http://127.0.0.1:"));
  EXPECT_TRUE(up.out.ends_with("/#token=secret\n"));
  struct stat info{};
  ASSERT_EQ(::stat((state() + "/server.log").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  auto const again = run({"up"});
  EXPECT_EQ(again.out, up.out);
  auto const pid = json::parse(*os::read_file(state() + "/server.json")).at("pid").as_int64();
  auto const down = run({"down"});
  EXPECT_EQ(down.exit_code, 0) << down.err;
  // Where nobody reaps orphans the number stays, without a program.
  std::error_code gone;
  (void)std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/exe", gone);
  EXPECT_TRUE(gone);
  EXPECT_EQ(run({"down"}).exit_code, 0);
  EXPECT_EQ(run({"ps"}).exit_code, 3);
}

TEST_F(Program, RunStartsAServerForItselfAndSaysSo) {
  auto const result = run({"run", "-w", work(), "succeed"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(result.err.contains("no server was running; started one at http://127.0.0.1:"))
      << result.err;
  EXPECT_EQ(run({"down"}).exit_code, 0);
}

TEST_F(Program, AStaleServerFileIsNoServer) {
  // The pid of a process that is no drover server, and a port where nobody listens.
  std::ofstream{state() + "/server.json"} << R"({"url":"http://127.0.0.1:1","token":"t","pid":)"
                                          << ::getpid() << "}";
  EXPECT_EQ(run({"ps"}).exit_code, 3);
  auto const down = run({"down"});
  EXPECT_EQ(down.exit_code, 1);
  EXPECT_TRUE(down.err.contains("left alone")) << down.err;
  EXPECT_EQ(run({"up"}).exit_code, 0);
  EXPECT_EQ(run({"down"}).exit_code, 0);
}

TEST_F(Program, AServerThatCannotStartIsReportedWithItsOwnWords) {
  ProcessOptions with = options({"up"});
  with.environment.emplace_back("FAKE_SERVER_FAILS=1");
  auto const result = TestProcess{with}.finish();
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_TRUE(result.err.contains("ended at once: the port 80 is in use; its log is "))
      << result.err;
}

TEST_F(Program, ModelServeResolvesItsScript) {
  std::ofstream{work() + "/m.json"} << "{}";
  EXPECT_EQ(run({"model", "serve", work() + "/../work/m.json", "--port", "8"}).out,
            std::filesystem::canonical(work()).string() + "/m.json 127.0.0.1 8\n");
  EXPECT_EQ(run({"model", "serve", work()}).exit_code, 2);
}

}  // namespace
}  // namespace drover::cli
