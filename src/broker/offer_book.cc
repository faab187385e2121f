#include "broker/offer_book.h"

#include <set>

#include "base/check.h"

namespace drover::broker {

std::size_t OfferBook::out_in(OfferLane const& lane) const {
  auto const count = counts_.find(lane);
  return count == counts_.end() ? 0 : count->second;
}

std::vector<Offer> OfferBook::to_send(std::vector<Offer> const& offerable) const {
  std::vector<Offer> offers;
  std::map<OfferLane, std::size_t> room;
  for (Offer const& offer : offerable) {
    auto const out = out_.find(offer.offered.run);
    if (out != out_.end() && out->second.offer == offer) continue;
    auto const count = out_in(offer.lane);
    auto const [left, fresh] = room.try_emplace(offer.lane, window_ - std::min(window_, count));
    if (left->second == 0) continue;
    --left->second;
    offers.push_back(offer);
  }
  return offers;
}

void OfferBook::sent(Offer offer, std::string id) {
  auto const before = out_.find(offer.offered.run);
  if (before != out_.end()) erase(before);
  ++counts_[offer.lane];
  RunId const run = offer.offered.run;
  out_.emplace(run, Placed{std::move(offer), std::move(id)});
}

void OfferBook::erase(std::map<RunId, Placed>::iterator placed) {
  auto const count = counts_.find(placed->second.offer.lane);
  DROVER_CHECK(count != counts_.end() && count->second > 0);
  if (--count->second == 0) counts_.erase(count);
  out_.erase(placed);
}

std::vector<OfferBook::Placed> OfferBook::take_withdrawn(Stands const& stands) {
  std::vector<Placed> withdrawn;
  for (auto at = out_.begin(); at != out_.end();) {
    auto const here = at++;
    if (stands(here->second.offer.offered)) continue;
    withdrawn.push_back(here->second);
    erase(here);
  }
  return withdrawn;
}

void OfferBook::forget(OfferedRun const& offered) {
  auto const out = out_.find(offered.run);
  if (out != out_.end() && out->second.offer.offered == offered) erase(out);
}

std::vector<std::string> OfferBook::reconcile(OfferLane const& lane,
                                              std::vector<Found> const& found,
                                              Stands const& stands) {
  for (auto at = out_.begin(); at != out_.end();) {
    auto const here = at++;
    if (here->second.offer.lane == lane) erase(here);
  }
  std::vector<std::string> others;
  for (Found const& entry : found) {
    bool const keeps = entry.offer && entry.offer->lane == lane && stands(entry.offer->offered) &&
                       !out_.contains(entry.offer->offered.run);
    if (keeps) {
      sent(*entry.offer, entry.id);
    } else {
      others.push_back(entry.id);
    }
  }
  return others;
}

}  // namespace drover::broker
