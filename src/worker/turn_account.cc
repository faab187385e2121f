#include "worker/turn_account.h"

#include <utility>

#include "worker/run_journal.h"

namespace drover::worker {

Task<Status> TurnAccount::reserve(gateway::Estimate estimate) {
  Turn& turn = *turn_;
  gateway::Spender spender{turn.claim.entry.tenant, turn.run.agent.str(), turn.run.session.str(),
                           turn.run.id.str()};
  gateway::Amount run_spent{turn.budget.spent(), gateway::tokens_of(turn.run.usage)};
  auto const of_run = turn.budget.reserve(estimate.amount.microdollars);
  if (!of_run) co_return of_run;
  auto opening =
      services_.spend.reserve(std::move(spender), turn.model.route.model, estimate, run_spent);
  if (!opening) {
    turn.budget.settle(estimate.amount.microdollars, 0);
    co_return std::unexpected(opening.error());
  }
  opening_ = *std::move(opening);
  turn.run.reserved_microdollars = turn.budget.reserved();
  if (opening_.id == 0) co_return Status{};
  // Also where this is cancelled meanwhile: then nothing is called.
  struct Return {
    TurnAccount* account;
    ~Return() {
      if (account != nullptr) account->give_back();
    }
  };
  Return unless_noted{this};
  RunRecord const run = turn.run;
  auto const noted = co_await services_.writer.run(
      [this, run, opening = opening_](store::Transaction& transaction) -> Status {
        DROVER_TRY(record_spend(transaction, services_.streams, run, {}));
        return services_.spend.opened(transaction, opening);
      });
  if (!noted) co_return noted;
  unless_noted.account = nullptr;
  co_return Status{};
}

void TurnAccount::give_back() {
  Turn& turn = *turn_;
  turn.budget.settle(opening_.row.amount.microdollars, 0);
  turn.run.reserved_microdollars = turn.budget.reserved();
  SpendRow nothing = opening_.row;
  nothing.amount = {};
  SpendBook::Opening unnoted = opening_;
  unnoted.id = 0;
  services_.spend.settle(unnoted, nothing);
}

void TurnAccount::settle(model::Usage const& usage, gateway::Amount actual) {
  turn_->budget.settle(opening_.row.amount.microdollars, actual.microdollars);
  turn_->budget.add(usage);
  actual_ = opening_.row;
  actual_.usage = usage;
  actual_.amount = actual;
  services_.spend.settle(opening_, actual_);
  settled_ = true;
}

}  // namespace drover::worker
