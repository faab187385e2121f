#include "fleet/turn_moves.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "os/fd.h"
#include "os/files.h"
#include "os/process.h"
#include "runtime/container_mounts.h"
#include "runtime/container_reset.h"
#include "worker/unit_spec.h"

namespace drover::fleet {

namespace {

constexpr Millis kResetWait{10'000};

// What is there from the start below the places where mounts come later.
std::vector<std::string> const& kept() {
  static std::vector<std::string> const all{"/run/drover/unit", "/run/drover/resident"};
  return all;
}

}  // namespace

std::vector<std::string> resident_writable() {
  return {"/tmp", "/home/agent", "/dev/shm", "/state"};
}

TurnMoves::TurnMoves(std::string folder)
    : folder_(std::move(folder)), records_(folder_ + "/records"), binds_(folder_ + "/binds") {}

Status TurnMoves::recover() {
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

Status TurnMoves::move_in(Turn& turn) {
  ResidentPlace const& place = *turn.place;
  DROVER_TRY(os::make_folders(folder_ + "/records", 0700));
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

Status TurnMoves::watch_growth(Turn& turn) {
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

void TurnMoves::stop_watching(Turn& turn) {
  if (turn.growth) growth_.remove(std::exchange(turn.growth, nullptr));
}

Status TurnMoves::move_out(Turn const& turn) {
  for (auto const& folder : turn.spec.owned_folders)
    DROVER_TRY(os::remove_tree(folder));
  DROVER_TRY(binds_.release(turn.spec.id));
  DROVER_TRY(records_.remove(turn.spec.id));
  return turn.place->gone ? Status{} : reset(*turn.place);
}

Status TurnMoves::reset(ResidentPlace const& place) const {
  auto const program = os::open_process(place.instance.program);
  if (!program) return std::unexpected(program.error());
  runtime::ResetTerms terms;
  terms.program = place.instance.program;
  terms.process = program->get();
  terms.places = worker::mount_places();
  terms.kept = kept();
  return runtime::reset_container(terms, kResetWait);
}

void TurnMoves::clear() {
  if (auto const cleared = binds_.clear(); !cleared)
    log::warn("bind-sources-left", {{"reason", cleared.error().text()}});
}

}  // namespace drover::fleet
