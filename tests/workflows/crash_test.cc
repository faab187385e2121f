// SIGKILL before every call with which drover changes a run: the run always goes on to the same
// end, and every effect of it has ended once.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include <boost/json.hpp>

#include "workflow/open_run.h"
#include "workflows/flow.h"
#include "workflows/resident.h"

namespace drover::harness {
namespace {

namespace fs = std::filesystem;

constexpr auto const* kProcess = R"(export async function process(inputs, ctx) {
    const at = ctx.now().getTime();
    const [a, b] = await ctx.parallel.all([() => ctx.task(task('a'), {}), () => ctx.task(task('b'), { at })]);
    return [a, b, await ctx.task(task('c'), {})];
  })";

class Crash : public ::testing::Test {
 protected:
  // Runs the command again and again on the same start, each time killed one call later, until it
  // is not killed any more; `check` sees each state that is left.
  template <class Check>
  void kill_everywhere(std::vector<std::string> const& words, Check const& check) {
    std::string const kept = flow_.root() + "/kept";
    fs::remove_all(kept);
    fs::copy(flow_.root() + "/runs", kept, fs::copy_options::recursive);
    constexpr int kCallsMax = 300;
    for (int n = 1; n < kCallsMax; ++n) {
      fs::remove_all(flow_.root() + "/runs");
      fs::copy(kept, flow_.root() + "/runs", fs::copy_options::recursive);
      flow_.world().set_variable("LD_PRELOAD", HARNESS_DIES_AT_WRITE);
      flow_.world().set_variable("DROVER_TEST_DIES_AT", std::to_string(n));
      auto const outcome = flow_.drover(words);
      flow_.world().set_variable("LD_PRELOAD", "");
      flow_.world().set_variable("DROVER_TEST_DIES_AT", "");
      bool const killed = outcome.exit_code == 128 + 9;
      if (!killed) EXPECT_EQ(outcome.exit_code, 0) << outcome.text();
      SCOPED_TRACE(words.front() + " killed before call " + std::to_string(n));
      check();
      if (!killed) {
        EXPECT_GT(n, 4) << "it was never killed";
        return;
      }
    }
    FAIL() << "it makes no end of calls";
  }

  // In this process, for there are hundreds of states to look at.
  void goes_on_to_its_end() {
    auto const ended = drive_to_end(flow_.run_folder("r"), 1);
    EXPECT_EQ(ended.state, workflow::IterateState::completed) << ended.reason;
    EXPECT_EQ(json::serialize(flow_.output("r")), "[1,1,1]");
    std::vector<std::string> types;
    auto const view = workflow::read_run(workflow::RunFolder{flow_.run_folder("r")});
    ASSERT_TRUE(view) << view.error().message;
    for (auto const& event : view->journal.events)
      types.push_back(event.type);
    EXPECT_EQ(std::ranges::count(types, "EFFECT_REQUESTED"), 3);
    EXPECT_EQ(std::ranges::count(types, "EFFECT_RESOLVED"), 3);
    EXPECT_EQ(std::ranges::count(types, "RUN_CREATED"), 1);
    EXPECT_EQ(std::ranges::count(types, "RUN_COMPLETED"), 1);
  }

  Flow flow_{kProcess};
};

TEST_F(Crash, WhileItIsCreated) {
  fs::create_directories(flow_.root() + "/runs");
  std::vector<std::string> const create = {"run:create",  "--process-id", "flow", "--entry",
                                           flow_.entry(), "--run-id",     "r"};
  kill_everywhere(create, [&] {
    auto const again = flow_.drover(create);
    ASSERT_EQ(again.exit_code, 0) << again.text();
    goes_on_to_its_end();
  });
}

TEST_F(Crash, WhileItAsksForEffects) {
  flow_.create("r");
  kill_everywhere({"run:iterate", "r"}, [&] { goes_on_to_its_end(); });
}

TEST_F(Crash, WhileAResultIsPosted) {
  flow_.create("r");
  auto const effect = pending(flow_.iterate("r")).front();
  kill_everywhere({"task:post", "r", effect, "--status", "ok", "--value-inline", "1"},
                  [&] { goes_on_to_its_end(); });
}

TEST_F(Crash, WhileItIsCompleted) {
  flow_.create("r");
  for (int i = 0; i < 2; ++i)
    for (auto const& effect : pending(flow_.iterate("r")))
      flow_.post("r", effect, "1");
  kill_everywhere({"run:iterate", "r"}, [&] { goes_on_to_its_end(); });
}

TEST_F(Crash, WhileItIsRewound) {
  flow_.create("r");
  for (int i = 0; i < 2; ++i)
    for (auto const& effect : pending(flow_.iterate("r")))
      flow_.post("r", effect, "1");
  kill_everywhere({"workflow", "rewind", "r", "--to", "c"}, [&] { goes_on_to_its_end(); });
}

// The fork is there or not, and the run itself never knows.
TEST_F(Crash, WhileItIsForked) {
  flow_.create("r");
  for (auto const& effect : pending(flow_.iterate("r")))
    flow_.post("r", effect, "1");
  kill_everywhere({"workflow", "fork", "r", "--run-id", "fork"}, [&] {
    goes_on_to_its_end();
    if (!fs::exists(flow_.run_folder("fork"))) return;
    EXPECT_EQ(drive_to_end(flow_.run_folder("fork"), 1).state, workflow::IterateState::completed);
  });
}

}  // namespace
}  // namespace drover::harness
