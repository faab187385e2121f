#include "server/server.h"

#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>

#include "api/api.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "broker/embedded_queue.h"
#include "broker/embedded_streams.h"
#include "broker/redis_broker.h"
#include "broker/retention.h"
#include "broker/schema.h"
#include "contract/invocation.h"
#include "contract/task_type.h"
#include "driver/agent_carrier.h"
#include "driver/breakpoint_carrier.h"
#include "driver/child_carrier.h"
#include "driver/driver.h"
#include "fleet/fleet.h"
#include "fleet/instance_places.h"
#include "fleet/rows.h"
#include "gateway/mcp_broker.h"
#include "gateway/upstream_book.h"
#include "git/repository.h"
#include "os/files.h"
#include "os/task_group.h"
#include "runtime/runtime.h"
#include "runtime/workload_kernel.h"
#include "schedule/scheduler.h"
#include "schedule/schedules.h"
#include "schedule/schema.h"
#include "server/loop_run.h"
#include "server/machine.h"
#include "server/schema.h"
#include "server/settings.h"
#include "worker/joined_workers.h"
#include "worker/limit_book.h"
#include "worker/mcp_desk.h"
#include "worker/run_journal.h"
#include "worker/run_store.h"
#include "worker/run_terms.h"
#include "worker/spend_book.h"
#include "worker/spend_store.h"
#include "worker/store_control.h"
#include "worker/tool_approvals.h"
#include "worker/unit_host.h"
#include "worker/warm_units.h"
#include "worker/watchdog.h"
#include "worker/worker.h"
#include "worker/workforce.h"

namespace drover::server {

namespace {

constexpr std::size_t kPoolThreads = 4;
// Of their own, so that on a slow disk a commit delays commits, and no start, kill or look at a
// tree.
constexpr std::size_t kSyncThreads = 4;
// Of their own, so that git work never delays a stream.
constexpr std::size_t kReadThreads = 2;
constexpr std::uint16_t kUsualPort = 7717;
// A joined worker passes its units' model calls on.
constexpr std::size_t kApiBodyBytesMax = std::size_t{32} << 20U;

std::string home_folder() {
  char const* const home = std::getenv("HOME");
  return home == nullptr ? std::string{} : std::string{home};
}

Result<Secret> load_or_create_token(std::string const& path, Random& random) {
  if (os::exists(path)) {
    auto stored = os::read_file(path, 256);
    if (!stored) return std::unexpected(stored.error());
    std::string const token{trim(*stored)};
    if (token.size() < 32)
      return fail_next(ErrorCode::data_corrupt, path + " does not hold a token",
                       "remove it; the next start makes a new one");
    return Secret{token};
  }
  std::string bytes(24, '\0');
  random.fill(std::as_writable_bytes(std::span{bytes}));
  std::string const token = to_hex(bytes);
  DROVER_TRY(os::write_file_atomic(path, token + "\n", 0600));
  return Secret{token};
}

// Where the server is reached. On a disk without any room it goes over that of a server that was
// killed, for this one is to serve what is stored.
Status write_place(std::string const& path, std::string const& text) {
  auto written = os::write_file_atomic(path, text, 0600);
  if (written || written.error().code != ErrorCode::no_space) return written;
  auto const over = os::overwrite_file(path, text);
  return over ? Status{} : written;
}

}  // namespace

std::vector<store::Migration> all_migrations() {
  std::vector<store::Migration> all{broker::migrations().begin(), broker::migrations().end()};
  for (auto const& part :
       {workspace::Registry::migrations(), worker::run_migrations(),
        worker::TaskRegistry::migrations(), worker::AgentRegistry::migrations(),
        worker::definition_migrations(), worker::approval_migrations(),
        worker::LimitBook::migrations(), runtime::workload_migrations(), worker::spend_migrations(),
        driver::workflow_migrations(), fleet::fleet_migrations()})
    all.insert(all.end(), part.begin(), part.end());
  all.insert(all.end(), schedule::migrations().begin(), schedule::migrations().end());
  return all;
}

// All parts, in the order in which they are made; they go in the opposite one.
class Server {
 public:
  explicit Server(ServeOptions const& options)
      : options_(options),
        pool_(kPoolThreads),
        sync_pool_(kSyncThreads),
        read_pool_(kReadThreads) {}

