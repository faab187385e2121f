#pragma once
// What many containers use, asked of their engines a few at a time, until a deadline. On the event
// loop; the engines outlive its workers.
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "fleet/engine.h"
#include "os/async_event.h"

namespace drover::fleet {

using UsageByInstance = std::map<std::string, Usage>;

// Shared, because a worker whose engine is slow ends after whoever waited has gone on.
class UsageRound {
 public:
  struct Ask {
    std::string instance;
    FleetEngine* engine = nullptr;
    std::string container;
  };

  UsageRound(boost::asio::any_io_executor executor, std::vector<Ask> asks);

  // Asks one by one while there are any: as many of these run as are asked at once.
  static Task<void> work(std::shared_ptr<UsageRound> round);
  // Once all have answered, or at the deadline. Those that did not, or could not say, are not in
  // it, and those that nobody has asked yet are not asked.
  Task<UsageByInstance> answers(std::chrono::steady_clock::time_point deadline);

 private:
  std::vector<Ask> asks_;
  std::size_t next_ = 0;
  std::size_t open_;  // not answered
  UsageByInstance used_;
  os::AsyncEvent answered_;
};

}  // namespace drover::fleet
