#include "server/server.h"

#include <fmt/format.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>

#include "api/api.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "broker/embedded_queue.h"
#include "broker/embedded_streams.h"
#include "broker/redis_broker.h"
#include "broker/schema.h"
#include "contract/invocation.h"
#include "git/repository.h"
#include "os/files.h"
#include "runtime/process_backend.h"
#include "server/loop_run.h"
#include "worker/run_journal.h"
#include "worker/run_store.h"
#include "worker/unit_host.h"
#include "worker/worker.h"

namespace drover::server {

namespace {

constexpr std::size_t kPoolThreads = 4;
// Of their own, so that git work never delays a stream.
constexpr std::size_t kReadThreads = 2;
constexpr std::uint16_t kUsualPort = 7717;
// Its streams are read from the start; those of others from when they are first offered.
constexpr std::string_view kUsualTaskType = "background-agent";
constexpr std::size_t kApiBodyBytesMax = std::size_t{16} << 20U;

// The variable is gone afterwards, also from /proc/self/environ, which shows the memory that the
// process was started with.
Secret take_from_environment(char const* name) {
  char* const value = std::getenv(name);
  if (value == nullptr) return {};
  Secret secret{std::string{value}};
  ::explicit_bzero(value, std::strlen(value));
  ::unsetenv(name);
  return secret;
}

gateway::UpstreamOptions upstream_from_environment() {
  gateway::UpstreamOptions options;
  options.anthropic_key = take_from_environment("ANTHROPIC_API_KEY");
  Secret const url = take_from_environment("ANTHROPIC_BASE_URL");
  if (!url.empty()) options.anthropic_url = url.reveal();
  while (options.anthropic_url.ends_with('/'))
    options.anthropic_url.pop_back();
  char const* const ca_file = std::getenv("SSL_CERT_FILE");
  if (ca_file != nullptr) options.ca_file = ca_file;
  return options;
}

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

std::vector<store::Migration> all_migrations() {
  std::vector<store::Migration> all{broker::migrations().begin(), broker::migrations().end()};
  for (auto const& part : {workspace::Registry::migrations(), worker::run_migrations()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

Result<std::string> unit_program() {
  auto folder = os::executable_folder();
  if (!folder) return folder;
  for (std::string_view const place : {"/drover-unit", "/../libexec/drover/drover-unit"}) {
    auto path = os::real_path(*folder + std::string{place});
    if (path) return path;
  }
  return fail_next(ErrorCode::unsupported,
                   fmt::format("the program drover-unit is not beside drover in {}", *folder),
                   "install both, or build both with ./dev build");
}

// Every connection is a descriptor; the usual soft limit of 1024 is not enough for 1000 readers.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

// All parts, in the order in which they are made; they go in the opposite one.
class Server {
 public:
  explicit Server(ServeOptions const& options)
      : options_(options), pool_(kPoolThreads), read_pool_(kReadThreads) {}

  Status start();
  void run() {
    run_until_signal(io_, signals_, [this] { return stop(); });
  }

 private:
  Status open_store();
  Status connect_broker();
  Status make_worker();
  Status listen();
  Status announce();
  Task<void> stop();
  template <class T>
  T finish(Task<T> task);
  Task<Result<std::optional<std::string>>> unit_stream(std::string stream);

  ServeOptions const options_;
  SystemClock clock_;
  SystemRandom random_;
  git::Library const git_{git::LibraryOptions{home_folder()}};
  boost::asio::io_context io_{1};
  StopSignals signals_{io_};
  std::optional<os::FileLock> lock_;
  os::BlockingPool pool_;
  os::BlockingPool read_pool_;
  Secret token_;
  std::unique_ptr<store::Writer> writer_;
  std::unique_ptr<store::Readers> readers_;
  std::unique_ptr<broker::EmbeddedStreams> streams_;
  std::unique_ptr<broker::EmbeddedQueue> queue_;
  std::unique_ptr<broker::RedisBroker> redis_;  // null: the embedded broker alone
  std::unique_ptr<workspace::Registry> workspaces_;
  std::unique_ptr<gateway::TokenKey> tokens_;
  std::unique_ptr<gateway::ModelProxy> models_;
  std::unique_ptr<runtime::ProcessBackend> runtime_;
  std::unique_ptr<worker::Services> services_;
  std::unique_ptr<worker::Dispatcher> dispatcher_;
  std::unique_ptr<worker::Worker> worker_;
  std::unique_ptr<api::Api> api_;
  std::unique_ptr<net::HttpServer> http_;
};

Status Server::start() {
  DROVER_TRY(os::make_folders(options_.state_folder, 0700));
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
  DROVER_TRY(open_store());
  DROVER_TRY(connect_broker());
  DROVER_TRY(make_worker());
  DROVER_TRY(listen());
  return announce();
}

Status Server::open_store() {
  std::string const path = options_.state_folder + "/drover.db";
  auto database = store::Database::open(path, store::OpenMode::writer);
  if (!database) return std::unexpected(database.error());
  DROVER_TRY(store::migrate(*database, all_migrations()));
  auto const executor = io_.get_executor();
  writer_ = std::make_unique<store::Writer>(*std::move(database), executor);
  readers_ = std::make_unique<store::Readers>(path, read_pool_);
  streams_ = std::make_unique<broker::EmbeddedStreams>(*writer_, *readers_, clock_, executor);
  queue_ = std::make_unique<broker::EmbeddedQueue>(*writer_, clock_, executor);
  queue_->on_exit([this](store::Transaction& transaction, broker::QueueExit const& exit) {
    return worker::end_exited_run(transaction, *streams_, exit, clock_.now());
  });
  workspaces_ = std::make_unique<workspace::Registry>(*writer_, pool_, clock_);
  return readers_->run_blocking(
      [this](store::Database& reader) { return workspaces_->load(reader); });
}

// Runs the loop until `task` has ended: while the server starts there is nothing else on it.
template <class T>
T Server::finish(Task<T> task) {
  std::optional<T> result;
  boost::asio::co_spawn(io_, std::move(task), [&](std::exception_ptr const& thrown, T value) {
    if (thrown) std::rethrow_exception(thrown);
    result.emplace(std::move(value));
  });
  while (!result)
    io_.run_one();
  return *std::move(result);
}

// A Redis that does not answer is no reason not to start: it only carries what the store decides.
// One that refuses drover would do so for ever, and somebody has to be told.
Status Server::connect_broker() {
  Secret const from_environment = take_from_environment("DROVER_BROKER");
  std::string const& url = options_.broker.empty() ? from_environment.reveal() : options_.broker;
  if (url.empty() || url == "embedded") return {};
  auto endpoint = redis::parse_endpoint(url);
  if (!endpoint) return std::unexpected(endpoint.error());
  auto const checked = finish(broker::RedisBroker::check(io_.get_executor(), *endpoint));
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
      [this] { return worker_ ? worker_->active_sessions() : std::set<SessionId>{}; }};
  broker::RedisBrokerOptions options;
  options.types.emplace_back(kUsualTaskType, broker::kDefaultPool);
  redis_ = std::make_unique<broker::RedisBroker>(std::move(parts), *std::move(endpoint),
                                                 std::move(options));
  return {};
}

// `task:run:<run>` to `unit:<id>:out` of the unit that serves the run's session.
Task<Result<std::optional<std::string>>> Server::unit_stream(std::string stream) {
  constexpr std::string_view kRuns = "task:run:";
  if (!stream.starts_with(kRuns)) co_return std::nullopt;
  RunId const run = RunId::trusted(stream.substr(kRuns.size()));
  auto const session =
      co_await readers_->run([run](store::Database& database) -> Result<worker::SessionRecord> {
        auto const record = worker::find_run(database, run);
        if (!record) return std::unexpected(record.error());
        return worker::find_session(database, record->session);
      });
  if (!session) co_return std::unexpected(session.error());
  co_return contract::output_topic(worker::UnitHost::unit_name(*session));
}

Status Server::make_worker() {
  auto key = gateway::TokenKey::load_or_create(options_.state_folder + "/unit-token.key", random_);
  if (!key) return std::unexpected(key.error());
  tokens_ = std::make_unique<gateway::TokenKey>(*std::move(key));
  gateway::UpstreamOptions upstream = upstream_from_environment();
  bool const has_key = !upstream.anthropic_key.empty();
  models_ = std::make_unique<gateway::ModelProxy>(io_, pool_, clock_, std::move(upstream));

  auto launcher = sandbox::Launcher::create();
  if (!launcher) return std::unexpected(launcher.error());
  runtime::ProcessBackendSettings settings;
  settings.record_folder = options_.state_folder + "/workloads";
  DROVER_TRY(os::make_folders(settings.record_folder, 0700));
  runtime_ = std::make_unique<runtime::ProcessBackend>(io_.get_executor(), pool_, clock_,
                                                       *std::move(launcher), settings);
  // Units of a server that died are ended, and their runs are resumed from the session's files.
  auto const reaped = runtime_->reap_orphans();
  if (!reaped)
    log::error("orphans-not-reaped", {{"reason", reaped.error().text()}});
  else if (!reaped->empty())
    log::info("orphans-reaped", {{"units", reaped->size()}});

  auto unit = unit_program();
  if (!unit) return std::unexpected(unit.error());
  worker::WorkerOptions options;
  options.state_folder = options_.state_folder;
  options.unit_program = *std::move(unit);
  if (has_key) options.default_model = "anthropic/claude-sonnet-4-5";
  broker::DispatchQueue& queue =
      redis_ ? redis_->queue() : static_cast<broker::DispatchQueue&>(*queue_);
  services_ = std::make_unique<worker::Services>(
      worker::Services{io_, clock_, random_, pool_, *writer_, *readers_, *streams_, queue,
                       *workspaces_, *models_, *tokens_, *runtime_, std::move(options)});
  dispatcher_ = std::make_unique<worker::Dispatcher>(*services_);
  worker_ = std::make_unique<worker::Worker>(*services_, WorkerId::create(clock_, random_));
  api_ = std::make_unique<api::Api>(*services_, *dispatcher_, *worker_);
  if (!redis_) return {};
  worker_->on_sessions_changed([this] { redis_->sessions_changed(); });
  api_->set_redis(*redis_);
  return {};
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
  policy.hosts.push_back(fmt::format("{}:{}", options_.host, http_->port()));
  api_->set_policy(std::move(policy));
  return {};
}

// Takes up what an earlier server left, then says where the new one is.
Status Server::announce() {
  std::optional<Status> started;
  boost::asio::co_spawn(io_, queue_->load(), [&](std::exception_ptr const& thrown, auto loaded) {
    if (thrown != nullptr) {
      started = fail(ErrorCode::internal, "the queue could not be loaded");
    } else if (!loaded) {
      started = std::unexpected(loaded.error());
    } else {
      if (*loaded > 0) log::info("queue-loaded", {{"entries", *loaded}});
      started = worker_->start();
    }
  });
  while (!started)
    io_.run_one();
  if (!*started) return *started;
  json::object const file{{"url", fmt::format("http://{}:{}", options_.host, http_->port())},
                          {"token", json::string{token_.reveal()}},
                          {"pid", static_cast<std::int64_t>(::getpid())}};
  DROVER_TRY(os::write_file_atomic(options_.state_folder + "/server.json",
                                   json::serialize(file) + "\n", 0600));
  // Last, for from here on it has to be stopped in order.
  if (redis_) redis_->start();
  log::info("serving", {{"port", http_->port()}, {"state", options_.state_folder}});
  return {};
}

Task<void> Server::stop() {
  queue_->stop();
  if (redis_) redis_->close_claims();
  co_await worker_->stop();
  if (redis_) co_await redis_->stop();
  streams_->stop();
  co_await http_->stop();
  ::unlink((options_.state_folder + "/server.json").c_str());
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
