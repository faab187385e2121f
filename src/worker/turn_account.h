#pragma once
// Who pays for a model call of a turn: its run, within the run's budget, and through it the
// session, the agent and the tenant. On the event loop.
#include <utility>

#include "gateway/account.h"
#include "worker/services.h"
#include "worker/spend_book.h"
#include "worker/turn.h"

namespace drover::worker {

class TurnAccount final : public gateway::CallAccount {
 public:
  TurnAccount(Services const& services, TurnPtr turn)
      : services_(services), turn_(std::move(turn)) {}

  // What may be spent is on disk before the call is on its way: it is billed whatever becomes of
  // this process. conflict when the turn's attempt is over.
  Task<Status> reserve(gateway::Estimate estimate) override;
  void settle(model::Usage const& usage, gateway::Amount actual) override;

  // Whether a call was made, and what it came to.
  [[nodiscard]] bool settled() const { return settled_; }
  [[nodiscard]] SpendBook::Opening const& opening() const { return opening_; }
  [[nodiscard]] SpendRow const& actual() const { return actual_; }

 private:
  void give_back();

  Services const& services_;
  TurnPtr turn_;
  SpendBook::Opening opening_;
  SpendRow actual_;
  bool settled_ = false;
};

}  // namespace drover::worker
