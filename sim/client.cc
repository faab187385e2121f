#include "sim/client.h"

#include <utility>

namespace drover::sim {

Client::Client(Agenda& agenda, Dice& dice, Network& network, Trace& trace, Audit& audit, int node,
               Wish wish)
    : agenda_(&agenda),
      dice_(&dice),
      network_(&network),
      trace_(&trace),
      audit_(&audit),
      node_(node),
      wish_(std::move(wish)) {}

void Client::start() {
  dispatch();
}

void Client::dispatch() {
  Ask<RunId> const ask = [wish = wish_](Server& server) { return server.dispatch(wish); };
  network_->call<RunId>(node_, ask, [this](Result<RunId> const& run) {
    if (!run) {
      agenda_->in(dice_->between(Millis{50}, Millis{1'000}), [this] { dispatch(); });
      return;
    }
    trace_->note("{} is {}", wish_.key, *run);
    audit_->accepted(wish_.key, *run);
    run_ = *run;
    // Some ask once more, as who lost the answer on the way.
    if (dice_->one_in(6)) agenda_->in(Millis{300}, [this] { dispatch(); });
    if (dice_->one_in(6))
      agenda_->in(dice_->between(Millis{1}, Millis{4'000}), [this] { cancel(); });
    if (dice_->one_in(3)) read(0);
  });
}

void Client::cancel() {
  Ask<bool> const ask = [run = *run_](Server& server) { return server.cancel(run); };
  network_->call<bool>(node_, ask, [](Result<bool> const&) {});
}

void Client::read(std::int64_t after) {
  using Read = std::pair<std::int64_t, bool>;
  Ask<Read> const ask = [run = *run_, after](Server& server) { return server.read(run, after); };
  network_->call<Read>(node_, ask, [this, after](Result<Read> const& read) {
    if (read && read->second) return;
    auto const from = read ? read->first : after;
    agenda_->in(dice_->between(Millis{200}, Millis{3'000}), [this, from] { this->read(from); });
  });
}

}  // namespace drover::sim
