#include "server/fleet_sync.h"

#include <boost/json.hpp>

#include "api/fleet_view.h"
#include "fleet/fleet.h"
#include "os/files.h"
#include "server/loop_run.h"
#include "server/machine.h"
#include "server/schema.h"
#include "server/settings.h"
#include "store/reader.h"
#include "worker/definitions.h"

namespace drover::server {

namespace {

constexpr std::size_t kThreads = 2;

// As one task: a loop that has run dry does not run again.
Task<fleet::Summary> pass(fleet::Reconciler& reconciler, std::string agent) {
  fleet::Summary summary;
  if (agent.empty())
    summary = co_await reconciler.reconcile_all();
  else
    summary = co_await reconciler.reconcile_one(std::move(agent));
  co_await reconciler.stop();
  co_return summary;
}

class Sync {
 public:
  explicit Sync(std::string state_folder) : state_folder_(std::move(state_folder)) {}

  Status open();
  Result<json::object> run(std::string const& agent);

 private:
  [[nodiscard]] std::vector<contract::AgentSpec> agents() const;

  std::string state_folder_;
  Settings settings_;
  SystemClock clock_;
  SystemRandom random_;
  boost::asio::io_context io_;
  std::optional<os::FileLock> lock_;
  os::BlockingPool pool_{kThreads};
  std::unique_ptr<store::Writer> writer_;
  std::unique_ptr<worker::AgentRegistry> agents_;
  std::unique_ptr<fleet::Fleet> fleet_;
};

Status Sync::open() {
  DROVER_TRY(os::make_folders(state_folder_, 0700));
  auto lock = os::FileLock::acquire(state_folder_ + "/server.lock");
  if (!lock) return std::unexpected(lock.error());
  lock_.emplace(*std::move(lock));
  auto settings = settings_from_environment();
  if (!settings) return std::unexpected(settings.error());
  settings_ = *std::move(settings);
  std::string const path = state_folder_ + "/drover.db";
  auto database = store::Database::open(path, store::OpenMode::writer);
  if (!database) return std::unexpected(database.error());
  DROVER_TRY(store::migrate(*database, all_migrations()));
  writer_ = std::make_unique<store::Writer>(*std::move(database), io_.get_executor());
  agents_ = std::make_unique<worker::AgentRegistry>(*writer_, clock_);
  auto program = find_unit_program();
  if (!program) return std::unexpected(program.error());
  fleet::FleetParts const parts{
      io_, pool_, clock_, random_, *writer_, [this] { return agents(); }, nullptr};
  fleet::FleetSettings fleet;
  fleet.state_folder = state_folder_;
  fleet.unit_program = *std::move(program);
  fleet.backend = settings_.backends.backend;
  fleet.docker = settings_.backends.docker;
  fleet.prefix = settings_.fleet_prefix;
  auto made = fleet::Fleet::make(parts, std::move(fleet));
  if (!made) return std::unexpected(made.error());
  fleet_ = *std::move(made);
  store::Readers readers{path, pool_};
  return readers.run_blocking([this](store::Database& reader) -> Status {
    DROVER_TRY(agents_->load(reader, state_folder_ + "/agents"));
    return fleet_->reconciler().load(reader);
  });
}

std::vector<contract::AgentSpec> Sync::agents() const {
  std::vector<contract::AgentSpec> all;
  for (auto const& one : agents_->list()) {
    auto const& backend = one.spec.backend.empty() ? settings_.backends.backend : one.spec.backend;
    if (backend == kDockerBackend) all.push_back(one.spec);
  }
  return all;
}

Result<json::object> Sync::run(std::string const& agent) {
  auto const summary = run_to_end(io_, pass(fleet_->reconciler(), agent));
  return api::fleet_summary(summary);
}

}  // namespace

Result<json::object> sync_fleet(std::string const& state_folder, std::string const& agent) {
  Sync sync{state_folder};
  DROVER_TRY(sync.open());
  return sync.run(agent);
}

}  // namespace drover::server
