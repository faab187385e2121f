// What examples/workflows has, as its READMEs say to run it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include <boost/json.hpp>

#include "os/files.h"
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

// As its README says to run it, in a folder of its own and from no state at all.
Outcome run_script(World const& world, std::string const& example) {
  ProgramOptions options;
  options.arguments = {std::string{HARNESS_EXAMPLES} + "/workflows/" + example + "/run.sh",
                       world.root() + "/" + example};
  options.environment = world.environment();
  options.environment.push_back("DROVER=" + World::drover_program());
  options.folder = world.root();
  return run_program(options, Millis{90'000});
}

TEST(ExampleScripts, ADriftIsJudgedAndMendedInTheWindowThatASignalOpens) {
  World world;
  auto const ran = run_script(world, "drift");
  ASSERT_EQ(ran.exit_code, 0) << ran.text();
  auto const begin = ran.out.find('{');
  auto const output = parse_json(ran.out.substr(begin, ran.out.find("\n}") + 2 - begin));
  ASSERT_TRUE(output) << ran.text();
  EXPECT_EQ(output->at("drifts"), 2);
  EXPECT_EQ(json::serialize(output->at("mended")), R"(["image"])");
  EXPECT_EQ(output->at("by"), "who is on call");
  EXPECT_EQ(output->at("commits"), 1);
  auto const report = os::read_file(world.root() + "/drift/project/REPORT.md");
  EXPECT_THAT(report.value_or(""), ::testing::HasSubstr("image: shop:1.4"));
}

TEST(ExampleScripts, ASurveyTriesAgainWhatFailedAndNamesWhatIsNone) {
  World const world;
  auto const ran = run_script(world, "survey");
  ASSERT_EQ(ran.exit_code, 0) << ran.text();
  auto const output =
      parse_json(os::read_file(world.root() + "/survey/runs/survey-1/state/output.json").value());
  ASSERT_TRUE(output);
  EXPECT_EQ(output->at("repositories"), 10);
  EXPECT_EQ(json::serialize(output->at("failed")), R"(["hen"])");
  EXPECT_EQ(output->at("todos"), 47);
  auto const summary = os::read_file(world.root() + "/survey/project/SUMMARY.md").value_or("");
  EXPECT_EQ(std::ranges::count(summary, '\n'), 12) << summary;
  EXPECT_THAT(summary, ::testing::HasSubstr("| fox | 1 | 6 |"));
}

class Drift : public DrivenTest {};

// Nobody opens the window, so nothing is mended, and that is reported.
TEST_F(Drift, IsLeftAsItIsWhenTheWindowStaysShut) {
  auto const examples = std::string{HARNESS_EXAMPLES} + "/workflows/drift";
  auto const project = flow_.world().repository("drift");
  std::filesystem::copy(examples + "/project", project.path(),
                        std::filesystem::copy_options::recursive);
  std::filesystem::copy(examples + "/actual.json", project.path());
  project.commit_all("begin");
  flow_.world().serve();
  auto const workspace = flow_.world().api().add_workspace(project.path());
  auto const agent = [&](std::string const& name, std::string_view mode) {
    return json::object{
        {"model", "scripted:" + examples + "/" + name + ".json"},
        {"workspaces", json::array{json::object{{"id", workspace}, {"mode", mode}}}}};
  };
  json::object const inputs{
      {"agents", json::object{{"judge", agent("judge", "ro")}, {"report", agent("report", "rw")}}},
      {"windowMs", 1}};
  json::object const body{{"id", "drift-1"},
                          {"entry", examples + "/flow.mjs"},
                          {"cwd", project.path()},
                          {"inputs", inputs}};
  ASSERT_EQ(flow_.world().api().post("/api/v1/workflows", body).status, 201);
  ASSERT_TRUE(comes_to("drift-1", "completed")) << json::serialize(get("drift-1"));
  EXPECT_EQ(json::serialize(output("drift-1").at("due")), R"(["image"])");
  EXPECT_EQ(json::serialize(output("drift-1").at("mended")), "[]");
  EXPECT_THAT(os::read_file(project.path() + "/actual.json").value_or(""),
              ::testing::HasSubstr("shop:1.3"));
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