  Status start();
  void run() {
    run_until_signal(io_, signals_, [this] { return stop(); });
  }

 private:
  void make_reserve();
  Status open_store();
  Status connect_broker();
  Status make_workloads();
  Status make_fleet(Machine const& machine);
  void lend_residents(runtime::BackendChooser& backends);
  Task<void> begin_fleet();
  [[nodiscard]] broker::Labels own_labels() const;
  Status accept_shared_key();
  Status make_worker();
  void make_scheduler();
  std::shared_ptr<workflow::HostLauncher> host_launcher();
  void make_driver();
  void make_api();
  Status listen();
  Task<Status> take_up();
  Status announce();
  Task<void> stop();
  Task<void> reload_on_hangup();
  Task<Status> adopt_upstreams(gateway::UpstreamSetPtr set);
  Task<Result<std::optional<std::string>>> unit_stream(std::string stream);

  ServeOptions const options_;
  Settings settings_;
  SystemClock clock_;
  SystemRandom random_;
  git::Library const git_{git::LibraryOptions{home_folder()}};
  boost::asio::io_context io_{1};
  StopSignals signals_{io_};
  boost::asio::signal_set hangup_{io_, SIGHUP};
  os::TaskGroup background_{io_.get_executor(), "server"};
  std::optional<os::FileLock> lock_;
  os::BlockingPool pool_;
  os::BlockingPool sync_pool_;
  os::BlockingPool read_pool_;
  Secret token_;
  json::array warnings_;  // what is weaker here than it should be, for whoever starts the server
  std::unique_ptr<store::DiskReserve> reserve_;
  std::unique_ptr<store::Writer> writer_;
  std::unique_ptr<store::Readers> readers_;
  std::unique_ptr<broker::EmbeddedStreams> streams_;
  std::unique_ptr<broker::Retention> retention_;
  std::unique_ptr<worker::Watchdog> watchdog_;
  std::unique_ptr<broker::EmbeddedQueue> queue_;
  std::unique_ptr<worker::LimitBook> limits_;
  std::unique_ptr<worker::SpendBook> spend_;
  worker::PoolBook pools_;
  std::unique_ptr<broker::RedisBroker> redis_;  // null: the embedded broker alone
  std::unique_ptr<workspace::Registry> workspaces_;
  std::unique_ptr<worker::TaskRegistry> task_types_;
  std::unique_ptr<worker::AgentRegistry> agents_;
  std::unique_ptr<gateway::TokenKey> tokens_;
  std::unique_ptr<gateway::UpstreamBook> upstreams_;
  std::unique_ptr<gateway::ModelProxy> models_;
  std::unique_ptr<fleet::Fleet> fleet_;  // outlives the last event of the runtime
  std::unique_ptr<fleet::InstancePlaces> places_;
  std::unique_ptr<runtime::Runtime> runtime_;
  fleet::ResidentBackend* residents_ = nullptr;  // of the runtime
  std::unique_ptr<runtime::WorkloadKernel> workloads_;
  std::unique_ptr<worker::Services> services_;
  std::unique_ptr<worker::Dispatcher> dispatcher_;
  std::unique_ptr<gateway::McpBroker> mcp_;
  std::unique_ptr<worker::ToolApprovals> tool_approvals_;
  std::unique_ptr<worker::HandOvers> hand_overs_;
  std::unique_ptr<worker::McpDesk> mcp_desk_;
  std::unique_ptr<worker::StoreControl> control_;
  std::unique_ptr<worker::JoinedWorkers> joined_;
  std::unique_ptr<worker::Worker> worker_;         // null: only joined workers work
  std::unique_ptr<worker::WarmUnits> warm_units_;  // of the server's own worker
  std::unique_ptr<worker::Workforce> workforce_;
  std::unique_ptr<worker::Proposals> proposals_;
  std::unique_ptr<schedule::WorkerRuns> runs_;
  std::unique_ptr<schedule::Scheduler> scheduler_;
  std::unique_ptr<schedule::Schedules> schedules_;
  std::unique_ptr<schedule::WorkerRuns> workflow_runs_;
  std::unique_ptr<driver::AgentCarrier> workflow_agents_;
  std::unique_ptr<driver::BreakpointCarrier> breakpoints_;
  std::unique_ptr<driver::Driver> driver_;
  std::unique_ptr<driver::ChildCarrier> children_;
  std::unique_ptr<api::Api> api_;
  std::unique_ptr<net::HttpServer> http_;
};

Status Server::start() {
  DROVER_TRY(os::make_folders(options_.state_folder, 0700));
  // Joined workers look for them, whether or not a worker of this server's own has come before.
  for (std::string_view const shared : {"sessions", "worktrees"})
    DROVER_TRY(os::make_folders(fmt::format("{}/{}", options_.state_folder, shared), 0700));
  auto lock = os::FileLock::acquire(options_.state_folder + "/server.lock");
  if (!lock) {
    if (lock.error().code != ErrorCode::conflict) return std::unexpected(lock.error());
    return fail_next(ErrorCode::conflict,
                     fmt::format("a drover server uses {} already ({})", options_.state_folder,
                                 lock.error().message),
                     "use it, stop it with drover down, or set DROVER_STATE_DIR");
  }
  lock_.emplace(*std::move(lock));
  raise_descriptor_limit();
  auto token = load_or_create_token(options_.state_folder + "/api-token", random_);
  if (!token) return std::unexpected(token.error());
  token_ = *std::move(token);
  auto settings = settings_from_environment();
  if (!settings) return std::unexpected(settings.error());
  settings_ = *std::move(settings);
  if (!options_.labels.empty()) settings_.worker_labels = options_.labels;
  DROVER_TRY(broker::check_labels(settings_.worker_labels, broker::kLabelsMax));
  make_reserve();
  DROVER_TRY(open_store());
  DROVER_TRY(connect_broker());
  DROVER_TRY(make_worker());
  make_scheduler();
  make_driver();
  make_api();
  DROVER_TRY(listen());
  return announce();
}

void Server::make_reserve() {
  store::DiskReserveOptions options;
  options.path = options_.state_folder + "/reserve";
  options.bytes = settings_.reserve_bytes;
  reserve_ = std::make_unique<store::DiskReserve>(options, io_.get_executor(), pool_);
  auto const held = reserve_->hold();
  // The server still starts: what is stored can be read, and work goes on once there is room.
  if (!held) log::warn("disk-full", {{"reason", held.error().text()}});
}

Status Server::open_store() {
  std::string const path = options_.state_folder + "/drover.db";
  auto database = store::Database::open(path, store::OpenMode::writer);
  if (!database) return std::unexpected(database.error());
  DROVER_TRY(store::migrate(*database, all_migrations()));
  auto const executor = io_.get_executor();
  store::WriterOptions options;
  options.on_no_space = [this] { reserve_->give_up(); };
  writer_ = std::make_unique<store::Writer>(*std::move(database), executor, std::move(options));
  readers_ = std::make_unique<store::Readers>(path, read_pool_);
  streams_ = std::make_unique<broker::EmbeddedStreams>(*writer_, *readers_, clock_, executor);
  broker::RetentionOptions retention;
  retention.keep = settings_.keep;
  retention_ = std::make_unique<broker::Retention>(*streams_, *reserve_, executor, retention);
  broker::QueueOptions queue;
  queue.start = options_.dispatch;
  queue_ = std::make_unique<broker::EmbeddedQueue>(*writer_, clock_, executor, std::move(queue));
  queue_->on_exit([this](store::Transaction& transaction, broker::QueueExit const& exit) {
    return worker::end_exited_run(transaction, *streams_, exit, clock_.now());
  });
  workspaces_ = std::make_unique<workspace::Registry>(*writer_, sync_pool_, clock_);
  task_types_ = std::make_unique<worker::TaskRegistry>(*writer_, clock_);
  agents_ = std::make_unique<worker::AgentRegistry>(*writer_, clock_);
  limits_ = std::make_unique<worker::LimitBook>(*writer_, *queue_);
  spend_ = std::make_unique<worker::SpendBook>(*writer_, clock_);
  DROVER_TRY(pools_.load(options_.state_folder));
  return readers_->run_blocking([this](store::Database& reader) -> Status {
    DROVER_TRY(workspaces_->load(reader));
    DROVER_TRY(limits_->load(reader, options_.state_folder));
    DROVER_TRY(agents_->load(reader, options_.state_folder + "/agents"));
    return task_types_->load(reader, options_.state_folder + "/task-types");
  });
}

// A Redis that does not answer is no reason not to start: it only carries what the store decides.
// One that refuses drover would do so for ever, and somebody has to be told.
Status Server::connect_broker() {
  std::string const& url = options_.broker.empty() ? settings_.broker.reveal() : options_.broker;
  bool const embedded = url.empty() || url == "embedded";
  bool const third_party = !settings_.third_party_runners.empty();
  if (third_party && (embedded || options_.own_worker == OwnWorker::no))
    return fail_next(ErrorCode::invalid_argument,
                     "DROVER_THIRD_PARTY_RUNNERS needs Redis as the broker and the server's own "
                     "worker, which lets third-party workers in",
                     "give --broker redis://…, leave --no-worker out, or unset the variable");
  if (embedded) return {};
  auto endpoint = redis::parse_endpoint(url);
  if (!endpoint) return std::unexpected(endpoint.error());
  auto const needs =
      third_party ? broker::RedisNeeds::broker_and_units : broker::RedisNeeds::broker;
  auto const checked =
      run_to_end(io_, broker::RedisBroker::check(io_.get_executor(), *endpoint, needs));
  if (!checked) {
    ErrorCode const code = checked.error().code;
    if (code != ErrorCode::unavailable && code != ErrorCode::timeout) return checked;
    log::warn("broker-degraded", {{"reason", checked.error().text()}});
  }
  broker::RedisBroker::Parts parts{
      io_.get_executor(),
      clock_,
      random_,
      *queue_,
      *streams_,
      *readers_,
      [this](std::string stream) { return unit_stream(std::move(stream)); },
      [this] { return workforce_ ? workforce_->active_sessions() : std::set<SessionId>{}; }};
  broker::RedisBrokerOptions options;
  // Its streams are read from the start; those of others from when they are first offered.
  options.lanes.emplace_back(std::string{contract::kDefaultTaskType},
                             std::string{contract::kDefaultPool});
  if (options_.own_worker == OwnWorker::yes) options.labels = own_labels();
  if (third_party) {
    auto key = load_or_create_token(options_.state_folder + "/third-party.key", random_);
    if (!key) return std::unexpected(key.error());
    options.unit_key = *std::move(key);
  }
  redis_ = std::make_unique<broker::RedisBroker>(std::move(parts), *std::move(endpoint),
                                                 std::move(options));
  return {};
}

// `task:run:<run>` to `unit:<id>:out` of the unit that serves the run's session. A third-party
// worker's own words are there instead.
Task<Result<std::optional<std::string>>> Server::unit_stream(std::string stream) {
  constexpr std::string_view kRuns = "task:run:";
  if (!stream.starts_with(kRuns)) co_return std::nullopt;
  RunId const run = RunId::trusted(stream.substr(kRuns.size()));
  auto const found = co_await readers_->run(
      [run](store::Database& database) { return worker::find_run_in_session(database, run); });
  if (!found) co_return std::unexpected(found.error());
  if (found->session.runner != worker::kNativeRunner) co_return std::nullopt;
  co_return contract::output_topic(worker::UnitHost::unit_name(found->session));
}

// Before the runtime clears up: what it is to keep is adopted here.
Status Server::make_workloads() {
  auto find_folder = [this](WorkspaceId const& id) -> Result<std::string> {
    auto const workspace = workspaces_->find(id);
    if (!workspace) return std::unexpected(workspace.error());
    return workspace->path;
  };
  workloads_ = std::make_unique<runtime::WorkloadKernel>(runtime::KernelParts{
      io_, clock_, random_, *writer_, *readers_, *runtime_, std::move(find_folder),
      settings_.schedule_reach, settings_.workloads_of_owner});
  return readers_->run_blocking(
      [this](store::Database& reader) { return workloads_->load(reader, options_.state_folder); });
}

Status Server::make_fleet(Machine const& machine) {
  auto agents = [this] {
    std::vector<contract::AgentSpec> all;
    for (auto const& one : agents_->list())
      all.push_back(one.spec);
    return all;
  };
  fleet::FleetParts const parts{
      io_, pool_, clock_, random_, *writer_, std::move(agents), machine.process};
  fleet::FleetSettings settings;
  settings.state_folder = options_.state_folder;
  settings.unit_program = machine.unit_program;
  settings.backend = settings_.backends.backend;
  settings.docker = settings_.backends.docker;
  settings.prefix = settings_.fleet_prefix;
  settings.period = settings_.fleet_period;
  auto made = fleet::Fleet::make(parts, std::move(settings));
  if (!made) return std::unexpected(made.error());
  fleet_ = *std::move(made);
  return readers_->run_blocking(
      [this](store::Database& reader) { return fleet_->reconciler().load(reader); });
}

// Runs of resident agents are started where their containers are.
void Server::lend_residents(runtime::BackendChooser& backends) {
  places_ = std::make_unique<fleet::InstancePlaces>(io_.get_executor(), fleet_->reconciler());
  auto residents = std::make_unique<fleet::ResidentBackend>(
      fleet::ResidentParts{io_.get_executor(), pool_, clock_, random_, *places_,
                           options_.state_folder + "/residents/.turns"});
  places_->connect(*residents);
  residents_ = residents.get();
  backends.add(std::move(residents));
}

broker::Labels Server::own_labels() const {
  broker::Labels labels = settings_.worker_labels;
  labels.emplace(worker::kResidentLabel, worker::kResidentsHere);
  return labels;
}

Status Server::accept_shared_key() {
  std::string const& path = settings_.shared_key_file;
  if (path.empty()) return {};
  auto text = os::read_file(path, 4096);
  if (!text) return std::unexpected(text.error());
  auto const accepted = tokens_->accept_shared_key(Secret{std::string{trim(*text)}});
  if (accepted) return {};
  Error error = accepted.error();
  error.message = fmt::format("DROVER_HS256_KEY_FILE: {}: {}", printable(path, 300), error.message);
  return std::unexpected(std::move(error));
}

Status Server::make_worker() {
  auto key = gateway::TokenKey::load_or_create(options_.state_folder + "/unit-token.key", random_);
  if (!key) return std::unexpected(key.error());
  tokens_ = std::make_unique<gateway::TokenKey>(*std::move(key));
  DROVER_TRY(accept_shared_key());
  upstreams_ = std::make_unique<gateway::UpstreamBook>(options_.state_folder,
                                                       std::move(settings_.upstreams), pool_);
  auto upstreams = upstreams_->load();
  if (!upstreams) return std::unexpected(upstreams.error());
  DROVER_TRY(spend_->load((*upstreams)->config.budgets));
  mcp_ = std::make_unique<gateway::McpBroker>(io_, pool_, *upstreams);
  models_ =
      std::make_unique<gateway::ModelProxy>(io_, pool_, clock_, random_, *std::move(upstreams));
  upstreams_->on_reload(
      [this](gateway::UpstreamSetPtr set) { return adopt_upstreams(std::move(set)); });

  auto machine =
      make_machine({io_, pool_, clock_, random_}, settings_.backends, options_.state_folder);
  if (!machine) return std::unexpected(machine.error());
  runtime::BackendChooser& backends = *machine->runtime;
  runtime_ = std::move(machine->runtime);
  DROVER_TRY(make_workloads());
  DROVER_TRY(make_fleet(*machine));
  lend_residents(backends);
  // Units of a server that died are ended, and their runs are resumed from the session's files.
  if (auto const recovered = runtime_->recover(); !recovered)
    log::error("orphans-not-reaped", {{"reason", recovered.error().text()}});
  for (std::string const& warning : machine->warnings)
    warnings_.push_back(json::string{warning});
  worker::WorkerOptions options;
  options.state_folder = options_.state_folder;
  options.unit_program = machine->unit_program;
  options.third_party_runners = settings_.third_party_runners;
  options.third_party = settings_.third_party;
  broker::DispatchQueue& queue =
      redis_ ? redis_->queue() : static_cast<broker::DispatchQueue&>(*queue_);
  services_ = std::make_unique<worker::Services>(
      worker::Services{io_, clock_, random_, pool_, sync_pool_, *writer_, *readers_, *reserve_,
                       *streams_, queue, *workspaces_, *task_types_, *agents_, *models_, *spend_,
                       *tokens_, *runtime_, std::move(options)});
  dispatcher_ = std::make_unique<worker::Dispatcher>(*services_);
  watchdog_ = std::make_unique<worker::Watchdog>(*services_);
  tool_approvals_ = std::make_unique<worker::ToolApprovals>(*services_);
  hand_overs_ = std::make_unique<worker::HandOvers>(*services_, *dispatcher_);
  mcp_desk_ = std::make_unique<worker::McpDesk>(*services_, *mcp_, *tool_approvals_, *hand_overs_);
  control_ = std::make_unique<worker::StoreControl>(*services_, *mcp_desk_);
  joined_ = std::make_unique<worker::JoinedWorkers>(*services_, *control_, pools_);
  queue_->on_expired([this](broker::ExpiredLease const& lease) { joined_->on_expired(lease); });
  if (options_.own_worker == OwnWorker::yes) {
    worker::WorkerParts const parts{io_,
                                    clock_,
                                    random_,
                                    pool_,
                                    sync_pool_,
                                    *reserve_,
                                    *tokens_,
                                    *runtime_,
                                    *control_,
                                    services_->options,
                                    redis_ ? redis_->units() : nullptr};
    worker::WorkerDuty duty;
    duty.filter.labels = own_labels();
    worker_ =
        std::make_unique<worker::Worker>(parts, WorkerId::create(clock_, random_), std::move(duty));
  }
  warm_units_ = std::make_unique<worker::WarmUnits>(*services_);
  agents_->on_change([this](std::string const& agent, worker::DefinitionAct) {
    warm_units_->look_again();
    fleet_->reconciler().trigger(agent);
  });
  workforce_ = std::make_unique<worker::Workforce>(*services_, worker_.get(), *joined_);
  proposals_ = std::make_unique<worker::Proposals>(*services_, *workforce_);
  control_->on_move([this](SessionId session, WorkerId before) {
    return workforce_->release_from(std::move(session), std::move(before));
  });
  if (redis_) {
    if (worker_) worker_->on_sessions_changed([this] { redis_->sessions_changed(); });
    joined_->on_sessions_changed([this] { redis_->sessions_changed(); });
    joined_->set_offers([this] { return redis_->offers(); });
    redis_->on_offers_changed([this] { joined_->offers_changed(); });
  }
  return {};
}

void Server::make_scheduler() {
  runs_ = std::make_unique<schedule::WorkerRuns>(*services_, *dispatcher_, *workforce_);
  schedule::SchedulerOptions options;
  options.reach = settings_.schedule_reach;
  scheduler_ = std::make_unique<schedule::Scheduler>(
      schedule::SchedulerParts{io_, clock_, *writer_, *runs_}, options);
  schedules_ = std::make_unique<schedule::Schedules>(schedule::SchedulesParts{
      clock_, random_, *writer_, *readers_, options.reach, [this] { scheduler_->wake(); }});
}

std::shared_ptr<workflow::HostLauncher> Server::host_launcher() {
  if (settings_.host_wall == driver::HostWall::sandbox)
    return std::make_shared<driver::SandboxedHosts>(
        make_launcher, driver::host_surroundings({options_.state_folder}));
  warnings_.push_back(
      json::string{fmt::format("processes of workflows run without a sandbox, with the rights of "
                               "this server: {}=off",
                               driver::kHostWallSetting)});
  return std::make_shared<workflow::BareHosts>(workflow::HostEnvironment::plain);
}

void Server::make_driver() {
  driver::DriverOptions options;
  options.runs_root = options_.state_folder + "/workflows";
  if (char const* const node = std::getenv("DROVER_NODE"); node != nullptr && *node != '\0')
    options.host.node = node;
  options.host.launcher = host_launcher();
  options.commands.node = options.host.node;
  options.commands.launcher = make_launcher;
  driver_ = std::make_unique<driver::Driver>(
      driver::DriverParts{io_, clock_, random_, *writer_, *readers_}, std::move(options));
  workflow_runs_ = std::make_unique<schedule::WorkerRuns>(*services_, *dispatcher_, *workforce_);
  workflow_agents_ =
      std::make_unique<driver::AgentCarrier>(*services_, *dispatcher_, *workflow_runs_);
  driver_->add(driver::Carrier::agent, *workflow_agents_);
  breakpoints_ = std::make_unique<driver::BreakpointCarrier>(io_.get_executor(), *writer_, clock_);
  driver_->add(driver::Carrier::person, *breakpoints_);
  children_ = std::make_unique<driver::ChildCarrier>(io_.get_executor(), *driver_);
  driver_->add(driver::Carrier::child, *children_);
}

void Server::make_api() {
  api_ = std::make_unique<api::Api>(
      api::ApiParts{*services_, *dispatcher_, *workforce_, *task_types_, *agents_, *limits_,
                    *proposals_, *tool_approvals_, *mcp_, *schedules_, *driver_, *breakpoints_,
                    *workloads_, *upstreams_, *tokens_, fleet_->reconciler(), *residents_});
  if (redis_) api_->set_redis(*redis_);
}

Status Server::listen() {
  net::HttpServerOptions options;
  options.body_bytes_max = kApiBodyBytesMax;
  auto const handler = [this](net::HttpRequest request, net::HttpReply& reply) {
    return api_->handle(std::move(request), reply);
  };
  bool const any = options_.port == 0;
  auto http = net::HttpServer::listen_tcp(io_, options_.host, any ? kUsualPort : options_.port,
                                          options, handler);
  // Nobody asked for the usual port, so a free one will do; it is in what is printed.
  if (!http && any && http.error().code == ErrorCode::conflict)
    http = net::HttpServer::listen_tcp(io_, options_.host, 0, options, handler);
  if (!http) return std::unexpected(http.error());
  http_ = *std::move(http);
  api::AuthPolicy policy{token_, api::loopback_hosts(http_->port())};
  for (std::string& host : api::host_names(options_.host, http_->port()))
    policy.hosts.push_back(std::move(host));
  if (!settings_.public_origin.empty()) {
    policy.public_origin = settings_.public_origin;
    policy.hosts.push_back(policy.public_origin.substr(policy.public_origin.find("//") + 2));
  }
  api_->set_policy(std::move(policy));
  return {};
}

// Before anything is swept: what runs in the containers that are still there goes on. An engine
// that is slow, or pulls an image, holds nobody up for longer than that.
Task<void> Server::begin_fleet() {
  constexpr std::chrono::seconds kFirstLook{5};
  auto& reconciler = fleet_->reconciler();
  reconciler.watch();
  reconciler.trigger();
  background_.spawn(reconciler.run(), "fleet");
  co_await reconciler.looked(std::chrono::steady_clock::now() + kFirstLook);
}

// What an earlier server left.
Task<Status> Server::take_up() {
  auto const loaded = co_await queue_->load();
  if (!loaded) co_return std::unexpected(loaded.error());
  if (*loaded > 0) log::info("queue-loaded", {{"entries", *loaded}});
  co_await begin_fleet();
  // Before anything is claimed, whose run may have ended.
  co_await watchdog_->sweep();
  auto const expired = co_await tool_approvals_->expire_all();
  if (!expired) co_return expired;
  if (worker_) {
    auto const started = worker_->start();
    if (!started) co_return started;
  }
  auto const driven = co_await driver_->start();
  if (!driven) co_return driven;
  co_return co_await scheduler_->start();
}

// Takes up what an earlier server left, then says where the new one is.
Status Server::announce() {
  std::optional<Status> started;
  boost::asio::co_spawn(io_, take_up(), [&](std::exception_ptr const& thrown, Status taken_up) {
    started = thrown == nullptr ? std::move(taken_up)
                                : fail(ErrorCode::internal, "what waits could not be taken up");
  });
  while (!started)
    io_.run_one();
  if (!*started) return *started;
  background_.spawn(reserve_->watch(), "reserve");
  background_.spawn(retention_->run(), "retention");
  background_.spawn(mcp_->watch_idle(), "mcp");
  background_.spawn(watchdog_->run(), "watchdog");
  if (worker_) background_.spawn(warm_units_->run(), "warm-units");
  workloads_->start();
  background_.spawn(reload_on_hangup(), "hangup");
  json::object const file{{"url", fmt::format("http://{}:{}", options_.host, http_->port())},
                          {"token", json::string{token_.reveal()}},
                          {"warnings", warnings_},
                          {"pid", static_cast<std::int64_t>(::getpid())}};
  DROVER_TRY(write_place(options_.state_folder + "/server.json", json::serialize(file) + "\n"));
  // Last, for from here on it has to be stopped in order.
  if (redis_) redis_->start();
  log::info("serving", {{"port", http_->port()}, {"state", options_.state_folder}});
  if (options_.dispatch == broker::QueueStart::paused)
    log::info("dispatch-paused", {{"next", "drover queues resume"}});
  return {};
}

// The gateway's files; all else is read at the start.
Task<void> Server::reload_on_hangup() {
  for (;;) {
    boost::system::error_code error;
    co_await hangup_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, error));
    if (error) co_return;
    auto const loaded = co_await upstreams_->reload(*models_);
    if (!loaded) log::error("gateway-not-loaded", {{"reason", loaded.error().text()}});
  }
}

