#include "driver/residents.h"

#include <algorithm>

namespace drover::driver {

void Residents::begin(std::string const& id, BootTime now) {
  auto const [place, is_new] = places_.try_emplace(id, Place{now, now, true});
  if (!is_new) place->second.busy = true;
}

void Residents::end(std::string const& id, BootTime now) {
  auto const [place, is_new] = places_.try_emplace(id, Place{now, now, false});
  place->second.used = now;
  place->second.busy = false;
}

void Residents::leave(std::string const& id) {
  places_.erase(id);
}

// Among those that are not at work.
Residents::Places::const_iterator Residents::least(BootTime Place::* time) const {
  auto found = places_.end();
  for (auto place = places_.begin(); place != places_.end(); ++place) {
    if (place->second.busy) continue;
    if (found == places_.end() || place->second.*time < found->second.*time) found = place;
  }
  return found;
}

std::optional<std::string> Residents::surplus() const {
  if (places_.size() <= limits_.most) return std::nullopt;
  auto const oldest = least(&Place::used);
  if (oldest == places_.end()) return std::nullopt;
  return oldest->first;
}

void Residents::queue(std::string const& id, BootTime now) {
  if (queued_.insert(id).second) queue_.emplace_back(id, now);
}

void Residents::unqueue(std::string const& id) {
  if (queued_.erase(id) == 0) return;
  std::erase_if(queue_, [&](auto const& waiting) { return waiting.first == id; });
}

Residents::Step Residents::admit(BootTime now) {
  Step step;
  if (queue_.empty()) return step;
  auto const [id, since] = std::pair{queue_.front()};
  if (!has(id) && is_full()) {
    auto victim = least(&Place::used);
    bool const is_quiet = victim != places_.end() && victim->second.used + limits_.quiet <= now;
    if (!is_quiet && now < since + limits_.patience) {
      auto const quiet =
          victim == places_.end() ? since + limits_.patience : victim->second.used + limits_.quiet;
      step.again = std::min(quiet, since + limits_.patience);
      return step;
    }
    if (!is_quiet) victim = least(&Place::since);
    // All of them are at work: whoever ends first makes room.
    if (victim == places_.end()) {
      step.again = now + limits_.quiet;
      return step;
    }
    step.evicted = victim->first;
    places_.erase(victim);
  }
  unqueue(id);
  places_.try_emplace(id, Place{now, now, false});
  step.admitted = id;
  return step;
}

}  // namespace drover::driver
