// For each number of readers: a steady pace, as a session that streams text has it, and then a
// burst, for which the server has to write several events at once to whoever is behind.
#include <fmt/format.h>

#include "bare_server.h"
#include "benches.h"
#include "event_server.h"
#include "machine.h"
#include "sse_readers.h"

namespace drover::bench {

namespace {

constexpr int kWarmUps = 10;
constexpr int kEvents = 200;
constexpr int kBurstWriters = 16;
constexpr int kBurstOfEach = 60;
constexpr Micros kPace{50'000};

struct Phase {
  Samples latency;
  double cpu_us = 0;  // of the server for each delivered event
  double rate = 0;    // delivered events a second
};

Result<Phase> measure(EventServer& server, SseReaders& readers, std::string const& stream,
                      int reader_count, EventServer::Load const& load) {
  int const events = load.events * load.writers;
  auto const before = cpu_ns(server.pid());
  if (!before) return std::unexpected(before.error());
  std::int64_t const start = monotonic_ns();
  DROVER_TRY(server.append(stream, load));
  auto latency = readers.receive(events);
  if (!latency) return std::unexpected(latency.error());
  std::int64_t const end = monotonic_ns();
  auto const after = cpu_ns(server.pid());
  if (!after) return std::unexpected(after.error());
  double const delivered = static_cast<double>(reader_count) * events;
  Phase phase;
  phase.latency = *std::move(latency);
  phase.cpu_us = static_cast<double>(*after - *before) / 1e3 / delivered;
  phase.rate = delivered / (ms_between(start, end) / 1e3);
  return phase;
}

// A process of its own for each, so that memory of the one is not the other's.
Status measure_readers(int count, Report& report) {
  auto const scratch = Scratch::create();
  if (!scratch) return std::unexpected(scratch.error());
  auto server = EventServer::start(*scratch);
  if (!server) return std::unexpected(server.error());
  std::string const stream = "bench:one";
  // What the server needs however many readers it has is there before it is weighed.
  {
    auto first = SseReaders::connect(server->port(), EventServer::events_path("bench:other"), 1);
    if (!first) return std::unexpected(first.error());
    auto const warm = measure(*server, *first, "bench:other", 1, {kWarmUps, 1, Micros{0}});
    if (!warm) return std::unexpected(warm.error());
  }
  auto const empty = memory_bytes(server->pid(), "VmRSS");
  if (!empty) return std::unexpected(empty.error());
  auto readers = SseReaders::connect(server->port(), EventServer::events_path(stream), count);
  if (!readers) return std::unexpected(readers.error());
  auto const warm = measure(*server, *readers, stream, count, {kWarmUps, 1, Micros{10'000}});
  if (!warm) return std::unexpected(warm.error());
  auto const full = memory_bytes(server->pid(), "VmRSS");
  if (!full) return std::unexpected(full.error());
  auto const paced =
      measure(*server, *readers, stream, count, {report.repetitions(kEvents), 1, kPace});
  if (!paced) return std::unexpected(paced.error());
  auto const burst = measure(*server, *readers, stream, count,
                             {report.repetitions(kBurstOfEach), kBurstWriters, Micros{0}});
  if (!burst) return std::unexpected(burst.error());

  std::string const name = fmt::format("readers-{}", count);
  report.add_quantiles(name, "ms", paced->latency);
  report.add(name, "cpu_per_event", "us", paced->cpu_us);
  report.add(name, "cpu_per_event_burst", "us", burst->cpu_us);
  report.add(name, "burst_rate", "1/s", burst->rate);
  // With one reader it would be chance.
  if (count > 1)
    report.add(name, "rss_per_reader", "KB", static_cast<double>(*full - *empty) / 1024 / count);
  return {};
}

// The same clients and bytes with nothing but send(): what is above it is drover's own.
Status measure_floor(int count, Report& report) {
  auto server = BareServer::start(count);
  if (!server) return std::unexpected(server.error());
  auto readers = SseReaders::connect(server->port(), "/", count);
  if (!readers) return std::unexpected(readers.error());
  DROVER_TRY(server->send(kWarmUps, Micros{10'000}));
  auto const warm = readers->receive(kWarmUps);
  if (!warm) return std::unexpected(warm.error());
  int const events = report.repetitions(kEvents);
  auto const before = cpu_ns(server->pid());
  if (!before) return std::unexpected(before.error());
  DROVER_TRY(server->send(events, kPace));
  auto const latency = readers->receive(events);
  if (!latency) return std::unexpected(latency.error());
  auto const after = cpu_ns(server->pid());
  if (!after) return std::unexpected(after.error());
  std::string const name = fmt::format("bare-send-{}", count);
  report.add_quantiles(name, "ms", *latency);
  report.add(name, "cpu_per_event", "us",
             static_cast<double>(*after - *before) / 1e3 / events / count);
  return {};
}

Status report_disk(Report& report) {
  auto const scratch = Scratch::create();
  if (!scratch) return std::unexpected(scratch.error());
  auto const disk = disk_sync_ms(*scratch);
  if (!disk) return std::unexpected(disk.error());
  report.add("disk", "fdatasync_p50", "ms", *disk);
  return {};
}

}  // namespace

Status run_events(Report& report) {
  raise_descriptor_limit();
  DROVER_TRY(report_disk(report));
  for (int const count : {1, 100, 1000})
    DROVER_TRY(measure_readers(count, report));
  DROVER_TRY(measure_floor(1000, report));
  return {};
}

}  // namespace drover::bench
