// One session for each repetition: its first message starts the unit, the second one is measured.
// So the figures hold the loop alone and not the start of the process, which is `start`.
#include <fmt/format.h>

#include "api_server.h"
#include "benches.h"
#include "os/files.h"

namespace drover::bench {

namespace {

constexpr int kWarmUps = 2;
constexpr int kSessions = 100;
constexpr int kTurnsOfEach = 20;
// Kept for long enough that the CPU and memory of all units can be read at the end.
constexpr std::int64_t kIdleSeconds = 600;
constexpr double kMebibyte = 1024.0 * 1024.0;

struct LoopCase {
  int turns;  // tool turns; one further model call ends the run
  int repetitions;
};
constexpr LoopCase kCases[] = {{1, 30}, {20, 20}, {100, 20}, {400, 10}};

Status write_script(std::string const& path, int turns) {
  return os::write_file_atomic(
      path,
      fmt::format(R"({{"name":"loop","turns":[{{"text":"Ready."}},{{"repeat":{},"tool_calls":)"
                  R"([{{"name":"Read","input":{{"file_path":"notes.txt"}}}}]}},)"
                  R"({{"text":"Done."}}]}})",
                  turns));
}

struct Used {
  std::int64_t unit_ns = 0;
  std::int64_t server_ns = 0;
};

Result<Used> cpu_used(ApiServer const& server, UnitTrace const& unit) {
  auto const by_unit = cpu_ns(unit.pid);
  if (!by_unit) return std::unexpected(by_unit.error());
  auto const by_server = cpu_ns(server.pid());
  if (!by_server) return std::unexpected(by_server.error());
  return Used{*by_unit, *by_server};
}

struct LoopSamples {
  Samples unit_cpu, server_cpu, wall, rss, start;
};

Status measure_once(ApiServer& server, ApiServer::RunSpec const& spec, int turns,
                    LoopSamples& samples) {
  auto const first = server.dispatch(spec);
  if (!first) return std::unexpected(first.error());
  auto const started = server.follow(*first);
  if (!started) return std::unexpected(started.error());
  auto const unit = server.unit_of(first->session);
  if (!unit) return std::unexpected(unit.error());
  auto const before = cpu_used(server, *unit);
  if (!before) return std::unexpected(before.error());
  auto const second = server.send(first->session, spec);
  if (!second) return std::unexpected(second.error());
  auto const run = server.follow(*second);
  if (!run) return std::unexpected(run.error());
  auto const after = cpu_used(server, *unit);
  if (!after) return std::unexpected(after.error());
  auto const peak = memory_bytes(unit->pid, "VmHWM");
  if (!peak) return std::unexpected(peak.error());
  samples.unit_cpu.add(ms_between(before->unit_ns, after->unit_ns) / turns);
  samples.server_cpu.add(ms_between(before->server_ns, after->server_ns) / turns);
  samples.wall.add(ms_between(run->first_event, run->done) / turns);
  samples.rss.add(static_cast<double>(*peak) / kMebibyte);
  samples.start.add(ms_between(started->dispatched, started->first_event));
  return {};
}

Status measure_case(ApiServer& server, ApiServer::RunSpec const& spec, LoopCase const& wanted,
                    Report& report) {
  LoopSamples ignored;
  for (int i = 0; i < kWarmUps; ++i)
    DROVER_TRY(measure_once(server, spec, wanted.turns, ignored));
  LoopSamples samples;
  for (int i = report.repetitions(wanted.repetitions); i > 0; --i)
    DROVER_TRY(measure_once(server, spec, wanted.turns, samples));
  std::string const name = fmt::format("native-{}", wanted.turns);
  report.add(name, "cpu_per_turn", "ms", samples.unit_cpu.median());
  report.add(name, "wall_per_turn", "ms", samples.wall.median());
  report.add(name, "server_cpu_per_turn", "ms", samples.server_cpu.median());
  report.add(name, "rss", "MB", samples.rss.quantile(1));
  report.add(name, "start", "ms", samples.start.median());
  return {};
}

// All at once; the server works on as many as it has slots.
Result<std::vector<Dispatched>> send_to_all(ApiServer& server, ApiServer::RunSpec const& spec,
                                            std::vector<Dispatched> const& sessions) {
  std::vector<Dispatched> runs;
  for (Dispatched const& session : sessions) {
    auto run = server.send(session.session, spec);
    if (!run) return std::unexpected(run.error());
    runs.push_back(*std::move(run));
  }
  return runs;
}

Result<std::int64_t> follow_all(ApiServer& server, std::vector<Dispatched> const& runs) {
  std::int64_t last = 0;
  for (Dispatched const& run : runs) {
    auto const times = server.follow(run);
    if (!times) return std::unexpected(times.error());
    last = times->ended;
  }
  return last;
}

struct FleetUse {
  std::int64_t cpu_ns = 0;
  double rss_max = 0, rss_sum = 0;  // MB
};

Result<FleetUse> use_of_units(ApiServer const& server, std::vector<Dispatched> const& sessions) {
  FleetUse use;
  for (Dispatched const& session : sessions) {
    auto const unit = server.unit_of(session.session);
    if (!unit) return std::unexpected(unit.error());
    auto const cpu = cpu_ns(unit->pid);
    if (!cpu) return std::unexpected(cpu.error());
    auto const peak = memory_bytes(unit->pid, "VmHWM");
    if (!peak) return std::unexpected(peak.error());
    double const rss = static_cast<double>(*peak) / kMebibyte;
    use.cpu_ns += *cpu;
    use.rss_sum += rss;
    use.rss_max = std::max(use.rss_max, rss);
  }
  return use;
}

Status measure_sessions(ApiServer& server, ApiServer::RunSpec spec, Report& report) {
  // Read-only, so that all of them may have the one workspace at once.
  spec.mode = "ro";
  std::vector<Dispatched> sessions;
  for (int i = 0; i < kSessions; ++i) {
    auto run = server.dispatch(spec);
    if (!run) return std::unexpected(run.error());
    sessions.push_back(*std::move(run));
  }
  auto const started = follow_all(server, sessions);
  if (!started) return std::unexpected(started.error());
  auto const before = use_of_units(server, sessions);
  if (!before) return std::unexpected(before.error());
  std::int64_t const start = monotonic_ns();
  auto const runs = send_to_all(server, spec, sessions);
  if (!runs) return std::unexpected(runs.error());
  auto const end = follow_all(server, *runs);
  if (!end) return std::unexpected(end.error());
  auto const after = use_of_units(server, sessions);
  if (!after) return std::unexpected(after.error());
  constexpr double kTurns = kSessions * kTurnsOfEach;
  report.add("native-100-sessions", "cpu_per_turn", "ms",
             ms_between(before->cpu_ns, after->cpu_ns) / kTurns);
  report.add("native-100-sessions", "wall_per_turn", "ms", ms_between(start, *end) / kTurns);
  report.add("native-100-sessions", "rss", "MB", after->rss_max);
  report.add("native-100-sessions", "rss_sum", "MB", after->rss_sum);
  return {};
}

}  // namespace

Status run_loop(Report& report) {
  note("left out: loops of other agents; none is driven by this benchmark yet");
  auto const scratch = Scratch::create();
  if (!scratch) return std::unexpected(scratch.error());
  auto started = ApiServer::start(*scratch);
  if (!started) return std::unexpected(started.error());
  ApiServer& server = **started;
  ApiServer::RunSpec spec;
  spec.idle_s = kIdleSeconds;
  std::string const project = scratch->path("project");
  DROVER_TRY(os::make_folders(project));
  DROVER_TRY(os::write_file_atomic(project + "/notes.txt", "one\ntwo\nthree\n"));
  auto const workspace = server.add_workspace(project);
  if (!workspace) return std::unexpected(workspace.error());
  spec.workspace = *workspace;
  for (LoopCase const& wanted : kCases) {
    std::string const script = scratch->path(fmt::format("loop-{}.json", wanted.turns));
    DROVER_TRY(write_script(script, wanted.turns));
    spec.model = "scripted:" + script;
    DROVER_TRY(measure_case(server, spec, wanted, report));
  }
  spec.model = "scripted:" + scratch->path(fmt::format("loop-{}.json", kTurnsOfEach));
  DROVER_TRY(measure_sessions(server, spec, report));
  return server.stop();
}

}  // namespace drover::bench
