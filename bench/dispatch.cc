// The dispatch queue: enqueue, claim and acknowledge, each durable before it is answered. Beside
// it, the same with Redis as the broker, and on raw Redis Streams and BullMQ with as many clients
// and the same payload.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/log.h"
#include "benches.h"
#include "broker/embedded_queue.h"
#include "broker/embedded_streams.h"
#include "broker/redis_broker.h"
#include "broker/schema.h"
#include "bullmq.h"
#include "machine.h"
#include "redis_server.h"
#include "store/migrations.h"

namespace drover::bench {

namespace {

namespace asio = boost::asio;

constexpr std::size_t kPayloadBytes = 150;
constexpr int kPickups = 300;
constexpr std::size_t kBatch = 100;
constexpr Millis kPickupPause{2};
constexpr Millis kClaimWait{10'000};

std::string const& payload() {
  static std::string const text(kPayloadBytes, 'x');
  return text;
}

std::int64_t own_cpu_ns() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  auto const ns = [](timeval const& time) {
    return (time.tv_sec * 1'000'000LL + time.tv_usec) * 1000LL;
  };
  return ns(used.ru_utime) + ns(used.ru_stime);
}

// What the work of one case took.
struct Spent {
  double seconds = 0;
  double cpu_us = 0;
};

Result<Spent> timed(std::function<Status()> const& work, std::function<std::int64_t()> const& cpu) {
  std::int64_t const cpu_before = cpu();
  std::int64_t const start = monotonic_ns();
  DROVER_TRY(work());
  return Spent{ms_between(start, monotonic_ns()) / 1e3,
               static_cast<double>(cpu() - cpu_before) / 1e3};
}

// A queue over a file of its own, and the loop that it lives on. With the socket of a Redis, claims
// go by that.
class Embedded {
 public:
  static Result<std::unique_ptr<Embedded>> open(Scratch const& scratch, std::string const& name,
                                                std::string const& redis_socket = "") {
    auto database = store::Database::open(scratch.path(name + ".db"), store::OpenMode::writer);
    if (!database) return std::unexpected(database.error());
    DROVER_TRY(store::migrate(*database, broker::migrations()));
    DROVER_TRY(
        database->execute("CREATE TABLE payloads(run TEXT PRIMARY KEY, body TEXT NOT NULL)"
                          " STRICT, WITHOUT ROWID"));
    auto made = std::unique_ptr<Embedded>(new Embedded(*std::move(database)));
    auto const loaded = made->finish(made->queue_.load());
    if (!loaded) return std::unexpected(loaded.error());
    if (!redis_socket.empty())
      DROVER_TRY(made->go_by_redis(scratch.path(name + ".db"), redis_socket));
    return made;
  }
  ~Embedded() {
    if (redis_) (void)finish(stop_redis());
  }
  Embedded(Embedded const&) = delete;
  Embedded& operator=(Embedded const&) = delete;

  Status enqueue(int clients, int count, std::size_t batch) {
    return each_client(clients, count,
                       [this, batch](int share) { return enqueue_share(share, batch); });
  }
  Status claim_and_ack(int clients, int count, std::size_t batch) {
    return each_client(clients, count, [this, batch](int share) { return drain(share, batch); });
  }
  Status cycle(int clients, int count) {
    return each_client(clients, count, [this](int share) { return cycle_share(share); });
  }
  Result<Samples> pickups(int count) {
    Samples samples;
    bool sends = true;
    auto const done = each_client(2, 2, [&, this](int) {
      return std::exchange(sends, false) ? send_paced(count) : receive(count, &samples);
    });
    if (!done) return std::unexpected(done.error());
    return samples;
  }

 private:
  static broker::QueueOptions options() {
    broker::QueueOptions wanted;
    wanted.entries_max = 4'000'000;
    return wanted;
  }
  explicit Embedded(store::Database database)
      : writer_(std::move(database), io_.get_executor()),
        queue_(writer_, clock_, io_.get_executor(), options()) {}

