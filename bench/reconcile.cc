// The fleet's reconciler: a look where nothing is to be done, over an engine's real answers; and
// what it takes to make containers, beside a shell that says `docker run` as often.
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/json.hpp>

#include "benches.h"
#include "counted_engine.h"
#include "docker/docker_daemon.h"
#include "fleet/docker_fleet_engine.h"
#include "fleet/process_fleet_engine.h"
#include "fleet/reconciler.h"
#include "fleet/rows.h"
#include "machine.h"
#include "net/http_server.h"
#include "os/files.h"
#include "os/process.h"
#include "runtime/engine_identity.h"
#include "store/migrations.h"

namespace drover::bench {

namespace {

constexpr int kMany = 1000;
constexpr int kSandboxes = 100;
constexpr int kContainers = 20;
constexpr int kRepetitions = 20;
constexpr int kContainerRepetitions = 20;

contract::AgentSpec resident(int number, std::string const& backend) {
  contract::AgentSpec agent;
  agent.name = fmt::format("agent-{}", number);
  agent.resident = true;
  agent.backend = backend;
  return agent;
}

std::vector<contract::AgentSpec> residents(int count, std::string const& backend) {
  std::vector<contract::AgentSpec> agents;
  for (int number = 0; number < count; ++number)
    agents.push_back(resident(number, backend));
  return agents;
}

Result<std::string> unit_program() {
  auto folder = os::executable_folder();
  if (!folder) return folder;
  return os::real_path(*folder + "/drover-unit");
}

// A reconciler over one engine, in a folder of its own.
class Bed {
 public:
  static Result<std::unique_ptr<Bed>> make() {
    auto scratch = Scratch::create();
    if (!scratch) return std::unexpected(scratch.error());
    auto program = unit_program();
    if (!program) return std::unexpected(program.error());
    std::unique_ptr<Bed> bed{new Bed{*std::move(scratch)}};
    bed->places.state_folder = bed->scratch.folder();
    bed->places.unit_program = *std::move(program);
    bed->places.unit_digest = "bench";
    auto database = store::Database::open(bed->scratch.path("drover.db"), store::OpenMode::writer);
    if (!database) return std::unexpected(database.error());
    DROVER_TRY(store::migrate(*database, fleet::fleet_migrations()));
    bed->writer = std::make_unique<store::Writer>(*std::move(database), bed->loop.get_executor());
    return bed;
  }
  void begin(fleet::FleetEngine& engine) {
    counted = std::make_unique<CountedEngine>(engine);
    fleet::ReconcilerParts parts{
        .executor = loop.get_executor(),
        .clock = clock,
        .random = random,
        .writer = *writer,
        .agents = [this] { return agents; },
        .engines = {counted.get()},
        .prepare_host =
            [this](fleet::Instance instance) {
              return make_folder(fleet::line_folder(places, instance.name));
            },
        .wipe_host = [](fleet::Instance) -> Task<Status> { co_return Status{}; },
    };
    fleet::ReconcilerOptions options;
    options.places = places;
    options.grace = Millis{1'000};
    reconciler = std::make_unique<fleet::Reconciler>(std::move(parts), options);
  }
  // In ms, with what became of the instances.
  Result<double> pass(fleet::Summary& summary) {
    auto const began = monotonic_ns();
    summary = finish(reconciler->reconcile_all());
    double const took = ms_between(began, monotonic_ns());
    DROVER_TRY(check_interrupt());
    if (summary.failed.empty()) return took;
    return std::unexpected(summary.failed.front().error);
  }
  // All of it goes.
  Status clear() {
    auto const before = std::exchange(agents, {});
    fleet::Summary summary;
    auto const gone = pass(summary);
    agents = before;
    if (!gone) return std::unexpected(gone.error());
    return {};
  }
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

  Scratch scratch;
  SystemClock clock;
  SystemRandom random;
  boost::asio::io_context loop;
  os::BlockingPool pool{4};
  fleet::FleetPlaces places;
  std::vector<contract::AgentSpec> agents;
  std::unique_ptr<store::Writer> writer;
  std::unique_ptr<CountedEngine> counted;
  std::unique_ptr<fleet::Reconciler> reconciler;

 private:
  explicit Bed(Scratch folder) : scratch(std::move(folder)) {}
  static Task<Status> make_folder(std::string path) { co_return os::make_folders(path, 0755); }
};

// What Docker answers of containers that are all as they are wanted.
std::string listed(fleet::Wanted const& wanted, std::string const& server) {
  json::array containers;
  for (auto const& [name, instance] : wanted.instances)
    containers.push_back(json::object{
        {"Id", fmt::format("{:064}", containers.size())},
        {"Names", json::array{"/drover-" + name}},
        {"Image", json::string{instance.workload.image}},
        {"ImageID", "sha256:bench"},
        {"Command", "/run/drover/unit --resident /run/drover/resident"},
        {"Created", 1'767'225'600},
        {"Ports", json::array{}},
        {"State", "running"},
        {"Status", "Up 3 days"},
        {"HostConfig", json::object{{"NetworkMode", "none"}}},
        {"Mounts", json::array{json::object{{"Type", "volume"}, {"Destination", "/state"}}}},
        {"Labels", json::object{{runtime::kFleetLabel, json::string{server}},
                                {runtime::kAgentLabel, json::string{instance.of.agent}},
                                {runtime::kInstanceLabel, json::string{name}},
                                {runtime::kSpecLabel, json::string{instance.hash}},
                                {runtime::kImageLabel, json::string{instance.workload.image}}}}});
  return json::serialize(containers);
}

Task<Status> stop_all(fleet::FleetEngine& engine, net::HttpServer* server) {
  co_await engine.stop();
  if (server != nullptr) co_await server->stop();
  co_return Status{};
}

// An engine that has these containers and nothing else.
Task<void> answer_as_engine(std::string const& containers, net::HttpRequest request,
                            net::HttpReply& reply) {
  bool const list = request.path.ends_with("/containers/json");
  net::Headers headers;
  co_await reply.send(list ? 200 : 404, std::move(headers), list ? containers : "{}");
}

Status measure_unchanged(Report& report) {
  auto bed = Bed::make();
  if (!bed) return std::unexpected(bed.error());
  (*bed)->places.backend = "docker";
  (*bed)->places.image = "agents:1";
  (*bed)->agents = residents(kMany, "docker");
  std::string const folder = (*bed)->scratch.path("docker");
  auto const server = runtime::engine_identity(folder, (*bed)->random);
  if (!server) return std::unexpected(server.error());
  auto const wanted = fleet::wanted_fleet((*bed)->agents, {}, (*bed)->places);
  std::string const answer = listed(wanted, *server);
  std::int64_t calls = 0;
  auto const handler = [&](net::HttpRequest request, net::HttpReply& reply) {
    ++calls;
    return answer_as_engine(answer, std::move(request), reply);
  };
  std::string const socket = (*bed)->scratch.path("engine.sock");
  auto engine = net::HttpServer::listen_unix((*bed)->loop, socket, 0600, {}, handler);
  if (!engine) return std::unexpected(engine.error());
  fleet::DockerFleetSettings settings;
  auto address = runtime::parse_engine_address("unix://" + socket, "");
  if (!address) return std::unexpected(address.error());
  settings.engine = *std::move(address);
  settings.folder = folder;
  auto const docker = std::make_shared<fleet::DockerFleetEngine>((*bed)->loop, (*bed)->pool,
                                                                 (*bed)->random, settings);
  (*bed)->begin(*docker);
  fleet::Summary summary;
  auto const first = (*bed)->pass(summary);  // writes a row for each
  if (!first) return std::unexpected(first.error());
  Samples samples;
  calls = 0;
  int const repetitions = report.repetitions(kRepetitions);
  for (int i = 0; i < repetitions; ++i) {
    auto const took = (*bed)->pass(summary);
    if (!took) return std::unexpected(took.error());
    if (summary.unchanged.size() != kMany)
      return fail(ErrorCode::internal, "{} of {} are unchanged", summary.unchanged.size(), kMany);
    samples.add(*took);
  }
  report.add("agents-1000-unchanged", "p50", "ms", samples.median());
  report.add("agents-1000-unchanged", "engine_calls", "", static_cast<double>(calls) / repetitions);
  return (*bed)->finish(stop_all(*docker, engine->get()));
}

// Makes all of them, again and again, over states that are there.
Status measure_create(Report& report, Bed& bed, std::string_view name, int count, int repetitions) {
  Samples samples;
  fleet::Summary summary;
  std::int64_t calls = 0;
  for (int i = -1; i < report.repetitions(repetitions); ++i) {
    auto const before = bed.counted->calls();
    auto const took = bed.pass(summary);
    calls = bed.counted->calls() - before;
    if (!took) return std::unexpected(took.error());
    if (summary.created.size() != static_cast<std::size_t>(count))
      return fail(ErrorCode::internal, "{} of {} were created", summary.created.size(), count);
    if (i >= 0) samples.add(*took);
    DROVER_TRY(bed.clear());
  }
  report.add(name, "p50", "ms", samples.median());
  report.add(name, "engine_calls", "", static_cast<double>(calls));
  return {};
}

Status measure_sandboxes(Report& report) {
  auto bed = Bed::make();
  if (!bed) return std::unexpected(bed.error());
  (*bed)->places.backend = "process";
  (*bed)->agents = residents(kSandboxes, "process");
  auto launcher = sandbox::Launcher::create();
  if (!launcher) return std::unexpected(launcher.error());
  runtime::ProcessBackendSettings settings;
  settings.record_folder = (*bed)->scratch.path("workloads");
  DROVER_TRY(os::make_folders(settings.record_folder, 0700));
  runtime::ProcessBackend backend{(*bed)->loop.get_executor(), (*bed)->pool, (*bed)->clock,
                                  *std::move(launcher), settings};
  fleet::ProcessFleetEngine engine{backend, (*bed)->pool, (*bed)->places};
  (*bed)->begin(engine);
  return measure_create(report, **bed, "agents-100-create", kSandboxes, kRepetitions);
}

Status measure_shell(Report& report, test::DockerDaemon& engine) {
  std::string const script = fmt::format(
      "for i in $(seq {0}); do docker --host {1} run --detach --network none --restart "
      "unless-stopped --name shell-$i --volume shell-$i:/state {2} sleep 86400; done",
      kContainers, engine.host(), test::DockerDaemon::kImage);
  Samples samples;
  for (int i = -1; i < report.repetitions(kContainerRepetitions); ++i) {
    DROVER_TRY(check_interrupt());
    auto const began = monotonic_ns();
    os::ProcessSpec spec;
    spec.argv = {"/bin/sh", "-c", script};
    spec.env = plain_environment("/tmp");
    auto process = os::Process::spawn(spec);
    if (!process) return std::unexpected(process.error());
    auto const ended = process->wait(Millis{300'000});
    if (!ended || !*ended || !(*ended)->ok())
      return fail(ErrorCode::upstream, "the shell loop of docker run did not succeed");
    if (i >= 0) samples.add(ms_between(began, monotonic_ns()));
    std::vector<std::string> remove{"rm", "--force", "--volumes"};
    for (int number = 1; number <= kContainers; ++number)
      remove.push_back(fmt::format("shell-{}", number));
    engine.cli(remove);
  }
  report.add("shell-20-create", "p50", "ms", samples.median());
  return {};
}

Status measure_containers(Report& report) {
  std::unique_ptr<test::DockerDaemon> engine;
  try {
    engine = std::make_unique<test::DockerDaemon>();
  } catch (std::exception const& error) {
    note(
        fmt::format("left out: docker-20-create and shell-20-create; to have them: apt-get install "
                    "docker.io busybox-static, as root ({})",
                    error.what()));
    return {};
  }
  auto bed = Bed::make();
  if (!bed) return std::unexpected(bed.error());
  (*bed)->places.backend = "docker";
  (*bed)->places.image = test::DockerDaemon::kImage;
  (*bed)->agents = residents(kContainers, "docker");
  fleet::DockerFleetSettings settings;
  auto address = runtime::parse_engine_address(engine->host(), "");
  if (!address) return std::unexpected(address.error());
  settings.engine = *std::move(address);
  settings.folder = (*bed)->scratch.path("docker");
  auto const docker = std::make_shared<fleet::DockerFleetEngine>((*bed)->loop, (*bed)->pool,
                                                                 (*bed)->random, settings);
  (*bed)->begin(*docker);
  auto const made =
      measure_create(report, **bed, "docker-20-create", kContainers, kContainerRepetitions);
  DROVER_TRY((*bed)->finish(stop_all(*docker, nullptr)));
  if (!made) return made;
  return measure_shell(report, *engine);
}

}  // namespace

Status run_reconcile(Report& report) {
  DROVER_TRY(measure_unchanged(report));
  DROVER_TRY(measure_sandboxes(report));
  return measure_containers(report);
}

}  // namespace drover::bench
