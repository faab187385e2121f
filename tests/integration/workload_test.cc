// Workloads of the API, as runtime.v1 says, on the process backend.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "harness/world.h"
#include "os/files.h"

namespace drover::harness {
namespace {

using testing::HasSubstr;

constexpr std::string_view kProfiles = R"(
[sleep]
command = ["/bin/sleep", "600"]
[say]
command = ["/bin/sh", "-c", "echo $WORD; exit 3"]
[none]
command = ["/no/such/program"]
)";

class Workloads : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(world_.state_folder());
    ASSERT_TRUE(os::write_file_atomic(world_.state_folder() + "/profiles.toml", kProfiles));
    world_.set_variable("DROVER_WORKLOADS_PER_OWNER", "2");
    world_.serve();
  }
  static json::object spec(std::string_view id, std::string_view profile) {
    return {{"workloadId", id}, {"profile", profile}, {"env", json::object{{"WORD", "hello"}}}};
  }
  World world_;
};

TEST_F(Workloads, LiveAsTheContractSays) {
  Api api = world_.api();
  auto const made = api.post("/workloads", spec("one", "sleep"));
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(text_of(made.body, "state"), "running");
  EXPECT_EQ(text_of(made.body, "backend"), "process");
  EXPECT_EQ(api.post("/api/v1/workloads", spec("one", "sleep")).status, 201) << "the same one";
  EXPECT_EQ(api.get("/workloads").body.at("workloads").as_array().size(), 1U);
  auto other = spec("one", "sleep");
  other["env"] = json::object{{"WORD", "bye"}};
  auto const refused = api.post("/workloads", other);
  EXPECT_EQ(refused.status, 409);
  EXPECT_THAT(refused.error_text(), HasSubstr("WORD"));
  EXPECT_EQ(api.post("/workloads/one/touch", {}).status, 200);
  auto const stopped = api.post("/workloads/one/stop", {{"reason", "idle_timeout"}});
  EXPECT_EQ(stopped.status, 200);
  EXPECT_EQ(text_of(stopped.body, "stopReason"), "idle_timeout");
  EXPECT_EQ(api.erase("/workloads/one").status, 204);
  EXPECT_EQ(api.get("/workloads/one").status, 404);
}

TEST_F(Workloads, AreRefusedWithTheReason) {
  Api api = world_.api();
  auto const unknown = api.post("/workloads", spec("one", "nothing"));
  EXPECT_EQ(unknown.status, 400);
  EXPECT_EQ(unknown.error_pointer(), "/profile");
  EXPECT_EQ(api.post("/workloads", {{"workloadId", "one"}}).status, 400);
  auto mounted = spec("one", "sleep");
  mounted["mounts"] = json::array{"/etc"};
  EXPECT_EQ(api.post("/workloads", mounted).status, 400) << "no caller names a folder";
  auto const failed = api.post("/workloads", spec("one", "none"));
  EXPECT_EQ(failed.status, 502);
  EXPECT_THAT(failed.error_text(), HasSubstr("/no/such/program"));
  for (auto const* const id : {"two", "three"})
    EXPECT_EQ(api.post("/workloads", spec(id, "sleep")).status, 201);
  EXPECT_EQ(api.post("/workloads", spec("four", "sleep")).status, 429);
  net::ClientRequest stranger;
  stranger.url = api.url() + "/workloads";
  EXPECT_EQ(api.send(std::move(stranger)).status, 401);
}

TEST_F(Workloads, ThatEndByThemselvesSayHow) {
  Api api = world_.api();
  ASSERT_EQ(api.post("/workloads", spec("a:b c", "say")).status, 201);
  auto const ended = [&] {
    auto const shown = world_.drover({"workloads", "show", "a:b c", "--json"});
    return shown.exit_code == 0 && text_of(shown.lines().back(), "state") == "stopped" &&
           integer_or(shown.lines().back(), "exitCode", -1) == 3;
  };
  EXPECT_TRUE(eventually(ended));
  EXPECT_EQ(world_.drover({"workloads", "logs", "a:b c"}).out, "hello\n");
  EXPECT_THAT(world_.drover({"workloads"}).out, HasSubstr("failed"));
}

TEST_F(Workloads, HealthSaysWhatThereIs) {
  auto const health = world_.api().get("/health");
  EXPECT_EQ(health.status, 200) << health.text;
  EXPECT_EQ(text_of(health.body, "status"), "ok");
  EXPECT_EQ(health.body.at("capabilities").at("backend").as_string(), "process");
}

TEST_F(Workloads, EndWithTheirServerAndSaySo) {
  ASSERT_EQ(world_.api().post("/workloads", spec("one", "sleep")).status, 201);
  world_.kill_server();
  world_.serve();
  auto const after = world_.api().get("/workloads/one").body;
  EXPECT_EQ(text_of(after, "state"), "stopped");
  EXPECT_EQ(text_of(after, "stopReason"), "failed");
}

}  // namespace
}  // namespace drover::harness
