// The server's start and end, and units that have nothing to do.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "harness/world.h"
#include "os/fd.h"

namespace drover::harness {
namespace {

constexpr std::string_view kLeaveDaemons = R"([
  {"tool_calls": [{"name": "Bash", "input": {"command":
     "(setsid sleep 600 >/dev/null 2>&1 &); nohup sleep 601 >/dev/null 2>&1 & echo started"}}]},
  {"text": "Left some running."}
])";

TEST(Lifecycle, AnIdleUnitEndsAndLeavesNothing) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto invocation =
      World::invocation(api.add_workspace(repository.path()), world.model(kLeaveDaemons), "go");
  invocation["limits"] = json::object{{"idle_s", 1}};
  auto const run = api.dispatch(invocation);
  ASSERT_EQ(text_of(last_of(api.events(run), "turn-complete"), "state"), "succeeded");
  EXPECT_GE(processes_below(world.server_pid()).size(),
            3U);  // the unit, frozen, with what it started

  auto const idle_since = uptime();
  EXPECT_TRUE(
      eventually([&] { return processes_below(world.server_pid()).empty(); }, Millis{4'000}));
  EXPECT_GE(uptime() - idle_since, Millis{500});
  EXPECT_TRUE(eventually([&] { return world.leftovers().size() == 1; }, Millis{1'000}));
  auto const left = world.leftovers();
  ASSERT_EQ(left.size(), 1U) << left.back();
  EXPECT_TRUE(left[0].contains("serve")) << left[0];
}

TEST(Lifecycle, AMessageAtTheMomentOfTheIdleEndIsAnswered) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  json::object const limits{{"idle_s", 1}};
  auto invocation = World::invocation(api.add_workspace(repository.path()),
                                      world.model(R"([{"repeat": 100, "text": "Yes."}])"), "go");
  invocation["limits"] = limits;
  RunRef run = api.dispatch(invocation);
  (void)api.events(run);
  // From a little before the second is over to a little behind it.
  for (int const offset_ms : {-2, 0, 1, 3}) {
    pause(Millis{1'000 + offset_ms});
    run = api.send_message(run.session, "again", limits);
    auto const events = api.events(run);
    EXPECT_EQ(text_of(events.back().data, "state"), "succeeded")
        << json::serialize(events.back().data);
  }
}

TEST(Lifecycle, AStoppedServerLeavesNothingWhileARunIsUnderWay) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto const run = api.dispatch(World::invocation(
      api.add_workspace(repository.path()),
      world.model(R"([{"tool_calls": [{"name": "Bash", "input": {"command": "sleep 600"}}]}])"),
      "go"));
  ASSERT_TRUE(api.await_event(run, "tool-call"));
  auto const asked = uptime();
  world.stop_server();
  EXPECT_LT(uptime() - asked, Millis{5'000});
  EXPECT_EQ(world.leftovers(), std::vector<std::string>{});
  EXPECT_FALSE(std::filesystem::exists(world.state_folder() + "/server.json"));
}

TEST(Lifecycle, AServerThatStartsReapsTheUnitsOfOneThatWasKilled) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  {
    Api api = world.api();
    auto const run = api.dispatch(
        World::invocation(api.add_workspace(repository.path()), world.model(kLeaveDaemons), "go"));
    (void)api.events(run);
  }
  world.kill_server();
  world.serve();
  EXPECT_TRUE(eventually([&] { return processes_below(::getpid()).size() == 1; }, Millis{2'000}));
  EXPECT_TRUE(world.cgroups().empty());
}

TEST(Lifecycle, APortInUseIsNamed) {
  World world;
  os::Fd const taken{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(taken.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(taken.get(), 1), 0);
  ASSERT_EQ(::getsockname(taken.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  std::string const port = fmt::to_string(ntohs(address.sin_port));

  for (std::string const& command : {std::string{"serve"}, std::string{"up"}}) {
    auto const outcome = world.drover({command, "--port", port});
    EXPECT_NE(outcome.exit_code, 0);
    EXPECT_TRUE(outcome.err.contains(port)) << outcome.text();
    EXPECT_TRUE(outcome.err.contains("in use")) << outcome.text();
  }
}

TEST(Lifecycle, ASecondServerOnOneStateFolderIsRefused) {
  World world;
  world.serve();
  auto const outcome = world.drover({"serve"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.text();
  EXPECT_TRUE(outcome.err.contains(world.state_folder())) << outcome.text();
  EXPECT_TRUE(outcome.err.contains(fmt::to_string(world.server_pid()))) << outcome.text();
  // The first one is unharmed, and `up` finds it.
  auto const up = world.drover({"up"});
  EXPECT_EQ(up.exit_code, 0) << up.text();
  EXPECT_TRUE((up.out + up.err).contains(world.api().url())) << up.text();
}

TEST(Lifecycle, AMissingUnitProgramIsNamed) {
  World world;
  std::filesystem::create_directories(world.root() + "/bin");
  std::string const program = world.root() + "/bin/drover";
  std::filesystem::copy_file(World::drover_program(), program);
  auto const outcome =
      run_program({{program, "serve"}, world.environment(), world.root(), std::string{}});
  EXPECT_NE(outcome.exit_code, 0) << outcome.text();
  EXPECT_TRUE(outcome.err.contains("drover-unit")) << outcome.text();
  EXPECT_TRUE(outcome.err.contains(world.root() + "/bin")) << outcome.text();
}

TEST(Lifecycle, WithoutAServerReadingCommandsSayHowToStartOne) {
  World world;
  for (std::string const& command : {std::string{"ps"}, std::string{"sessions"}}) {
    auto const outcome = world.drover({command});
    EXPECT_EQ(outcome.exit_code, 3) << command << ": " << outcome.text();
    EXPECT_TRUE(outcome.err.contains("drover up")) << outcome.text();
  }
}

TEST(Lifecycle, UpIsReadyWithinASecond) {
  World world;
  auto const started = uptime();
  auto const up = world.drover({"up"});
  EXPECT_LT(uptime() - started, Millis{1'000});
  EXPECT_EQ(up.exit_code, 0) << up.text();
  EXPECT_EQ(world.api().get("/readyz").status, 200);
  EXPECT_EQ(world.drover({"down"}).exit_code, 0);
}

}  // namespace
}  // namespace drover::harness
