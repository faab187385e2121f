#include "workflow/open_run.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "workflow/create_run.h"
#include "workflow/state_cache.h"
#include "workflow/testing.h"

namespace drover::workflow {
namespace {

class Runs : public testing::Scratch {
 protected:
  Result<CreatedRun> create(std::string id, std::optional<json::value> inputs = std::nullopt) {
    NewRun wanted;
    wanted.runs_root = folder_ + "/runs";
    wanted.run_id = std::move(id);
    wanted.inputs = std::move(inputs);
    return create_run(wanted, clock_, random_);
  }
  Result<OpenRun> open(RunFolder const& run, Millis wait = Millis{0}) {
    return OpenRun::open(run, "test", clock_, random_, wait);
  }
  static OpenRun::Request request(std::string id, std::string key) {
    OpenRun::Request asked;
    asked.task.effect_id = std::move(id);
    asked.task.task_id = "task";
    asked.task.step_id = key;
    asked.task.key = std::move(key);
    asked.task.definition = json::object{{"kind", "node"}};
    asked.label = "label";
    return asked;
  }
};

TEST_F(Runs, ANewRunIsWholeAndASecondOfTheSameIsTheFirst) {
  auto const first = create("one", json::value(1));
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_FALSE(first->existed);
  auto const view = read_run(first->folder);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->history.head().seq, 1);
  auto const again = create("one", json::value(1));
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->existed);
  EXPECT_EQ(again->record.completion_proof(), first->record.completion_proof());
  EXPECT_EQ(create("one", json::value(2)).error().code, ErrorCode::conflict);
  EXPECT_EQ(read_run(first->folder)->history.head().seq, 1);
  EXPECT_EQ(testing::files_in(folder_ + "/runs"), std::vector<std::string>{"one"});
}

TEST_F(Runs, AnIdThatLeadsOutIsRefused) {
  for (auto const* const id : {"../x", "a/b", ".hidden", "a b", "x\n"})
    EXPECT_EQ(create(id).error().code, ErrorCode::invalid_argument) << id;
}

TEST_F(Runs, AnEffectEndsOnce) {
  auto const created = create("one");
  auto run = open(created->folder);
  ASSERT_TRUE(run) << run.error().message;
  std::vector<OpenRun::Request> asked;
  asked.push_back(request("e1", "k1"));
  asked.push_back(request("e2", "k2"));
  ASSERT_TRUE(run->request(std::move(asked)));
  TaskResult ok;
  ok.value = json::value(7);
  ASSERT_TRUE(run->post("e1", ok));
  EXPECT_EQ(run->post("e1", ok).error().message, "effect e1 is not requested (status=resolved_ok)");
  EXPECT_EQ(run->cancel("e1", "").error().code, ErrorCode::conflict);
  EXPECT_EQ(run->post("e3", ok).error().code, ErrorCode::not_found);
  ASSERT_TRUE(run->cancel("e2", "no longer"));
  auto const view = read_run(created->folder);
  EXPECT_EQ(view->history.by_id("e2")->status, EffectStatus::cancelled);
  EXPECT_EQ(read_given(created->folder, *view->history.by_id("e1"))->value, json::value(7));
  EXPECT_EQ(view->history.pending(), 0);
}

TEST_F(Runs, TheClockMayGoBackwards) {
  auto const created = create("one");
  for (int i = 0; i < 3; ++i) {
    clock_.set_wall(clock_.now() - std::chrono::hours{1});
    auto run = open(created->folder);
    ASSERT_TRUE(run);
    ASSERT_TRUE(run->append(NewEvent{"NOTE", {}}));
  }
  EXPECT_EQ(read_run(created->folder)->history.head().seq, 4);
}

TEST_F(Runs, LeftoversOfAKilledWriterAndATornEntryAreSetAsideAndTheRunGoesOn) {
  auto const run = copy("v6/crash-journal-tmp");
  auto opened = OpenRun::open(run, "test", system_clock_, random_);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->set_aside().size(), 1);
  ASSERT_TRUE(opened->append(NewEvent{"NOTE", {}}));
  opened = std::unexpected(Error{});
  EXPECT_EQ(testing::files_in(run.journal()).size(), 2);

  auto const name = read_run(run)->history.head();
  ASSERT_TRUE(os::overwrite_file(run.at("journal/" + file_name(name)), "{\n  \"type\": \"NO"));
  EXPECT_EQ(read_run(run)->journal.torn, file_name(name));
  auto again = OpenRun::open(run, "test", system_clock_, random_);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->history().head().seq, 1);
  EXPECT_TRUE(os::exists(run.at("orphaned/" + file_name(name))));
}

