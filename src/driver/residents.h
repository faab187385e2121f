#pragma once
// Which of the driven runs keep their process in memory. A process of its own (Node) takes much of
// it, so there are places for a few, and a run that is to be brought on waits for one: a place goes
// on from whoever has not used it for a while, so that runs in the middle of quick steps are not
// replayed at each of them; when somebody has waited for long, from whoever has had it longest.
// Pure, time passed in.
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"

namespace drover::driver {

struct ResidentLimits {
  std::size_t most = 32;
  Millis quiet{250};       // a place that was not used for so long is free for others
  Millis patience{5'000};  // after which somebody who waits gets one all the same
};

class Residents {
 public:
  explicit Residents(ResidentLimits limits) : limits_(limits) {}

  [[nodiscard]] bool has(std::string const& id) const { return places_.contains(id); }
  [[nodiscard]] bool is_full() const { return places_.size() >= limits_.most; }
  [[nodiscard]] std::size_t size() const { return places_.size(); }

  // A look at the run begins, or has ended and left its process in memory. A run that has no place
  // gets one, also above the limit: see `surplus`.
  void begin(std::string const& id, BootTime now);
  void end(std::string const& id, BootTime now);
  void leave(std::string const& id);

  // Who has to give its process up for there to be no more than there may; nullopt: nobody, or all
  // of them are at work.
  [[nodiscard]] std::optional<std::string> surplus() const;

  // Waits for a place; once is enough.
  void queue(std::string const& id, BootTime now);
  void unqueue(std::string const& id);
  [[nodiscard]] bool is_queued(std::string const& id) const { return queued_.contains(id); }
  [[nodiscard]] bool has_queue() const { return !queue_.empty(); }
  struct Step {
    std::optional<std::string> admitted{};  // has a place now, and waits no more
    std::optional<std::string> evicted{};   // whose place it was
    std::optional<BootTime> again{};        // when to ask again, unless something ends before
  };
  // For the first that waits. All empty: nobody does.
  [[nodiscard]] Step admit(BootTime now);

 private:
  struct Place {
    BootTime since{};
    BootTime used{};
    bool busy = false;
  };
  using Places = std::map<std::string, Place>;
  [[nodiscard]] Places::const_iterator least(BootTime Place::* time) const;

  ResidentLimits limits_;
  Places places_;
  std::deque<std::pair<std::string, BootTime>> queue_;
  std::set<std::string> queued_;
};

}  // namespace drover::driver
