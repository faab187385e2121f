// The scheduler's durable steps with 100 000 schedules in the store, one of them due at a time; and
// what people ask of schedules, each answered once it is on disk.
#include "schedule/schedules.h"

#include <fmt/format.h>

#include <exception>
#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "base/random.h"
#include "benches.h"
#include "machine.h"
#include "schedule/ledger.h"
#include "schedule/schema.h"
#include "store/migrations.h"

namespace drover::bench {

namespace {

constexpr int kSchedules = 100'000;
constexpr int kSchedulesQuick = 2'000;  // only to see that it works
constexpr int kWarmUps = 5;
constexpr int kRepetitions = 200;
constexpr int kBatch = 1000;

std::string job_text(int number) {
  return fmt::format(
      R"({{"id":"job-{}","cron":"{} {} * * *","timezone":"Europe/Berlin","dispatch":{{"identity":)"
      R"({{"subject":"dev","launcher":"user:dev"}},"runner":"native","workspaces":[{{"id":"demo",)"
      R"("mode":"rw"}}],"trigger":"message","start":{{"entrypoint":{{"inline":"tidy up"}}}}}}}})",
      number, number % 60, number / 60 % 24);
}

struct Bed {
  Bed(store::Database database, std::string const& path, int schedule_count)
      : writer(std::move(database), loop.get_executor()),
        readers(path, pool),
        schedules({clock, random, writer, readers, net::Reach::public_only, [] {}}),
        count(schedule_count) {}

  template <class T>
  T finish(Task<T> task) {
    std::optional<T> result;
    boost::asio::co_spawn(loop, std::move(task), [&](std::exception_ptr const& thrown, T value) {
      if (thrown == nullptr) result.emplace(std::move(value));
    });
    loop.restart();
    while (!result)
      loop.run_one();
    return *std::move(result);
  }

  ManualClock clock;
  SystemRandom random;
  boost::asio::io_context loop;
  os::BlockingPool pool{1};
  store::Writer writer;
  store::Readers readers;
  schedule::Schedules schedules;
  int count;
};

Status fill(Bed& bed) {
  for (int first = 0; first < bed.count; first += kBatch) {
    DROVER_TRY(check_interrupt());
    DROVER_TRY(bed.writer.run_blocking([&](store::Transaction& transaction) -> Status {
      for (int number = first; number < first + kBatch; ++number) {
        schedule::ScheduleRecord record;
        auto job = contract::parse_schedule_job(job_text(number));
        if (!job) return std::unexpected(job.error());
        record.job = *std::move(job);
        record.id = *record.job.id;
        record.created_at = record.updated_at = bed.clock.now();
        // A year away, so that none is due but those that the benchmark makes due.
        record.next = record.due = bed.clock.now() + std::chrono::hours{24 * 365};
        DROVER_TRY(schedule::insert_schedule(transaction.db(), record));
      }
      return {};
    }));
  }
  return {};
}

Status make_due(Bed& bed, int number) {
  return bed.writer.run_blocking([&](store::Transaction& transaction) {
    auto const now = to_unix_ms(bed.clock.now());
    return transaction.db().run("UPDATE schedules SET next_ms=?, due_ms=? WHERE id=?", now, now,
                                fmt::format("job-{}", number));
  });
}

// A round of the scheduler: what is due is recorded and the next armed, and when to wake again.
Status measure_tick(Bed& bed, Report& report) {
  Samples decided;
  Samples durable;
  int const repetitions = report.repetitions(kRepetitions);
  for (int i = -kWarmUps; i < repetitions; ++i) {
    DROVER_TRY(check_interrupt());
    DROVER_TRY(make_due(bed, (i + kWarmUps) * 37 % bed.count));
    std::int64_t began = 0;
    std::int64_t ended = 0;
    std::int64_t const start = monotonic_ns();
    DROVER_TRY(bed.writer.run_blocking([&](store::Transaction& transaction) -> Status {
      began = monotonic_ns();
      auto const due = schedule::record_due(transaction.db(), bed.clock.now());
      if (!due) return std::unexpected(due.error());
      auto const wake = schedule::next_wake(transaction.db(), bed.clock.now());
      if (!wake) return std::unexpected(wake.error());
      ended = monotonic_ns();
      if (due->schedules != 1) return fail(ErrorCode::internal, "{} were due", due->schedules);
      return {};
    }));
    std::int64_t const end = monotonic_ns();
    if (i < 0) continue;
    decided.add(ms_between(began, ended) * 1000);
    durable.add(ms_between(start, end) * 1000);
  }
  report.add_quantiles("tick-100k", "us", decided);
  report.add_quantiles("tick-100k-durable", "us", durable);
  return {};
}

template <class Step>
Status measure_step(Bed& bed, Report& report, std::string_view name, Samples& all,
                    Step const& step) {
  Samples samples;
  int const repetitions = report.repetitions(kRepetitions);
  for (int i = -kWarmUps; i < repetitions; ++i) {
    DROVER_TRY(check_interrupt());
    std::int64_t const start = monotonic_ns();
    DROVER_TRY(step(bed, i + kWarmUps));
    if (i < 0) continue;
    double const took = ms_between(start, monotonic_ns()) * 1000;
    samples.add(took);
    all.add(took);
  }
  report.add_quantiles(fmt::format("crud-100k-{}", name), "us", samples);
  return {};
}

template <class T>
Status only_status(Result<T> const& result) {
  if (!result) return std::unexpected(result.error());
  return {};
}

Status measure_crud(Bed& bed, Report& report) {
  Samples all;
  auto const id = [&](int i) { return ScheduleId::trusted(fmt::format("job-{}", bed.count + i)); };
  DROVER_TRY(measure_step(bed, report, "create", all, [&](Bed& on, int i) -> Status {
    auto job = contract::parse_schedule_job(job_text(on.count + i));
    if (!job) return std::unexpected(job.error());
    return only_status(on.finish(on.schedules.create(*std::move(job))));
  }));
  DROVER_TRY(measure_step(bed, report, "get", all, [&](Bed& on, int i) {
    return only_status(on.finish(on.schedules.get(id(i))));
  }));
  DROVER_TRY(measure_step(bed, report, "list", all, [&](Bed& on, int i) {
    return only_status(on.finish(on.schedules.list(fmt::format("job-{}", (i + 1) * 400), 50)));
  }));
  DROVER_TRY(measure_step(bed, report, "pause", all, [&](Bed& on, int i) {
    return only_status(on.finish(on.schedules.pause(id(i))));
  }));
  DROVER_TRY(measure_step(bed, report, "cancel", all, [&](Bed& on, int i) {
    return only_status(on.finish(on.schedules.cancel(id(i))));
  }));
  report.add_quantiles("crud-100k", "us", all);
  return {};
}

}  // namespace

Status run_schedules(Report& report) {
  auto const scratch = Scratch::create();
  if (!scratch) return std::unexpected(scratch.error());
  auto const disk = disk_sync_ms(*scratch);
  if (!disk) return std::unexpected(disk.error());
  report.add("disk", "fdatasync_p50", "ms", *disk);
  auto const path = scratch->path("drover.db");
  auto database = store::Database::open(path, store::OpenMode::writer);
  if (!database) return std::unexpected(database.error());
  DROVER_TRY(store::migrate(*database, schedule::migrations()));
  bool const thorough = report.repetitions(kSchedules) == kSchedules;
  Bed bed{*std::move(database), path, thorough ? kSchedules : kSchedulesQuick};
  DROVER_TRY(fill(bed));
  DROVER_TRY(measure_tick(bed, report));
  return measure_crud(bed, report);
}

}  // namespace drover::bench