  Status go_by_redis(std::string const& file, std::string const& socket) {
    auto endpoint = redis::parse_endpoint("unix://" + socket);
    if (!endpoint) return std::unexpected(endpoint.error());
    auto const loop = io_.get_executor();
    readers_ = std::make_unique<store::Readers>(file, pool_);
    streams_ = std::make_unique<broker::EmbeddedStreams>(writer_, *readers_, clock_, loop);
    broker::RedisBrokerOptions wanted;
    wanted.lanes.emplace_back("bench", std::string{broker::kDefaultPool});
    redis_ = std::make_unique<broker::RedisBroker>(
        broker::RedisBroker::Parts{loop, clock_, random_, queue_, *streams_, *readers_, {}, {}},
        *std::move(endpoint), std::move(wanted));
    redis_->start();
    while (redis_->status().problem && io_.run_one() > 0) {
    }
    claims_ = &redis_->queue();
    return {};
  }
  Task<Status> stop_redis() {
    co_await redis_->stop();
    co_return Status{};
  }

  template <class T>
  T finish(Task<T> task) {
    std::optional<T> result;
    asio::co_spawn(io_, std::move(task), [&](std::exception_ptr const& thrown, T value) {
      if (!thrown) result.emplace(std::move(value));
    });
    io_.restart();
    while (!result && io_.run_one() > 0) {
    }
    if (!result) throw std::runtime_error{"a benchmark's task did not end"};
    return std::move(*result);
  }

  // Runs one task for each client, with its share of the count.
  Status each_client(int clients, int count, std::function<Task<Status>(int)> const& work) {
    int running = clients;
    Status first;
    for (int client = 0; client < clients; ++client) {
      int const share = count / clients + (client < count % clients ? 1 : 0);
      asio::co_spawn(io_, work(share), [&](std::exception_ptr const& thrown, Status done) {
        if (thrown) done = fail(ErrorCode::internal, "a benchmark's client threw");
        if (!done && first) first = std::move(done);
        --running;
      });
    }
    io_.restart();
    while (running > 0 && io_.run_one() > 0) {
    }
    return first;
  }

  [[nodiscard]] broker::QueueEntry entry() {
    broker::QueueEntry made;
    made.run = RunId::create(clock_, random_);
    made.task_type = "bench";
    made.pool = "default";
    made.enqueued_at = made.not_before = clock_.now();
    return made;
  }

  Task<Status> enqueue_share(int count, std::size_t batch) {
    while (count > 0) {
      std::vector<broker::QueueEntry> entries;
      for (; entries.size() < batch && count > 0; --count)
        entries.push_back(entry());
      auto job = [this, entries = std::move(entries)](store::Transaction& transaction) -> Status {
        for (broker::QueueEntry const& one : entries)
          DROVER_TRY(transaction.db().run("INSERT INTO payloads(run, body) VALUES(?, ?)",
                                          one.run.str(), payload()));
        auto const done = queue_.enqueue_many(transaction, entries);
        if (!done) return std::unexpected(done.error());
        return {};
      };
      auto const done = co_await writer_.run(std::move(job));
      if (!done) co_return done;
    }
    co_return Status{};
  }

  [[nodiscard]] static broker::ClaimRequest request(Millis wait) {
    broker::ClaimRequest made;
    made.worker = WorkerId::trusted("bench");
    made.wait = wait;
    made.within = [](store::Transaction& transaction, broker::Claim const& claim) -> Status {
      auto body =
          transaction.db().query("SELECT body FROM payloads WHERE run=?", claim.entry.run.str());
      if (!body) return std::unexpected(body.error());
      auto const found = body->step();
      if (!found) return std::unexpected(found.error());
      if (!*found || body->text(0).size() != kPayloadBytes)
        return fail(ErrorCode::internal, "the payload of {} is gone", claim.entry.run);
      return {};
    };
    return made;
  }

  Task<Status> ack(std::vector<broker::Claim> claims) {
    auto job = [this, claims = std::move(claims)](store::Transaction& transaction) -> Status {
      auto const lost = queue_.ack_many(transaction, claims);
      if (!lost) return std::unexpected(lost.error());
      if (lost->empty()) return {};
      return fail(ErrorCode::internal, "{} claims were lost", lost->size());
    };
    co_return co_await writer_.run(std::move(job));
  }

