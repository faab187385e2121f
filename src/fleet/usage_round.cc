#include "fleet/usage_round.h"

#include <utility>

namespace drover::fleet {

UsageRound::UsageRound(boost::asio::any_io_executor executor, std::vector<Ask> asks)
    : asks_(std::move(asks)), open_(asks_.size()), answered_(std::move(executor)) {}

Task<void> UsageRound::work(std::shared_ptr<UsageRound> round) {
  while (round->next_ < round->asks_.size()) {
    Ask const ask = round->asks_[round->next_++];
    auto const usage = co_await ask.engine->usage(ask.container);
    if (usage) round->used_[ask.instance] = *usage;
    --round->open_;
    if (round->open_ == 0) round->answered_.notify();
  }
}

Task<UsageByInstance> UsageRound::answers(std::chrono::steady_clock::time_point deadline) {
  while (open_ > 0 && std::chrono::steady_clock::now() < deadline) {
    auto const seen = answered_.version();
    co_await answered_.wait(seen, deadline);
  }
  next_ = asks_.size();
  co_return std::exchange(used_, {});
}

}  // namespace drover::fleet
