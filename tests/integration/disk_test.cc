// A full disk: the server's own, and that of a workspace.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "harness/world.h"

namespace drover::harness {
namespace {

// A disk of a few megabytes, which only root can make.
class SmallDisk {
 public:
  explicit SmallDisk(std::string path) : path_(std::move(path)) {
    std::filesystem::create_directories(path_);
    held_ = ::mount("none", path_.c_str(), "tmpfs", 0, "size=12m,mode=0700") == 0;
  }
  ~SmallDisk() {
    if (held_) EXPECT_EQ(::umount2(path_.c_str(), MNT_DETACH), 0);
  }
  SmallDisk(SmallDisk const&) = delete;
  SmallDisk& operator=(SmallDisk const&) = delete;
  [[nodiscard]] bool held() const { return held_; }
  void fill() const {
    std::ofstream out{path_ + "/filler", std::ios::binary | std::ios::app};
    std::string const block(4096, 'x');
    while (out.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }
  void make_room() const { std::filesystem::remove(path_ + "/filler"); }

 private:
  std::string path_;
  bool held_ = false;
};

// A server whose state folder is a small disk with a reserve that fits it.
class FullDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!disk_.held()) GTEST_SKIP() << "this machine does not let us mount a small disk";
    world_.set_variable("DROVER_DISK_RESERVE_MB", "2");
    world_.serve();
    Api const found = world_.api();
    api_ = std::make_unique<Api>(found.url(), found.token());
    workspace_ = api_->add_workspace(repository_.path());
  }
  void TearDown() override {
    if (disk_.held()) world_.stop_server();  // before the disk goes
  }

  [[nodiscard]] bool reserve_there() const {
    return std::filesystem::exists(world_.state_folder() + "/reserve");
  }
  // Full, and the server knows: prompts of a size that no page at hand still holds.
  Reply fill() {
    disk_.fill();
    auto const model = world_.model(kYes);
    Reply refused;
    for (int i = 0; i < 20 && refused.status != 507; ++i)
      refused = api_->post("/api/v1/runs",
                           World::invocation(workspace_, model, std::string(100'000, 'p')));
    EXPECT_EQ(refused.status, 507) << refused.text;
    // What the reserve was goes to those who write beside us.
    disk_.fill();
    return refused;
  }
  // Full, and the store's log still takes a little.
  void fill_around_the_log() {
    std::string const store = world_.state_folder() + "/drover.db";
    // More than all that the store has at its start.
    std::string const prompt(900'000, 'p');
    ASSERT_LT(std::filesystem::file_size(store), prompt.size() / 2);
    auto const model = world_.model(kYes);
    (void)api_->events(api_->dispatch(World::invocation(workspace_, model, prompt)));
    // Once it is in the file the log is used again from its beginning.
    ASSERT_TRUE(eventually([&] { return std::filesystem::file_size(store) > prompt.size(); }));
    disk_.fill();
  }
  [[nodiscard]] bool ready() { return api_->get("/readyz").status == 200; }

  static constexpr std::string_view kYes = R"([{"repeat": 100, "text": "Yes."}])";
  World world_;
  SmallDisk const disk_{world_.state_folder()};
  Repository const repository_{world_.repository("project")};
  std::unique_ptr<Api> api_;
  std::string workspace_;
};

TEST_F(FullDisk, RefusesWhatItCannotKeepAndLosesNothing) {
  auto const model = world_.model(kYes);
  auto const before = api_->dispatch(World::invocation(workspace_, model, "go"));
  (void)api_->events(before);
  EXPECT_TRUE(reserve_there());

  auto const first = fill();
  EXPECT_EQ(first.error_code(), "no_space");
  EXPECT_FALSE(reserve_there());
  auto const refused = api_->post("/api/v1/runs", World::invocation(workspace_, model, "go"));
  EXPECT_EQ(refused.status, 507) << refused.text;
  EXPECT_TRUE(refused.error_text().contains("takes no new work")) << refused.error_text();
  EXPECT_TRUE(refused.error_text().contains(world_.state_folder())) << refused.error_text();
  auto const shown = world_.drover({"run", "-w", repository_.path(), "--model", model, "go"});
  EXPECT_EQ(shown.exit_code, 1) << shown.text();
  EXPECT_TRUE(shown.err.contains("takes no new work")) << shown.text();
  auto const readiness = api_->get("/readyz");
  EXPECT_EQ(readiness.status, 503);
  EXPECT_EQ(text_of(readiness.body, "status"), "no_space");
  // What is stored can be read.
  EXPECT_EQ(text_of(api_->run(before.run), "state"), "succeeded");
  EXPECT_EQ(fault_of(api_->events(before), before.run), "");
  EXPECT_EQ(world_.drover({"ps"}).exit_code, 0);

  disk_.make_room();
  EXPECT_TRUE(eventually([&] { return ready(); }));
  EXPECT_TRUE(reserve_there());
  auto const after = api_->dispatch(World::invocation(workspace_, model, "go"));
  EXPECT_EQ(text_of(api_->events(after).back().data, "state"), "succeeded");
}

// Speaks until `gate` is there, and then much more.
std::string talkative(std::string const& gate) {
  return R"([{"tool_calls": [{"name": "Bash", "input": {"command":
      "while [ ! -e /workspace/)" +
         gate + R"( ]; do sleep 0.02; done; rm /workspace/)" + gate + R"("}}]},
    {"repeat": 40, "tool_calls": [{"name": "Bash", "input": {"command":
      "head -c 3000 /dev/zero | tr '\\0' {{iteration}}"}}]},
    {"text": "That was all."}])";
}

