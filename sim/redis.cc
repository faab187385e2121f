#include "sim/redis.h"

#include <algorithm>

namespace drover::sim {

namespace {

constexpr Millis kReclaimAfter{5'000};

}  // namespace

void Redis::flush() {
  ++generation_;
  lanes_.clear();
  copies_.clear();
}

void Redis::lose_newest() {
  ++generation_;
  for (auto& [lane, entries] : lanes_)
    if (!entries.empty()) entries.pop_back();
  for (auto& [name, events] : copies_)
    if (!events.empty()) events.erase(std::prev(events.end()));
}

void Redis::go_away(Nanos time) {
  ++generation_;
  away_until_ = agenda_->now() + time;
}

bool Redis::breaks() {
  bool const broken =
      agenda_->now() < away_until_ || (faults_->has(Fault::redis) && dice_->one_in(24));
  if (broken) ++generation_;
  return broken;
}

std::vector<broker::OfferBook::Found> Redis::range(broker::OfferLane const& lane) const {
  std::vector<broker::OfferBook::Found> found;
  auto const entries = lanes_.find(lane);
  if (entries == lanes_.end()) return found;
  for (Entry const& entry : entries->second)
    found.push_back({fmt::to_string(entry.id), entry.offer});
  return found;
}

std::string Redis::add(broker::Offer const& offer) {
  Entry entry;
  entry.id = ++last_id_;
  entry.offer = offer;
  lanes_[offer.lane].push_back(std::move(entry));
  return fmt::to_string(last_id_);
}

void Redis::remove(broker::OfferLane const& lane, std::string const& id) {
  std::erase_if(lanes_[lane], [&](Entry const& entry) { return fmt::to_string(entry.id) == id; });
}

std::optional<Redis::Held> Redis::take(std::string const& consumer) {
  for (auto& [lane, entries] : lanes_)
    for (Entry& entry : entries) {
      bool const free = entry.holder.empty() || agenda_->now() - entry.held_at > kReclaimAfter;
      if (!free) continue;
      entry.holder = consumer;
      entry.held_at = agenda_->now();
      return Held{entry.offer, fmt::to_string(entry.id)};
    }
  return std::nullopt;
}

std::size_t Redis::offers() const {
  std::size_t count = 0;
  for (auto const& [lane, entries] : lanes_)
    count += entries.size();
  return count;
}

std::int64_t Redis::append(std::string const& name, std::int64_t follows,
                           std::vector<broker::EventPtr> const& events) {
  auto const known = copies_.find(name);
  std::int64_t have =
      known == copies_.end() || known->second.empty() ? 0 : known->second.rbegin()->first;
  if (have < follows) return have;
  for (broker::EventPtr const& event : events) {
    if (event->seq() <= have) continue;
    copies_[name].emplace(event->seq(), event->body());
    have = event->seq();
  }
  return have;
}

}  // namespace drover::sim
