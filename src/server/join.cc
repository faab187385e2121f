// `drover worker`: the worker alone, at a server elsewhere.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.h"
#include "broker/redis_reader.h"
#include "gateway/token.h"
#include "git/repository.h"
#include "os/files.h"
#include "os/task_group.h"
#include "server/job_process.h"
#include "server/loop_run.h"
#include "server/machine.h"
#include "server/server.h"
#include "server/settings.h"
#include "store/disk_reserve.h"
#include "worker/job_host.h"
#include "worker/remote_control.h"
#include "worker/worker.h"
#include "worker/worker_mode.h"

namespace drover::server {

namespace {

constexpr std::size_t kPoolThreads = 4;
constexpr std::size_t kSyncThreads = 4;
constexpr int kFoldersMax = 100;
constexpr int kJobsMax = 1000;  // as many as a worker may have slots
constexpr std::size_t kAssignedBytesMax = std::size_t{64} << 20U;

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

std::string home_folder() {
  char const* const home = std::getenv("HOME");
  return home == nullptr ? std::string{} : std::string{home};
}

struct OwnFolder {
  std::string path;
  os::FileLock lock;
};

Result<OwnFolder> lock_folder(std::string const& path) {
  DROVER_TRY(os::make_folders(path, 0700));
  auto lock = os::FileLock::acquire(path + "/worker.lock");
  if (!lock) return std::unexpected(lock.error());
  return OwnFolder{path, *std::move(lock)};
}

// Each worker of a machine has a folder of its own; one that a dead worker left is cleared up by
// the next that takes it.
Result<OwnFolder> own_folder(JoinOptions const& options) {
  std::string const all = options.state_folder + "/workers";
  if (!options.name.empty()) return lock_folder(fmt::format("{}/{}", all, options.name));
  for (int i = 1; i <= kFoldersMax; ++i) {
    auto folder = lock_folder(fmt::format("{}/{}", all, i));
    if (folder || folder.error().code != ErrorCode::conflict) return folder;
  }
  return fail_next(ErrorCode::conflict, fmt::format("{} workers use {} already", kFoldersMax, all),
                   "give this one a --name, or another DROVER_STATE_DIR");
}

}  // namespace

// All parts, in the order in which they are made.
class JoinedProcess {
 public:
  explicit JoinedProcess(JoinOptions const& options)
      : options_(options), pool_(kPoolThreads), sync_pool_(kSyncThreads) {}

  Status start();
  void run() {
    run_until_signal(io_, signals_, [this] { return stop(); }, wait_over());
  }

 private:
  Status make_worker();
  Status read_offers_of(std::string const& broker);
  void make_control(worker::WorkerCard card);
  Result<worker::RemoteControl::Joined> take_place();
  Status make_jobs();
  void obey(worker::Orders const& orders);
  Task<void> release(SessionId session);
  Task<void> stop();
  Task<void> wait_over();
  Task<void> watch_duty();
  Task<void> watch_parent_end();
  void end_duty();

