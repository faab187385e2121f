// Thousands of workflows on one server: most wait for a signal, some step. What they cost while
// they wait, how soon one goes on, and what a restart takes.
#include <fmt/format.h>

#include <chrono>
#include <string_view>
#include <thread>

#include "benches.h"
#include "machine.h"
#include "os/files.h"
#include "workflow_crowd.h"

namespace drover::bench {

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kStepping = 200;
constexpr int kSteps = 20;
constexpr int kSignals = 100;
constexpr int kSignalsBefore = 5;
constexpr double kMegabyte = 1e6;
// In it, a server that is done with its start uses less than this.
constexpr auto kStillFor = std::chrono::milliseconds{500};
constexpr double kStillMs = 5;
constexpr auto kRestartPatience = std::chrono::minutes{10};

struct Kind {
  std::string_view name;
  std::string_view file;
  std::string_view waiting;   // for the signal `go`, again and again
  std::string_view stepping;  // `n` short sleeps
  int count;
};

constexpr Kind kDocuments{
    "documents", ".yaml",
    "name: waiting\nsteps:\n  - while: \"true\"\n    max: 100000\n    steps:\n      - signal: go\n",
    "name: stepping\ninputs:\n  items:\nsteps:\n  - for_each: ${inputs.items}\n    steps:\n"
    "      - sleep: 5ms\n",
    9500};
constexpr Kind kModules{
    "javascript", ".mjs",
    "export async function process(inputs, ctx) {\n  for (;;) await ctx.signal('go');\n}\n",
    "export async function process(inputs, ctx) {\n"
    "  for (const item of inputs.items) await ctx.sleep(5);\n}\n",
    2000};

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

Result<double> cpu_ms(pid_t pid) {
  auto const used = cpu_ns(pid);
  if (!used) return std::unexpected(used.error());
  return static_cast<double>(*used) / 1e6;
}

// CPU time of the server in a second in which nothing is asked of it.
Status measure_rest(std::string const& name, ApiServer const& server, Report& report) {
  auto const window = std::chrono::milliseconds{report.repetitions(40) * 250};
  auto const before = cpu_ms(server.pid());
  if (!before) return std::unexpected(before.error());
  std::this_thread::sleep_for(window);
  auto const after = cpu_ms(server.pid());
  if (!after) return std::unexpected(after.error());
  report.add(name, "idle_cpu", "ms/s",
             (*after - *before) * 1000 / static_cast<double>(window.count()));
  auto const memory = memory_bytes(server.pid(), "VmRSS");
  if (!memory) return std::unexpected(memory.error());
  report.add(name, "rss", "MB", static_cast<double>(*memory) / kMegabyte);
  return {};
}

Status measure_signals(std::string const& name, WorkflowCrowd const& crowd, Report& report) {
  Samples samples;
  auto const& runs = crowd.runs();
  int const count = report.repetitions(kSignals);
  for (int i = -kSignalsBefore; i < count; ++i) {
    DROVER_TRY(check_interrupt());
    auto const& run = runs[static_cast<std::size_t>(i + kSignalsBefore) * 97 % runs.size()];
    auto const took = crowd.signal_ms(run);
    if (!took) return std::unexpected(took.error());
    if (i >= 0) samples.add(*took);
  }
  report.add(name, "signal_p50", "ms", samples.median());
  report.add(name, "signal_p99", "ms", samples.quantile(0.99));
  return {};
}

// Beside the ones that wait.
Status measure_steps(std::string const& name, ApiServer const& server, std::string const& entry,
                     Report& report) {
  json::array items;
  for (int i = 0; i < kSteps; ++i)
    items.push_back(i);
  int const count = report.repetitions(kStepping);
  WorkflowCrowd stepping{server, entry};
  auto const start = SteadyClock::now();
  DROVER_TRY(stepping.create("stepping", count, {{"items", items}}));
  // Made, asked for and ended; with the end.
  DROVER_TRY(stepping.wait_for_entries(2 * kSteps + 2));
  report.add(name, "steps_rate", "1/s", count * kSteps / seconds_since(start));
  return {};
}

// Until the next server has taken all of them up, and rests.
Status measure_restart(std::string const& name, ApiServer& server, Report& report) {
  DROVER_TRY(server.stop());
  auto const start = SteadyClock::now();
  DROVER_TRY(server.launch());
  DROVER_TRY(server.wait_until_ready());
  DROVER_TRY(server.wait_until_it_takes_work(Millis{60'000}));
  report.add(name, "restart_ready", "ms", seconds_since(start) * 1000);
  double used = 0;
  for (;;) {
    DROVER_TRY(check_interrupt());
    std::this_thread::sleep_for(kStillFor);
    auto const now = cpu_ms(server.pid());
    if (!now) return std::unexpected(now.error());
    if (*now - used < kStillMs) break;
    if (SteadyClock::now() - start > kRestartPatience)
      return fail(ErrorCode::timeout, "the server does not come to rest after its restart");
    used = *now;
  }
  report.add(name, "restart_rest", "ms",
             (seconds_since(start) - std::chrono::duration<double>(kStillFor).count()) * 1000);
  report.add(name, "restart_cpu", "ms", used);
  return {};
}

Status measure(Kind const& kind, Report& report) {
  auto const scratch = Scratch::create();
  if (!scratch) return std::unexpected(scratch.error());
  std::string const waiting = scratch->path(fmt::format("waiting{}", kind.file));
  std::string const stepping = scratch->path(fmt::format("stepping{}", kind.file));
  DROVER_TRY(os::write_file_atomic(waiting, std::string{kind.waiting}));
  DROVER_TRY(os::write_file_atomic(stepping, std::string{kind.stepping}));
  auto const server = ApiServer::start(*scratch);
  if (!server) return std::unexpected(server.error());
  int const count = report.repetitions(kind.count);
  std::string const name = fmt::format("{}-{}", kind.name, kind.count);
  WorkflowCrowd crowd{**server, waiting};
  auto const start = SteadyClock::now();
  DROVER_TRY(crowd.create("waiting", count, {}));
  report.add(name, "create_rate", "1/s", count / seconds_since(start));
  DROVER_TRY(crowd.wait_for_entries(2));
  report.add(name, "started_rate", "1/s", count / seconds_since(start));
  DROVER_TRY(measure_rest(name, **server, report));
  DROVER_TRY(measure_signals(name, crowd, report));
  DROVER_TRY(measure_steps(name, **server, stepping, report));
  DROVER_TRY(measure_restart(name, **server, report));
  return (*server)->stop();
}

}  // namespace

Status run_workflows(Report& report) {
  DROVER_TRY(measure(kDocuments, report));
  return measure(kModules, report);
}

}  // namespace drover::bench
