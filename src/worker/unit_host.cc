#include "worker/unit_host.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "os/files.h"
#include "worker/placement.h"
#include "worker/third_party_line.h"
#include "worker/unit_channel.h"
#include "worker/unit_spec.h"
#include "worker/unit_token.h"

namespace drover::worker {

namespace {

using std::chrono::steady_clock;

// The host ends idle units. A unit's own idle time, for the case that nobody does, is longer, so
// that it never runs out while the unit is frozen and a message is on its way.
constexpr Millis kOwnIdleMore{300'000};

}  // namespace

struct UnitHost::Unit {
  Unit(std::string unit_name, WorkloadId of)
      : name(std::move(unit_name)), workload(std::move(of)) {}

  // Whether the worker has started it, and so can freeze and end it.
  [[nodiscard]] bool is_ours() const { return channel != nullptr; }

  std::string name;
  WorkloadId workload;
  std::unique_ptr<UnitLine> line;
  UnitChannel* channel = nullptr;  // the line of a unit of ours
  TurnPtr turn;
  // What the sandbox was made with.
  contract::Limits limits;
  contract::AgentSpec agent;
  bool frozen = false;
  bool gone = false;
  bool resting = false;
  steady_clock::time_point idle_until = steady_clock::time_point::max();
};

UnitHost::UnitHost(WorkerParts const& parts)
    : parts_(parts), idle_changed_(parts.io.get_executor()) {}

UnitHost::~UnitHost() = default;

Status UnitHost::start() {
  for (std::string_view const folder : {"units", "sessions", "worktrees"})
    DROVER_TRY(os::make_folders(fmt::format("{}/{}", parts_.options.state_folder, folder), 0700));
  parts_.runtime.on_event([this](runtime::RuntimeEvent const& event) { on_runtime_event(event); });
  return {};
}

std::string UnitHost::unit_name(SessionRecord const& session) {
  contract::Invocation invocation;
  invocation.identity.subject = session.subject;
  invocation.trigger = contract::Trigger::message;
  return contract::unit_id(invocation, session.id);
}

void UnitHost::on_runtime_event(runtime::RuntimeEvent const& event) {
  if (event.state != runtime::WorkloadState::stopped) return;
  for (auto& [session, unit] : units_) {
    if (unit->workload != event.id) continue;
    unit->gone = true;
    if (unit->turn != nullptr) {
      unit->turn->unit_gone = true;
      unit->turn->out_of_memory = event.stop_reason == runtime::StopReason::oom;
      unit->turn->over_disk = !event.over_disk.empty();
      unit->turn->unit_end =
          fmt::format("the unit ended with status {}{}", event.exit_code.value_or(-1),
                      unit->turn->out_of_memory ? " because its memory limit was reached" : "");
      if (unit->turn->over_disk) unit->turn->unit_end = event.over_disk;
      unit->turn->changed.notify();
    }
    idle_changed_.notify();
  }
}

Task<Status> UnitHost::launch(SessionRecord session, std::vector<workspace::CheckedOut> checkouts,
                              std::unique_ptr<Unit>& made) {
  // Filled by acquire(): name, channel, turn.
  Unit& unit = *made;
  UnitPlaces places;
  places.unit_program = parts_.options.unit_program;
  places.socket_folder = fmt::format("{}/units/{}", parts_.options.state_folder, unit.name);
  places.session_folder = fmt::format("{}/{}", session_root(parts_.options), session.id);
  bool const writes = contract::writes(checkouts.front().mode);
  auto const folders =
      co_await parts_.pool.run([places, writes, root = session_root(parts_.options)]() -> Status {
        DROVER_TRY(os::make_folders(places.socket_folder, 0755));
        // On a machine without the server's folder nothing is made in its place.
        if (writes && !os::exists(root)) return {};
        return os::make_folders(places.session_folder, 0700);
      });
  if (!folders) co_return folders;
  auto const listening = unit.channel->listen(places.socket_folder + "/unit.sock");
  if (!listening) co_return listening;

  auto claims = unit_claims(session, unit.name, kUnitTokenLife, parts_.clock, parts_.random);
  if (unit.turn != nullptr) {
    claims.run = unit.turn->run.id.str();
    claims.epoch = unit.turn->run.epoch;
    claims.budget_microdollars = unit.turn->budget.limit();
  }
  unit.channel->admit(claims.token_id);
  UnitIdentity identity{unit.name, unit.workload, parts_.tokens.sign(claims),
                        parts_.options.idle + kOwnIdleMore};
  runtime::WorkloadSpec spec =
      unit_spec(session, checkouts, unit.agent, unit.limits, identity, places);
  auto const started = co_await parts_.runtime.start(std::move(spec));
  if (!started) co_return std::unexpected(started.error());
  for (std::string const& limit : started->unenforced)
    log::warn("limit-not-enforced", {{"unit", unit.name}, {"limit", limit}});
  co_return Status{};
}

Result<std::unique_ptr<UnitHost::Unit>> UnitHost::make_unit(
    SessionRecord const& session, std::vector<workspace::CheckedOut> const& checkouts,
    TurnPtr const& turn) {
  std::string const name = unit_name(session);
  auto unit =
      std::make_unique<Unit>(name, WorkloadId::trusted(workload_name(name, parts_.options)));
  unit->turn = turn;
  unit->limits = turn->run.limits;
  unit->agent = turn->agent;
  if (session.runner == kNativeRunner) {
    auto channel = std::make_unique<UnitChannel>(
        parts_, name,
        unit_description(session, checkouts, turn->agent, name, turn->model.route.model,
                         parts_.options.idle + kOwnIdleMore));
    unit->channel = channel.get();
    unit->line = std::move(channel);
    return unit;
  }
  if (parts_.third_party == nullptr || !is_third_party(parts_.options, session.runner))
    return fail_next(
        ErrorCode::unsupported,
        fmt::format("third-party workers with the runner {} are not let in here", session.runner),
        "name it in DROVER_THIRD_PARTY_RUNNERS, with Redis as the broker");
  unit->line = std::make_unique<ThirdPartyLine>(parts_, *parts_.third_party, name);
  return unit;
}

Task<Status> UnitHost::acquire(SessionRecord session, std::vector<workspace::CheckedOut> checkouts,
                               TurnPtr turn) {
  co_await await_end(session.id);
  auto const warm = units_.find(session.id);
  if (warm != units_.end()) {
    Unit& unit = *warm->second;
    bool const same = unit.limits.memory_mb == turn->run.limits.memory_mb &&
                      unit.limits.cpu == turn->run.limits.cpu &&
                      unit.limits.pids == turn->run.limits.pids && unit.agent == turn->agent;
    if (!unit.gone && (!unit.is_ours() || same)) {
      unit.resting = false;
      unit.turn = turn;
      unit.line->begin(turn);
      if (!unit.is_ours()) co_return Status{};
      auto const thawed = co_await parts_.runtime.thaw(unit.workload);
      if (thawed) {
        unit.frozen = false;
        co_return Status{};
      }
    }
    co_await drop(session.id);
  }
  auto unit = make_unit(session, checkouts, turn);
  if (!unit) co_return std::unexpected(unit.error());
  (*unit)->line->begin(turn);
  auto& place = units_[session.id];
  place = *std::move(unit);
  if (!place->is_ours()) co_return Status{};
  auto const launched = co_await launch(session, std::move(checkouts), place);
  if (!launched) {
    co_await drop(session.id);
    co_return launched;
  }
  co_return Status{};
}

void UnitHost::interrupt(SessionId const& session) {
  auto const found = units_.find(session);
  if (found != units_.end()) found->second->line->interrupt();
}

Task<Status> UnitHost::freeze(SessionId session) {
  auto const found = units_.find(session);
  if (found == units_.end() || found->second->gone || found->second->frozen) co_return Status{};
  // Its program is its operator's: nobody here can stop it.
  if (!found->second->is_ours()) co_return Status{};
  auto const frozen = co_await parts_.runtime.freeze(found->second->workload);
  auto const again = units_.find(session);
  if (again == units_.end() || again->second->gone) co_return Status{};
  if (frozen) again->second->frozen = true;
  co_return frozen;
}

void UnitHost::rest(SessionId const& session, Millis idle) {
  auto const found = units_.find(session);
  if (found == units_.end()) return;
  Unit& unit = *found->second;
  unit.line->end();
  unit.turn.reset();
  unit.resting = true;
  // The container of a resident agent is free for whoever comes next.
  unit.idle_until = steady_clock::now() + (unit.agent.resident ? Millis{0} : idle);
  idle_changed_.notify();
}

std::vector<SessionId> UnitHost::resting() const {
  std::vector<SessionId> sessions;
  for (auto const& [session, unit] : units_)
    if (unit->resting) sessions.push_back(session);
  return sessions;
}

// Bounded, because destroying a workload is.
Task<void> UnitHost::await_end(SessionId session) {
  while (ending_.contains(session)) {
    auto const seen = idle_changed_.version();
    co_await idle_changed_.wait(seen);
  }
}

Task<void> UnitHost::drop(SessionId session) {
  auto const found = units_.find(session);
  if (found == units_.end()) {
    co_await await_end(session);
    co_return;
  }
  std::unique_ptr<Unit> const unit = std::move(found->second);
  units_.erase(found);
  // A message that comes meanwhile waits for this end before it starts the session's next unit.
  ending_.insert(session);
  struct Ended {
    UnitHost* host;
    SessionId session;
    ~Ended() {
      host->ending_.erase(session);
      host->idle_changed_.notify();
    }
  };
  Ended const ended{this, session};
  if (!unit->is_ours()) {
    co_await unit->line->close();
    co_return;
  }
  // The processes first: a model call that is cut by closing its connection must not be retried.
  auto const gone = co_await parts_.runtime.destroy(unit->workload);
  if (!gone) log::error("unit-not-reaped", {{"unit", unit->name}, {"reason", gone.error().text()}});
  co_await unit->line->close();
  std::string folder = fmt::format("{}/units/{}", parts_.options.state_folder, unit->name);
  auto const removed =
      co_await parts_.pool.run([folder]() -> Status { return os::remove_tree(folder); });
  if (!removed)
    log::warn("unit-folder-left", {{"unit", unit->name}, {"reason", removed.error().text()}});
}

Task<Status> UnitHost::serve_model(std::string unit, net::HttpRequest request,
                                   net::HttpReply& reply) {
  TurnPtr turn;
  for (auto const& [session, one] : units_)
    if (one->name == unit && !one->is_ours()) turn = one->turn;
  if (turn == nullptr || turn->over || turn->fenced)
    co_return fail(ErrorCode::conflict, "the unit {} has no turn now", unit);
  turn->heard_at = steady_clock::now();
  auto const served = co_await parts_.control.serve_model(turn, std::move(request), reply);
  turn->heard_at = steady_clock::now();
  co_return served;
}

Task<void> UnitHost::watch_idle() {
  while (!stopping_) {
    auto const seen = idle_changed_.version();
    auto const now = steady_clock::now();
    auto earliest = os::AsyncEvent::kForever;
    std::vector<SessionId> over;
    for (auto const& [session, unit] : units_) {
      if (!unit->resting) continue;
      if (unit->gone || unit->idle_until <= now) {
        over.push_back(session);
      } else {
        earliest = std::min(earliest, unit->idle_until);
      }
    }
    for (SessionId const& session : over) {
      // While the one before it ended, a message may have come for this one.
      auto const found = units_.find(session);
      if (found == units_.end() || !found->second->resting) continue;
      co_await drop(session);
      log::info("unit-ended", {{"session", session}, {"why", "idle"}});
    }
    if (over.empty()) co_await idle_changed_.wait(seen, earliest);
  }
}

Task<void> UnitHost::stop() {
  stopping_ = true;
  idle_changed_.notify();
  while (!units_.empty()) {
    SessionId session = units_.begin()->first;
    co_await drop(std::move(session));
  }
}

}  // namespace drover::worker
