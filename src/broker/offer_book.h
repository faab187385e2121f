#pragma once
// Which offers are out, as entries of Redis's streams, and what is to be sent, taken back or put
// right. Pure.
//
// Of each lane at most `window` offers are out, so that a run of higher rank which comes later
// waits behind few others.
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/offer.h"

namespace drover::broker {

class OfferBook {
 public:
  explicit OfferBook(std::size_t window) : window_(window) {}

  struct Placed {
    Offer offer;
    std::string id;  // of the entry
  };
  using Stands = std::function<bool(OfferedRun const&)>;

  // Of what could be claimed now, in its order, that which is not out and has room.
  [[nodiscard]] std::vector<Offer> to_send(std::vector<Offer> const& offerable) const;
  void sent(Offer offer, std::string id);
  // Offers that no longer stand; the book no longer has them.
  [[nodiscard]] std::vector<Placed> take_withdrawn(Stands const& stands);
  // Somebody took it up: if it can still be claimed, it is to be offered anew.
  void forget(OfferedRun const& offered);

  struct Found {
    std::string id;
    std::optional<Offer> offer;  // nullopt: nothing that drover wrote
  };
  // The lane's stream holds these entries and no others. What stands is kept, once for each run,
  // also when an earlier process sent it; the ids of all others are returned, to be removed. What
  // the book had and the stream has not is lost, and to be sent again.
  [[nodiscard]] std::vector<std::string> reconcile(OfferLane const& lane,
                                                   std::vector<Found> const& found,
                                                   Stands const& stands);
  [[nodiscard]] std::size_t size() const { return out_.size(); }
  [[nodiscard]] std::size_t out_in(OfferLane const& lane) const;

 private:
  void erase(std::map<RunId, Placed>::iterator placed);
  std::size_t window_;
  std::map<RunId, Placed> out_;
  std::map<OfferLane, std::size_t> counts_;
};

}  // namespace drover::broker
