// The part of reconciler.h that others ask of one instance, or of all: how it is, what it uses and
// writes, and what those want of it who give it turns.
#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "fleet/reconciler.h"

namespace drover::fleet {

namespace {

constexpr std::size_t kUsagesAtOnce = 8;

}  // namespace

Result<Reconciler::Place> Reconciler::place_of(std::string const& instance) const {
  auto const known = book_.with_container(instance);
  if (!known) return std::unexpected(known.error());
  auto* const engine = engine_of(known->backend);
  if (engine == nullptr)
    return fail(ErrorCode::unsupported, "this server has no backend {} for {}", known->backend,
                instance);
  return Place{engine, known->container};
}

Task<std::vector<InstanceStatus>> Reconciler::status_of(std::string agent) {
  std::vector<InstanceStatus> all;
  for (auto const& name : book_.names_of(agent)) {
    co_await look_after(name);
    if (auto const* const record = book_.find(name)) all.push_back(book_.status_of(*record));
  }
  co_return all;
}

void Reconciler::beat(std::string const& instance, Busy busy) {
  if (book_.note_beat(instance, busy)) trigger(book_.find(instance)->instance.of.agent);
}

Task<Result<int>> Reconciler::program(std::string instance) {
  auto const place = place_of(instance);
  if (!place) co_return std::unexpected(place.error());
  auto const vitals = co_await place->engine->describe(place->container);
  if (!vitals) co_return std::unexpected(vitals.error());
  if (vitals->phase != Phase::running || vitals->pid <= 0)
    co_return fail(ErrorCode::not_found, "the program of {} does not run", instance);
  book_.note_program(instance, place->container, vitals->pid);
  co_return vitals->pid;
}

Task<Status> Reconciler::freeze(std::string instance) {
  auto const place = place_of(instance);
  if (!place) co_return std::unexpected(place.error());
  // A pass that comes in between is to know.
  book_.note_held(instance, true);
  auto const paused = co_await place->engine->freeze(place->container);
  if (!paused) book_.note_held(instance, false);
  co_return paused;
}

Task<Status> Reconciler::thaw(std::string instance) {
  auto const place = place_of(instance);
  if (!place) co_return std::unexpected(place.error());
  auto const unpaused = co_await place->engine->unpause(place->container);
  if (unpaused) book_.note_thawed(instance);
  co_return unpaused;
}

Task<Result<Usage>> Reconciler::usage(std::string instance) {
  auto const place = place_of(instance);
  if (!place) co_return std::unexpected(place.error());
  co_return co_await place->engine->usage(place->container);
}

void Reconciler::replace(std::string const& instance, pid_t program) {
  if (book_.note_spoiled(instance, program)) trigger(book_.find(instance)->instance.of.agent);
}

Task<UsageByInstance> Reconciler::usage_of_all(Millis within) {
  if (stopping_) co_return UsageByInstance{};
  std::vector<UsageRound::Ask> asks;
  for (auto const& status : book_.status())
    if (auto place = place_of(status.instance.name))
      asks.push_back({status.instance.name, place->engine, std::move(place->container)});
  auto const workers = std::min(kUsagesAtOnce, asks.size());
  auto const round = std::make_shared<UsageRound>(parts_.executor, std::move(asks));
  for (std::size_t i = 0; i < workers; ++i)
    tasks_.spawn(UsageRound::work(round), "usage");
  co_return co_await round->answers(std::chrono::steady_clock::now() + within);
}

Task<Result<std::string>> Reconciler::logs(std::string instance, int lines) {
  auto const place = place_of(instance);
  if (!place) co_return std::unexpected(place.error());
  co_return co_await place->engine->logs(place->container, lines);
}

std::optional<LogPlace> Reconciler::log_place_of(std::string const& instance) const {
  auto const* const record = book_.find(instance);
  if (record == nullptr) return std::nullopt;
  LogPlace place;
  place.wanted = record->seen.wanted;
  place.runs = record->live;
  place.engine = engine_of(record->instance.backend);
  if (place.engine != nullptr) place.container = record->instance.container;
  return place;
}

std::shared_ptr<LogFollow> Reconciler::follow_logs(LogWish wish) {
  LogFollow::Parts parts{
      .executor = parts_.executor,
      .instances = [this](std::string const& agent) { return book_.names_of(agent); },
      .place = [this](std::string const& instance) { return log_place_of(instance); },
      .changed = changed_,
      .stopping = stopping_};
  auto follow = std::make_shared<LogFollow>(std::move(parts), std::move(wish));
  tasks_.spawn(LogFollow::run(follow), "logs");
  return follow;
}

}  // namespace drover::fleet
