// A disk that takes its time for every sync: the server's alone, by a library that it is started
// with (harness/slow_sync.cc).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include <boost/json.hpp>

#include "base/text.h"
#include "harness/processes.h"
#include "harness/world.h"
#include "os/files.h"

namespace drover::harness {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr std::string_view kTwoSteps = R"([
  {"repeat": 2, "tool_calls": [{"name": "Bash", "input": {"command": "echo {{turn}} >> effects.txt"}}]},
  {"text": "Done."}])";

class SlowDisk : public ::testing::Test {
 protected:
  SlowDisk() {
    std::filesystem::create_directories(folder_);
    sync_takes(Millis{0});
    world_.set_variable("LD_PRELOAD", HARNESS_SLOW_SYNC);
    world_.set_variable("SLOW_SYNC", folder_);
    world_.serve();
    // Only the server.
    world_.set_variable("LD_PRELOAD", "");
    Api const found = world_.api();
    api_ = std::make_unique<Api>(found.url(), found.token());
    workspace_ = api_->add_workspace(repository_.path());
  }
  ~SlowDisk() override { sync_takes(Millis{0}); }

  // Renamed into place, so that no sync reads half of it.
  void sync_takes(Millis time) const {
    std::ofstream{folder_ + "/new"} << time.count();
    std::filesystem::rename(folder_ + "/new", folder_ + "/delay_ms");
  }
  // The syncs so far that took their time: "main fdatasync /…/drover.db-wal".
  [[nodiscard]] std::vector<std::string> syncs() const {
    std::vector<std::string> lines;
    std::string const text = os::read_file(folder_ + "/log", 16U << 20U).value_or("");
    for (std::string_view const line : split(text, '\n'))
      if (!line.empty()) lines.emplace_back(line);
    return lines;
  }
  [[nodiscard]] std::vector<std::string> syncs_of_loop() const {
    auto lines = syncs();
    std::erase_if(lines, [](std::string const& line) { return !line.starts_with("main "); });
    return lines;
  }
  [[nodiscard]] json::object invocation(std::string_view checkout = "in_place") {
    return World::invocation(workspace_, model_, "go", checkout);
  }

  World world_;
  std::string const folder_{world_.root() + "/slow-sync"};
  Repository const repository_{world_.repository("project")};
  std::string const model_{world_.model(kTwoSteps, R"(, "after_last": "loop")")};
  std::unique_ptr<Api> api_;
  std::string workspace_;
};

Millis time_of(std::function<void()> const& work) {
  Millis const start = uptime();
  work();
  return uptime() - start;
}

struct Reads {
  Millis p99{0};
  std::string slowest;  // the last few, for the message of a failure
};

// So many in all, of each path as many.
Reads read_all(Api& api, std::vector<std::string> const& paths) {
  constexpr std::size_t kReads = 200;
  constexpr std::size_t kShown = 5;
  std::vector<std::pair<Millis, std::string>> took;
  for (std::size_t i = 0; i < kReads; ++i) {
    std::string const& path = paths[i % paths.size()];
    Reply reply;
    took.emplace_back(time_of([&] { reply = api.get(path); }), path);
    EXPECT_EQ(reply.status, 200) << path << ": " << reply.text;
  }
  std::ranges::sort(took);
  Reads reads;
  reads.p99 = took[kReads * 99 / 100 - 1].first;
  for (std::size_t i = 1; i <= kShown; ++i)
    reads.slowest +=
        fmt::format("{} ms {}\n", took[kReads - i].first.count(), took[kReads - i].second);
  return reads;
}

// Dispatches from a thread of its own for as long as it is there, so that a sync is always under
// way.
class Traffic {
 public:
  Traffic(Api const& api, json::object const& invocation)
      : thread_([this, url = api.url(), token = api.token(), invocation] {
          Api own{url, token};
          while (!closing_)
            runs_.push_back(own.dispatch(invocation));
        }) {}
  [[nodiscard]] std::vector<RunRef> finish() {
    closing_ = true;
    thread_.join();
    return std::move(runs_);
  }

 private:
  std::atomic<bool> closing_{false};
  std::vector<RunRef> runs_;
  std::jthread thread_;
};

