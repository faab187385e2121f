#include "broker/retention.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "base/time.h"
#include "broker/embedded_streams.h"
#include "broker/fixture.h"

namespace drover::broker {
namespace {

class RetentionTest : public ::testing::Test {
 protected:
  void append(std::string const& name, int count) {
    std::vector<EventDraft> const drafts(
        static_cast<std::size_t>(count),
        EventDraft{.type = "usage", .json = R"({"n":1})", .kind = EventDraft::Kind::normal});
    auto const done = engine.finish(
        engine.writer.run([&, stream = *StreamName::parse(name)](store::Transaction& transaction) {
          return streams.append(transaction, stream, drafts);
        }));
    ASSERT_TRUE(done) << done.error().text();
  }
  // Of all streams, as the file has them.
  std::int64_t events() {
    return engine.readers
        .run_blocking([](store::Database& database) -> Result<std::int64_t> {
          return store::read_integer(database, "SELECT count(*) FROM stream_events");
        })
        .value();
  }

  store::Scratch scratch;
  Engine engine{scratch};
  ManualClock clock;
  EmbeddedStreams streams{engine.writer, engine.readers, clock, engine.loop.get_executor()};
};

TEST_F(RetentionTest, TrimsAtOnceAndAgainUntilItIsStopped) {
  append("old", 5);
  clock.advance(std::chrono::days{31});
  append("new", 3);
  RetentionOptions options;
  options.keep.age_max = std::chrono::days{30};
  options.keep.events_max = 2;
  options.every = Millis{10};
  store::DiskReserve const reserve{{}, engine.loop.get_executor(), engine.pool};
  Retention retention{streams, reserve, engine.loop.get_executor(), options};
  bool ended = false;
  boost::asio::co_spawn(engine.loop, retention.run(),
                        [&](std::exception_ptr const&) { ended = true; });
  auto const runs_until = [&](std::int64_t count) {
    for (int i = 0; i < 200 && events() != count; ++i)
      engine.run_for(Millis{10});
    return events();
  };
  EXPECT_EQ(runs_until(2), 2) << "the old are gone, and of the new stream the first";
  clock.advance(std::chrono::days{31});
  EXPECT_EQ(runs_until(0), 0);
  EXPECT_FALSE(ended);
  retention.stop();
  engine.run_for(Millis{2'000});
  EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace drover::broker