  JoinOptions const options_;
  broker::Labels labels_;
  BackendSettings backends_;
  SystemClock clock_;
  SystemRandom random_;
  git::Library const git_{git::LibraryOptions{home_folder()}};
  boost::asio::io_context io_{1};
  StopSignals signals_{io_};
  os::TaskGroup background_{io_.get_executor(), "worker-process"};
  os::BlockingPool pool_;
  os::BlockingPool sync_pool_;
  std::optional<OwnFolder> folder_;
  worker::WorkerOptions worker_options_;
  std::unique_ptr<store::DiskReserve> reserve_;
  std::unique_ptr<gateway::TokenKey> tokens_;
  std::unique_ptr<runtime::Runtime> runtime_;
  std::unique_ptr<broker::RedisReader> offers_;  // null: work comes from the server alone
  std::unique_ptr<worker::RemoteControl> control_;
  std::unique_ptr<worker::JobHost> jobs_;  // null: all runs are worked on here
  std::unique_ptr<worker::Worker> worker_;
  std::set<SessionId> releasing_;
  // Of a process for one claim.
  pid_t parent_ = 0;
  std::optional<boost::asio::posix::stream_descriptor> parent_end_;
  os::AsyncEvent over_changed_{io_.get_executor()};
  bool over_ = false;  // its duty is done, or nobody is there for whom to do it
};

Status JoinedProcess::start() {
  if (!options_.mode.empty())
    if (auto const mode = worker::parse_worker_mode(options_.mode); !mode)
      return std::unexpected(mode.error());
  auto folder = own_folder(options_);
  if (!folder) return std::unexpected(folder.error());
  folder_.emplace(*std::move(folder));
  raise_descriptor_limit();
  // The provider's key is not this process's to hold: calls go through the server.
  auto const settings = settings_from_environment();
  if (!settings) return std::unexpected(settings.error());
  backends_ = settings->backends;
  labels_ = options_.labels.empty() ? settings->worker_labels : options_.labels;
  DROVER_TRY(broker::check_labels(labels_, broker::kLabelsMax));
  DROVER_TRY(read_offers_of(options_.broker.empty() ? settings->broker.reveal() : options_.broker));
  store::DiskReserveOptions reserve;
  reserve.path = folder_->path + "/reserve";
  reserve.bytes = settings->reserve_bytes;
  reserve_ = std::make_unique<store::DiskReserve>(reserve, io_.get_executor(), pool_);
  if (auto const held = reserve_->hold(); !held)
    log::warn("disk-full", {{"reason", held.error().text()}});
  DROVER_TRY(make_worker());
  background_.spawn(reserve_->watch(), "reserve");
  control_->on_joined_again([this] { background_.spawn(worker_->release_all(), "release"); });
  if (offers_) offers_->start();
  control_->listen([this](worker::Orders const& orders) { obey(orders); });
  return worker_->start();
}

Status JoinedProcess::make_worker() {
  auto key = gateway::TokenKey::load_or_create(folder_->path + "/unit-token.key", random_);
  if (!key) return std::unexpected(key.error());
  tokens_ = std::make_unique<gateway::TokenKey>(*std::move(key));
  auto machine = make_machine({io_, pool_, clock_, random_}, backends_, folder_->path);
  if (!machine) return std::unexpected(machine.error());
  runtime_ = std::move(machine->runtime);
  if (auto const recovered = runtime_->recover(); !recovered)
    log::error("orphans-not-reaped", {{"reason", recovered.error().text()}});

  auto const joined = take_place();
  if (!joined) return std::unexpected(joined.error());
  auto const mode = worker::parse_worker_mode(joined->card.mode);
  if (!mode) return std::unexpected(mode.error());
  worker::WorkerDuty duty;
  duty.filter = joined->card.filter;
  if (*mode == worker::WorkerMode::job) duty.until = worker::WorkerDuty::Until::one_run;

  worker_options_.state_folder = folder_->path;
  worker_options_.unit_program = machine->unit_program;
  worker_options_.slots = *mode == worker::WorkerMode::job ? 1 : options_.slots;
  worker_options_.lease = options_.lease;
  worker_options_.joined = true;
  worker_options_.session_folder = joined->session_folder;
  if (*mode == worker::WorkerMode::hybrid) {
    DROVER_TRY(make_jobs());
    duty.jobs = jobs_.get();
  }
  worker::WorkerParts const parts{io_,       clock_,   random_,   pool_,     sync_pool_,
                                  *reserve_, *tokens_, *runtime_, *control_, worker_options_};
  worker_ = std::make_unique<worker::Worker>(parts, joined->card.id, std::move(duty));
  return {};
}

// A Redis that does not answer is no reason not to start: the server is asked instead. One that
// refuses this worker would do so for ever.
Status JoinedProcess::read_offers_of(std::string const& broker) {
  if (broker.empty() || broker == "embedded" || options_.assigned) return {};
  auto endpoint = redis::parse_endpoint(broker);
  if (!endpoint) return std::unexpected(endpoint.error());
  auto const tried = run_to_end(io_, redis::Connection::open(io_.get_executor(), *endpoint, {}));
  if (tried) (*tried)->close({ErrorCode::cancelled, "it was a try", {}});
  bool const may_come = tried || tried.error().code == ErrorCode::unavailable ||
                        tried.error().code == ErrorCode::timeout;
  if (!may_come) return std::unexpected(tried.error());
  broker::ReaderOptions options;
  options.claimer.consumer = fmt::format("worker-{}", new_id_text("wrk", clock_, random_));
  offers_ = std::make_unique<broker::RedisReader>(io_.get_executor(), random_, *std::move(endpoint),
                                                  std::move(options));
  return {};
}

void JoinedProcess::make_control(worker::WorkerCard card) {
  worker::RemoteOptions remote;
  remote.url = options_.url;
  remote.token = options_.token;
  if (char const* const file = std::getenv("SSL_CERT_FILE")) remote.ca_file = file;
  remote.lease = options_.lease;
  remote.card = std::move(card);
  remote.offers = offers_.get();
  control_ = std::make_unique<worker::RemoteControl>(io_, std::move(remote));
}

// At the server, as a worker of its own or in the name of the one that started this process.
Result<worker::RemoteControl::Joined> JoinedProcess::take_place() {
  worker::WorkerCard card{
      .id = {},
      .host = host_name(),
      .mode = options_.mode,
      .slots = options_.slots,
      .filter = {.pools = options_.pools, .task_types = options_.task_types, .labels = labels_}};
  if (!options_.assigned) {
    card.id = WorkerId::create(clock_, random_);
    make_control(std::move(card));
    return run_to_end(io_, control_->join());
  }
  auto const text = os::read_all(STDIN_FILENO, "the assigned job", kAssignedBytesMax);
  if (!text) return std::unexpected(text.error());
  auto job = worker::parse_assigned_job(*text);
  if (!job) return std::unexpected(job.error());
  auto end = watch_parent(job->parent);
  if (!end) return std::unexpected(end.error());
  parent_end_.emplace(io_.get_executor(), end->release());
  parent_ = job->parent;
  card.id = job->assignment.claim.worker;
  make_control(card);
  control_->adopt(std::move(job->assignment));
  return worker::RemoteControl::Joined{.session_folder = std::move(job->session_folder),
                                       .card = std::move(card)};
}

// What processes of an earlier worker of this folder left is cleared up; those that still work for
// it hold their folders.
Status JoinedProcess::make_jobs() {
  auto command = job_command(options_);
  if (!command) return std::unexpected(command.error());
  worker::JobOptions options;
  options.command = *std::move(command);
  options.environment = job_environment(options_.token);
  options.folder = folder_->path;
  options.session_folder = worker_options_.session_folder;
  worker::JobHost::Folders folders;
  folders.is_free = [](std::string const& folder) {
    return !os::exists(folder) || lock_folder(folder).has_value();
  };
  folders.reap = [this](std::string const& folder) -> Status {
    auto const own = lock_folder(folder);
    if (!own) return std::unexpected(own.error());
    return reap_units(io_.get_executor(), pool_, clock_, folder);
  };
  for (int number = 1; number <= kJobsMax; ++number) {
    std::string const left = fmt::format("{}/workers/{}", folder_->path, worker::job_name(number));
    if (!os::exists(left) || !folders.is_free(left)) continue;
    if (auto const reaped = folders.reap(left); !reaped)
      log::error("job-not-cleared-up", {{"reason", reaped.error().text()}});
  }
  jobs_ = std::make_unique<worker::JobHost>(io_.get_executor(), pool_, *control_,
                                            std::move(options), std::move(folders));
  return {};
}

void JoinedProcess::obey(worker::Orders const& orders) {
  for (RunId const& run : orders.cancelled)
    worker_->cancel(run);
  // Of warm units, which a process for one claim never has.
  for (SessionId const& session : orders.released)
    if (!options_.assigned && releasing_.insert(session).second)
      background_.spawn(release(session), "release");
}

Task<void> JoinedProcess::release(SessionId session) {
  co_await worker_->release(session);
  releasing_.erase(session);
  auto const confirmed = co_await control_->confirm_release(session);
  // It is asked for again.
  if (!confirmed)
    log::warn("release-not-confirmed",
              {{"session", session}, {"reason", confirmed.error().text()}});
}

void JoinedProcess::end_duty() {
  over_ = true;
  over_changed_.notify();
}

Task<void> JoinedProcess::watch_duty() {
  co_await worker_->wait_done();
  end_duty();
}

Task<void> JoinedProcess::watch_parent_end() {
  co_await parent_end_->async_wait(boost::asio::posix::stream_descriptor::wait_read,
                                   boost::asio::as_tuple(boost::asio::use_awaitable));
  end_duty();
}

Task<void> JoinedProcess::wait_over() {
  background_.spawn(watch_duty(), "duty");
  if (parent_end_) background_.spawn(watch_parent_end(), "parent");
  while (!over_) {
    auto const seen = over_changed_.version();
    co_await over_changed_.wait(seen);
  }
}

Task<void> JoinedProcess::stop() {
  if (parent_ != 0 && ::getppid() != parent_) {
    auto const said = co_await control_->say_orphaned();
    if (!said) log::warn("orphan-not-heard", {{"reason", said.error().text()}});
  }
  co_await worker_->drain(std::chrono::steady_clock::now() + options_.drain);
  co_await worker_->stop();
  if (offers_) co_await offers_->stop();
  co_await control_->leave();
  reserve_->stop();
  if (parent_end_) parent_end_->cancel();
  co_await background_.join();
}

int join(JoinOptions const& options) {
  auto const process = std::make_unique<JoinedProcess>(options);
  auto const started = process->start();
  if (!started) {
    fmt::print(stderr, "drover: {}\n", started.error().text());
    return exit_code(started.error().code);
  }
  process->run();
  return 0;
}

}  // namespace drover::server
