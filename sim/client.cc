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
  messages_ = static_cast<int>(dice_->below(2));
  dispatch(wish_);
}

void Client::dispatch(Wish wish) {
  Ask<Accepted> const ask = [wish](Server& server) { return server.dispatch(wish); };
  network_->call<Accepted>(node_, ask, [this, wish](Result<Accepted> const& answer) {
    if (!answer) {
      agenda_->in(dice_->between(Millis{50}, Millis{1'000}), [this, wish] { dispatch(wish); });
      return;
    }
    trace_->note("{} is {}", wish.key, answer->run);
    audit_->accepted(wish.key, answer->run);
    // Some ask once more, as who lost the answer on the way.
    if (dice_->one_in(6)) agenda_->in(Millis{300}, [this, wish] { dispatch(wish); });
    if (wish.key == wish_.key && !std::exchange(accepted_, true)) follow(*answer);
  });
}

void Client::follow(Accepted const& accepted) {
  RunId const run = accepted.run;
  if (dice_->one_in(6))
    agenda_->in(dice_->between(Millis{1}, Millis{4'000}), [this, run] { cancel(run); });
  if (dice_->one_in(3)) read(run, 0);
  if (messages_ == 0) return;
  --messages_;
  agenda_->in(dice_->between(Millis{1}, Millis{5'000}), [this, session = accepted.session] {
    wish_.key += "+";
    wish_.session = session;
    accepted_ = false;
    dispatch(wish_);
  });
}

void Client::cancel(RunId const& run) {
  Ask<bool> const ask = [run](Server& server) { return server.cancel(run); };
  network_->call<bool>(node_, ask, [](Result<bool> const&) {});
}

void Client::read(RunId const& run, std::int64_t after) {
  using Read = std::pair<std::int64_t, bool>;
  Ask<Read> const ask = [run, after](Server& server) { return server.read(run, after); };
  network_->call<Read>(node_, ask, [this, run, after](Result<Read> const& read) {
    if (read && read->second) return;
    auto const from = read ? read->first : after;
    agenda_->in(dice_->between(Millis{200}, Millis{3'000}),
                [this, run, from] { this->read(run, from); });
  });
}

}  // namespace drover::sim
