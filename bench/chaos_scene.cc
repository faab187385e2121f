#include "chaos_scene.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/text.h"
#include "chaos_audit.h"
#include "harness/leftovers.h"
#include "harness/processes.h"
#include "os/files.h"

namespace drover::bench {

namespace {

constexpr int kWorkspaces = 4;
constexpr int kPortFirst = 20'000;
constexpr int kPorts = 10'000;
constexpr int kFiles = 200;  // in each
// Of every run that writes: so many lines in kEffectsFile.
constexpr int kEffects = 3;
// Most servers die while they work, some while they start.
constexpr Millis kStartingBound{60};
constexpr Millis kLook{5};
constexpr std::size_t kRefusalsShown = 10;

struct Script {
  std::string_view name;
  std::string_view turns;
};
// The same three effects in one answer, one by one, and slowly.
constexpr Script kScripts[] = {
    {"at-once", R"({"tool_calls":[
       {"name":"Bash","input":{"command":"echo {{turn}} a >> effects.txt"}},
       {"name":"Bash","input":{"command":"echo {{turn}} b >> effects.txt"}},
       {"name":"Bash","input":{"command":"echo {{turn}} c >> effects.txt"}}]},
       {"text":"Done."})"},
    {"steps", R"({"repeat":3,"tool_calls":[
       {"name":"Bash","input":{"command":"echo {{turn}} >> effects.txt"}}]},
       {"text":"Done."})"},
    {"slow", R"({"repeat":3,"delay_ms":30,"text":"One more of three.","delta_bytes":4,
       "delta_delay_ms":5,"tool_calls":[
       {"name":"Bash","input":{"command":"sleep 0.05; echo {{turn}} >> effects.txt"}}]},
       {"text":"Done, and it took a while.","delta_bytes":4,"delta_delay_ms":10})"}};

Result<std::vector<std::string>> write_models(Scratch const& scratch) {
  std::vector<std::string> models;
  for (Script const& script : kScripts) {
    std::string const path = scratch.path(fmt::format("{}.json", script.name));
    DROVER_TRY(os::write_file_atomic(
        path, fmt::format(R"({{"name":"{}","after_last":"loop","turns":[{}]}})", script.name,
                          script.turns)));
    models.push_back("scripted:" + path);
  }
  return models;
}

// What runs leave alone, and what takes a checkout its time.
Status write_files(std::string const& folder) {
  DROVER_TRY(os::make_folders(folder));
  for (int i = 0; i < kFiles; ++i)
    DROVER_TRY(os::write_file_atomic(fmt::format("{}/file-{}.txt", folder, i), std::to_string(i)));
  return {};
}

}  // namespace

ChaosScene::ChaosScene(Scratch const& scratch, std::uint64_t seed)
    : scratch_(scratch), seed_(seed), random_(seed), book_(Book{Account{kEffects}, {}}) {}

Result<std::unique_ptr<ChaosScene>> ChaosScene::open(Scratch const& scratch, std::uint64_t seed,
                                                     SceneOptions const& options) {
  auto scene = std::unique_ptr<ChaosScene>(new ChaosScene{scratch, seed});
  DROVER_TRY(scene->prepare(options));
  return scene;
}

Status ChaosScene::prepare(SceneOptions const& options) {
  std::vector<std::string> variables = options.variables;
  if (!options.broker.empty()) variables.push_back("DROVER_BROKER=" + options.broker);
  std::vector<std::string> arguments;
  // Workers know the server by its port, which outlives it.
  if (options.workers == Workers::joined)
    arguments = {"--no-worker", "--port", fmt::to_string(kPortFirst + ::getpid() % kPorts)};
  auto server = ApiServer::start(scratch_, variables, arguments);
  if (!server) return std::unexpected(server.error());
  server_ = *std::move(server);
  if (options.workers == Workers::joined) DROVER_TRY(start_workers(options.broker));
  auto models = write_models(scratch_);
  if (!models) return std::unexpected(models.error());
  Traffic traffic;
  traffic.state_folder = server_->state_folder();
  traffic.models = *std::move(models);
  traffic.seed = seed_;
  for (int i = 0; i < kWorkspaces; ++i) {
    folders_.push_back(scratch_.path(fmt::format("project-{}", i)));
    DROVER_TRY(write_files(folders_.back()));
    auto workspace = server_->add_workspace(folders_.back());
    if (!workspace) return std::unexpected(workspace.error());
    traffic.workspaces.push_back(*std::move(workspace));
  }
  clients_.emplace(traffic, book_);
  return {};
}