TEST_F(SlowDisk, ReadsAndStreamsStayFastWhileEverySyncTakes200Ms) {
  constexpr Millis kSync{200};
  constexpr Millis kFast{20};
  auto const ended = api_->dispatch(invocation("worktree"));
  auto const events = api_->events(ended);
  std::string const stream =
      fmt::format("/api/v1/sessions/{}/runs/{}/events", ended.session, ended.run);
  std::vector<std::string> const paths = {"/healthz",
                                          "/readyz",
                                          "/api/v1/runs?limit=20",
                                          "/api/v1/runs/" + ended.run,
                                          "/api/v1/sessions/" + ended.session,
                                          "/api/v1/queues",
                                          "/api/v1/dead-letters",
                                          "/api/v1/schedules",
                                          "/api/v1/workspaces",
                                          "/api/v1/runs/" + ended.run + "/diff",
                                          stream + "?follow=false",
                                          stream};
  // What else this machine does is not the disk's fault.
  Millis const limit = std::max(kFast, read_all(*api_, paths).p99 * 3);
  ASSERT_LT(limit, kSync);

  sync_takes(kSync);
  // The control: syncs are slow, and what is durable waits for one.
  EXPECT_GE(time_of([&] { (void)api_->dispatch(invocation("worktree")); }), kSync);
  Traffic traffic{*api_, invocation("worktree")};
  // A sync on the event loop would be in every round.
  constexpr int kRounds = 5;
  Reads reads;
  for (int round = 0; round < kRounds; ++round) {
    reads = read_all(*api_, paths);
    if (reads.p99 < limit) break;
  }
  EXPECT_LT(reads.p99, limit) << "the slowest were\n" << reads.slowest;
  sync_takes(Millis{0});
  for (RunRef const& run : traffic.finish())
    EXPECT_EQ(text_of(api_->events(run).back().data, "state"), "succeeded");
  EXPECT_EQ(api_->events(ended).size(), events.size());
  EXPECT_THAT(syncs(), Contains(StartsWith("other fdatasync ")));
  EXPECT_THAT(syncs_of_loop(), IsEmpty());
}

// Whatever people and units ask for, the loop itself syncs nothing.
TEST_F(SlowDisk, NoStepSyncsOnTheEventLoop) {
  auto const second = world_.repository("second");
  sync_takes(Millis{5});
  auto const in_place = api_->dispatch(invocation());
  EXPECT_EQ(text_of(api_->events(in_place).back().data, "state"), "succeeded");
  auto const beside = api_->dispatch(invocation("worktree"));
  (void)api_->events(beside);
  EXPECT_EQ(text_of(api_->events(api_->send_message(beside.session, "on")).back().data, "state"),
            "succeeded");
  EXPECT_EQ(api_->post("/api/v1/sessions/" + beside.session + "/land", {}).status, 200);
  EXPECT_EQ(api_->erase("/api/v1/sessions/" + beside.session).status, 204);
  auto const slow = world_.model(R"([{"delay_ms": 60000, "text": "never"}])");
  auto const cancelled = api_->dispatch(World::invocation(workspace_, slow, "go"));
  ASSERT_TRUE(api_->await_event(cancelled, "turn-accepted"));
  EXPECT_EQ(api_->post("/api/v1/runs/" + cancelled.run + "/cancel", {}).status, 202);
  (void)api_->events(cancelled);
  auto const workspace = api_->add_workspace(second.path());
  EXPECT_EQ(api_->erase("/api/v1/workspaces/" + workspace).status, 204);
  EXPECT_EQ(api_->post("/api/v1/queues/all/pause", {}).status, 200);
  EXPECT_EQ(api_->post("/api/v1/queues/all/resume", {}).status, 200);
  EXPECT_EQ(api_->post("/api/v1/events", {{"type", "a.b"}, {"data", json::object{}}}).status, 202);
  EXPECT_EQ(api_->post("/api/v1/hooks", {{"name", "hook"}, {"type", "a.c"}}).status, 201);
  EXPECT_THAT(syncs(), Contains(HasSubstr("drover.db")));
  EXPECT_THAT(syncs_of_loop(), IsEmpty());
}

// Every step of the run waits seconds for the disk: its unit does not take the server for lost, and
// no attempt is made anew. Read-only, for a commit is a dozen syncs more.
TEST_F(SlowDisk, ARunGoesOnInOneAttemptWhenEverySyncTakesFiveSeconds) {
  auto const model = world_.model(R"([
    {"tool_calls": [{"name": "Bash", "input": {"command":
       "while [ ! -e gate ]; do sleep 0.02; done"}}]},
    {"text": "Done."}])");
  auto wanted = World::invocation(workspace_, model, "go");
  wanted["workspaces"] = json::array{{{"id", json::string{workspace_}}, {"mode", "ro"}}};
  auto const run = api_->dispatch(wanted);
  ASSERT_TRUE(api_->await_event(run, "tool-call"));
  constexpr Millis kSync{5'000};
  sync_takes(kSync);
  repository_.write("gate", "");
  std::vector<Event> events;
  EXPECT_GE(time_of([&] { events = api_->events(run, Millis{120'000}); }), kSync * 3);
  sync_takes(Millis{0});
  EXPECT_EQ(fault_of(events, run.run), "");
  auto const& end = events.back().data;
  EXPECT_EQ(text_of(end, "state"), "succeeded") << json::serialize(end);
  EXPECT_EQ(integer_or(end, "epoch", 0), 1);
  EXPECT_THAT(syncs_of_loop(), IsEmpty());
}

}  // namespace
}  // namespace drover::harness
