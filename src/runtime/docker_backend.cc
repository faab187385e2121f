#include "runtime/docker_backend.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/log.h"
#include "base/text.h"
#include "os/files.h"
#include "os/process.h"
#include "runtime/bind_sources.h"
#include "runtime/container_maker.h"
#include "runtime/container_reconcile.h"
#include "runtime/docker_engine.h"
#include "runtime/engine_identity.h"
#include "runtime/engine_watch.h"
#include "runtime/record.h"
#include "runtime/session_uids.h"
#include "runtime/warm_containers.h"
#include "runtime/workload_book.h"
#include "sandbox/growth_watch.h"
#include "sandbox/oci_seccomp.h"

namespace drover::runtime {

namespace asio = boost::asio;
using std::chrono::steady_clock;

namespace {

constexpr Millis kStartWait{15 * 60'000};  // with the pull of an image
// A SIGKILL that the engine does not carry out within this time is an error of the caller's.
constexpr Millis kKilledWait{30'000};
constexpr Millis kThawAnyway{1'000};

struct ContainerWorkload : Workload {
  using Workload::Workload;

  std::string container;  // its id, once it is made
  ContainerPhase phase = ContainerPhase::creating;
  uid_t uid = 0;        // of the range, while it has one
  bool frozen = false;  // by us, as far as we know
  // Of its writable folders, where they have a limit.
  std::shared_ptr<sandbox::GrowthWatch::Watched> growth;
  bool out_of_memory = false;  // the engine said so
  bool ended_early = false;    // before the start was answered
  bool finishing = false;
};
using WorkloadPtr = std::shared_ptr<ContainerWorkload>;

std::string last_of(std::string const& output) {
  return output.substr(output.size() - std::min(output.size(), kOutputTailBytes));
}

}  // namespace

class DockerBackend::Core : public std::enable_shared_from_this<DockerBackend::Core> {
 public:
  Core(asio::io_context& io, os::BlockingPool& pool, Clock const& clock, Random& random,
       DockerBackendSettings settings)
      : executor_(io.get_executor()),
        pool_(pool),
        clock_(clock),
        random_(random),
        settings_(std::move(settings)),
        engine_(io, settings_.engine),
        maker_(engine_, {.image = settings_.image,
                         .oci_runtime = settings_.oci_runtime,
                         .cgroup_parent = settings_.cgroup_parent,
                         .seccomp_file = settings_.folder + "/seccomp.json",
                         .engine_socket = settings_.engine.unix_socket}),
        records_(settings_.folder + "/records"),
        binds_(settings_.folder + "/binds"),
        book_("docker", clock),
        watch_(executor_, engine_, settings_.oci_runtime, hooks()),
        uids_(settings_.session_uid_first, settings_.session_uid_count),
        warm_({.executor = executor_,
               .pool = pool_,
               .clock = clock_,
               .random = random_,
               .engine = engine_,
               .maker = maker_,
               .binds = binds_,
               .uids = uids_,
               .folder = settings_.folder + "/warm"},
              {.server = [this] { return server_name(); }}) {}

  void close();
  Status recover();
  void adopt(WorkloadSpec spec, WallTime started_at);
  Task<Status> connect() { return watch_.connect(shared_from_this()); }
  Task<Result<WorkloadStatus>> start(WorkloadSpec spec);
  Task<Result<WorkloadStatus>> stop(WorkloadId id, StopReason reason, Millis grace);
  Task<Status> destroy(WorkloadId id);
  enum class Hold : std::uint8_t { freeze, thaw };
  Task<Status> hold(WorkloadId id, Hold hold);
  Task<Result<std::string>> output(WorkloadId id);
  Task<Status> keep_warm(std::vector<WarmWish> wishes) {
    return warm_.want(std::move(wishes), shared_from_this());
  }
  [[nodiscard]] std::size_t warm() const { return warm_.size(); }
  WorkloadBook<ContainerWorkload>& book() { return book_; }

 private:
  EngineWatch::Hooks hooks();
  Result<std::string> read_identity() const;
  Task<Result<std::string>> identity();
  Task<Result<std::string>> server_name();
  Task<Status> bring_up(WorkloadPtr workload);
  Task<Status> take_up(WorkloadPtr workload, WarmPtr warm);
  Result<std::vector<BoundSource>> prepare_host(WorkloadSpec const& spec, uid_t host_uid);
  Task<Status> watch_growth(WorkloadPtr workload);
  Task<void> give_up(WorkloadPtr workload, Error error);
  Task<void> clean_host(WorkloadPtr workload);
  Task<Status> reconcile();
  void take_over(ContainerWorkload& workload, Container const& container);
  void hear(EngineEvent const& event);
  void begin_finish(WorkloadPtr const& workload);
  [[nodiscard]] std::vector<KnownContainer> known() const;
  [[nodiscard]] bool anything_lives() const;
  Task<Status> set_frozen(WorkloadPtr workload, Hold hold);
  static Task<void> finish(std::shared_ptr<Core> core, WorkloadPtr workload);
  static Task<void> watch_lifetime(std::shared_ptr<Core> core, WorkloadPtr workload,
                                   steady_clock::time_point deadline);

  asio::any_io_executor executor_;
  os::BlockingPool& pool_;
  Clock const& clock_;
  Random& random_;
  DockerBackendSettings settings_;
  DockerEngine engine_;
  ContainerMaker maker_;
  RecordFolder records_;
  BindSources binds_;
  sandbox::GrowthWatch growth_;
  WorkloadBook<ContainerWorkload> book_;
  EngineWatch watch_;
  SessionUids uids_;
  WarmContainers warm_;
  std::string server_;  // its identity; empty until it is needed
  bool closed_ = false;
};

// ---- identity, recovery -------------------------------------------------------------------------

// Blocks.
Result<std::string> DockerBackend::Core::read_identity() const {
  DROVER_TRY(os::make_folders(settings_.folder, 0700));
  DROVER_TRY(os::write_file_atomic(settings_.folder + "/seccomp.json",
                                   sandbox::oci_seccomp_profile(), 0600));
  return engine_identity(settings_.folder, random_);
}

Status DockerBackend::Core::recover() {
  if (!os::exists(settings_.folder + "/identity")) return {};
  auto identity = read_identity();
  if (!identity) return std::unexpected(identity.error());
  server_ = *std::move(identity);
  DROVER_TRY(binds_.clear());
  DROVER_TRY(os::remove_tree(settings_.folder + "/warm"));
  DROVER_TRY(records_.remove_unfinished());
  auto const loaded = records_.load();
  if (!loaded) return std::unexpected(loaded.error());
  for (auto const& record : loaded->records) {
    if (book_.find(record.id) != nullptr) continue;
    for (auto const& folder : record.owned_folders)
      DROVER_TRY(os::remove_tree(folder));
    DROVER_TRY(records_.remove(record.id));
  }
  for (auto const& name : loaded->unreadable)
    log::warn("workload-record-unreadable", {{"file", printable(name)}});
  watch_.start(shared_from_this());
  return {};
}

void DockerBackend::Core::adopt(WorkloadSpec spec, WallTime started_at) {
  auto workload = std::make_shared<ContainerWorkload>(executor_, std::move(spec));
  workload->phase = ContainerPhase::adopting;
  book_.add(workload, WorkloadState::running);
  workload->status.started_at = started_at;
  if (workload->spec.max_lifetime <= Millis{0}) return;
  auto const spent = clock_.now() - started_at;
  auto const left = std::chrono::duration_cast<Millis>(workload->spec.max_lifetime - spent);
  asio::co_spawn(executor_,
                 watch_lifetime(shared_from_this(), workload, steady_clock::now() + left),
                 asio::detached);
}

void DockerBackend::Core::close() {
  closed_ = true;
  warm_.close();
  book_.clear();
  engine_.close();
  watch_.close();
  // Of those that still run the engine has its own.
  if (auto const cleared = binds_.clear(); !cleared)
    log::warn("bind-sources-left", {{"reason", cleared.error().text()}});
}

EngineWatch::Hooks DockerBackend::Core::hooks() {
  return {.identity = [this] { return identity(); },
          .began = [this] { return reconcile(); },
          .heard = [this](EngineEvent const& event) { hear(event); },
          .needed = [this] { return anything_lives() || warm_.wanted(); }};
}

Task<Result<std::string>> DockerBackend::Core::identity() {
  if (server_.empty()) {
    auto read = [self = shared_from_this()] { return self->read_identity(); };
    auto identity = co_await pool_.run(std::move(read));
    if (!identity) co_return identity;
    server_ = *std::move(identity);
  }
  co_return server_;
}

// ---- the stream of events -----------------------------------------------------------------------

bool DockerBackend::Core::anything_lives() const {
  return std::ranges::any_of(book_.all(), [](WorkloadPtr const& one) { return one->live(); });
}

void DockerBackend::Core::hear(EngineEvent const& event) {
  bool const over = event.action == EngineAction::ended || event.action == EngineAction::removed ||
                    event.action == EngineAction::out_of_memory;
  if (!over || event.container.empty()) return;
  if (event.action != EngineAction::out_of_memory) warm_.lost(event.container);
  for (auto const& workload : book_.all()) {
    if (workload->container != event.container || !workload->live()) continue;
    if (event.action == EngineAction::out_of_memory)
      workload->out_of_memory = true;
    else if (workload->phase == ContainerPhase::creating)
      workload->ended_early = true;
    else
      begin_finish(workload);
  }
}

std::vector<KnownContainer> DockerBackend::Core::known() const {
  std::vector<KnownContainer> known;
  for (auto const& workload : book_.all())
    if (workload->live())
      known.push_back(
          {workload->spec.id, workload->container, spec_digest(workload->spec), workload->phase});
  for (auto& one : warm_.known())
    known.push_back(std::move(one));
  return known;
}

Task<Status> DockerBackend::Core::reconcile() {
  auto const seen = co_await engine_.list(server_);
  if (!seen) co_return std::unexpected(seen.error());
  for (auto const& step : reconcile_containers(server_, known(), *seen)) {
    if (closed_) co_return Status{};
    WorkloadPtr const workload = step.workload.empty() ? nullptr : book_.find(step.workload);
    if (step.kind == ReconcileStep::Kind::remove) {
      log::info("orphan-container", {{"container", step.container.substr(0, 12)}});
      auto const removed = co_await engine_.remove(step.container);
      if (!removed) co_return removed;
    } else if (workload == nullptr) {
      warm_.lost(step.container);
    } else if (!workload->live()) {
      continue;
    } else if (step.kind == ReconcileStep::Kind::lose) {
      workload->status.detail = "its container was gone when drover looked for it again";
      co_await clean_host(workload);
      book_.end(*workload, Ending{});
    } else {
      if (step.kind == ReconcileStep::Kind::adopt) {
        for (auto const& container : *seen)
          if (container.id == step.container) take_over(*workload, container);
      }
      // An adopted one may have ended meanwhile.
      begin_finish(workload);
    }
  }
  co_return Status{};
}

void DockerBackend::Core::take_over(ContainerWorkload& workload, Container const& container) {
  workload.container = container.id;
  workload.phase = ContainerPhase::started;
  workload.frozen = container.state == ContainerState::paused;
  if (::geteuid() == 0 && container.user) uids_.hold(workload.uid = *container.user);
}

// ---- the end ------------------------------------------------------------------------------------

void DockerBackend::Core::begin_finish(WorkloadPtr const& workload) {
  if (workload->finishing) return;
  workload->finishing = true;
  asio::co_spawn(executor_, finish(shared_from_this(), workload), asio::detached);
}

// Looks how a container has ended, and takes it away. One that runs is left as it is.
Task<void> DockerBackend::Core::finish(std::shared_ptr<Core> core, WorkloadPtr workload) {
  auto const looked = co_await core->engine_.inspect(workload->container);
  if (core->closed_) co_return;
  Ending ending;
  // One that was made and never started is of a start that was cut off.
  bool const over = looked && (looked->state == ContainerState::ended ||
                               looked->state == ContainerState::created);
  if (looked && !over) {
    workload->finishing = false;
    co_return;
  }
  if (!looked && looked.error().code != ErrorCode::not_found) {
    // It is looked at again when the engine answers.
    log::warn("container-not-seen",
              {{"workload", workload->spec.id}, {"reason", looked.error().text()}});
    workload->finishing = false;
    co_return;
  }
  if (looked) {
    ending.exit_code = looked->exit_code;
    ending.out_of_memory = looked->out_of_memory || workload->out_of_memory;
    if (workload->growth) ending.over_disk = workload->growth->excess();
    auto const output = co_await core->engine_.output(workload->container);
    if (output) workload->status.output_tail = last_of(*output);
    auto const removed = co_await core->engine_.remove(workload->container);
    if (!removed)
      log::error("container-not-removed",
                 {{"workload", workload->spec.id}, {"reason", removed.error().text()}});
  } else {
    workload->status.detail = "its container was removed by somebody else";
  }
  if (core->closed_) co_return;
  co_await core->clean_host(workload);
  if (!core->closed_ && core->book_.holds(*workload)) core->book_.end(*workload, ending);
}

Task<void> DockerBackend::Core::clean_host(WorkloadPtr workload) {
  auto const self = shared_from_this();
  auto job = [this, self, workload]() -> Status {
    DROVER_TRY(binds_.release(workload->spec.id));
    for (auto const& folder : workload->spec.owned_folders)
      DROVER_TRY(os::remove_tree(folder));
    return records_.remove(workload->spec.id);
  };
  auto const cleaned = co_await pool_.run(std::move(job));
  if (!cleaned)
    log::error("workload-cleanup-failed",
               {{"workload", workload->spec.id}, {"error", cleaned.error().message}});
  if (workload->growth) growth_.remove(workload->growth);
  uids_.give_back(workload->uid);
}

Task<void> DockerBackend::Core::watch_lifetime(std::shared_ptr<Core> core, WorkloadPtr workload,
                                               steady_clock::time_point deadline) {
  while (workload->live() && !core->closed_ && steady_clock::now() < deadline)
    co_await Workload::await_change(workload, deadline);
  // Only the incarnation that it was armed for.
  if (core->closed_ || !core->book_.holds(*workload) || !workload->live()) co_return;
  auto const stopped = co_await core->stop(workload->spec.id, StopReason::max_lifetime, kStopGrace);
  if (!stopped)
    log::error("workload-not-stopped",
               {{"workload", workload->spec.id}, {"reason", stopped.error().text()}});
}

// ---- the start ----------------------------------------------------------------------------------

Task<Result<WorkloadStatus>> DockerBackend::Core::start(WorkloadSpec spec) {
  auto const self = shared_from_this();  // the backend may go while this is under way
  auto const admitted = book_.admit(spec);
  if (!admitted) co_return std::unexpected(admitted.error());
  if (*admitted) co_return **admitted;
  auto workload = std::make_shared<ContainerWorkload>(executor_, std::move(spec));
  book_.add(workload);
  WarmPtr warm = warm_.take(workload->spec);
  Status up = fail(ErrorCode::not_found, "there is no warm container");
  if (warm != nullptr) up = co_await take_up(workload, std::move(warm));
  if (!up) up = co_await bring_up(workload);
  if (!up) {
    co_await give_up(workload, up.error());
    co_return std::unexpected(up.error());
  }
  if (closed_) co_return fail(ErrorCode::cancelled, "drover ends");
  workload->phase = ContainerPhase::started;
  workload->status.detail.clear();
  book_.run(*workload);
  if (workload->ended_early) begin_finish(workload);
  if (workload->spec.max_lifetime > Millis{0})
    asio::co_spawn(
        executor_,
        watch_lifetime(self, workload, steady_clock::now() + workload->spec.max_lifetime),
        asio::detached);
  co_return workload->status;
}

Task<Status> DockerBackend::Core::bring_up(WorkloadPtr workload) {
  WorkloadSpec const& spec = workload->spec;
  auto const uid = uids_.take();
  if (!uid) co_return std::unexpected(uid.error());
  workload->uid = *uid;
  auto const named = maker_.image_of(spec);
  if (!named) co_return std::unexpected(named.error());
  auto const connected = co_await connect();
  if (!connected) co_return connected;
  auto told = [workload](std::string const& progress) { workload->status.detail = progress; };
  auto terms = co_await maker_.terms(spec, server_, workload->uid, std::move(told));
  if (!terms) co_return std::unexpected(terms.error());

  auto prepare = [this, workload, host_uid = terms->container.host_uid]() {
    return prepare_host(workload->spec, host_uid);
  };
  auto binds = co_await pool_.run(std::move(prepare));
  if (!binds) co_return std::unexpected(binds.error());
  terms->container.binds = *std::move(binds);
  auto request = maker_.request(spec, *terms);
  if (!request) co_return std::unexpected(request.error());
  workload->status.unenforced = request->unenforced;

  auto created = co_await maker_.create(server_, spec.id, std::move(request->body));
  if (!created) co_return std::unexpected(created.error());
  workload->container = *std::move(created);
  auto const started = co_await engine_.start(workload->container);
  if (!started) co_return started;
  auto const watched = co_await watch_growth(workload);
  if (!watched) co_return watched;
  // From here on the container holds what is mounted in it.
  auto release = [this, workload] { return binds_.release(workload->spec.id); };
  co_return co_await pool_.run(std::move(release));
}

// A container that waits becomes the workload. After an error nothing of it is left.
Task<Status> DockerBackend::Core::take_up(WorkloadPtr workload, WarmPtr warm) {
  workload->uid = warm->uid;
  workload->container = warm->container;
  auto prepare = [this, workload] { return prepare_host(workload->spec, workload->uid); };
  auto binds = co_await pool_.run(std::move(prepare));
  Status up;
  if (binds)
    up = co_await warm_.hand_over(warm, workload->spec, *std::move(binds));
  else
    up = std::unexpected(binds.error());
  if (up) up = co_await watch_growth(workload);
  auto release = [this, workload] { return binds_.release(workload->spec.id); };
  auto const released = co_await pool_.run(std::move(release));
  if (up && released) {
    // For whoever looks at the engine; it runs already.
    auto const name = container_name(server_, workload->spec.id);
    auto const renamed = co_await engine_.rename(workload->container, name);
    if (!renamed && workload->live() && !workload->ended_early)
      log::warn("container-not-renamed", {{"reason", renamed.error().text()}});
    co_return Status{};
  }
  if (up) up = released;
  log::warn("warm-container-not-used",
            {{"workload", workload->spec.id}, {"reason", up.error().text()}});
  auto const removed = co_await engine_.remove(workload->container);
  if (!removed) log::warn("warm-container-left", {{"reason", removed.error().text()}});
  if (workload->growth) growth_.remove(std::exchange(workload->growth, nullptr));
  uids_.give_back(std::exchange(workload->uid, 0));
  workload->container.clear();
  workload->ended_early = false;
  workload->out_of_memory = false;
  co_return up;
}

// Once the engine answers.
Task<Result<std::string>> DockerBackend::Core::server_name() {
  auto const connected = co_await connect();
  if (!connected) co_return std::unexpected(connected.error());
  co_return server_;
}

// Blocks.
Result<std::vector<BoundSource>> DockerBackend::Core::prepare_host(WorkloadSpec const& spec,
                                                                   uid_t host_uid) {
  DROVER_TRY(
      records_.save({.id = spec.id, .boot = {}, .trace = {}, .owned_folders = spec.owned_folders}));
  return binds_.make(spec.id, spec.sandbox, host_uid);
}

// The engine's processes are this machine's, so their folders are measured as a sandbox's are.
Task<Status> DockerBackend::Core::watch_growth(WorkloadPtr workload) {
  auto const& spec = workload->spec.sandbox;
  std::vector<std::string> folders;
  for (auto const& mount : spec.mounts)
    if (mount.mode == sandbox::MountMode::rw) folders.push_back(mount.source);
  if (spec.limits.disk_mb == 0 || folders.empty()) co_return Status{};
  auto const seen = co_await engine_.inspect(workload->container);
  if (!seen) co_return std::unexpected(seen.error());
  if (seen->state == ContainerState::ended) co_return Status{};
  auto const process = os::open_process(seen->pid);
  if (!process && process.error().code == ErrorCode::not_found) co_return Status{};
  if (!process) co_return std::unexpected(process.error());
  auto growth = growth_.add(std::move(folders), spec.limits.disk_mb, seen->pid, process->get());
  if (!growth) co_return std::unexpected(growth.error());
  workload->growth = *std::move(growth);
  co_return Status{};
}

Task<void> DockerBackend::Core::give_up(WorkloadPtr workload, Error error) {
  if (!workload->container.empty()) {
    auto const removed = co_await engine_.remove(workload->container);
    if (!removed)
      log::error("container-not-removed",
                 {{"workload", workload->spec.id}, {"reason", removed.error().text()}});
  }
  co_await clean_host(workload);
  if (!closed_ && book_.holds(*workload)) book_.fail_start(*workload, error);
}

// ---- while it lives -----------------------------------------------------------------------------

Task<Result<WorkloadStatus>> DockerBackend::Core::stop(WorkloadId id, StopReason reason,
                                                       Millis grace) {
  auto const self = shared_from_this();
  auto const found = book_.get(id);
  if (!found) co_return std::unexpected(found.error());
  WorkloadPtr const workload = *found;
  auto const start_deadline = steady_clock::now() + kStartWait;
  while (workload->status.state == WorkloadState::starting && steady_clock::now() < start_deadline)
    co_await Workload::await_change(workload, start_deadline);
  if (workload->status.state == WorkloadState::stopped) co_return workload->status;
  if (workload->status.state == WorkloadState::starting)
    co_return fail(ErrorCode::timeout, "workload {} neither started nor failed in time", id);
  book_.ask_to_stop(*workload, reason);
  // One that is to be adopted has no container until the engine answers.
  if (workload->phase == ContainerPhase::adopting) {
    auto const connected = co_await connect();
    if (!connected) co_return std::unexpected(connected.error());
  }
  if (grace > Millis{0} && workload->live()) {
    // A frozen program could not hear the signal.
    auto const thawed = co_await set_frozen(workload, Hold::thaw);
    auto const told = co_await engine_.signal(workload->container, "SIGTERM");
    auto const grace_end = steady_clock::now() + grace;
    while (thawed && told && workload->live() && steady_clock::now() < grace_end)
      co_await Workload::await_change(workload, grace_end);
  }
  if (workload->live()) {
    auto killed = co_await engine_.signal(workload->container, "SIGKILL");
    if (!killed && workload->frozen) {
      // Podman signals none that is frozen.
      auto const thawed = co_await set_frozen(workload, Hold::thaw);
      if (thawed) killed = co_await engine_.signal(workload->container, "SIGKILL");
    }
    if (!killed) co_return std::unexpected(killed.error());
    // A frozen one dies of the signal that waits for it before it does anything else. Somebody else
    // may have frozen it.
    auto const thaw_at = steady_clock::now() + (workload->frozen ? Millis{0} : kThawAnyway);
    while (workload->live() && steady_clock::now() < thaw_at)
      co_await Workload::await_change(workload, thaw_at);
    if (workload->live()) {
      auto const thawed = co_await set_frozen(workload, Hold::thaw);
      if (!thawed) co_return std::unexpected(thawed.error());
    }
  }
  // The events of the engine do the rest.
  auto const deadline = steady_clock::now() + kKilledWait;
  while (workload->live() && steady_clock::now() < deadline)
    co_await Workload::await_change(workload, deadline);
  if (workload->live())
    co_return fail(ErrorCode::timeout, "workload {} was killed and has not ended after {} ms", id,
                   kKilledWait.count());
  co_return workload->status;
}

Task<Status> DockerBackend::Core::destroy(WorkloadId id) {
  auto const self = shared_from_this();
  if (book_.find(id) == nullptr) co_return Status{};
  auto const stopped = co_await stop(id, StopReason::stopped, Millis{0});
  if (!stopped) co_return std::unexpected(stopped.error());
  WorkloadPtr const workload = book_.find(id);
  if (workload == nullptr) co_return Status{};
  if (workload->live())
    co_return fail(ErrorCode::conflict, "workload {} was started again meanwhile", id);
  book_.forget(workload);
  co_return Status{};
}

Task<Status> DockerBackend::Core::hold(WorkloadId id, Hold hold) {
  auto const self = shared_from_this();
  auto const found = book_.get_running(id, hold == Hold::freeze ? "frozen" : "thawed");
  if (!found) co_return std::unexpected(found.error());
  WorkloadPtr const workload = *found;
  co_return co_await set_frozen(workload, hold);
}

Task<Status> DockerBackend::Core::set_frozen(WorkloadPtr workload, Hold hold) {
  Status done;
  if (hold == Hold::freeze)
    done = co_await engine_.pause(workload->container);
  else
    done = co_await engine_.unpause(workload->container);
  if (!done) co_return done;
  workload->frozen = hold == Hold::freeze;
  if (workload->growth && workload->frozen) workload->growth->pause();
  if (workload->growth && !workload->frozen) workload->growth->resume();
  co_return done;
}

Task<Result<std::string>> DockerBackend::Core::output(WorkloadId id) {
  auto const self = shared_from_this();
  auto const found = book_.get(id);
  if (!found) co_return std::unexpected(found.error());
  WorkloadPtr const workload = *found;
  if (!workload->live() || workload->container.empty()) co_return workload->status.output_tail;
  auto output = co_await engine_.output(workload->container);
  if (output) co_return last_of(*output);
  // It has ended meanwhile.
  if (!workload->live()) co_return workload->status.output_tail;
  co_return output;
}

// ---- the backend --------------------------------------------------------------------------------

DockerBackend::DockerBackend(asio::io_context& io, os::BlockingPool& pool, Clock const& clock,
                             Random& random, DockerBackendSettings settings)
    : core_(std::make_shared<Core>(io, pool, clock, random, std::move(settings))) {}

DockerBackend::~DockerBackend() {
  core_->close();
}

Status DockerBackend::recover() {
  return core_->recover();
}
bool DockerBackend::adopt(WorkloadSpec const& spec, WallTime started_at) {
  core_->adopt(spec, started_at);
  return true;
}
Task<Status> DockerBackend::check() {
  return core_->connect();
}
Task<Result<WorkloadStatus>> DockerBackend::start(WorkloadSpec spec) {
  return core_->start(std::move(spec));
}
Task<Result<WorkloadStatus>> DockerBackend::stop(WorkloadId id, StopReason reason, Millis grace) {
  return core_->stop(std::move(id), reason, grace);
}
Task<Status> DockerBackend::destroy(WorkloadId id) {
  return core_->destroy(std::move(id));
}
Task<Status> DockerBackend::freeze(WorkloadId id) {
  return core_->hold(std::move(id), Core::Hold::freeze);
}
Task<Status> DockerBackend::thaw(WorkloadId id) {
  return core_->hold(std::move(id), Core::Hold::thaw);
}
Task<Result<std::string>> DockerBackend::output(WorkloadId id) {
  return core_->output(std::move(id));
}
Task<Status> DockerBackend::keep_warm(std::vector<WarmWish> wishes) {
  return core_->keep_warm(std::move(wishes));
}
std::size_t DockerBackend::warm() const {
  return core_->warm();
}
Result<WorkloadStatus> DockerBackend::touch(WorkloadId const& id) {
  return core_->book().touch(id);
}
std::vector<WorkloadStatus> DockerBackend::list() const {
  return core_->book().list();
}
void DockerBackend::on_event(std::function<void(RuntimeEvent const&)> listener) {
  core_->book().listen(std::move(listener));
}

Result<WorkloadStatus> DockerBackend::status(WorkloadId const& id) const {
  auto const found = core_->book().get(id);
  if (!found) return std::unexpected(found.error());
  return (*found)->status;
}

// The engine counts, and tells how much only for as long as a container runs.
Result<os::CgroupUsage> DockerBackend::usage(WorkloadId const& id) const {
  auto const found = core_->book().get(id);
  if (!found) return std::unexpected(found.error());
  return fail(ErrorCode::unsupported, "what workload {} uses is known to its container engine", id);
}

}  // namespace drover::runtime