  Task<Status> drain(int count, std::size_t batch) {
    while (count > 0) {
      auto wanted = request(kClaimWait);
      auto claims = co_await claims_->claim_many(std::move(wanted),
                                                 std::min(batch, static_cast<std::size_t>(count)));
      if (!claims) co_return std::unexpected(claims.error());
      count -= static_cast<int>(claims->size());
      auto const done = co_await ack(*std::move(claims));
      if (!done) co_return done;
    }
    co_return Status{};
  }

  Task<Status> cycle_share(int count) {
    for (; count > 0; --count) {
      auto const put = co_await enqueue_share(1, 1);
      if (!put) co_return put;
      auto const got = co_await drain(1, 1);
      if (!got) co_return got;
    }
    co_return Status{};
  }

  Task<Status> send_paced(int count) {
    asio::steady_timer timer{io_};
    for (int i = 0; i < count; ++i) {
      timer.expires_after(kPickupPause);
      co_await timer.async_wait(asio::use_awaitable);
      sent_ns_ = monotonic_ns();
      auto const put = co_await enqueue_share(1, 1);
      if (!put) co_return put;
    }
    co_return Status{};
  }
  Task<Status> receive(int count, Samples* samples) {
    for (int i = 0; i < count; ++i) {
      auto wanted = request(kClaimWait);
      auto claims = co_await claims_->claim_many(std::move(wanted), 1);
      if (!claims) co_return std::unexpected(claims.error());
      if (claims->empty()) co_return fail(ErrorCode::internal, "nothing came to be picked up");
      samples->add(ms_between(sent_ns_, monotonic_ns()));
      auto const done = co_await ack(*std::move(claims));
      if (!done) co_return done;
    }
    co_return Status{};
  }

  SystemClock clock_;
  asio::io_context io_{1};
  store::Writer writer_;
  broker::EmbeddedQueue queue_;
  broker::DispatchQueue* claims_ = &queue_;
  SystemRandom random_;
  os::BlockingPool pool_{1};
  std::unique_ptr<store::Readers> readers_;
  std::unique_ptr<broker::EmbeddedStreams> streams_;
  std::unique_ptr<broker::RedisBroker> redis_;
  std::int64_t sent_ns_ = 0;
};

// Clients of Redis are threads that block, each with a connection of its own.
class Redis {
 public:
  static Result<std::unique_ptr<Redis>> open(Scratch const& scratch, std::string const& sync) {
    auto server = RedisServer::start(scratch, sync);
    if (!server) return std::unexpected(server.error());
    return std::unique_ptr<Redis>(new Redis(*std::move(server)));
  }

  [[nodiscard]] pid_t pid() const { return server_.pid(); }
  [[nodiscard]] std::string const& socket() const { return server_.socket(); }

  Status enqueue(int clients, int count, std::size_t batch) {
    return each_client(clients, count, [batch](RedisClient& client, int, int number) -> Status {
      while (number > 0) {
        std::vector<RedisClient::Words> adds(std::min(batch, static_cast<std::size_t>(number)),
                                             {"XADD", "jobs", "*", "body", payload()});
        DROVER_TRY(client.run(adds));
        number -= static_cast<int>(adds.size());
      }
      return {};
    });
  }
  Status claim_and_ack(int clients, int count, std::size_t batch) {
    return each_client(clients, count,
                       [batch](RedisClient& client, int consumer, int number) -> Status {
                         while (number > 0) {
                           auto const taken = take(client, consumer, batch, Millis{0});
                           if (!taken) return std::unexpected(taken.error());
                           number -= static_cast<int>(*taken);
                         }
                         return {};
                       });
  }
  Status cycle(int clients, int count) {
    return each_client(clients, count, [](RedisClient& client, int consumer, int number) -> Status {
      for (; number > 0; --number) {
        DROVER_TRY(client.run({{"XADD", "jobs", "*", "body", payload()}}));
        auto const taken = take(client, consumer, 1, kClaimWait);
        if (!taken) return std::unexpected(taken.error());
      }
      return {};
    });
  }
  Result<Samples> pickups(int count) {
    Samples samples;
    std::atomic<std::int64_t> sent{0};
    auto const done =
        each_client(2, 2 * count, [&](RedisClient& client, int who, int number) -> Status {
          for (; number > 0; --number) {
            if (who == 0) {
              std::this_thread::sleep_for(kPickupPause);
              sent = monotonic_ns();
              DROVER_TRY(client.run({{"XADD", "jobs", "*", "body", payload()}}));
              continue;
            }
            auto const ids = client.read_group("1", 1, kClaimWait);
            if (!ids) return std::unexpected(ids.error());
            samples.add(ms_between(sent, monotonic_ns()));
            for (std::string const& id : *ids)
              DROVER_TRY(client.run({{"XACK", "jobs", "workers", id}}));
          }
          return {};
        });
    if (!done) return std::unexpected(done.error());
    return samples;
  }

