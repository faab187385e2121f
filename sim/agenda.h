#pragma once
// What is to happen at which simulated time. Of two things at one time the first that was put down
// goes first.
#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "sim/machine.h"

namespace drover::sim {

class Agenda {
 public:
  explicit Agenda(Machine& machine) : machine_(&machine) {}

  [[nodiscard]] Nanos now() const { return machine_->since_boot(); }
  void at(Nanos time, std::function<void()> what) {
    todo_.emplace(std::pair{std::max(time, now()), ++count_}, std::move(what));
  }
  void in(Nanos delay, std::function<void()> what) { at(now() + delay, std::move(what)); }

  // Goes on to the next thing and does it. False when there is none.
  bool step() {
    if (todo_.empty()) return false;
    auto next = todo_.extract(todo_.begin());
    machine_->advance(next.key().first - now());
    next.mapped()();
    return true;
  }

 private:
  Machine* machine_;
  std::map<std::pair<Nanos, std::uint64_t>, std::function<void()>> todo_;
  std::uint64_t count_ = 0;
};

}  // namespace drover::sim