// What a reload has read, right before it holds.
Task<Status> Server::adopt_upstreams(gateway::UpstreamSetPtr set) {
  auto const limits = co_await spend_->set_file_limits(set->config.budgets);
  if (!limits) co_return limits;
  mcp_->replace(std::move(set));
  co_return Status{};
}

Task<void> Server::stop() {
  hangup_.cancel();
  co_await scheduler_->stop();
  co_await driver_->stop();
  queue_->stop();
  if (redis_) redis_->close_claims();
  if (worker_) co_await worker_->stop();
  if (redis_) co_await redis_->stop();
  streams_->stop();
  reserve_->stop();
  retention_->stop();
  watchdog_->stop();
  warm_units_->stop();
  co_await http_->stop();
  co_await mcp_desk_->stop();
  co_await workloads_->stop();
  co_await places_->stop();
  co_await fleet_->reconciler().stop();
  co_await background_.join();
  ::unlink((options_.state_folder + "/server.json").c_str());
}

store::SchemaVersions known_schema() {
  return store::known_versions(all_migrations());
}

int serve(ServeOptions const& options) {
  auto server = std::make_unique<Server>(options);
  auto const started = server->start();
  if (!started) {
    fmt::print(stderr, "drover: {}\n", started.error().text());
    return exit_code(started.error().code);
  }
  server->run();
  return 0;
}

}  // namespace drover::server
