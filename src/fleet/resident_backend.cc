#include "fleet/resident_backend.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <map>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/log.h"
#include "fleet/resident_places.h"
#include "fleet/resident_turn.h"
#include "fleet/turn_moves.h"
#include "runtime/workload_book.h"

namespace drover::fleet {

namespace asio = boost::asio;
using runtime::StopReason;
using runtime::WorkloadSpec;
using runtime::WorkloadState;
using runtime::WorkloadStatus;
using std::chrono::steady_clock;

namespace {

constexpr Millis kEndWait{20'000};
// Sessions whose last instance is remembered, so that they find what they left in its state.
constexpr std::size_t kRememberedMax = 10'000;

std::vector<std::string> writable_of(sandbox::SandboxSpec const& spec) {
  auto writable = resident_writable();
  for (auto const& mount : spec.mounts)
    if (mount.mode == sandbox::MountMode::rw) writable.push_back(mount.target);
  return writable;
}

}  // namespace

class ResidentBackend::Core : public std::enable_shared_from_this<ResidentBackend::Core> {
 public:
  explicit Core(ResidentParts parts)
      : parts_(std::move(parts)),
        moves_(std::make_shared<TurnMoves>(parts_.folder)),
        book_(std::string{runtime::kResidentBackend}, parts_.clock) {}

  void watch() {
    auto ended = [weak = weak_from_this()](TurnPtr const& turn, runtime::Ending ending) {
      if (auto const core = weak.lock()) core->begin_finish(turn, std::move(ending));
    };
    ResidentPlaces::Parts parts{.executor = parts_.executor,
                                .pool = parts_.pool,
                                .places = parts_.places,
                                .moves = moves_,
                                .ended = std::move(ended)};
    places_ = std::make_shared<ResidentPlaces>(std::move(parts));
    places_->watch();
  }
  void close() {
    closed_ = true;
    places_->close();
    book_.clear();
    moves_->clear();
  }
  Task<Result<WorkloadStatus>> start(WorkloadSpec spec);
  Task<Result<WorkloadStatus>> stop(WorkloadId id, StopReason reason, Millis grace);
  Task<Status> destroy(WorkloadId id);
  Task<Status> freeze(WorkloadId id);
  Task<Status> thaw(WorkloadId id);
  runtime::WorkloadBook<Turn>& book() { return book_; }
  ResidentPlaces& places() { return *places_; }
  TurnMoves& moves() { return *moves_; }

 private:
  Task<PlacePtr> await_place(TurnPtr turn);
  Task<Status> bring_up(TurnPtr turn);
  Task<void> finish(TurnPtr turn, runtime::Ending ending);
  void begin_finish(TurnPtr const& turn, runtime::Ending ending);
  static Task<void> finish_later(std::shared_ptr<Core> core, TurnPtr turn, runtime::Ending ending);
  void remember(WorkloadId const& id, std::string const& instance);

  ResidentParts parts_;
  std::shared_ptr<TurnMoves> moves_;  // with the jobs on the pool
  std::shared_ptr<ResidentPlaces> places_;
  runtime::WorkloadBook<Turn> book_;
  std::map<WorkloadId, std::string> last_;  // where a session was last
  bool closed_ = false;
};

// ---- the start ----------------------------------------------------------------------------------

// Of those of its agent that are free in time: the one where its session was last, or any.
Task<PlacePtr> ResidentBackend::Core::await_place(TurnPtr turn) {
  auto const self = shared_from_this();
  WorkloadSpec const& spec = turn->spec;
  auto const deadline = steady_clock::now() + kFreeWait;
  for (;;) {
    auto const seen = places_->changed().version();
    if (turn->asked) co_return nullptr;
    auto const last = last_.find(spec.id);
    auto place = places_->free_place(spec.agent, last == last_.end() ? "" : last->second);
    if (place != nullptr || closed_ || steady_clock::now() >= deadline) co_return place;
    co_await places_->changed().wait(seen, deadline);
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
  turn->place = co_await await_place(turn);
  if (closed_) co_return fail(ErrorCode::cancelled, "drover ends");
  if (turn->asked) {
    Error const error{ErrorCode::cancelled,
                      fmt::format("the workload {} was stopped before it began", turn->spec.id),
                      {}};
    book_.fail_start(*turn, error);
    co_return std::unexpected(error);
  }
  if (turn->place == nullptr) {
    Error const error{ErrorCode::unavailable,
                      fmt::format("no instance of the resident agent {} is free: {}",
                                  turn->spec.agent, places_->why_none(turn->spec.agent)),
                      fmt::format("see: drover agents status {}", turn->spec.agent)};
    book_.fail_start(*turn, error);
    co_return std::unexpected(error);
  }
  turn->place->turn = turn;
  places_->tell(*turn->place);
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
  auto job = [self, turn] { return self->moves_->move_in(*turn); };
  auto const ready = co_await parts_.pool.run(std::move(job));
  if (!ready) co_return ready;
  ResidentPlace const& place = *turn->place;
  if (place.gone || turn->ending)
    co_return fail(ErrorCode::unavailable, "the instance {} ended before its turn began",
                   place.instance.name);
  co_return place.line->send(
      unit_order(turn->spec, writable_of(turn->spec.sandbox), place.instance.walls_required));
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
  moves_->stop_watching(*turn);
  auto job = [moves = moves_, turn] { return moves->move_out(*turn); };
  auto const done = co_await parts_.pool.run(std::move(job));
  place->turn.reset();
  if (done || place->gone)
    place->resetting = false;
  else
    places_->give_up(*place, done.error());
  if (!closed_) places_->tell(*place);
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
  places_->changed().notify();  // it may still wait for a place
  auto const deadline = steady_clock::now() + grace;
  bool const asked = turn->place != nullptr &&
                     turn->place->line->send(signal_order(id.str(), SIGTERM)).has_value();
  while (asked && turn->live() && steady_clock::now() < deadline)
    co_await runtime::Workload::await_change(turn, deadline);
  if (turn->live() && turn->place != nullptr) {
    runtime::Ending killed;
    killed.exit_code = kKilled;
    begin_finish(turn, killed);
  }
  auto const gone = steady_clock::now() + kEndWait;
  while (turn->live() && steady_clock::now() < gone)
    co_await runtime::Workload::await_change(turn, gone);
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

// ---- the backend --------------------------------------------------------------------------------

ResidentBackend::ResidentBackend(ResidentParts parts)
    : core_(std::make_shared<Core>(std::move(parts))) {
  core_->watch();
}

ResidentBackend::~ResidentBackend() {
  core_->close();
}

std::optional<ResidentHealth> ResidentBackend::health(std::string_view instance) const {
  return core_->places().health(instance);
}
void ResidentBackend::on_heard(ResidentPlaces::Heard listener) {
  core_->places().on_heard(std::move(listener));
}
std::vector<std::string> ResidentBackend::connected(std::string_view agent) const {
  return core_->places().connected(agent);
}
Task<Result<int>> ResidentBackend::run_command(std::string instance, Command command) {
  return core_->places().run_command(std::move(instance), std::move(command));
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
  return core_->moves().recover();
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