 private:
  explicit Redis(RedisServer server) : server_(std::move(server)) {}

  static Result<std::size_t> take(RedisClient& client, int consumer, std::size_t batch,
                                  Millis block) {
    auto const ids = client.read_group(std::to_string(consumer), batch, block);
    if (!ids) return std::unexpected(ids.error());
    if (ids->empty()) return fail(ErrorCode::upstream, "redis had no message left");
    RedisClient::Words ack{"XACK", "jobs", "workers"};
    ack.insert(ack.end(), ids->begin(), ids->end());
    DROVER_TRY(client.run({ack}));
    return ids->size();
  }

  Status each_client(int clients, int count,
                     std::function<Status(RedisClient&, int, int)> const& work) {
    std::vector<Status> results(static_cast<std::size_t>(clients));
    {
      std::vector<std::jthread> threads;
      for (int number = 0; number < clients; ++number)
        threads.emplace_back([&, number] {
          auto client = RedisClient::connect(server_.socket());
          auto& result = results[static_cast<std::size_t>(number)];
          result = client ? work(*client, number, count / clients)
                          : Status{std::unexpected(client.error())};
        });
    }
    for (Status const& result : results)
      if (!result) return result;
    return {};
  }

  RedisServer server_;
};

// Every figure is the median of rounds in which the systems take turns: what else this machine does
// then falls on all of them.
constexpr int kRounds = 3;

class Medians {
 public:
  void add(std::string const& name, std::string const& metric, std::string const& unit,
           double value) {
    auto const found = std::ranges::find_if(
        all_, [&](One const& one) { return one.name == name && one.metric == metric; });
    if (found != all_.end()) return found->samples.add(value);
    all_.push_back({name, metric, unit, {}});
    all_.back().samples.add(value);
  }
  [[nodiscard]] std::optional<double> of(std::string_view name, std::string_view metric) const {
    for (One const& one : all_)
      if (one.name == name && one.metric == metric) return one.samples.median();
    return std::nullopt;
  }
  void report(Report& report, std::string_view prefix) const {
    for (One const& one : all_)
      if (one.name.starts_with(prefix))
        report.add(one.name, one.metric, one.unit, one.samples.median());
  }

