// Runs that are dispatched without a pause while the server and units are killed, while the
// server's disk is full, and while Redis is away. In the end everything that was accepted has to
// have ended, once.
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <thread>

#include "benches.h"
#include "chaos_scene.h"
#include "os/files.h"
#include "redis_server.h"

namespace drover::bench {

namespace {

constexpr int kCycles = 200;
constexpr int kQuickCycles = 5;
// A full disk and an absent Redis last longer than a blow.
constexpr int kFewerTimes = 5;
constexpr Millis kBetweenBlows{500};
constexpr Millis kAway{400};
// A worker that dies before it has begun shows little.
constexpr Millis kBetweenWorkers{1'500};
constexpr Millis kGoesOnAgain{20'000};
constexpr std::string_view kDiskSize = "size=128m,mode=0700";
constexpr std::size_t kFillerBlock = 4096;

int cycles_of(Report const& report) {
  bool const quick = report.wishes().effort == Effort::quick;
  return report.wishes().cycles.value_or(quick ? kQuickCycles : kCycles);
}

int fewer_cycles_of(Report const& report) {
  return std::max(cycles_of(report) / kFewerTimes, 2);
}

// What was found stays to be looked at.
Status end_case(Scratch& scratch, Status done) {
  if (done || interrupted()) return done;
  note("state, log and repositories are kept in " + scratch.folder());
  scratch.keep();
  return done;
}

Victim any_victim(Random& random) {
  constexpr Victim kMix[] = {Victim::unit,   Victim::unit, Victim::server,         Victim::server,
                             Victim::server, Victim::both, Victim::starting_server};
  return kMix[random.below(std::size(kMix))];
}

Status kill_loop(Scratch const& scratch, Report& report) {
  auto scene = ChaosScene::open(scratch, report.wishes().seed);
  if (!scene) return std::unexpected(scene.error());
  int const cycles = cycles_of(report);
  for (int cycle = 0; cycle < cycles; ++cycle) {
    DROVER_TRY((*scene)->wait_below(kBetweenBlows));
    DROVER_TRY((*scene)->strike(any_victim((*scene)->random())));
  }
  return (*scene)->close(report, "kill-loop", cycles);
}

// A disk in memory at `place`, seen by the thread that made it and by what that starts; it goes
// with the last of them.
Status make_small_disk(std::string const& place) {
  DROVER_TRY(os::make_folders(place, 0700));
  if (::unshare(CLONE_NEWNS) != 0) return fail_errno("make a mount namespace for", place);
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return fail_errno("make the mounts private for", place);
  if (::mount("none", place.c_str(), "tmpfs", 0, kDiskSize.data()) != 0)
    return fail_errno("mount a small disk at", place);
  return {};
}

// Takes all room that is there.
Status fill(std::string const& path) {
  os::Fd const file{::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
  if (!file.valid()) return errno == ENOSPC ? Status{} : fail_errno("make", path);
  std::string const block(kFillerBlock, 'x');
  while (::write(file.get(), block.data(), block.size()) > 0)
    DROVER_TRY(check_interrupt());
  return errno == ENOSPC ? Status{} : fail_errno("fill the disk with", path);
}

Status one_full_disk(ChaosScene& scene, std::string const& filler) {
  DROVER_TRY(scene.wait_below(kBetweenBlows));
  DROVER_TRY(fill(filler));
  DROVER_TRY(scene.wait_below(kAway));
  // What the server gave up of its reserve is taken too.
  DROVER_TRY(fill(filler));
  DROVER_TRY(scene.wait_below(kAway));
  if (scene.random().below(4) == 0) DROVER_TRY(scene.strike(any_victim(scene.random())));
  if (::unlink(filler.c_str()) != 0) return fail_errno("remove", filler);
  return scene.server().wait_until_it_takes_work(kGoesOnAgain);
}

Status disk_full(Scratch const& scratch, Report& report) {
  std::string const state = scratch.path("state");
  DROVER_TRY(make_small_disk(state));
  SceneOptions options;
  options.variables = {"DROVER_DISK_RESERVE_MB=4"};
  auto scene = ChaosScene::open(scratch, report.wishes().seed, options);
  if (!scene) return std::unexpected(scene.error());
  int const cycles = fewer_cycles_of(report);
  for (int cycle = 0; cycle < cycles; ++cycle)
    DROVER_TRY(one_full_disk(**scene, state + "/filler"));
  return (*scene)->close(report, "disk-full", cycles, {"mount " + state});
}

// The mounts of this process are left as they are.
Status disk_full_apart(Scratch const& scratch, Report& report) {
  Status done;
  std::thread{[&] { done = disk_full(scratch, report); }}.join();
  return done;
}

enum class Absence : std::uint8_t { killed, paused, flushed };

Status one_absence(ChaosScene& scene, RedisServer& redis) {
  DROVER_TRY(scene.wait_below(kBetweenBlows));
  switch (static_cast<Absence>(scene.random().below(3))) {
    case Absence::killed:
      DROVER_TRY(redis.kill());
      DROVER_TRY(scene.wait_below(kAway));
      DROVER_TRY(redis.launch());
      break;
    case Absence::paused:
      DROVER_TRY(redis.pause());
      DROVER_TRY(scene.wait_below(kAway));
      DROVER_TRY(redis.resume());
      break;
    case Absence::flushed: {
      auto client = RedisClient::connect(redis.socket());
      if (!client) return std::unexpected(client.error());
      DROVER_TRY(client->run({{"FLUSHALL"}}));
      break;
    }
  }
  if (scene.random().below(4) == 0) return scene.strike(any_victim(scene.random()));
  return {};
}

Status redis_away(Scratch const& scratch, Report& report) {
  auto redis = RedisServer::start(scratch, "everysec");
  if (!redis) return std::unexpected(redis.error());
  SceneOptions options;
  options.broker = "unix://" + redis->socket();
  auto scene = ChaosScene::open(scratch, report.wishes().seed, options);
  if (!scene) return std::unexpected(scene.error());
  int const cycles = fewer_cycles_of(report);
  for (int cycle = 0; cycle < cycles; ++cycle)
    DROVER_TRY(one_absence(**scene, *redis));
  return (*scene)->close(report, "redis-away", cycles,
                         {fmt::format("process {}:", redis->pid()), "socket " + redis->socket()});
}

Victim any_victim_or_worker(Random& random) {
  constexpr Victim kMix[] = {Victim::worker,          Victim::worker, Victim::worker,
                             Victim::worker_and_unit, Victim::unit,   Victim::server};
  return kMix[random.below(std::size(kMix))];
}

// With Redis, that is away now and then, or without.
Status workers_killed(Scratch const& scratch, Report& report, RedisServer* redis) {
  SceneOptions options;
  options.workers = Workers::joined;
  if (redis != nullptr) options.broker = "unix://" + redis->socket();
  auto scene = ChaosScene::open(scratch, report.wishes().seed, options);
  if (!scene) return std::unexpected(scene.error());
  int const cycles = fewer_cycles_of(report);
  for (int cycle = 0; cycle < cycles; ++cycle) {
    DROVER_TRY((*scene)->wait_below(kBetweenWorkers));
    if (redis != nullptr && (*scene)->random().below(3) == 0)
      DROVER_TRY(one_absence(**scene, *redis));
    DROVER_TRY((*scene)->strike(any_victim_or_worker((*scene)->random())));
  }
  if (redis == nullptr) return (*scene)->close(report, "workers", cycles);
  return (*scene)->close(report, "workers-redis", cycles,
                         {fmt::format("process {}:", redis->pid()), "socket " + redis->socket()});
}

Status workers_by_http(Scratch const& scratch, Report& report) {
  return workers_killed(scratch, report, nullptr);
}

Status workers_by_redis(Scratch const& scratch, Report& report) {
  auto redis = RedisServer::start(scratch, "everysec");
  if (!redis) return std::unexpected(redis.error());
  return workers_killed(scratch, report, &*redis);
}

Status run_case(Report& report, Status (*work)(Scratch const&, Report&)) {
  auto scratch = Scratch::create();
  if (!scratch) return std::unexpected(scratch.error());
  return end_case(*scratch, work(*scratch, report));
}

}  // namespace

Status run_chaos(Report& report) {
  note(fmt::format("seed {}", report.wishes().seed));
  // Whatever a killed server leaves stays below this process, where it is found.
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
    return fail_errno("become the reaper of", "this process's descendants");
  DROVER_TRY(run_case(report, kill_loop));
  DROVER_TRY(run_case(report, workers_by_http));
  if (::geteuid() == 0)
    DROVER_TRY(run_case(report, disk_full_apart));
  else
    note("left out: disk-full, which mounts a small disk; to have it: run as root");
  if (!find_program("redis-server")) {
    note("left out: redis-away and workers-redis; to have them: apt-get install redis-server");
    return {};
  }
  DROVER_TRY(run_case(report, redis_away));
  return run_case(report, workers_by_redis);
}

}  // namespace drover::bench
