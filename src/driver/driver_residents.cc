// The part of driver.h that decides which runs keep their process in memory, and what is known of
// those that do not.
#include <utility>
#include <vector>

#include "base/log.h"
#include "driver/driver.h"
#include "driver/driver_run.h"

namespace drover::driver {

namespace {

using SteadyPoint = os::AsyncEvent::TimePoint;

}  // namespace

Residents& Driver::residents_of(Run const& run) {
  return run.weight == Weight::process ? processes_ : light_;
}

void Driver::note_resident(Run const& run) {
  auto& residents = residents_of(run);
  if (run.is_in_memory && !run.over)
    residents.end(run.record.id, parts_.clock.boot_now());
  else
    residents.leave(run.record.id);
}

// What is asked of it meanwhile is done; it is brought on once it has a place.
void Driver::wait_for_place(RunPtr const& run) {
  processes_.queue(run->record.id, parts_.clock.boot_now());
  if (std::exchange(admitting_, true)) return;
  tasks_.spawn(admit(), "admit");
}

Task<void> Driver::admit() {
  while (!stopping_ && processes_.has_queue()) {
    auto const seen = ended_.version();
    auto const now = parts_.clock.boot_now();
    auto const step = processes_.admit(now);
    if (step.evicted) evict(*step.evicted);
    if (step.admitted) {
      auto const found = runs_.find(*step.admitted);
      if (found == runs_.end()) {
        processes_.leave(*step.admitted);
        continue;
      }
      found->second->step = true;
      wake(found->second);
      continue;
    }
    auto const end =
        step.again ? SteadyPoint::clock::now() + (*step.again - now) : os::AsyncEvent::kForever;
    co_await ended_.wait(seen, end);
  }
  admitting_ = false;
}

void Driver::keep_few_resident() {
  if (stopping_) return;
  for (auto* const residents : {&processes_, &light_})
    while (auto const id = residents->surplus()) {
      residents->leave(*id);
      evict(*id);
    }
}

// Gives its process up, and is replayed when it is needed.
void Driver::evict(std::string const& id) {
  auto const found = runs_.find(id);
  if (found == runs_.end() || found->second->busy) return;
  found->second->busy = true;
  tasks_.spawn(rest(found->second), "rest");
}

Task<void> Driver::rest(RunPtr run) {
  auto let_go = [driven = run->driven] {
    auto const saved = driven->save_state();
    driven->rest();
    return saved;
  };
  auto const saved = co_await pool_.run(std::move(let_go));
  if (!saved)
    log::warn("workflow-state-not-saved",
              {{"workflow", run->record.id}, {"reason", saved.error().text()}});
  std::vector<RestNote> notes{{run->record.id, run->record.rests_at}};
  tasks_.spawn(note_rests(std::move(notes)), "note-rest");
  run->is_in_memory = false;
  run->busy = false;
  ended_.notify();
  if (run->heard_of > run->rested_at) run->step = true;
  if (run->step || !run->requests.empty()) wake(run);
  keep_few_resident();
}

std::vector<Driver::RestNote> Driver::all_rests() const {
  std::vector<RestNote> notes;
  for (auto const& [id, run] : runs_)
    if (!run->busy && !run->over) notes.push_back({id, run->record.rests_at});
  return notes;
}

// So that the next server need not replay them to know what they wait for. One that is lost, or
// late, costs a replay: it is held against the journal.
Task<void> Driver::note_rests(std::vector<RestNote> notes) {
  if (notes.empty()) co_return;
  auto note = [notes = std::move(notes)](store::Transaction& transaction) -> Status {
    for (auto const& [id, rests_at] : notes)
      DROVER_TRY(note_rest(transaction.db(), id, rests_at));
    return {};
  };
  auto const noted = co_await parts_.writer.run(std::move(note));
  if (!noted) log::warn("workflow-rests-not-noted", {{"reason", noted.error().text()}});
}

}  // namespace drover::driver