 private:
  struct One {
    std::string name, metric, unit;
    Samples samples;
  };
  std::vector<One> all_;
};

struct Load {
  std::string_view name;
  int clients;
  int count;
  std::size_t batch;
};
constexpr std::string_view kEmbedded = "embedded";
constexpr std::string_view kOverRedis = "drover-redis";
constexpr std::string_view kBullMq = "bullmq";
constexpr Load kLoads[] = {{"c1", 1, 1000, 1},     {"c4", 4, 3000, 1},
                           {"c16", 16, 8000, 1},   {"c50", 50, 12'000, 1},
                           {"c64", 64, 16'000, 1}, {"batch100", 1, 20'000, kBatch}};

struct System {
  std::string name;
  int count_share = 1;  // of a load's count; for those that would take minutes
  std::function<Status()> rest = [] { return Status{}; };  // before a load, not measured
  std::function<Status(Load const&, int)> enqueue, claim_and_ack, cycle;
  std::function<Result<Samples>(int)> pickups;
  std::function<std::int64_t()> cpu;
};

template <class Queue>
System system_of(std::string name, Queue& queue, std::function<std::int64_t()> cpu) {
  System made;
  made.name = std::move(name);
  made.enqueue = [&queue](Load const& load, int count) {
    return queue.enqueue(load.clients, count, load.batch);
  };
  made.claim_and_ack = [&queue](Load const& load, int count) {
    return queue.claim_and_ack(load.clients, count, load.batch);
  };
  made.cycle = [&queue](Load const& load, int count) { return queue.cycle(load.clients, count); };
  made.pickups = [&queue](int count) { return queue.pickups(count); };
  made.cpu = std::move(cpu);
  return made;
}

System system_of(std::string name, BullMq& queue, std::function<std::int64_t()> cpu) {
  System made;
  made.name = std::move(name);
  made.count_share = 4;
  made.rest = [&queue] { return queue.rest(); };
  made.enqueue = [&queue](Load const& load, int count) {
    return queue.enqueue(load.clients, count);
  };
  made.claim_and_ack = [&queue](Load const& load, int) {
    return queue.claim_and_ack(load.clients);
  };
  made.cycle = [&queue](Load const& load, int count) { return queue.cycle(load.clients, count); };
  made.pickups = [&queue](int count) { return queue.pickups(count, kPickupPause); };
  made.cpu = std::move(cpu);
  return made;
}

bool takes(System const& system, Load const& load) {
  bool const bullmq = system.name.starts_with(kBullMq);
  if (load.name == "c50") return bullmq || system.name == kEmbedded;
  if (bullmq) return load.name == "c1" || load.name == "c64";
  // An offer is taken up on its own, however many there are.
  return system.name != kOverRedis || load.batch == 1;
}

int count_of(Load const& load, Effort effort) {
  return effort == Effort::thorough ? load.count : static_cast<int>(load.batch) * load.clients * 2;
}

Status measure(System const& system, std::string const& name, Load const& load, int count,
               Medians& medians) {
  DROVER_TRY(check_interrupt());
  DROVER_TRY(system.rest());
  auto const put = timed([&] { return system.enqueue(load, count); }, system.cpu);
  if (!put) return std::unexpected(put.error());
  auto const taken = timed([&] { return system.claim_and_ack(load, count); }, system.cpu);
  if (!taken) return std::unexpected(taken.error());
  medians.add(name, "enqueue_rate", "1/s", count / put->seconds);
  medians.add(name, "claim_ack_rate", "1/s", count / taken->seconds);
  double whole = put->seconds + taken->seconds;
  if (load.batch == 1) {
    auto const cycles = timed([&] { return system.cycle(load, count); }, system.cpu);
    if (!cycles) return std::unexpected(cycles.error());
    whole = cycles->seconds;
  }
  medians.add(name, "cycle_rate", "1/s", count / whole);
  medians.add(name, "cpu_per_op", "µs", (put->cpu_us + taken->cpu_us) / count);
  return {};
}

Status measure_pickup(System const& system, int count, Medians& medians) {
  auto const samples = system.pickups(count);
  if (!samples) return std::unexpected(samples.error());
  medians.add(system.name + "-c1", "pickup_p50", "ms", samples->quantile(0.5));
  medians.add(system.name + "-c1", "pickup_p99", "ms", samples->quantile(0.99));
  return {};
}

Status measure_round(Scratch const& scratch, std::vector<System> const& systems,
                     Report const& report, Effort effort, Medians& medians) {
  auto const disk = disk_sync_ms(scratch);
  if (!disk) return std::unexpected(disk.error());
  medians.add("disk", "fdatasync_p50", "ms", *disk);
  for (Load const& load : kLoads)
    for (System const& system : systems) {
      if (!takes(system, load)) continue;
      std::string const name = fmt::format("{}-{}", system.name, load.name);
      int const count = count_of(load, effort);
      // In a quick run there is no time to save.
      int const share = effort == Effort::thorough ? system.count_share : 1;
      DROVER_TRY(measure(system, name, load, count / share, medians));
      if (load.clients == 1 && load.batch == 1)
        DROVER_TRY(measure_pickup(system, report.repetitions(kPickups), medians));
    }
  return {};
}

Status measure_depth(Scratch const& scratch, int depth, Effort effort, Medians& medians) {
  std::string const name = fmt::format("depth-{}", depth);
  auto queue = Embedded::open(scratch, name);
  if (!queue) return std::unexpected(queue.error());
  DROVER_TRY((*queue)->enqueue(1, depth, 1000));
  Load const load{"", 16, 8000, 1};
  for (int round = 0; round < kRounds; ++round)
    DROVER_TRY(
        measure(system_of(name, **queue, own_cpu_ns), name, load, count_of(load, effort), medians));
  return {};
}

}  // namespace

namespace {

// On the same two servers, in the order of `peers`.
Status add_bullmq(Scratch const& scratch, std::vector<std::unique_ptr<Redis>> const& peers,
                  std::vector<System>& systems, std::vector<std::unique_ptr<BullMq>>& bullmqs) {
  for (auto const& redis : peers) {
    auto started = BullMq::start(scratch, redis->socket());
    if (!started) return std::unexpected(started.error());
    if (*started == nullptr) return {};
    pid_t const node = (*started)->pid();
    pid_t const server = redis->pid();
    systems.push_back(system_of(
        fmt::format("{}-{}", kBullMq, redis == peers.front() ? "always" : "everysec"), **started,
        [node, server] { return cpu_ns(node).value_or(0) + cpu_ns(server).value_or(0); }));
    bullmqs.push_back(*std::move(started));
  }
  return {};
}

// What the one does in the time in which the other does one.
void report_ratio(Medians const& medians, std::string const& name, std::string const& other,
                  std::string_view metric, Report& report) {
  auto const ours = medians.of(name, "cycle_rate");
  auto const theirs = medians.of(other, "cycle_rate");
  if (ours && theirs && *theirs > 0) report.add(name, metric, "x", *ours / *theirs);
}

Status measure_all(Scratch const& scratch, Report const& report, Medians& medians) {
  Effort const effort = report.repetitions(kPickups) == kPickups ? Effort::thorough : Effort::quick;
  std::vector<System> systems;
  auto queue = Embedded::open(scratch, "embedded");
  if (!queue) return std::unexpected(queue.error());
  systems.push_back(system_of(std::string{kEmbedded}, **queue, own_cpu_ns));
  std::vector<std::unique_ptr<Redis>> peers;
  if (!find_program("redis-server"))
    note("left out: redis; to have it: apt-get install redis-server");
  for (std::string const sync : {"always", "everysec"}) {
    if (!find_program("redis-server")) break;
    auto redis = Redis::open(scratch, sync);
    if (!redis) return std::unexpected(redis.error());
    pid_t const pid = (*redis)->pid();
    systems.push_back(system_of("redis-" + sync, **redis,
                                [pid] { return own_cpu_ns() + cpu_ns(pid).value_or(0); }));
    peers.push_back(*std::move(redis));
  }
  std::unique_ptr<Embedded> over_redis;
  if (!peers.empty()) {
    pid_t const pid = peers.back()->pid();
    auto opened = Embedded::open(scratch, "over-redis", peers.back()->socket());
    if (!opened) return std::unexpected(opened.error());
    over_redis = *std::move(opened);
    systems.push_back(system_of(std::string{kOverRedis}, *over_redis,
                                [pid] { return own_cpu_ns() + cpu_ns(pid).value_or(0); }));
  }
  std::vector<std::unique_ptr<BullMq>> bullmqs;
  DROVER_TRY(add_bullmq(scratch, peers, systems, bullmqs));
  for (int round = 0; round < kRounds; ++round)
    DROVER_TRY(measure_round(scratch, systems, report, effort, medians));
  for (int const depth : {1000, effort == Effort::thorough ? 1'000'000 : 10'000})
    DROVER_TRY(measure_depth(scratch, depth, effort, medians));
  return {};
}

}  // namespace

Status run_dispatch(Report& report) {
  auto const scratch = Scratch::create();
  if (!scratch) return std::unexpected(scratch.error());
  Medians medians;
  auto const done = measure_all(*scratch, report, medians);
  for (std::string_view const part :
       {"disk", "embedded", "drover-redis", "redis-always", "redis-everysec", "bullmq-always",
        "bullmq-everysec", "depth"})
    medians.report(report, part);
  report_ratio(medians, "embedded-c16", "redis-always-c16", "cycle_vs_redis_always", report);
  report_ratio(medians, "embedded-batch100", "redis-always-batch100", "cycle_vs_redis_always",
               report);
  report_ratio(medians, "embedded-c64", "bullmq-everysec-c64", "cycle_vs_bullmq", report);
  report.remark(
      "embedded, drover-redis, *-always: on disk before the answer; *-everysec: answered "
      "before, and the last second may be lost");
  report.remark(
      "cN: N clients, each with one message in flight and one message a step; batch100: one "
      "client, 100 messages a step");
  return done;
}

}  // namespace drover::bench
