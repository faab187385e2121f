#include "broker/embedded_streams.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "broker/fixture.h"

namespace drover::broker {
namespace {

constexpr Millis kSoon{5000};

StreamName name_of(std::string_view text) {
  return StreamName::parse(text).value();
}

std::vector<EventDraft> drafts(int count, EventDraft::Kind last = EventDraft::Kind::normal) {
  std::vector<EventDraft> made;
  for (int number = 0; number < count; ++number)
    made.push_back({.type = "message-delta", .json = R"({"text":"hello"})"});
  if (count > 0) made.back().kind = last;
  return made;
}

class Streams : public testing::Test {
 protected:
  store::Scratch scratch;
  ManualClock clock;
  std::unique_ptr<Engine> engine = std::make_unique<Engine>(scratch);
  std::unique_ptr<EmbeddedStreams> streams = make();

  std::unique_ptr<EmbeddedStreams> make(StreamOptions options = {}) {
    return std::make_unique<EmbeddedStreams>(engine->writer, engine->readers, clock,
                                             engine->loop.get_executor(), options);
  }
  void remake(StreamOptions options) {
    streams.reset();
    streams = make(options);
  }
  ~Streams() override { streams.reset(); }

  Task<Result<std::vector<std::int64_t>>> append_task(StreamName name,
                                                      std::vector<EventDraft> events) {
    auto job = [this, name, events = std::move(events)](store::Transaction& transaction) {
      return streams->append(transaction, name, events);
    };
    co_return co_await engine->writer.run(std::move(job));
  }
  Result<std::vector<std::int64_t>> append(std::string_view name, std::vector<EventDraft> events) {
    return engine->finish(append_task(name_of(name), std::move(events)));
  }
  std::unique_ptr<StreamReader> reader(std::string_view name, std::int64_t after = 0) {
    return std::move(streams->open_reader(name_of(name), after).value());
  }
  Result<ReadBatch> next(StreamReader& from, std::size_t events_max = 1000, Millis wait = kSoon) {
    return engine->finish(from.next(events_max, wait));
  }
  std::vector<std::int64_t> seqs(ReadBatch const& batch) {
    std::vector<std::int64_t> numbers;
    for (auto const& event : batch.events)
      numbers.push_back(event->seq());
    return numbers;
  }
  using Numbers = std::vector<std::int64_t>;
};

TEST_F(Streams, NumberFromOneWithinEachStream) {
  EXPECT_EQ(append("a", drafts(2)).value(), (Numbers{1, 2}));
  EXPECT_EQ(append("b", drafts(1)).value(), (Numbers{1}));
  EXPECT_EQ(append("a", drafts(1)).value(), (Numbers{3}));
  EXPECT_EQ(append("a", drafts(0)).value(), (Numbers{}));
}

TEST_F(Streams, AreTheSameFromMemoryAndFromTheFile) {
  ASSERT_TRUE(append("a", drafts(3)));
  auto live = reader("a");
  auto const from_memory = next(*live).value();
  EXPECT_EQ(streams->stats().file_reads, 0U);
  live.reset();
  remake({});
  auto stored = reader("a");
  auto const from_file = next(*stored).value();
  EXPECT_EQ(streams->stats().file_reads, 1U);
  ASSERT_EQ(seqs(from_memory), (Numbers{1, 2, 3}));
  ASSERT_EQ(seqs(from_file), (Numbers{1, 2, 3}));
  for (std::size_t at = 0; at < 3; ++at)
    EXPECT_EQ(from_memory.events[at]->sse(), from_file.events[at]->sse());
}

TEST_F(Streams, EndAfterTheClosingEventAndTakeNoMore) {
  ASSERT_TRUE(append("a", drafts(2, EventDraft::Kind::closing)));
  EXPECT_EQ(append("a", drafts(1)).error().code, ErrorCode::conflict);
  for (int from_file = 0; from_file < 2; ++from_file) {
    auto all = reader("a");
    auto const batch = next(*all).value();
    EXPECT_EQ(seqs(batch), (Numbers{1, 2}));
    EXPECT_TRUE(batch.ended);
    auto const after = next(*all).value();
    EXPECT_TRUE(after.ended);
    EXPECT_TRUE(after.events.empty());
    auto late = reader("a", 2);
    auto const nothing = next(*late).value();
    EXPECT_TRUE(nothing.ended);
    EXPECT_TRUE(nothing.events.empty());
    all.reset();
    late.reset();
    remake({});
  }
  auto behind = drafts(2);
  behind.front().kind = EventDraft::Kind::closing;
  EXPECT_EQ(append("b", behind).error().code, ErrorCode::conflict);
}

TEST_F(Streams, AnAppendThatFailsLeavesNoTrace) {
  auto bad = drafts(2);
  bad.back().json = "no object";
  EXPECT_EQ(append("a", bad).error().code, ErrorCode::invalid_argument);
  auto watching = reader("a");
  EXPECT_TRUE(next(*watching, 10, Millis{20}).value().events.empty());
  EXPECT_EQ(append("a", drafts(1)).value(), (Numbers{1}));
  EXPECT_EQ(seqs(next(*watching).value()), (Numbers{1}));
  EXPECT_EQ(append("a", drafts(1001)).error().code, ErrorCode::too_large);
}

TEST_F(Streams, AnEmptyBatchAfterTheWait) {
  auto idle = reader("a");
  auto const started = std::chrono::steady_clock::now();
  auto const batch = next(*idle, 10, Millis{50}).value();
  EXPECT_TRUE(batch.events.empty());
  EXPECT_FALSE(batch.ended);
  EXPECT_GE(std::chrono::steady_clock::now() - started, Millis{50});
}

TEST_F(Streams, ACursorBeyondTheEndIsRefused) {
  ASSERT_TRUE(append("a", drafts(2)));
  auto beyond = reader("a", 3);
  EXPECT_EQ(next(*beyond).error().code, ErrorCode::invalid_argument);
  auto nowhere = reader("none", 1);
  EXPECT_EQ(next(*nowhere).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(streams->open_reader(name_of("a"), -1).error().code, ErrorCode::invalid_argument);
}

struct Received {
  std::vector<EventPtr> events;
  std::size_t batches = 0;
  std::optional<Error> error;
  bool ended = false;
};

Task<void> follow(StreamReader* from, std::size_t events_max, Received* received) {
  for (;;) {
    auto batch = co_await from->next(events_max, kSoon);
    if (!batch) {
      received->error = batch.error();
      co_return;
    }
    ++received->batches;
    std::ranges::move(batch->events, std::back_inserter(received->events));
    received->ended = batch->ended;
    if (batch->ended) co_return;
  }
}

TEST_F(Streams, AReaderWakesOnceForABatchAndSharesItsBuffers) {
  Received first;
  Received second;
  auto one = reader("a");
  auto two = reader("a");
  engine->start(follow(one.get(), 1000, &first));
  engine->start(follow(two.get(), 1000, &second));
  engine->run_for(Millis{50});
  ASSERT_TRUE(append("a", drafts(100, EventDraft::Kind::closing)));
  engine->run_for(Millis{50});
  ASSERT_TRUE(first.ended);
  ASSERT_TRUE(second.ended);
  EXPECT_EQ(first.batches, 1U);
  ASSERT_EQ(first.events.size(), 100U);
  ASSERT_EQ(second.events.size(), 100U);
  for (std::size_t at = 0; at < 100; ++at)
    EXPECT_EQ(first.events[at].get(), second.events[at].get());
}

TEST_F(Streams, StopEndsAWait) {
  Received stopped;
  Received others;
  auto one = reader("a");
  auto two = reader("a");
  engine->start(follow(one.get(), 10, &stopped));
  engine->start(follow(two.get(), 10, &others));
  engine->run_for(Millis{50});
  one->stop();
  engine->run_for(Millis{20});
  ASSERT_TRUE(stopped.error);
  EXPECT_EQ(stopped.error->code, ErrorCode::cancelled);
  EXPECT_FALSE(others.error);
  streams->stop();
  engine->run_for(Millis{20});
  ASSERT_TRUE(others.error);
  EXPECT_EQ(streams->open_reader(name_of("a"), 0).error().code, ErrorCode::unavailable);
}

Task<void> append_randomly(store::Writer* writer, OutputStreams* to, std::uint32_t seed,
                           int total) {
  std::mt19937 random{seed};
  for (int done = 0; done < total;) {
    int const count = std::min(total - done, 1 + static_cast<int>(random() % 7));
    done += count;
    auto events =
        drafts(count, done == total ? EventDraft::Kind::closing : EventDraft::Kind::normal);
    auto job = [to, events = std::move(events)](store::Transaction& transaction) {
      return to->append(transaction, name_of("a"), events);
    };
    auto const numbers = co_await writer->run(std::move(job));
    EXPECT_TRUE(numbers);
  }
}

// Whatever the sizes of rings, batches and appends: every reader gets every event after its cursor
// once and in order, over the hand-over from the file to memory and back.
TEST_F(Streams, NoGapAndNoRepeatForAnyReader) {
  for (std::uint32_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random{seed};
    StreamOptions options;
    options.ring_events_max = 1 + random() % 12;
    options.batch_bytes_max = 1 + random() % 2000;
    options.rings_bytes_max = random() % 3 == 0 ? 300 : 1'000'000;
    store::Scratch fresh;
    Engine own{fresh};
    EmbeddedStreams to{own.writer, own.readers, clock, own.loop.get_executor(), options};
    constexpr int kTotal = 200;
    std::vector<std::unique_ptr<StreamReader>> all;
    std::vector<Received> received(12);
    std::vector<std::int64_t> after;
    own.start(append_randomly(&own.writer, &to, seed, kTotal));
    for (Received& one : received) {
      // Only as far as there is something: a cursor beyond the end is refused.
      after.push_back(0);
      all.push_back(std::move(to.open_reader(name_of("a"), 0).value()));
      own.start(follow(all.back().get(), 1 + random() % 9, &one));
    }
    own.loop.run_for(store::kTestDeadline);
    // Late ones, from the middle.
    for (int late = 0; late < 4; ++late) {
      after.push_back(static_cast<std::int64_t>(random() % kTotal));
      received.emplace_back();
    }
    for (std::size_t at = 12; at < received.size(); ++at) {
      all.push_back(std::move(to.open_reader(name_of("a"), after[at]).value()));
      own.start(follow(all.back().get(), 1 + random() % 9, &received[at]));
    }
    own.run_for(store::kTestDeadline);
    for (std::size_t at = 0; at < received.size(); ++at) {
      ASSERT_TRUE(received[at].ended);
      ASSERT_EQ(received[at].events.size(), static_cast<std::size_t>(kTotal - after[at]));
      std::int64_t wanted = after[at];
      for (EventPtr const& event : received[at].events)
        ASSERT_EQ(event->seq(), ++wanted);
    }
  }
}

TEST_F(Streams, TrimByCountSaysWhatAReaderMissed) {
  StreamOptions options;
  options.ring_events_max = 1;
  remake(options);
  ASSERT_TRUE(append("a", drafts(10)));
  ASSERT_TRUE(append("b", drafts(2)));
  EXPECT_EQ(engine->finish(streams->trim({.age_max = {}, .events_max = 4})).value(), 6);
  auto behind = reader("a", 2);
  auto const batch = next(*behind).value();
  EXPECT_EQ(batch.gap_until, 7);
  EXPECT_EQ(seqs(batch), (Numbers{7, 8, 9, 10}));
  auto up_to_date = reader("a", 6);
  auto const whole = next(*up_to_date).value();
  EXPECT_EQ(whole.gap_until, std::nullopt);
  EXPECT_EQ(seqs(whole), (Numbers{7, 8, 9, 10}));
  auto other = reader("b");
  EXPECT_EQ(seqs(next(*other).value()), (Numbers{1, 2}));
  EXPECT_EQ(append("a", drafts(1)).value(), (Numbers{11})) << "numbers go on after a trim";
}

TEST_F(Streams, TrimByAgeTakesTheOldOfAllStreams) {
  remake({.ring_events_max = 1});
  ASSERT_TRUE(append("a", drafts(1200 - 300)));
  ASSERT_TRUE(append("b", drafts(2, EventDraft::Kind::closing)));
  clock.advance(std::chrono::hours{1});
  ASSERT_TRUE(append("a", drafts(3)));
  EXPECT_EQ(engine->finish(streams->trim({.age_max = std::chrono::minutes{30}, .events_max = {}}))
                .value(),
            902);
  auto behind = reader("a");
  auto const batch = next(*behind).value();
  EXPECT_EQ(batch.gap_until, 901);
  EXPECT_EQ(seqs(batch), (Numbers{901, 902, 903}));
  auto gone = reader("b");
  auto const nothing = next(*gone).value();
  EXPECT_EQ(nothing.gap_until, 3);
  EXPECT_TRUE(nothing.ended);
}

TEST_F(Streams, MemoryIsBoundedAndGivenBack) {
  StreamOptions options;
  options.ring_bytes_max = 2000;
  options.rings_bytes_max = 5000;
  options.readers_max = 2;
  remake(options);
  for (int stream = 0; stream < 20; ++stream)
    ASSERT_TRUE(append("s" + std::to_string(stream), drafts(50)));
  EXPECT_LE(streams->stats().ring_bytes, 5000U);
  EXPECT_LE(streams->stats().rings, 3U);
  for (int stream = 0; stream < 20; ++stream)
    ASSERT_TRUE(append("s" + std::to_string(stream), drafts(1, EventDraft::Kind::closing)));
  EXPECT_EQ(streams->stats().ring_bytes, 0U) << "closed streams without readers";
  auto one = reader("a");
  auto two = reader("a");
  EXPECT_EQ(streams->open_reader(name_of("a"), 0).error().code, ErrorCode::unavailable);
  two.reset();
  EXPECT_TRUE(streams->open_reader(name_of("a"), 0));
}

TEST_F(Streams, SurviveARestart) {
  ASSERT_TRUE(append("a", drafts(3)));
  streams.reset();
  engine.reset();
  engine = std::make_unique<Engine>(scratch);
  streams = make();
  EXPECT_EQ(append("a", drafts(1)).value(), (Numbers{4}));
  auto all = reader("a");
  auto first = next(*all).value();
  EXPECT_EQ(seqs(first), (Numbers{1, 2, 3, 4}));
}

double cpu_us() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  auto const us = [](timeval const& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

Task<void> append_one_by_one(store::Writer* writer, OutputStreams* to, int count) {
  for (int number = 1; number <= count; ++number) {
    auto events = drafts(1, number == count ? EventDraft::Kind::closing : EventDraft::Kind::normal);
    auto job = [to, events = std::move(events)](store::Transaction& transaction) {
      return to->append(transaction, name_of("a"), events);
    };
    auto const done = co_await writer->run(std::move(job));
    EXPECT_TRUE(done);
  }
}

// A measurement, for people.
TEST_F(Streams, DISABLED_MeasureFanOut) {
  for (int const readers : {1, 100, 1000}) {
    store::Scratch fresh;
    Engine own{fresh};
    EmbeddedStreams to{own.writer, own.readers, clock, own.loop.get_executor()};
    std::vector<std::unique_ptr<StreamReader>> all;
    std::vector<Received> received(static_cast<std::size_t>(readers));
    for (Received& one : received) {
      all.push_back(std::move(to.open_reader(name_of("a"), 0).value()));
      own.start(follow(all.back().get(), 1000, &one));
    }
    own.run_for(Millis{200});
    constexpr int kEvents = 500;
    double const cpu = cpu_us();
    auto const started = std::chrono::steady_clock::now();
    own.start(append_one_by_one(&own.writer, &to, kEvents));
    own.run_for(store::kTestDeadline);
    double const us =
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - started)
            .count();
    std::printf(
        "%4d readers: %6.0f us an event to all, %5.2f us CPU a delivery, %.2f a batch\n", readers,
        us / kEvents, (cpu_us() - cpu) / kEvents / readers,
        static_cast<double>(received[0].events.size()) / static_cast<double>(received[0].batches));
  }
}

}  // namespace
}  // namespace drover::broker
