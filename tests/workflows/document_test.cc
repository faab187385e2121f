// Workflows in YAML by drover's commands, beside the SDK's where it can look.
#include <gtest/gtest.h>

#include <filesystem>

#include <boost/json.hpp>

#include "os/files.h"
#include "workflows/flow.h"

namespace drover::harness {
namespace {

class Documents : public ::testing::Test {
 protected:
  std::string example() const { return std::string{HARNESS_EXAMPLES} + "/workflows/release.yaml"; }
  // By the kind of effect, and the prompt of an agent.
  void post_all(json::object const& iterated) {
    for (auto const& action : iterated.at("nextActions").as_array()) {
      auto const& definition = action.at("taskDef").as_object();
      std::string const kind{action.at("kind").as_string()};
      std::string value = R"({"success":true,"exitCode":0,"stdout":"","stderr":""})";
      if (kind == "breakpoint") value = R"({"approved":true})";
      if (kind == "agent")
        value = definition.at("agent").at("name").as_string() == "fixer" ? R"({"issues":0})"
                : std::string_view{definition.at("agent").at("prompt").as_string()}.contains("api")
                    ? R"({"issues":2})"
                    : R"({"issues":0})";
      // The timeout of a person is a timer.
      if (kind != "sleep") flow_.post("r", std::string{action.at("effectId").as_string()}, value);
    }
  }
  json::object finish() {
    for (int i = 0; i < 20; ++i) {
      auto iterated = flow_.iterate("r");
      if (iterated.at("status").as_string() != "waiting") return iterated;
      post_all(iterated);
    }
    ADD_FAILURE() << "the run does not end";
    return {};
  }
  void create() {
    ASSERT_TRUE(
        os::write_file_atomic(flow_.root() + "/in.json", R"({"repositories":["api","web"]})"));
    auto const created = flow_.drover({"workflow", "create", "--entry", example(), "--inputs",
                                       flow_.root() + "/in.json", "--run", "r"});
    ASSERT_EQ(created.exit_code, 0) << created.text();
  }

  Flow flow_{"export const process = () => {};"};
};

TEST_F(Documents, TheExampleRunsToItsEndWithoutNode) {
  flow_.world().set_variable("DROVER_NODE", "/nonexistent/node");
  create();
  auto const ended = finish();
  EXPECT_EQ(ended.at("status").as_string(), "completed") << json::serialize(ended);
  EXPECT_EQ(json::serialize(flow_.output("r")), R"({"issues":[0,0],"shipped":true})");
}

TEST_F(Documents, TheSdkLooksAtItAndPostsToIt) {
  create();
  auto const first = flow_.iterate("r");
  ASSERT_EQ(first.at("nextActions").as_array().size(), 2U);
  auto const listed = printed(flow_.sdk({"task:list", "r", "--pending"}));
  EXPECT_EQ(listed.at("tasks").as_array().size(), 2U);
  std::string const effect{first.at("nextActions").at(0).at("effectId").as_string()};
  auto const posted =
      flow_.sdk({"task:post", "r", effect, "--status", "ok", "--value-inline", R"({"issues":0})"});
  EXPECT_EQ(posted.exit_code, 0) << posted.text();
  EXPECT_EQ(flow_.iterate("r").at("nextActions").as_array().size(), 1U);
  EXPECT_EQ(finish().at("status").as_string(), "completed");
  auto const status = printed(flow_.sdk({"run:status", "r"}));
  EXPECT_EQ(status.at("state").as_string(), "completed");
}

TEST_F(Documents, AMistakeIsNamedBeforeARunIsMade) {
  std::string const file = flow_.root() + "/bad.yaml";
  ASSERT_TRUE(os::write_file_atomic(file, "steps:\n  - id: build\n    shel: make\n"));
  World const& world = flow_.world();
  auto const checked = world.drover({"workflow", "check", file});
  EXPECT_EQ(checked.exit_code, 2) << checked.text();
  EXPECT_NE(checked.err.find("bad.yaml:2:5: a step is one of shell, "), std::string::npos)
      << checked.text();
  auto const created = flow_.drover({"workflow", "create", "--entry", file, "--run", "bad"});
  EXPECT_NE(created.exit_code, 0);
  EXPECT_FALSE(std::filesystem::exists(flow_.run_folder("bad")));
  auto const good = world.drover({"workflow", "check", example(), "--json"});
  EXPECT_EQ(good.exit_code, 0) << good.text();
  EXPECT_EQ(printed(good).at("steps").to_number<int>(), 8);
}

}  // namespace
}  // namespace drover::harness
