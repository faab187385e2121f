#include "redis/broker_world.h"

#include <chrono>

#include "broker/redis_entries.h"

namespace drover::test {

using namespace broker;

RedisBrokerOptions quick_options() {
  RedisBrokerOptions options;
  options.client.backoff = {Millis{5}, Millis{100}};
  options.client.call_timeout = Millis{300};
  options.client.ping_every = Millis{200};
  options.client.connection.connect_timeout = Millis{300};
  options.relay.check_every = Millis{500};
  options.claimer.block = Millis{200};
  options.claimer.reclaim_after = Millis{300};
  options.claimer.reclaim_every = Millis{100};
  options.look_every = Millis{50};
  return options;
}

BrokerWorld::BrokerWorld(std::string const& url, RedisBrokerOptions options) : engine(scratch) {
  auto const loop = engine.loop.get_executor();
  streams = std::make_unique<EmbeddedStreams>(engine.writer, engine.readers, clock, loop);
  queue = std::make_unique<EmbeddedQueue>(engine.writer, clock, loop);
  if (auto loaded = engine.finish(queue->load()); !loaded)
    throw std::runtime_error(loaded.error().text());
  auto endpoint = redis::parse_endpoint(url);
  if (!endpoint) throw std::runtime_error(endpoint.error().text());
  redis = std::make_unique<RedisBroker>(
      RedisBroker::Parts{loop, clock, random, *queue, *streams, engine.readers, {}, {}}, *endpoint,
      std::move(options));
  redis->start();
}

BrokerWorld::~BrokerWorld() {
  stopping_ = true;
  queue->stop();
  bool stopped = false;
  engine.start([](RedisBroker& broker, bool& done) -> Task<void> {
    co_await broker.stop();
    done = true;
  }(*redis, stopped));
  EXPECT_TRUE(run_until([&] { return stopped && working_ == 0; }));
  redis.reset();
  streams->stop();
  engine.loop.restart();
  engine.loop.run_for(Millis{20});
}

void BrokerWorld::enqueue(std::string const& run, std::int64_t priority) {
  auto const done = engine.finish(engine.writer.run([&](store::Transaction& transaction) {
    QueueEntry entry;
    entry.run = RunId::trusted(run);
    entry.task_type = kType;
    entry.pool = kDefaultPool;
    entry.priority = priority;
    entry.enqueued_at = entry.not_before = clock.now();
    return queue->enqueue(transaction, entry);
  }));
  if (!done) throw std::runtime_error(done.error().text());
}

void BrokerWorld::enqueue_many(std::string const& prefix, int count) {
  for (int i = 0; i < count; ++i)
    enqueue(fmt::format("{}-{}", prefix, i));
}

void BrokerWorld::start_workers(int count, int events) {
  working_ += count;
  for (int i = 0; i < count; ++i)
    engine.start(work(events));
}

Task<void> BrokerWorld::work(int events) {
  while (!stopping_) {
    ClaimRequest request;
    request.worker = WorkerId::trusted("wrk-test");
    request.wait = Millis{5'000};
    auto claim = co_await redis->queue().claim(std::move(request));
    if (!claim || !*claim) continue;
    auto const name = StreamName::of_run((*claim)->entry.run);
    for (int i = 1; i <= events; ++i) {
      auto job = [&, i, name](store::Transaction& transaction) -> Status {
        EventDraft draft;
        draft.type = "ping";
        draft.json = fmt::format(R"({{"n":{}}})", i);
        if (i == events) draft.kind = EventDraft::Kind::closing;
        auto const numbers = streams->append(transaction, name, {draft});
        if (!numbers) return std::unexpected(numbers.error());
        return i == events ? queue->ack(transaction, **claim) : Status{};
      };
      auto const done = co_await engine.writer.run(std::move(job));
      if (!done) ADD_FAILURE() << done.error().text();
    }
    ++finished[(*claim)->entry.run.str()];
  }
  --working_;
}

bool BrokerWorld::run_until(std::function<bool()> const& done, Millis limit) {
  auto const deadline = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    engine.loop.restart();
    engine.loop.run_one_for(Millis{10});
  }
  return true;
}

std::vector<std::string> BrokerWorld::stored_events(std::string const& run) {
  auto reader = streams->open_reader(StreamName::of_run(RunId::trusted(run)), 0);
  std::vector<std::string> bodies;
  for (;;) {
    auto const batch = engine.finish((*reader)->next(1000, Millis{0}));
    if (!batch) throw std::runtime_error(batch.error().text());
    for (EventPtr const& event : batch->events)
      bodies.emplace_back(event->body());
    if (batch->ended || batch->events.empty()) return bodies;
  }
}

std::vector<MirroredEvent> mirrored_events(BrokerWorld& world, redis::Endpoint const& endpoint,
                                           std::string const& run) {
  auto& loop = world.engine.loop;
  auto const connection =
      store::finish(loop, redis::Connection::open(loop.get_executor(), endpoint, {}));
  if (!connection) throw std::runtime_error(connection.error().text());
  auto const reply = store::finish(
      loop, (*connection)->call({"XRANGE", "task:run:" + run, "-", "+"}, "answer", Millis{2'000}));
  (*connection)->close({ErrorCode::cancelled, "read", {}});
  if (!reply) throw std::runtime_error(reply.error().text());
  std::vector<MirroredEvent> events;
  for (StreamEntry const& entry : entries_of(*reply))
    events.push_back({entry.id, entry.fields.at(1)});
  return events;
}

std::vector<MirroredEvent> as_mirrored(std::vector<std::string> const& bodies) {
  std::vector<MirroredEvent> events;
  for (std::size_t i = 0; i < bodies.size(); ++i)
    events.push_back({fmt::format("{}-0", i + 1), bodies[i]});
  return events;
}

}  // namespace drover::test
