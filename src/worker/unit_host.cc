#include "worker/unit_host.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "os/files.h"
#include "worker/placement.h"
#include "worker/unit_spec.h"

namespace drover::worker {

namespace {

using std::chrono::steady_clock;

// A warm unit whose token would not last another turn is replaced.
constexpr Millis kTokenLife{24LL * 3600 * 1000};
// The host ends idle units. A unit's own idle time, for the case that nobody does, is longer, so
// that it never runs out while the unit is frozen and a message is on its way.
constexpr Millis kOwnIdleMore{300'000};

std::vector<gateway::TokenGrant> token_grants(std::vector<workspace::CheckedOut> const& checkouts) {
  std::vector<gateway::TokenGrant> grants;
  for (auto const& checkout : checkouts)
    grants.push_back({checkout.id.str(), std::string{contract::to_string(checkout.mode)}});
  return grants;
}

}  // namespace

struct UnitHost::Unit {
  Unit(WorkerParts const& parts, std::string unit_name, json::object const& description)
      : name(unit_name),
        workload(WorkloadId::trusted(workload_name(unit_name, parts.options))),
        channel(parts, std::move(unit_name), description) {}

  std::string name;
  WorkloadId workload;
  UnitChannel channel;
  TurnPtr turn;
  contract::Limits limits;  // those that the sandbox was made with
  WallTime token_expires;
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
      unit->turn->unit_end =
          fmt::format("the unit ended with status {}{}", event.exit_code.value_or(-1),
                      unit->turn->out_of_memory ? " because its memory limit was reached" : "");
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
  bool const writes = checkouts.front().mode == contract::WorkspaceMode::rw;
  auto const folders =
      co_await parts_.pool.run([places, writes, root = session_root(parts_.options)]() -> Status {
        DROVER_TRY(os::make_folders(places.socket_folder, 0755));
        // On a machine without the server's folder nothing is made in its place.
        if (writes && !os::exists(root)) return {};
        return os::make_folders(places.session_folder, 0700);
      });
  if (!folders) co_return folders;
  auto const listening = unit.channel.listen(places.socket_folder + "/unit.sock");
  if (!listening) co_return listening;

  gateway::TokenClaims claims;
  claims.subject = session.subject;
  claims.launcher = session.launcher;
  claims.audience = gateway::kUnitAudience;
  claims.unit = unit.name;
  claims.session = session.id.str();
  claims.workspaces = token_grants(checkouts);
  claims.tools = session.tools;
  claims.token_id = new_id_text("jti", parts_.clock, parts_.random);
  claims.issued_at = parts_.clock.now();
  claims.expires_at = claims.issued_at + kTokenLife;
  unit.token_expires = claims.expires_at;
  UnitIdentity identity{unit.name, unit.workload, parts_.tokens.sign(claims),
                        parts_.options.idle + kOwnIdleMore};
  runtime::WorkloadSpec spec = unit_spec(session, checkouts, unit.limits, identity, places);
  auto const started = co_await parts_.runtime.start(std::move(spec));
  if (!started) co_return std::unexpected(started.error());
  for (std::string const& limit : started->unenforced)
    log::warn("limit-not-enforced", {{"unit", unit.name}, {"limit", limit}});
  co_return Status{};
}

Task<Status> UnitHost::acquire(SessionRecord session, std::vector<workspace::CheckedOut> checkouts,
                               TurnPtr turn) {
  co_await await_end(session.id);
  auto const warm = units_.find(session.id);
  if (warm != units_.end()) {
    Unit& unit = *warm->second;
    bool const lasts = unit.token_expires > parts_.clock.now() + parts_.options.run_timeout;
    bool const same = unit.limits.memory_mb == turn->run.limits.memory_mb &&
                      unit.limits.cpu == turn->run.limits.cpu &&
                      unit.limits.pids == turn->run.limits.pids;
    if (!unit.gone && lasts && same) {
      unit.resting = false;
      unit.turn = turn;
      unit.channel.begin(turn);
      auto const thawed = co_await parts_.runtime.thaw(unit.workload);
      if (thawed) {
        unit.frozen = false;
        co_return Status{};
      }
    }
    co_await drop(session.id);
  }
  std::string const name = unit_name(session);
  auto unit =
      std::make_unique<Unit>(parts_, name,
                             unit_description(session, checkouts, name, turn->model.route.model,
                                              parts_.options.idle + kOwnIdleMore));
  unit->turn = turn;
  unit->limits = turn->run.limits;
  unit->channel.begin(turn);
  auto& place = units_[session.id];
  place = std::move(unit);
  auto const launched = co_await launch(session, std::move(checkouts), place);
  if (!launched) {
    co_await drop(session.id);
    co_return launched;
  }
  co_return Status{};
}

void UnitHost::interrupt(SessionId const& session) {
  auto const found = units_.find(session);
  if (found != units_.end()) found->second->channel.interrupt();
}

Task<Status> UnitHost::freeze(SessionId session) {
  auto const found = units_.find(session);
  if (found == units_.end() || found->second->gone || found->second->frozen) co_return Status{};
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
  unit.channel.end();
  unit.turn.reset();
  unit.resting = true;
  unit.idle_until = steady_clock::now() + idle;
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
  // The processes first: a model call that is cut by closing its connection must not be retried.
  auto const gone = co_await parts_.runtime.destroy(unit->workload);
  if (!gone) log::error("unit-not-reaped", {{"unit", unit->name}, {"reason", gone.error().text()}});
  co_await unit->channel.close();
  std::string folder = fmt::format("{}/units/{}", parts_.options.state_folder, unit->name);
  auto const removed =
      co_await parts_.pool.run([folder]() -> Status { return os::remove_tree(folder); });
  if (!removed)
    log::warn("unit-folder-left", {{"unit", unit->name}, {"reason", removed.error().text()}});
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
