// Each round starts everything once, so that a disturbance of the machine meets all alike.
#include <map>

#include "api_server.h"
#include "benches.h"
#include "os/files.h"
#include "peers.h"

namespace drover::bench {

namespace {

constexpr int kWarmUps = 3;
constexpr int kRounds = 30;
constexpr std::string_view kScript =
    R"({"name":"short","after_last":"repeat_last","turns":[{"text":"Ready."}]})";

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

}  // namespace

Status run_cold_start(Report& report) {
  auto const scratch = Scratch::create();
  if (!scratch) return std::unexpected(scratch.error());
  auto const folder = os::executable_folder();
  if (!folder) return std::unexpected(folder.error());
  auto started = ApiServer::start(*scratch);
  if (!started) return std::unexpected(started.error());
  ApiServer& server = **started;
  DROVER_TRY(os::write_file_atomic(scratch->path("short.json"), kScript));
  auto const workspace = server.add_workspace(scratch->path("project"));
  if (!workspace) return std::unexpected(workspace.error());
  ApiServer::RunSpec spec;
  spec.workspace = *workspace;
  spec.model = "scripted:" + scratch->path("short.json");

  auto const disk = disk_sync_ms(*scratch);
  if (!disk) return std::unexpected(disk.error());
  report.add("disk", "fdatasync_p50", "ms", *disk);
  auto const peers = start_peers(*folder + "/drover-unit", report);
  note("left out: drover-docker-cold and drover-docker-warm; drover has no such backend yet");
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
  return {};
}

}  // namespace drover::bench
