// `drover worker`: the worker alone, at a server elsewhere.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include <boost/asio/io_context.hpp>

#include "base/log.h"
#include "gateway/token.h"
#include "git/repository.h"
#include "os/files.h"
#include "os/task_group.h"
#include "server/loop_run.h"
#include "server/machine.h"
#include "server/server.h"
#include "server/settings.h"
#include "store/disk_reserve.h"
#include "worker/remote_control.h"
#include "worker/worker.h"
#include "worker/worker_mode.h"

namespace drover::server {

namespace {

constexpr std::size_t kPoolThreads = 4;
constexpr std::size_t kSyncThreads = 4;
constexpr int kFoldersMax = 100;

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
    run_until_signal(io_, signals_, [this] { return stop(); }, worker_->wait_done());
  }

 private:
  Status make_worker();
  void obey(worker::Orders const& orders);
  Task<void> release(SessionId session);
  Task<void> stop();

  JoinOptions const options_;
  broker::Labels labels_;
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
  std::unique_ptr<runtime::ProcessBackend> runtime_;
  std::unique_ptr<worker::RemoteControl> control_;
  std::unique_ptr<worker::Worker> worker_;
  std::set<SessionId> releasing_;
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
  labels_ = options_.labels.empty() ? settings->worker_labels : options_.labels;
  DROVER_TRY(broker::check_labels(labels_, broker::kLabelsMax));
  store::DiskReserveOptions reserve;
  reserve.path = folder_->path + "/reserve";
  reserve.bytes = settings->reserve_bytes;
  reserve_ = std::make_unique<store::DiskReserve>(reserve, io_.get_executor(), pool_);
  if (auto const held = reserve_->hold(); !held)
    log::warn("disk-full", {{"reason", held.error().text()}});
  DROVER_TRY(make_worker());
  background_.spawn(reserve_->watch(), "reserve");
  control_->on_joined_again([this] { background_.spawn(worker_->release_all(), "release"); });
  control_->listen([this](worker::Orders const& orders) { obey(orders); });
  return worker_->start();
}

Status JoinedProcess::make_worker() {
  auto key = gateway::TokenKey::load_or_create(folder_->path + "/unit-token.key", random_);
  if (!key) return std::unexpected(key.error());
  tokens_ = std::make_unique<gateway::TokenKey>(*std::move(key));
  auto machine = make_machine(io_.get_executor(), pool_, clock_, folder_->path);
  if (!machine) return std::unexpected(machine.error());
  runtime_ = std::move(machine->runtime);

  bool const job = mode_ == worker::WorkerMode::job;
  worker::WorkerDuty duty;
  duty.filter = broker::ClaimFilter{
      .pools = options_.pools, .task_types = options_.task_types, .labels = labels_};
  if (job) duty.until = worker::WorkerDuty::Until::one_run;
  worker::RemoteOptions remote;
  remote.url = options_.url;
  remote.token = options_.token;
  if (char const* const file = std::getenv("SSL_CERT_FILE")) remote.ca_file = file;
  remote.lease = options_.lease;
  remote.card = worker::WorkerCard{.id = WorkerId::create(clock_, random_),
                                   .host = host_name(),
                                   .mode = options_.mode,
                                   .slots = options_.slots,
                                   .filter = {.pools = options_.pools,
                                              .task_types = options_.task_types,
                                              .labels = labels_}};
  WorkerId id = remote.card.id;
  control_ = std::make_unique<worker::RemoteControl>(io_, std::move(remote));
  auto const joined = run_to_end(io_, control_->join());
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
  worker::WorkerParts const parts{io_,       clock_,   random_,   pool_,     sync_pool_,
                                  *reserve_, *tokens_, *runtime_, *control_, worker_options_};
  worker_ = std::make_unique<worker::Worker>(parts, std::move(id), std::move(duty));
  return {};
}

void JoinedProcess::obey(worker::Orders const& orders) {
  for (RunId const& run : orders.cancelled)
    worker_->cancel(run);
  for (SessionId const& session : orders.released)
    if (releasing_.insert(session).second) background_.spawn(release(session), "release");
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

Task<void> JoinedProcess::stop() {
  co_await worker_->drain(std::chrono::steady_clock::now() + options_.drain);
  co_await worker_->stop();
  co_await control_->leave();
  reserve_->stop();
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