TEST_F(Runs, AGapIsRefusedAndNamesTheWayToRepair) {
  auto const run = copy("v6/completed");
  ASSERT_TRUE(os::remove_tree(run.at("journal/000002.01M7XPJEHBSAZ1QZ2RPZZ3SE3X.json")));
  auto const opened = OpenRun::open(run, "test", system_clock_, random_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::data_corrupt);
  EXPECT_NE(opened.error().message.find("expected 2, got 3"), std::string::npos);
  EXPECT_NE(opened.error().next.find("repair-journal"), std::string::npos);
}

TEST_F(Runs, TheStateIsTheSameWhoeverRebuildsIt) {
  auto const created = create("one");
  {
    auto run = open(created->folder);
    std::vector<OpenRun::Request> asked;
    asked.push_back(request("e1", "k1"));
    ASSERT_TRUE(run->request(std::move(asked)));
    ASSERT_TRUE(run->save_state("cli_manual"));
  }
  auto const live = testing::read(created->folder.state_file());
  ASSERT_TRUE(os::remove_tree(created->folder.state_file()));
  auto run = open(created->folder);
  ASSERT_TRUE(run->save_state("cli_manual"));
  EXPECT_EQ(testing::read(created->folder.state_file()), live);
}

TEST_F(Runs, OneWriterAtATime) {
  auto const created = create("one");
  auto held = std::make_unique<Result<OpenRun>>(open(created->folder));
  ASSERT_TRUE(*held);
  EXPECT_EQ(open(created->folder).error().code, ErrorCode::conflict);
  std::thread waiter{[&] {
    auto const got = OpenRun::open(created->folder, "waiter", system_clock_, random_);
    EXPECT_TRUE(got);
  }};
  held.reset();
  waiter.join();
  EXPECT_FALSE(os::exists(created->folder.at("run.lock")));
}

TEST_F(Runs, LocksOfTheDeadAndEmptyOnesDoNotWedge) {
  auto const created = create("one");
  std::string const lock = created->folder.at("run.lock");
  pid_t const child = fork();
  if (child == 0) _exit(0);
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(os::write_file_atomic(
      lock, "{\"pid\": " + std::to_string(child) + ", \"owner\": \"runtime:createRun\"}"));
  EXPECT_TRUE(OpenRun::open(created->folder, "test", system_clock_, random_, Millis{0}));

  ASSERT_TRUE(os::write_file_atomic(lock, ""));
  auto const fresh = OpenRun::open(created->folder, "test", system_clock_, random_, Millis{0});
  EXPECT_EQ(fresh.error().code, ErrorCode::conflict);  // its maker may be about to write it
  std::filesystem::last_write_time(
      lock, std::filesystem::file_time_type::clock::now() - std::chrono::seconds{10});
  EXPECT_TRUE(OpenRun::open(created->folder, "test", system_clock_, random_, Millis{0}));

  // A living process of another tool keeps it.
  ASSERT_TRUE(os::write_file_atomic(lock, "{\"pid\": " + std::to_string(getpid()) + "}"));
  auto const living = OpenRun::open(created->folder, "test", system_clock_, random_, Millis{0});
  EXPECT_EQ(living.error().code, ErrorCode::conflict);
}

TEST_F(Runs, ABareRunIsGivenItsProcessOnce) {
  auto const created = create("one");
  std::string const entry = folder_ + "/p.mjs";
  ASSERT_TRUE(os::write_file_atomic(entry, "export async function process(){}"));
  auto run = open(created->folder);
  Assignment wanted;
  wanted.entry = {entry, "process"};
  wanted.process_id = "p";
  ASSERT_TRUE(assign_process(*run, wanted));
  EXPECT_EQ(run->record().process_id, "p");
  EXPECT_EQ(assign_process(*run, wanted).error().code, ErrorCode::conflict);
  wanted.force = true;
  EXPECT_TRUE(assign_process(*run, wanted));
  EXPECT_EQ(run->history().process().id, "p");
}

}  // namespace
}  // namespace drover::workflow
