#include "fleet/resident_backend.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/log.h"
#include "base/text.h"
#include "fleet/resident_line.h"
#include "os/async_event.h"
#include "os/fd.h"
#include "os/files.h"
#include "os/process.h"
#include "runtime/bind_sources.h"
#include "runtime/container_mounts.h"
#include "runtime/container_reset.h"
#include "runtime/record.h"
#include "runtime/workload_book.h"
#include "sandbox/growth_watch.h"
#include "worker/unit_spec.h"

namespace drover::fleet {

namespace asio = boost::asio;
using runtime::StopReason;
using runtime::WorkloadSpec;
using runtime::WorkloadState;
using runtime::WorkloadStatus;
using std::chrono::steady_clock;

namespace {

constexpr Millis kResetWait{10'000};
constexpr int kKilled = 128 + SIGKILL;
constexpr int kNotBegun = 126;
// Sessions whose last instance is remembered, so that they find what they left in its state.
constexpr std::size_t kRememberedMax = 10'000;

// What is there from the start below the places where mounts come later.
std::vector<std::string> const& kept() {
  static std::vector<std::string> const all{"/run/drover/unit", "/run/drover/resident"};
  return all;
}
// What a sandbox may write beside its mounts.
std::vector<std::string> own_writable() {
  return {"/tmp", "/home/agent", "/dev/shm", "/state"};
}

struct Place;

struct Turn : runtime::Workload {
  using Workload::Workload;

  std::shared_ptr<Place> place;
  std::shared_ptr<sandbox::GrowthWatch::Watched> growth;
  bool frozen = false;
  bool ending = false;
};
using TurnPtr = std::shared_ptr<Turn>;

// One instance that runs.
struct Place {
  TurnPlace instance;
  std::unique_ptr<ResidentLine> line;
  steady_clock::time_point heard{};
  TurnPtr turn;            // what it works on
  bool resetting = false;  // after a turn, or before one
  bool gone = false;       // its program has ended, or is another one
  std::map<std::string, ResidentBackend::Command const*> commands{};
  std::map<std::string, int> ended_commands{};
};
using PlacePtr = std::shared_ptr<Place>;

std::vector<std::string> writable_of(sandbox::SandboxSpec const& spec) {
  auto writable = own_writable();
  for (auto const& mount : spec.mounts)
    if (mount.mode == sandbox::MountMode::rw) writable.push_back(mount.target);
  return writable;
}

}  // namespace

class ResidentBackend::Core : public std::enable_shared_from_this<ResidentBackend::Core> {
 public:
  explicit Core(ResidentParts parts)
      : parts_(std::move(parts)),
        records_(parts_.folder + "/records"),
        binds_(parts_.folder + "/binds"),
        book_(std::string{runtime::kResidentBackend}, parts_.clock),
        changed_(parts_.executor) {}

  void watch() {
    parts_.places.on_changed([weak = weak_from_this()] {
      if (auto const core = weak.lock()) core->look();
    });
    look();
  }
  void look();
  void close();
  [[nodiscard]] Status recover();
  [[nodiscard]] std::optional<ResidentHealth> health(std::string_view instance) const;
  void on_heard(Heard listener) { heard_ = std::move(listener); }
  [[nodiscard]] std::vector<std::string> connected(std::string_view agent) const;
  Task<Result<int>> run_command(std::string instance, Command command);
  Task<Result<WorkloadStatus>> start(WorkloadSpec spec);
  Task<Result<WorkloadStatus>> stop(WorkloadId id, StopReason reason, Millis grace);
  Task<Status> destroy(WorkloadId id);
  Task<Status> freeze(WorkloadId id);
  Task<Status> thaw(WorkloadId id);
  runtime::WorkloadBook<Turn>& book() { return book_; }

