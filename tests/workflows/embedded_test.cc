// A program that embeds the engine, examples/embedded-workflow, and drover's commands on its run.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "workflows/flow.h"

namespace drover::harness {
namespace {

class Embedded : public ::testing::Test {
 protected:
  Outcome program(std::vector<std::string> const& repositories = {"a", "b", "c"}) {
    ProgramOptions options;
    options.arguments = {HARNESS_EMBEDDED, flow_.root() + "/runs", "r"};
    options.arguments.insert(options.arguments.end(), repositories.begin(), repositories.end());
    options.environment = flow_.world().environment();
    options.folder = flow_.root();
    return run_program(options, Millis{60'000});
  }
  std::vector<json::object> waiting() {
    std::vector<json::object> tasks;
    auto const listed = printed(flow_.drover({"task:list", "r", "--pending"}));
    for (auto const& task : listed.at("tasks").as_array())
      tasks.push_back(task.as_object());
    return tasks;
  }
  void post_all(std::string const& value) {
    for (auto const& task : waiting())
      flow_.post("r", std::string{task.at("effectId").as_string()}, value);
  }

  Flow flow_{"export const process = () => {};"};
};

TEST_F(Embedded, ARunOfAProgramsOwnIsWorkedOnByDroversCommands) {
  EXPECT_EQ(program().exit_code, 4);
  EXPECT_EQ(waiting().size(), 2U);  // two at a time
  post_all("{\"issues\":0}");
  EXPECT_EQ(program().exit_code, 4);
  EXPECT_EQ(waiting().size(), 1U);
  post_all("{\"issues\":1}");
  EXPECT_EQ(program().exit_code, 4);
  auto const gate = waiting().at(0);
  EXPECT_EQ(gate.at("kind").as_string(), "breakpoint");
  post_all("{\"approved\":true}");
  EXPECT_EQ(program().exit_code, 4);
  post_all("{\"success\":true}");
  auto const done = program();
  EXPECT_EQ(done.exit_code, 0) << done.text();
  auto const output = flow_.output("r");
  EXPECT_EQ(output.at("reviews").as_array().size(), 3U);
  EXPECT_EQ(output.at("reviews").at(2).at("found").at("issues").as_int64(), 1);
  // drover itself knows the run, and that it cannot go on with it.
  auto const status = printed(flow_.drover({"run:status", "r"}));
  EXPECT_EQ(status.at("state").as_string(), "completed");
}

TEST_F(Embedded, ItEndsWhereThePersonSaysNo) {
  EXPECT_EQ(program({"a"}).exit_code, 4);
  post_all("{}");
  EXPECT_EQ(program({"a"}).exit_code, 4);
  post_all("{\"approved\":false}");
  auto const halted = program({"a"});
  EXPECT_EQ(halted.out, "not approved\n");
  EXPECT_EQ(flow_.journal_types("r").back(), "RUN_HALTED");
}

TEST_F(Embedded, DroverSaysWhoseProcessItIs) {
  EXPECT_EQ(program().exit_code, 4);
  auto const refused = flow_.drover({"run:iterate", "r"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("this program has no process release"), std::string::npos)
      << refused.text();
}

}  // namespace
}  // namespace drover::harness
