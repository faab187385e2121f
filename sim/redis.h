#pragma once
// Redis as far as drover uses it: streams of offers that a group of workers takes from, and copies
// of event streams. It may be away, be flushed, lose its newest entries, and break a connection
// before or after it did what it was asked. It belongs to no life of the server.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/offer_book.h"
#include "broker/stream.h"
#include "sim/agenda.h"
#include "sim/faults.h"
#include "sim/trace.h"

namespace drover::sim {

class Redis {
 public:
  Redis(Agenda& agenda, Dice& dice, FaultSet const& faults)
      : agenda_(&agenda), dice_(&dice), faults_(&faults) {}

  // ---- faults
  void flush();
  void lose_newest();
  void go_away(Nanos time);

  // ---- connections
  [[nodiscard]] bool breaks();
  [[nodiscard]] Nanos delay() { return dice_->between(Micros{50}, Millis{3}); }
  // Another one: what was there before may be gone.
  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  // For those that have no loop. nullopt when the connection broke, before or after.
  template <class T>
  void ask(std::function<T(Redis&)> what, std::function<void(std::optional<T>)> answer) {
    agenda_->in(delay(), [this, what = std::move(what), answer = std::move(answer)] {
      std::optional<T> result;
      if (!breaks()) result = what(*this);
      if (breaks()) result.reset();
      agenda_->in(delay(), [answer, result] { answer(result); });
    });
  }

  // ---- offers
  struct Held {
    broker::Offer offer;
    std::string id;
  };
  [[nodiscard]] std::vector<broker::OfferBook::Found> range(broker::OfferLane const& lane) const;
  std::string add(broker::Offer const& offer);
  void remove(broker::OfferLane const& lane, std::string const& id);
  // The first that nobody has, or that somebody has had for too long.
  [[nodiscard]] std::optional<Held> take(std::string const& consumer);
  [[nodiscard]] std::size_t offers() const;

  // ---- copies, as append_script() makes them
  std::int64_t append(std::string const& name, std::int64_t follows,
                      std::vector<broker::EventPtr> const& events);
  using Copies = std::map<std::string, std::map<std::int64_t, std::string>>;
  [[nodiscard]] Copies const& copies() const { return copies_; }

 private:
  struct Entry {
    std::int64_t id = 0;
    broker::Offer offer;
    std::string holder;  // empty: nobody
    Nanos held_at{0};
  };
  Agenda* agenda_;
  Dice* dice_;
  FaultSet const* faults_;
  std::map<broker::OfferLane, std::vector<Entry>> lanes_;
  Copies copies_;
  std::int64_t last_id_ = 0;
  std::uint64_t generation_ = 1;
  Nanos away_until_{0};
};

}  // namespace drover::sim
