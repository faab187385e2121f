// What the store says of runs against what the queue says of them, at the start of the server.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "harness/world.h"
#include "store/database.h"

namespace drover::harness {
namespace {

void change(World const& world, std::string const& statement, std::string const& run) {
  auto database =
      store::Database::open(world.state_folder() + "/drover.db", store::OpenMode::writer);
  ASSERT_TRUE(database) << database.error().text();
  auto const changed = database->run(statement, run);
  ASSERT_TRUE(changed) << changed.error().text();
  ASSERT_EQ(database->changes(), 1);
}

TEST(Watchdog, ARunThatHasNoPlaceInTheQueueEndsAsLostAndIsReported) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(R"([{"text": "hello"}])");
  world.serve({"--paused"});
  RunRef stranded;
  RunRef sound;
  {
    Api api = world.api();
    auto const workspace = api.add_workspace(repository.path());
    stranded = api.dispatch(World::invocation(workspace, model, "go"));
    sound = api.dispatch(World::invocation(workspace, model, "go"));
  }
  world.stop_server();
  change(world, "DELETE FROM dispatch_queue WHERE run=?", stranded.run);
  world.serve();
  Api api = world.api();
  auto const events = api.events(stranded);
  EXPECT_EQ(fault_of(events, stranded.run), "");
  EXPECT_EQ(text_of(events.back().data, "state"), "failed");
  EXPECT_EQ(text_of(events.back().data, "reason"), "lost");
  EXPECT_TRUE(world.server_log().contains("run-stranded run=" + stranded.run));
  EXPECT_EQ(text_of(last_of(api.events(sound), "turn-complete"), "state"), "succeeded")
      << "what fits is left alone";
}

TEST(Watchdog, APlaceOfARunThatHasEndedIsTakenOutOfTheQueue) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(R"([{"text": "hello"}])");
  world.serve({"--paused"});
  RunRef run;
  {
    Api api = world.api();
    run = api.dispatch(World::invocation(api.add_workspace(repository.path()), model, "go"));
  }
  world.stop_server();
  change(world, "UPDATE runs SET state='failed', reason='internal', finished_ms=1 WHERE id=?",
         run.run);
  world.serve();
  EXPECT_TRUE(world.server_log().contains("place-left-over run=" + run.run));
  Api api = world.api();
  EXPECT_TRUE(api.get("/api/v1/queues").body.at("queues").as_array().empty());
  EXPECT_EQ(text_of(api.run(run.run), "state"), "failed") << "it is not run again";
}

}  // namespace
}  // namespace drover::harness
