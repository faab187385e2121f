#include "worker/warm_units.h"

#include <utility>

#include "base/log.h"
#include "worker/unit_spec.h"

namespace drover::worker {

WarmUnits::WarmUnits(Services const& services)
    : services_(services), changed_(services.io.get_executor()) {}

std::vector<runtime::WarmWish> WarmUnits::wishes() const {
  std::vector<runtime::WarmWish> wishes;
  for (RegisteredAgent const& agent : services_.agents.list())
    if (agent.spec.enabled && agent.spec.warm > 0)
      wishes.push_back(warm_wish(agent.spec, services_.options.unit_program));
  return wishes;
}

Task<void> WarmUnits::keep(std::vector<runtime::WarmWish> wishes) {
  auto const kept = co_await services_.runtime.keep_warm(std::move(wishes));
  if (!kept) log::warn("warm-units-not-kept", {{"reason", kept.error().text()}});
}

Task<void> WarmUnits::run() {
  while (!stopping_) {
    auto const seen = changed_.version();
    auto wanted = wishes();
    co_await keep(std::move(wanted));
    co_await changed_.wait(seen);
  }
  std::vector<runtime::WarmWish> none;
  co_await keep(std::move(none));
}

void WarmUnits::stop() {
  stopping_ = true;
  changed_.notify();
}

}  // namespace drover::worker
