#include "fleet/instance_states.h"

#include <fmt/format.h>
#include <unistd.h>

#include <set>
#include <utility>

#include "fleet/rows.h"

namespace drover::fleet {

namespace {

std::string state_of(Instance const& instance) {
  return instance.volume.empty() ? "folder of its state"
                                 : fmt::format("volume {}", instance.volume);
}

Status check_state(Instance const& instance, VolumeState state, bool made) {
  if (state == VolumeState::foreign)
    return fail_next(
        ErrorCode::forbidden,
        fmt::format("the {} of {} is not of this server", state_of(instance), instance.name),
        "remove it if nobody needs it, or set another DROVER_FLEET_PREFIX");
  if (!made || state != VolumeState::missing) return {};
  return fail_next(
      ErrorCode::data_corrupt,
      fmt::format("the {} of {}, which holds its state, is gone", state_of(instance),
                  instance.name),
      fmt::format("restore it; or, to begin with an empty one, disable the agent, drover agents "
                  "wipe {}, and enable it",
                  instance.of.agent));
}

Instance as_known(std::string name, Known const& known) {
  Instance instance;
  instance.name = std::move(name);
  instance.of = known.of;
  instance.backend = known.backend;
  instance.volume = known.volume;
  instance.uid = known.uid;
  return instance;
}

}  // namespace

Result<KnownInstances> newcomers(Wanted const& wanted, KnownInstances const& known, UserRange users,
                                 bool root) {
  std::set<uid_t> taken;
  for (auto const& [name, one] : known)
    taken.insert(one.uid);
  KnownInstances fresh;
  uid_t offset = 0;
  for (auto const& [name, instance] : wanted.instances) {
    if (known.contains(name)) continue;
    Known one;
    one.of = instance.of;
    one.backend = instance.backend;
    one.volume = instance.volume;
    while (root && offset < users.count && taken.contains(users.first + offset))
      ++offset;
    if (root && offset == users.count)
      return fail_next(ErrorCode::too_large,
                       fmt::format("all {} users of instances are taken", users.count),
                       "wipe agents that are no longer needed");
    if (root) one.uid = users.first + offset++;
    fresh.emplace(name, std::move(one));
  }
  return fresh;
}

InstanceStates::InstanceStates(store::Writer& writer, Clock const& clock, OnHost prepare_host,
                               OnHost wipe_host, UserRange users)
    : writer_(writer),
      clock_(clock),
      prepare_host_(std::move(prepare_host)),
      wipe_host_(std::move(wipe_host)),
      users_(users) {}

Status InstanceStates::load(store::Database& database) {
  auto known = load_known(database);
  if (!known) return std::unexpected(known.error());
  known_ = *std::move(known);
  return {};
}

Task<Result<std::size_t>> InstanceStates::remember(Wanted wanted) {
  auto const fresh = newcomers(wanted, known_, users_, ::geteuid() == 0);
  if (!fresh) co_return std::unexpected(fresh.error());
  if (fresh->empty()) co_return 0;
  auto const now = clock_.now();
  auto const stored =
      co_await writer_.run([rows = *fresh, now](store::Transaction& transaction) -> Status {
        for (auto const& [name, one] : rows)
          DROVER_TRY(put_known(transaction.db(), name, one, now));
        return {};
      });
  if (!stored) co_return std::unexpected(stored.error());
  known_.insert(fresh->begin(), fresh->end());
  co_return fresh->size();
}

Task<Status> InstanceStates::note_made(std::string instance, bool made) {
  auto const stored =
      co_await writer_.run([instance, made](store::Transaction& transaction) -> Status {
        return set_volume_made(transaction.db(), instance, made);
      });
  if (stored) known_.at(instance).volume_made = made;
  co_return stored;
}

Task<Status> InstanceStates::make(FleetEngine& engine, Instance instance) {
  auto const prepared = co_await prepare_host_(instance);
  if (!prepared) co_return prepared;
  auto const state = co_await engine.volume(instance);
  if (!state) co_return std::unexpected(state.error());
  bool const made = known_.at(instance.name).volume_made;
  auto const usable = check_state(instance, *state, made);
  if (made || !usable) co_return usable;
  auto const done = co_await engine.make_volume(instance);
  if (!done) co_return done;
  co_return co_await note_made(instance.name, true);
}

Task<Status> InstanceStates::wipe(FleetEngine& engine, std::string instance) {
  auto const gone = as_known(instance, known_.at(instance));
  auto const there = co_await engine.list();
  if (!there) co_return std::unexpected(there.error());
  for (auto const& one : *there)
    if (one.instance == instance)
      co_return fail(ErrorCode::conflict, "{} still has a container", instance);
  // What is half gone is no state that is missing.
  auto const forgotten = co_await note_made(instance, false);
  if (!forgotten) co_return forgotten;
  auto const wiped = co_await engine.wipe_volume(gone);
  if (!wiped) co_return wiped;
  auto const host = co_await wipe_host_(gone);
  if (!host) co_return host;
  auto const removed = co_await writer_.run([instance](store::Transaction& transaction) -> Status {
    return remove_known(transaction.db(), instance);
  });
  if (removed) known_.erase(instance);
  co_return removed;
}

}  // namespace drover::fleet