TEST_F(FullDisk, ARunUnderWayWaitsAndGoesOn) {
  auto const run =
      api_->dispatch(World::invocation(workspace_, world_.model(talkative("gate")), "go"));
  ASSERT_TRUE(api_->await_event(run, "tool-call"));
  (void)fill();
  repository_.write("gate", "");
  // It has passed the gate and cannot say so. A unit takes a server that does not answer for lost
  // after 10 s; one that is full is none.
  EXPECT_TRUE(eventually([&] { return !repository_.has("gate"); }));
  pause(Millis{11'000});
  EXPECT_EQ(text_of(api_->run(run.run), "state"), "running");

  disk_.make_room();
  auto const events = api_->events(run);
  EXPECT_EQ(text_of(events.back().data, "state"), "succeeded")
      << json::serialize(events.back().data);
  EXPECT_EQ(fault_of(events, run.run), "");
  EXPECT_EQ(count_of(events, "tool-call"), 41U);
  EXPECT_EQ(count_of(events, "tool-result"), 41U);
}

TEST_F(FullDisk, TheEndOfACancelledRunIsRecordedFromTheReserve) {
  auto const run =
      api_->dispatch(World::invocation(workspace_, world_.model(talkative("gate")), "go"));
  ASSERT_TRUE(api_->await_event(run, "tool-call"));
  disk_.fill();
  // Nobody takes the reserve's room but the server.
  auto const model = world_.model(kYes);
  Reply refused;
  for (int i = 0; i < 20 && refused.status != 507; ++i)
    refused =
        api_->post("/api/v1/runs", World::invocation(workspace_, model, std::string(100'000, 'p')));
  ASSERT_EQ(refused.status, 507) << refused.text;
  EXPECT_EQ(api_->post("/api/v1/runs/" + run.run + "/cancel", {}).status, 202);
  auto const events = api_->events(run);
  EXPECT_EQ(text_of(events.back().data, "state"), "cancelled");
  EXPECT_EQ(fault_of(events, run.run), "");
  EXPECT_FALSE(ready());
}

TEST_F(FullDisk, AQueuedRunStartsOnceThereIsRoom) {
  auto const first =
      api_->dispatch(World::invocation(workspace_, world_.model(talkative("gate")), "go"));
  ASSERT_TRUE(api_->await_event(first, "tool-call"));
  auto const second = api_->dispatch(World::invocation(workspace_, world_.model(kYes), "go"));
  (void)fill();
  EXPECT_EQ(api_->post("/api/v1/runs/" + first.run + "/cancel", {}).status, 507);
  disk_.make_room();
  EXPECT_TRUE(eventually([&] { return ready(); }));
  EXPECT_EQ(api_->post("/api/v1/runs/" + first.run + "/cancel", {}).status, 202);
  EXPECT_EQ(text_of(api_->events(first).back().data, "state"), "cancelled");
  auto const events = api_->events(second);
  EXPECT_EQ(text_of(events.back().data, "state"), "succeeded")
      << json::serialize(events.back().data);
}

// The conversation of one that only reads is in the state folder.
TEST_F(FullDisk, ARunThatCannotKeepItsConversationIsTriedAgain) {
  auto wanted = World::invocation(workspace_, world_.model(R"([
    {"tool_calls": [{"name": "Bash", "input": {"command":
       "while [ ! -e /workspace/gate ]; do sleep 0.02; done; head -c 9000 /dev/zero | tr '\\0' x"}}]},
    {"text": "That was all."}])"),
                                  "go");
  wanted.at("workspaces").as_array().at(0).as_object()["mode"] = "ro";
  auto const run = api_->dispatch(wanted);
  ASSERT_TRUE(api_->await_event(run, "tool-call"));
  ASSERT_NO_FATAL_FAILURE(fill_around_the_log());
  repository_.write("gate", "");
  EXPECT_TRUE(eventually([&] { return text_of(api_->run(run.run), "state") == "queued"; }));
  disk_.make_room();
  auto const events = api_->events(run);
  EXPECT_EQ(text_of(events.back().data, "state"), "succeeded")
      << json::serialize(events.back().data);
  EXPECT_EQ(fault_of(events, run.run), "");
}

// The store's log still takes a small run, and the files of its unit find no room.
TEST_F(FullDisk, ARunWhoseUnitFindsNoRoomWaitsInTheQueue) {
  auto const model = world_.model(kYes);
  ASSERT_NO_FATAL_FAILURE(fill_around_the_log());
  auto const reply = api_->post("/api/v1/runs", World::invocation(workspace_, model, "go"));
  ASSERT_EQ(reply.status, 202) << reply.text;
  RunRef const run{text_of(reply.body, "run"), text_of(reply.body, "session")};
  EXPECT_TRUE(eventually([&] { return !ready(); }));
  EXPECT_TRUE(eventually([&] { return text_of(api_->run(run.run), "reason") == "no_space"; }));
  EXPECT_EQ(text_of(api_->run(run.run), "state"), "queued");
  disk_.make_room();
  auto const events = api_->events(run);
  EXPECT_EQ(text_of(events.back().data, "state"), "succeeded")
      << json::serialize(events.back().data);
  EXPECT_EQ(fault_of(events, run.run), "");
}

// The room of its reserve was taken too, so that no file can be made.
TEST_F(FullDisk, AServerThatIsKilledOnIsFollowedByOneThatReads) {
  auto wanted = World::invocation(workspace_, world_.model(kYes), "go");
  wanted["limits"] = json::object{{"idle_s", 1}};
  auto const run = api_->dispatch(wanted);
  (void)api_->events(run);
  // The next server would find room where it reaps a unit.
  ASSERT_TRUE(eventually([&] { return world_.units().empty(); }));
  (void)fill();
  world_.kill_server();
  disk_.fill();
  world_.serve();
  Api const found = world_.api();
  api_ = std::make_unique<Api>(found.url(), found.token());
  EXPECT_FALSE(ready());
  EXPECT_EQ(text_of(api_->run(run.run), "state"), "succeeded");
  disk_.make_room();
  EXPECT_TRUE(eventually([&] { return ready(); }));
  auto const after = api_->dispatch(World::invocation(workspace_, world_.model(kYes), "go"));
  EXPECT_EQ(text_of(api_->events(after).back().data, "state"), "succeeded");
}

// It had claimed a run, which is in the queue's rows; the next one cannot write there.
TEST_F(FullDisk, AServerThatIsKilledAtWorkIsFollowedByOneThatReads) {
  auto const run = api_->dispatch(World::invocation(workspace_, world_.model(R"([
    {"tool_calls": [{"name": "Bash", "input": {"command":
       "while [ ! -e /workspace/gate ]; do sleep 0.02; done"}}]},
    {"text": "That was all."}])"),
                                                    "go"));
  ASSERT_TRUE(api_->await_event(run, "tool-call"));
  disk_.fill();
  world_.kill_server();
  disk_.fill();
  world_.serve();
  Api const found = world_.api();
  api_ = std::make_unique<Api>(found.url(), found.token());
  EXPECT_FALSE(ready());
  EXPECT_FALSE(api_->run(run.run).at("finished_at").is_string());
  repository_.write("gate", "");
  disk_.make_room();
  auto const events = api_->events(run);
  EXPECT_EQ(text_of(events.back().data, "state"), "succeeded")
      << json::serialize(events.back().data);
  EXPECT_EQ(fault_of(events, run.run), "");
}

TEST(FullDiskAtStart, TheServerStartsAndReads) {
  World world;
  SmallDisk const disk{world.state_folder()};
  if (!disk.held()) GTEST_SKIP() << "this machine does not let us mount a small disk";
  world.set_variable("DROVER_DISK_RESERVE_MB", "100");
  world.serve();
  Api api = world.api();
  auto const answer = api.get("/readyz");
  EXPECT_EQ(text_of(answer.body, "status"), "no_space");
  EXPECT_EQ(api.get("/api/v1/runs").status, 200);
  world.stop_server();
}

class FullWorkspace : public ::testing::Test {
 protected:
  World world_;
  SmallDisk const disk_{world_.root() + "/project"};
};

TEST_F(FullWorkspace, ACommitThatDoesNotFitFailsTheRunAndTheNextOneWorks) {
  if (!disk_.held()) GTEST_SKIP() << "this machine does not let us mount a small disk";
  auto const repository = world_.repository("project");
  std::string const before = repository.head();
  world_.serve();
  auto const model = world_.model(R"([
    {"tool_calls": [{"name": "Bash", "input": {"command":
       "echo small > small.txt; head -c 8000000 /dev/urandom > large.bin"}}]},
    {"text": "Written."}])");
  auto const outcome =
      world_.drover({"run", "--json", "-w", repository.path(), "--model", model, "go"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.text();
  auto const end = outcome.lines().back();
  EXPECT_EQ(text_of(end, "reason"), "commit_failed") << outcome.text();
  EXPECT_TRUE(text_of(end, "detail").contains(repository.path())) << text_of(end, "detail");
  EXPECT_TRUE(text_of(end, "detail").contains("No space left")) << text_of(end, "detail");
  // Nothing is half-done: no commit, no lock, and the changes are where they were.
  EXPECT_EQ(repository.head(), before);
  EXPECT_TRUE(repository.has("small.txt"));
  EXPECT_TRUE(repository.has("large.bin"));
  EXPECT_FALSE(repository.has(".git/index.lock"));
  EXPECT_EQ(repository.git({"fsck", "--no-dangling"}), "");

  std::filesystem::remove(repository.file("large.bin"));
  auto const next = world_.drover({"run", "--json", "--allow-dirty", "-w", repository.path(),
                                   "--model", world_.model(R"([
      {"tool_calls": [{"name": "Write", "input": {"file_path": "/workspace/new.txt", "content": "x"}}]},
      {"text": "Written."}])"),
                                   "go"});
  EXPECT_EQ(next.exit_code, 0) << next.text();
  EXPECT_EQ(repository.status(), "");
  EXPECT_EQ(repository.git({"show", "HEAD:new.txt"}), "x");
  EXPECT_EQ(repository.git({"show", "HEAD:small.txt"}), "small");
  world_.stop_server();
}

}  // namespace
}  // namespace drover::harness
