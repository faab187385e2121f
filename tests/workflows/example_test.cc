// What examples/workflows has, as its READMEs say to run it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include <boost/json.hpp>

#include "workflows/driven.h"

namespace drover::harness {
namespace {

class Example : public DrivenTest {
 protected:
  std::string const examples_ = std::string{HARNESS_EXAMPLES} + "/workflows";
  Repository project_ = flow_.world().repository("findings");

  void SetUp() override {
    std::filesystem::copy(examples_ + "/findings/project", project_.path(),
                          std::filesystem::copy_options::recursive |
                              std::filesystem::copy_options::overwrite_existing);
    project_.commit_all("begin");
    flow_.world().serve();
  }
  void start_findings() {
    auto const workspace = flow_.world().api().add_workspace(project_.path());
    auto const agent = [&](std::string const& name, std::string_view mode) {
      return json::object{
          {"model", "scripted:" + examples_ + "/findings/" + name + ".json"},
          {"workspaces", json::array{json::object{{"id", workspace}, {"mode", mode}}}}};
    };
    json::object const inputs{
        {"agents", json::object{{"triage", agent("triage", "ro")}, {"fix", agent("fix", "rw")}}}};
    json::object const body{{"id", "findings-1"},
                            {"entry", examples_ + "/findings/flow.mjs"},
                            {"cwd", project_.path()},
                            {"inputs", inputs}};
    auto const started = flow_.world().api().post("/api/v1/workflows", body);
    ASSERT_EQ(started.status, 201) << started.text;
  }
  std::string gate() {
    std::string id;
    EXPECT_TRUE(eventually(
        [&] {
          auto const all = flow_.world().api().get("/api/v1/approvals?state=pending").body;
          auto const& approvals = all.at("approvals").as_array();
          if (approvals.size() != 1) return false;
          id = text_of(approvals.at(0).as_object(), "id");
          return true;
        },
        kPatience))
        << json::serialize(get("findings-1")) << flow_.world().server_log();
    return id;
  }
};

TEST_F(Example, FindingsAreTriagedFixedTestedApprovedAndReleased) {
  start_findings();
  auto const id = gate();
  EXPECT_FALSE(project_.git({"branch", "--list", "release"}).contains("release"));
  auto const approved = flow_.world().drover({"approvals", "approve", id, "--comment", "fine"});
  EXPECT_EQ(approved.exit_code, 0) << approved.text();
  ASSERT_TRUE(comes_to("findings-1", "completed")) << json::serialize(get("findings-1"));
  auto const done = output("findings-1").at("done").as_array();
  ASSERT_EQ(done.size(), 1U);
  EXPECT_EQ(done.at(0).at("severity"), "high");
  EXPECT_EQ(project_.git({"rev-parse", "release"}), done.at(0).at("sha").as_string());
  EXPECT_EQ(project_.show("%s", "release"), "Lower every letter of a title");
  EXPECT_EQ(project_.status(), "");
}

TEST_F(Example, WhatIsRejectedIsNotReleased) {
  start_findings();
  auto const rejected =
      flow_.world().drover({"approvals", "reject", gate(), "--comment", "not on a Friday"});
  EXPECT_EQ(rejected.exit_code, 0) << rejected.text();
  ASSERT_TRUE(comes_to("findings-1", "completed"));
  EXPECT_EQ(output("findings-1").at("why"), "not on a Friday");
  EXPECT_EQ(project_.git({"branch", "--list", "release"}), "");
}

// SIGKILL while programs, agents and the gate are under way: it ends, and each effect once.
TEST_F(Example, SurvivesAServerThatIsKilledAgainAndAgain) {
  start_findings();
  for (int kill = 0; kill < 5; ++kill) {
    // Not a wait for anything: the moment is what the test varies.
    std::this_thread::sleep_for(Millis{100 + 110 * kill});
    flow_.world().kill_server();
    flow_.world().serve();
  }
  auto const approved = flow_.world().drover({"approvals", "approve", gate()});
  EXPECT_EQ(approved.exit_code, 0) << approved.text();
  flow_.world().kill_server();
  flow_.world().serve();
  ASSERT_TRUE(comes_to("findings-1", "completed")) << json::serialize(get("findings-1"));
  std::map<std::string, int> ends;
  for (auto const& event : get("findings-1/events?limit=200").at("events").as_array())
    if (event.at("type").as_string() == "EFFECT_RESOLVED")
      ++ends[std::string{event.at("data").at("effectId").as_string()}];
  EXPECT_EQ(ends.size(), 6U);
  for (auto const& [effect, times] : ends)
    EXPECT_EQ(times, 1) << effect;
  EXPECT_EQ(flow_.world().api().get("/api/v1/runs").body.at("runs").as_array().size(), 2U);
}

TEST_F(Example, TheCommandLineStartsListsShowsAndStopsWhatTheServerDrives) {
  std::filesystem::create_directories(flow_.root() + "/processes");
  flow_.rewrite("export async function process(inputs, ctx) { return ctx.signal('go'); }");
  auto const started =
      flow_.drover({"workflow", "start", "w1", "--entry", flow_.entry(), "--process-id", "flow"});
  ASSERT_EQ(started.exit_code, 0) << started.text();
  EXPECT_EQ(printed(started).at("id"), "w1");
  (void)waits("w1");
  auto const listed = printed(flow_.drover({"workflow", "list"}));
  EXPECT_EQ(listed.at("runs").at(0).at("runId"), "w1");
  EXPECT_EQ(listed.at("runs").at(0).at("driven"), true);
  EXPECT_EQ(flow_.drover({"workflow", "status", "w1"}).exit_code, 0);
  EXPECT_EQ(flow_.drover({"workflow", "signal", "w1", "go", "--value", "4"}).exit_code, 0);
  ASSERT_TRUE(comes_to("w1", "completed"));
  EXPECT_EQ(output("w1"), 4);
  flow_.create("w2");
  EXPECT_EQ(flow_.drover({"workflow", "start", "w2"}).exit_code, 0);
  (void)waits("w2");
  auto const driven = flow_.drover({"workflow", "run", "w2"});
  EXPECT_THAT(driven.text(), ::testing::HasSubstr("another process drives the run"));
  EXPECT_EQ(flow_.drover({"workflow", "stop", "w2", "--reason", "enough"}).exit_code, 0);
  EXPECT_EQ(get("w2").at("state"), "cancelled");
  EXPECT_NE(flow_.drover({"workflow", "status", "nothing"}).exit_code, 0);
}

}  // namespace
}  // namespace drover::harness