 private:
  void add(TurnPlace instance);
  void lose(PlacePtr const& place);
  [[nodiscard]] ResidentLine::Hooks hooks(std::weak_ptr<Place> place);
  void hear_end(Place& place, std::string const& id, int status);
  void compare(Place& place, std::vector<std::string> const& running);
  void clean(PlacePtr const& place);
  static Task<void> clean_later(std::shared_ptr<Core> core, PlacePtr place);
  [[nodiscard]] PlacePtr free_place(WorkloadSpec const& spec) const;
  Task<PlacePtr> await_place(WorkloadSpec spec);
  Task<Status> bring_up(TurnPtr turn);
  [[nodiscard]] Status move_in(Turn& turn);
  [[nodiscard]] Status watch_growth(Turn& turn);
  [[nodiscard]] Status reset(Place const& place) const;
  Task<void> finish(TurnPtr turn, runtime::Ending ending);
  void begin_finish(TurnPtr const& turn, runtime::Ending ending);
  static Task<void> finish_later(std::shared_ptr<Core> core, TurnPtr turn, runtime::Ending ending);
  void remember(WorkloadId const& id, std::string const& instance);
  void tell(Place const& place) {
    changed_.notify();
    heard_(place.instance.name, place.turn != nullptr);
  }

  ResidentParts parts_;
  runtime::RecordFolder records_;
  runtime::BindSources binds_;
  sandbox::GrowthWatch growth_;
  runtime::WorkloadBook<Turn> book_;
  std::map<std::string, PlacePtr, std::less<>> places_;
  std::map<WorkloadId, std::string> last_;  // where a session was last
  Heard heard_ = [](std::string const&, bool) {};
  os::AsyncEvent changed_;
  std::uint64_t commands_ = 0;
  bool closed_ = false;
};

// ---- who is there -------------------------------------------------------------------------------

void ResidentBackend::Core::look() {
  if (closed_) return;
  auto live = parts_.places.open();
  std::vector<PlacePtr> lost;
  for (auto const& [name, place] : places_) {
    auto const same = std::ranges::find_if(live, [&](TurnPlace const& one) {
      return one.name == name && one.program == place->instance.program &&
             one.agent == place->instance.agent;
    });
    if (same == live.end()) lost.push_back(place);
  }
  for (PlacePtr const& place : lost)
    lose(place);
  for (TurnPlace& instance : live)
    if (!places_.contains(instance.name)) add(std::move(instance));
  changed_.notify();
}

void ResidentBackend::Core::add(TurnPlace instance) {
  auto place = std::make_shared<Place>();
  place->instance = std::move(instance);
  place->heard = steady_clock::now();
  place->line = std::make_unique<ResidentLine>(
      parts_.executor, place->instance.line_folder + "/resident.sock", hooks(place));
  auto const listening = place->line->listen();
  if (!listening)
    log::error("resident-line-not-open",
               {{"instance", place->instance.name}, {"reason", listening.error().text()}});
  places_.emplace(place->instance.name, place);
}

void ResidentBackend::Core::lose(PlacePtr const& place) {
  place->gone = true;
  place->line->close();
  places_.erase(place->instance.name);
  if (place->turn == nullptr) return;
  runtime::Ending ending;
  ending.exit_code = kKilled;
  if (place->turn->growth) ending.over_disk = place->turn->growth->excess();
  begin_finish(place->turn, ending);
}

ResidentLine::Hooks ResidentBackend::Core::hooks(std::weak_ptr<Place> weak) {
  auto const with = [weak](auto act) {
    if (auto const place = weak.lock()) act(*place);
  };
  return {
      .is_program =
          [weak](pid_t pid) {
            auto const place = weak.lock();
            return place != nullptr && place->instance.program == pid;
          },
      .connected =
          [this, weak, with](std::vector<std::string> const& running) {
            with([&](Place& place) {
              compare(place, running);
              if (place.turn == nullptr && !running.empty()) clean(weak.lock());
              tell(place);
            });
          },
      .lost = [this] { changed_.notify(); },
      .heard =
          [this, with] {
            with([&](Place& place) {
              place.heard = steady_clock::now();
              heard_(place.instance.name, place.turn != nullptr);
            });
          },
      .ended = [this, with](
                   std::string const& id,
                   int status) { with([&](Place& place) { hear_end(place, id, status); }); },
      .failed =
          [this, with](std::string const& id, std::string const& message) {
            log::warn("resident-did-not-begin",
                      {{"id", printable(id)}, {"reason", printable(message)}});
            with([&](Place& place) { hear_end(place, id, kNotBegun); });
          },
      .output =
          [with](std::string const& id, bool error_stream, std::string const& text) {
            with([&](Place& place) {
              auto const command = place.commands.find(id);
              if (command != place.commands.end()) command->second->output(error_stream, text);
            });
          },
  };
}

void ResidentBackend::Core::hear_end(Place& place, std::string const& id, int status) {
  if (place.commands.contains(id)) {
    place.ended_commands[id] = status;
    changed_.notify();
  } else if (place.turn != nullptr && place.turn->spec.id.str() == id) {
    runtime::Ending ending;
    ending.exit_code = status;
    begin_finish(place.turn, ending);
  }
}

// After a new connection: an end that was said to nobody.
void ResidentBackend::Core::compare(Place& place, std::vector<std::string> const& running) {
  bool const begun = place.turn != nullptr && place.turn->status.state != WorkloadState::starting;
  if (!begun || std::ranges::find(running, place.turn->spec.id.str()) != running.end()) return;
  runtime::Ending ending;
  ending.exit_code = kKilled;
  begin_finish(place.turn, ending);
}

// A unit of an earlier server is nobody's any more.
void ResidentBackend::Core::clean(PlacePtr const& place) {
  if (place == nullptr || place->resetting || closed_) return;
  place->resetting = true;
  asio::co_spawn(parts_.executor, clean_later(shared_from_this(), place), asio::detached);
}

Task<void> ResidentBackend::Core::clean_later(std::shared_ptr<Core> core, PlacePtr place) {
  auto job = [core, place] { return core->reset(*place); };
  auto const done = co_await core->parts_.pool.run(std::move(job));
  if (core->closed_) co_return;
  if (!done && !place->gone) {
    log::error("resident-not-reset",
               {{"instance", place->instance.name}, {"reason", done.error().text()}});
    co_return;
  }
  place->resetting = false;
  core->tell(*place);
}

std::optional<ResidentHealth> ResidentBackend::Core::health(std::string_view instance) const {
  auto const found = places_.find(instance);
  if (found == places_.end()) return std::nullopt;
  Place const& place = *found->second;
  ResidentHealth health;
  health.connected = place.line->connected();
  health.heard = place.heard;
  health.frozen = place.turn != nullptr && place.turn->frozen;
  if (place.turn != nullptr) health.workload = place.turn->spec.id.str();
  return health;
}

std::vector<std::string> ResidentBackend::Core::connected(std::string_view agent) const {
  std::vector<std::string> names;
  for (auto const& [name, place] : places_)
    if (place->instance.agent == agent && place->line->connected()) names.push_back(name);
  return names;
}

// What an earlier server left on the host. What it left in the containers goes before their next
// turn.
Status ResidentBackend::Core::recover() {
  DROVER_TRY(binds_.clear());
  DROVER_TRY(records_.remove_unfinished());
  auto const loaded = records_.load();
  if (!loaded) return std::unexpected(loaded.error());
  for (auto const& record : loaded->records) {
    for (auto const& folder : record.owned_folders)
      DROVER_TRY(os::remove_tree(folder));
    DROVER_TRY(records_.remove(record.id));
  }
  for (auto const& name : loaded->unreadable)
    log::warn("workload-record-unreadable", {{"file", printable(name)}});
  return {};
}

void ResidentBackend::Core::close() {
  closed_ = true;
  for (auto const& [name, place] : places_) {
    place->line->close();
    place->turn.reset();  // they hold each other
  }
  places_.clear();
  book_.clear();
  if (auto const cleared = binds_.clear(); !cleared)
    log::warn("bind-sources-left", {{"reason", cleared.error().text()}});
  changed_.notify();
}

// ---- the start ----------------------------------------------------------------------------------

PlacePtr ResidentBackend::Core::free_place(WorkloadSpec const& spec) const {
  auto const last = last_.find(spec.id);
  PlacePtr any;
  for (auto const& [name, place] : places_) {
    bool const free = place->instance.agent == spec.agent && place->turn == nullptr &&
                      !place->resetting && place->line->connected();
    if (!free) continue;
    if (last != last_.end() && last->second == name) return place;
    if (any == nullptr) any = place;
  }
  return any;
}

// Of those of its agent that are free in time: the one where its session was last, or any.
Task<PlacePtr> ResidentBackend::Core::await_place(WorkloadSpec spec) {
  auto const deadline = steady_clock::now() + kFreeWait;
  for (;;) {
    auto const seen = changed_.version();
    auto place = free_place(spec);
    if (place != nullptr || closed_ || steady_clock::now() >= deadline) co_return place;
    co_await changed_.wait(seen, deadline);
  }
}

Task<Result<WorkloadStatus>> ResidentBackend::Core::start(WorkloadSpec spec) {
  auto const self = shared_from_this();
  if (::geteuid() != 0)
    co_return fail_next(ErrorCode::unsupported,
                        "resident agents are given their workspaces by root alone",
                        "run drover as root, or leave resident out of the agent");
  auto const admitted = book_.admit(spec);
  if (!admitted) co_return std::unexpected(admitted.error());
  if (*admitted) co_return **admitted;
  auto turn = std::make_shared<Turn>(parts_.executor, std::move(spec));
  book_.add(turn);
  turn->place = co_await await_place(turn->spec);
  if (closed_) co_return fail(ErrorCode::cancelled, "drover ends");
  if (turn->place == nullptr) {
    Error const error{ErrorCode::unavailable,
                      fmt::format("no instance of the resident agent {} is free: {}",
                                  turn->spec.agent, parts_.places.why_none(turn->spec.agent)),
                      fmt::format("see: drover agents status {}", turn->spec.agent)};
    book_.fail_start(*turn, error);
    co_return std::unexpected(error);
  }
  turn->place->turn = turn;
  tell(*turn->place);
  auto const up = co_await bring_up(turn);
  if (closed_) co_return fail(ErrorCode::cancelled, "drover ends");
  if (!up && !turn->ending) {
    turn->ending = true;
    runtime::Ending none;
    co_await finish(turn, none);
  }
  if (!up) {
    book_.fail_start(*turn, up.error());
    co_return std::unexpected(up.error());
  }
  remember(turn->spec.id, turn->place->instance.name);
  if (turn->status.state == WorkloadState::starting) book_.run(*turn);
  co_return turn->status;
}

Task<Status> ResidentBackend::Core::bring_up(TurnPtr turn) {
  auto const self = shared_from_this();
  auto job = [self, turn] { return self->move_in(*turn); };
  auto const ready = co_await parts_.pool.run(std::move(job));
  if (!ready) co_return ready;
  Place const& place = *turn->place;
  if (place.gone || turn->ending)
    co_return fail(ErrorCode::unavailable, "the instance {} ended before its turn began",
                   place.instance.name);
  co_return place.line->send(
      unit_order(turn->spec, writable_of(turn->spec.sandbox), place.instance.walls_required));
}

// Blocks.
Status ResidentBackend::Core::move_in(Turn& turn) {
  Place const& place = *turn.place;
  DROVER_TRY(os::make_folders(parts_.folder + "/records", 0700));
  DROVER_TRY(records_.save(
      {.id = turn.spec.id, .boot = {}, .trace = {}, .owned_folders = turn.spec.owned_folders}));
  DROVER_TRY(reset(place));
  sandbox::SandboxSpec spec = turn.spec.sandbox;
  std::erase_if(spec.mounts, [](sandbox::Mount const& mount) {
    return std::ranges::find(kept(), mount.target) != kept().end();
  });
  // The instance has these from its own start.
  spec.extra_ro_paths.clear();
  auto const binds = binds_.make(turn.spec.id, spec, place.instance.uid);
  if (!binds) return std::unexpected(binds.error());
  auto const program = os::open_process(place.instance.program);
  if (!program) return std::unexpected(program.error());
  DROVER_TRY(runtime::mount_into(program->get(), *binds));
  DROVER_TRY(binds_.release(turn.spec.id));
  return watch_growth(turn);
}

Status ResidentBackend::Core::watch_growth(Turn& turn) {
  auto const& spec = turn.spec.sandbox;
  std::vector<std::string> folders;
  for (auto const& mount : spec.mounts)
    if (mount.mode == sandbox::MountMode::rw) folders.push_back(mount.source);
  if (spec.limits.disk_mb == 0 || folders.empty()) return {};
  pid_t const program = turn.place->instance.program;
  auto const process = os::open_process(program);
  if (!process) return std::unexpected(process.error());
  auto growth = growth_.add(std::move(folders), spec.limits.disk_mb, program, process->get());
  if (!growth) return std::unexpected(growth.error());
  turn.growth = *std::move(growth);
  return {};
}

// Blocks.
Status ResidentBackend::Core::reset(Place const& place) const {
  auto const program = os::open_process(place.instance.program);
  if (!program) return std::unexpected(program.error());
  runtime::ResetTerms terms;
  terms.program = place.instance.program;
  terms.process = program->get();
  terms.places = worker::mount_places();
  terms.kept = kept();
  return runtime::reset_container(terms, kResetWait);
}

void ResidentBackend::Core::remember(WorkloadId const& id, std::string const& instance) {
  if (last_.size() >= kRememberedMax && !last_.contains(id)) last_.erase(last_.begin());
  last_[id] = instance;
}

// ---- the end ------------------------------------------------------------------------------------

void ResidentBackend::Core::begin_finish(TurnPtr const& turn, runtime::Ending ending) {
  if (turn->ending || closed_) return;
  turn->ending = true;
  asio::co_spawn(parts_.executor, finish_later(shared_from_this(), turn, std::move(ending)),
                 asio::detached);
}

Task<void> ResidentBackend::Core::finish_later(std::shared_ptr<Core> core, TurnPtr turn,
                                               runtime::Ending ending) {
  co_await core->finish(turn, ending);
  if (!core->closed_ && core->book_.holds(*turn) && turn->live()) core->book_.end(*turn, ending);
}

// The place is as it was before. One that cannot be brought there is not used again.
Task<void> ResidentBackend::Core::finish(TurnPtr turn, runtime::Ending ending) {
  auto const self = shared_from_this();
  PlacePtr const place = turn->place;
  place->resetting = true;
  if (turn->frozen && !place->gone) {
    std::string instance = place->instance.name;
    auto const thawed = co_await parts_.places.thaw(std::move(instance));
    if (thawed) turn->frozen = false;
  }
  if (turn->growth) growth_.remove(std::exchange(turn->growth, nullptr));
  auto job = [self, place, turn]() -> Status {
    for (auto const& folder : turn->spec.owned_folders)
      DROVER_TRY(os::remove_tree(folder));
    DROVER_TRY(self->binds_.release(turn->spec.id));
    DROVER_TRY(self->records_.remove(turn->spec.id));
    return place->gone ? Status{} : self->reset(*place);
  };
  auto const done = co_await parts_.pool.run(std::move(job));
  place->turn.reset();
  if (done || place->gone) {
    place->resetting = false;
  } else {
    log::error("resident-not-reset",
               {{"instance", place->instance.name}, {"reason", done.error().text()}});
  }
  if (!closed_) tell(*place);
}

Task<Result<WorkloadStatus>> ResidentBackend::Core::stop(WorkloadId id, StopReason reason,
                                                         Millis grace) {
  auto const self = shared_from_this();
  auto const found = book_.get(id);
  if (!found) co_return std::unexpected(found.error());
  TurnPtr const turn = *found;
  if (!turn->live()) co_return turn->status;
  auto const thawed = co_await thaw(id);
  if (!thawed) log::warn("resident-not-thawed", {{"reason", thawed.error().text()}});
  book_.ask_to_stop(*turn, reason);
  auto const deadline = steady_clock::now() + grace;
  bool const asked = turn->place != nullptr &&
                     turn->place->line->send(signal_order(id.str(), SIGTERM)).has_value();
  while (asked && turn->live() && steady_clock::now() < deadline)
    co_await runtime::Workload::await_change(turn, deadline);
  if (turn->live() && turn->place != nullptr) {
    runtime::Ending killed;
    killed.exit_code = kKilled;
    begin_finish(turn, killed);
    auto const gone = steady_clock::now() + 2 * kResetWait;
    while (turn->live() && steady_clock::now() < gone)
      co_await runtime::Workload::await_change(turn, gone);
  }
  if (turn->live()) co_return fail(ErrorCode::timeout, "workload {} does not end", id);
  co_return turn->status;
}

Task<Status> ResidentBackend::Core::destroy(WorkloadId id) {
  auto const self = shared_from_this();
  auto const turn = book_.find(id);
  if (turn == nullptr) co_return Status{};
  auto const stopped = co_await stop(id, StopReason::stopped, Millis{0});
  if (!stopped) co_return std::unexpected(stopped.error());
  if (book_.holds(*turn)) book_.forget(turn);
  co_return Status{};
}

Task<Status> ResidentBackend::Core::freeze(WorkloadId id) {
  auto const self = shared_from_this();
  auto const found = book_.get_running(id, "frozen");
  if (!found) co_return std::unexpected(found.error());
  TurnPtr const turn = *found;
  if (turn->frozen) co_return Status{};
  std::string instance = turn->place->instance.name;
  turn->frozen = true;
  auto const frozen = co_await parts_.places.freeze(std::move(instance));
  if (!frozen) turn->frozen = false;
  if (frozen && turn->growth) turn->growth->pause();
  co_return frozen;
}

Task<Status> ResidentBackend::Core::thaw(WorkloadId id) {
  auto const self = shared_from_this();
  auto const turn = book_.find(id);
  if (turn == nullptr || !turn->frozen) co_return Status{};
  std::string instance = turn->place->instance.name;
  auto const thawed = co_await parts_.places.thaw(std::move(instance));
  if (thawed) turn->frozen = false;
  if (thawed && turn->growth) turn->growth->resume();
  co_return thawed;
}

// ---- commands of a person -----------------------------------------------------------------------

Task<Result<int>> ResidentBackend::Core::run_command(std::string instance, Command command) {
  auto const self = shared_from_this();
  auto const found = places_.find(instance);
  if (found == places_.end() || !found->second->line->connected())
    co_return fail_next(ErrorCode::unavailable,
                        fmt::format("the instance {} does not run", printable(instance)),
                        "see: drover agents status");
  PlacePtr const place = found->second;
  CommandOrder order;
  order.id = fmt::format("command-{}", ++commands_);
  order.argv = command.argv;
  order.env = {"HOME=/home/agent",
               "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
               "TMPDIR=/tmp"};
  order.cwd = "/state";
  order.writable = own_writable();
  order.writable.emplace_back("/workspace");
  order.walls_required = place->instance.walls_required;
  auto const sent = place->line->send(command_order(order));
  if (!sent) co_return std::unexpected(sent.error());
  // Whoever asked may be cut off at any wait; then the command ends too.
  struct Running {
    PlacePtr place;
    std::string id;
    ~Running() {
      place->commands.erase(id);
      bool const over = place->ended_commands.erase(id) > 0;
      if (!over) (void)place->line->send(signal_order(id, SIGKILL));
    }
  };
  place->commands.emplace(order.id, &command);
  Running const running{place, order.id};
  while (!place->ended_commands.contains(order.id) && !place->gone && place->line->connected() &&
         !closed_) {
    auto const seen = changed_.version();
    co_await changed_.wait(seen);
  }
  auto const ended = place->ended_commands.find(order.id);
  if (ended == place->ended_commands.end())
    co_return fail(ErrorCode::unavailable, "the instance {} ended before the command did",
                   printable(instance));
  co_return ended->second;
}

// ---- the backend --------------------------------------------------------------------------------

ResidentBackend::ResidentBackend(ResidentParts parts)
    : core_(std::make_shared<Core>(std::move(parts))) {
  core_->watch();
}

ResidentBackend::~ResidentBackend() {
  core_->close();
}

std::optional<ResidentHealth> ResidentBackend::health(std::string_view instance) const {
  return core_->health(instance);
}
void ResidentBackend::on_heard(Heard listener) {
  core_->on_heard(std::move(listener));
}
std::vector<std::string> ResidentBackend::connected(std::string_view agent) const {
  return core_->connected(agent);
}
Task<Result<int>> ResidentBackend::run_command(std::string instance, Command command) {
  return core_->run_command(std::move(instance), std::move(command));
}
Task<Status> ResidentBackend::check() {
  co_return Status{};
}
Task<Result<WorkloadStatus>> ResidentBackend::start(WorkloadSpec spec) {
  return core_->start(std::move(spec));
}
Task<Result<WorkloadStatus>> ResidentBackend::stop(WorkloadId id, StopReason reason, Millis grace) {
  return core_->stop(std::move(id), reason, grace);
}
Task<Status> ResidentBackend::destroy(WorkloadId id) {
  return core_->destroy(std::move(id));
}
Task<Status> ResidentBackend::freeze(WorkloadId id) {
  return core_->freeze(std::move(id));
}
Task<Status> ResidentBackend::thaw(WorkloadId id) {
  return core_->thaw(std::move(id));
}
Result<WorkloadStatus> ResidentBackend::touch(WorkloadId const& id) {
  return core_->book().touch(id);
}
Result<WorkloadStatus> ResidentBackend::status(WorkloadId const& id) const {
  auto const found = core_->book().get(id);
  if (!found) return std::unexpected(found.error());
  return (*found)->status;
}
Result<os::CgroupUsage> ResidentBackend::usage(WorkloadId const& id) const {
  auto const found = core_->book().get(id);
  if (!found) return std::unexpected(found.error());
  return os::CgroupUsage{};
}
std::vector<WorkloadStatus> ResidentBackend::list() const {
  return core_->book().list();
}
Status ResidentBackend::recover() {
  return core_->recover();
}
Task<Status> ResidentBackend::keep_warm(std::vector<runtime::WarmWish> wishes) {
  if (wishes.empty()) co_return Status{};
  co_return fail_next(ErrorCode::unsupported,
                      "a resident agent's containers are there all the time",
                      "leave warm out of the agent");
}
Task<Result<std::string>> ResidentBackend::output(WorkloadId id) {
  auto const found = core_->book().get(id);
  if (!found) co_return std::unexpected(found.error());
  co_return std::string{};
}
void ResidentBackend::on_event(std::function<void(runtime::RuntimeEvent const&)> listener) {
  core_->book().listen(std::move(listener));
}

}  // namespace drover::fleet