Status ChaosScene::start_workers(std::string const& broker) {
  for (std::string const mode : {"daemon", "hybrid"}) {
    std::vector<std::string> arguments{"--mode", mode};
    if (!broker.empty()) arguments.insert(arguments.end(), {"--broker", broker});
    auto worker = ChaosWorker::start(scratch_, mode, server_->state_folder(), arguments);
    if (!worker) return std::unexpected(worker.error());
    workers_.push_back(*std::move(worker));
  }
  return {};
}

Status ChaosScene::wait_below(Millis bound) {
  auto const time = static_cast<std::int64_t>(
      random_.below(static_cast<std::uint64_t>(std::max<std::int64_t>(bound.count(), 1))));
  auto const end = std::chrono::steady_clock::now() + Millis{time};
  while (std::chrono::steady_clock::now() < end) {
    DROVER_TRY(check_interrupt());
    std::this_thread::sleep_for(std::min(kLook, bound));
  }
  return {};
}

Status ChaosScene::kill_a_unit() {
  auto units = server_->units();
  if (!units) return std::unexpected(units.error());
  for (ChaosWorker const& worker : workers_)
    units->merge(worker.units());
  if (units->empty()) return {};
  auto unit = units->begin();
  std::advance(unit, static_cast<std::ptrdiff_t>(random_.below(units->size())));
  // It may have ended since it was recorded.
  auto const handle = os::open_process(unit->second.pid);
  auto const ticks = os::start_ticks(unit->second.pid);
  if (!handle || !ticks || *ticks != unit->second.start_ticks) return {};
  return os::send_signal(handle->get(), SIGKILL);
}

Status ChaosScene::kill_a_worker() {
  if (workers_.empty()) return {};
  ChaosWorker& worker = workers_[random_.below(workers_.size())];
  DROVER_TRY(worker.kill());
  harness::reap_orphans();
  return worker.launch();
}

Status ChaosScene::restart() {
  // Units of the dead server became children of this process, as they would of an init.
  harness::reap_orphans();
  return server_->launch();
}

Status ChaosScene::strike(Victim victim) {
  if (victim == Victim::unit) return kill_a_unit();
  if (victim == Victim::both || victim == Victim::worker_and_unit) DROVER_TRY(kill_a_unit());
  if (victim == Victim::worker || victim == Victim::worker_and_unit) return kill_a_worker();
  DROVER_TRY(server_->kill());
  DROVER_TRY(restart());
  if (victim == Victim::starting_server) {
    DROVER_TRY(wait_below(kStartingBound));
    DROVER_TRY(server_->kill());
    DROVER_TRY(restart());
  }
  DROVER_TRY(server_->wait_until_ready());
  // One that began while there was no server has ended.
  for (ChaosWorker& worker : workers_)
    DROVER_TRY(worker.keep_up());
  return {};
}

Status ChaosScene::close(Report& report, std::string_view name, int cycles,
                         std::vector<std::string> const& own) {
  clients_->finish();
  DROVER_TRY(check_interrupt());
  auto const address = address_in(server_->state_folder());
  if (!address) return std::unexpected(address.error());
  auto book = book_.lock();
  DROVER_TRY(audit_server(*address, book->account));
  for (std::string const& folder : folders_)
    DROVER_TRY(audit_repository(folder, book->account));
  for (ChaosWorker& worker : workers_)
    DROVER_TRY(worker.stop());
  DROVER_TRY(server_->stop());
  auto left = harness::leftovers_of(scratch_.folder(), server_->state_folder());
  std::erase_if(left, [&](std::string const& one) {
    return std::ranges::any_of(own,
                               [&](std::string const& begin) { return one.starts_with(begin); });
  });
  harness::reap_orphans();

  Totals const totals = book->account.settle();
  auto const add = [&](std::string_view metric, std::size_t value) {
    report.add(name, metric, "count", static_cast<double>(value));
  };
  add("cycles", static_cast<std::size_t>(cycles));
  add("accepted", totals.accepted);
  add("finished", totals.finished);
  add("succeeded", totals.succeeded);
  add("commits", totals.commits);
  add("lost", totals.lost);
  add("doubled", totals.doubled);
  add("torn", totals.torn);
  add("orphans", left.size());
  add("refused", book->refusals.size());
  for (auto const& [how, count] : totals.otherwise)
    note(fmt::format("{} runs ended as {}", count, printable(how, 300)));
  for (std::string const& finding : totals.findings)
    note(finding);
  for (std::string const& one : left)
    note("left behind: " + one);
  for (std::size_t i = 0; i < std::min(book->refusals.size(), kRefusalsShown); ++i)
    note("refused: " + book->refusals[i]);
  if (totals.findings.empty() && left.empty()) return {};
  return fail(ErrorCode::internal, "{}: {} findings and {} leftovers with the seed {}", name,
              totals.findings.size(), left.size(), seed_);
}

}  // namespace drover::bench
