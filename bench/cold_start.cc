// Each round starts everything once, so that a disturbance of the machine meets all alike.
#include <algorithm>
#include <chrono>
#include <exception>
#include <map>
#include <memory>
#include <thread>

#include "api_server.h"
#include "benches.h"
#include "docker/docker_daemon.h"
#include "os/files.h"
#include "peers.h"

namespace drover::bench {

namespace {

constexpr int kWarmUps = 3;
constexpr int kRounds = 30;
constexpr std::string_view kScript =
    R"({"name":"short","after_last":"repeat_last","turns":[{"text":"Ready."}]})";

constexpr std::string_view kAhead = "name = \"ahead\"\nwarm = 1\n";

struct Starts {
  Samples cold, cold_to_end, warm, warm_to_end;
};

// A new session, then a second message to it.
Status measure_session(ApiServer& server, ApiServer::RunSpec const& spec, Starts& starts,
                       std::map<std::string, UnitTrace>& seen) {
  auto const first = server.dispatch(spec);
  if (!first) return std::unexpected(first.error());
  auto const cold = server.follow(*first);
  if (!cold) return std::unexpected(cold.error());
  auto const second = server.send(first->session, spec);
  if (!second) return std::unexpected(second.error());
  auto const warm = server.follow(*second);
  if (!warm) return std::unexpected(warm.error());
  auto units = server.units();
  if (!units) return std::unexpected(units.error());
  seen.merge(*units);
  starts.cold.add(ms_between(cold->dispatched, cold->first_event));
  starts.cold_to_end.add(ms_between(cold->dispatched, cold->ended));
  starts.warm.add(ms_between(warm->dispatched, warm->first_event));
  starts.warm_to_end.add(ms_between(warm->dispatched, warm->ended));
  return {};
}

// Null, with a note, where none can run.
std::unique_ptr<test::DockerDaemon> start_engine() {
  try {
    return std::make_unique<test::DockerDaemon>();
  } catch (std::exception const& error) {
    note(
        fmt::format("left out: drover-docker-cold, drover-docker-warm and docker-run; to have "
                    "them: apt-get install docker.io busybox-static, as root ({})",
                    error.what()));
    return nullptr;
  }
}

Result<ApiServer::RunSpec> make_project(ApiServer& server, Scratch const& scratch) {
  DROVER_TRY(os::write_file_atomic(scratch.path("short.json"), kScript));
  auto const workspace = server.add_workspace(scratch.path("project"));
  if (!workspace) return std::unexpected(workspace.error());
  ApiServer::RunSpec spec;
  spec.workspace = *workspace;
  spec.model = "scripted:" + scratch.path("short.json");
  return spec;
}

// Until a container waits for the next run of the agent. Docker says that it runs a moment before
// drover knows.
Status await_warm(test::DockerDaemon& engine) {
  constexpr Millis kPatience{30'000};
  constexpr Millis kMoment{50};
  auto const deadline = std::chrono::steady_clock::now() + kPatience;
  while (engine.cli({"ps", "--quiet", "--filter", "name=-warm-"}).empty()) {
    if (std::chrono::steady_clock::now() > deadline)
      return fail(ErrorCode::timeout, "no container was started ahead of need");
    std::this_thread::sleep_for(kMoment);
  }
  std::this_thread::sleep_for(kMoment);
  return {};
}

// Units in containers beside what `docker run` itself takes, round by round.
Status measure_docker(Report& report) {
  auto const engine = start_engine();
  if (engine == nullptr) return {};
  auto const scratch = Scratch::create();
  if (!scratch) return std::unexpected(scratch.error());
  std::string const image{test::DockerDaemon::kImage};
  DROVER_TRY(os::make_folders(scratch->path("state/agents"), 0700));
  DROVER_TRY(os::write_file_atomic(scratch->path("state/agents/ahead.toml"), kAhead));
  auto const started =
      ApiServer::start(*scratch, {"DROVER_BACKEND=docker", "DROVER_DOCKER_HOST=" + engine->host(),
                                  "DROVER_DOCKER_IMAGE=" + image});
  if (!started) return std::unexpected(started.error());
  ApiServer& server = **started;
  auto const spec = make_project(server, *scratch);
  if (!spec) return std::unexpected(spec.error());
  auto const peer = docker_peer(engine->host(), image, report);
  std::map<std::string, UnitTrace> seen;
  auto ahead_spec = *spec;
  ahead_spec.agent = "ahead";
  Starts starts;
  Starts ahead;
  Samples peer_starts;
  for (int round = -kWarmUps; round < peer.repetitions; ++round) {
    Starts warm_up;
    DROVER_TRY(await_warm(*engine));
    DROVER_TRY(measure_session(server, *spec, round < 0 ? warm_up : starts, seen));
    DROVER_TRY(measure_session(server, ahead_spec, round < 0 ? warm_up : ahead, seen));
    auto const took = first_output_ms(peer.argv);
    if (!took) return std::unexpected(took.error());
    if (round >= 0) peer_starts.add(*took);
  }
  DROVER_TRY(server.stop());
  auto const listed = engine->cli({"ps", "--all", "--quiet"});
  auto const left = listed.empty() ? 0 : std::ranges::count(listed, '\n') + 1;
  report.add_quantiles("drover-docker-cold", "ms", starts.cold);
  report.add("drover-docker-cold", "whole_run", "ms", starts.cold_to_end.median());
  report.add("drover-docker-cold", "leftovers", "count", static_cast<double>(left));
  report.add_quantiles("drover-docker-warm", "ms", starts.warm);
  report.add("drover-docker-warm", "whole_run", "ms", starts.warm_to_end.median());
  report.add_quantiles("drover-docker-ahead", "ms", ahead.cold);
  report.add("drover-docker-ahead", "whole_run", "ms", ahead.cold_to_end.median());
  report.add_quantiles(peer.name, "ms", peer_starts);
  return {};
}

}  // namespace

Status run_cold_start(Report& report) {
  auto const scratch = Scratch::create();
  if (!scratch) return std::unexpected(scratch.error());
  auto const folder = os::executable_folder();
  if (!folder) return std::unexpected(folder.error());
  auto started = ApiServer::start(*scratch);
  if (!started) return std::unexpected(started.error());
  ApiServer& server = **started;
  auto const made = make_project(server, *scratch);
  if (!made) return std::unexpected(made.error());
  ApiServer::RunSpec const& spec = *made;

  auto const disk = disk_sync_ms(*scratch);
  if (!disk) return std::unexpected(disk.error());
  report.add("disk", "fdatasync_p50", "ms", *disk);
  auto const peers = start_peers(*folder + "/drover-unit", report);
  std::map<std::string, UnitTrace> seen;
  Starts starts;
  for (int i = 0; i < kWarmUps; ++i) {
    Starts ignored;
    DROVER_TRY(measure_session(server, spec, ignored, seen));
  }
  std::map<std::string, Samples> peer_starts;
  int const rounds = report.repetitions(kRounds);
  for (int round = 0; round < rounds; ++round) {
    DROVER_TRY(measure_session(server, spec, starts, seen));
    for (Peer const& peer : peers) {
      if (round >= peer.repetitions) continue;
      auto const took = first_output_ms(peer.argv);
      if (!took) return std::unexpected(took.error());
      peer_starts[peer.name].add(*took);
    }
  }
  DROVER_TRY(server.stop());
  auto const left = server.leftovers(seen);
  if (!left) return std::unexpected(left.error());

  report.add_quantiles("drover-cold", "ms", starts.cold);
  report.add("drover-cold", "whole_run", "ms", starts.cold_to_end.median());
  report.add("drover-cold", "leftovers", "count", static_cast<double>(*left));
  report.add_quantiles("drover-warm", "ms", starts.warm);
  report.add("drover-warm", "whole_run", "ms", starts.warm_to_end.median());
  for (Peer const& peer : peers)
    report.add_quantiles(peer.name, "ms", peer_starts[peer.name]);
  return measure_docker(report);
}

}  // namespace drover::bench
