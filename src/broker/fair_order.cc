#include "broker/fair_order.h"

#include <algorithm>

#include "base/check.h"

namespace drover::broker {

void FairOrder::add(std::string const& tenant) {
  Tenant& one = tenants_[tenant];
  if (one.entries++ > 0) return;
  idle_.erase({one.tag, tenant});
  one.tag = std::max(one.tag, now_);
}

void FairOrder::remove(std::string const& tenant) {
  auto const found = tenants_.find(tenant);
  DROVER_CHECK(found != tenants_.end() && found->second.entries > 0);
  if (--found->second.entries > 0) return;
  if (found->second.tag > now_) {
    idle_.emplace(found->second.tag, tenant);
  } else {
    tenants_.erase(found);
  }
}

FairOrder::Tag FairOrder::tag(std::string_view tenant) const {
  auto const found = tenants_.find(tenant);
  DROVER_CHECK(found != tenants_.end());
  return found->second.tag;
}

void FairOrder::serve(std::string_view tenant, std::int64_t weight) {
  auto const found = tenants_.find(tenant);
  DROVER_CHECK(found != tenants_.end() && weight >= 1 && weight <= kWeightMax);
  Tag const start = std::max(found->second.tag, now_ - kOwedMax * kTurn);
  found->second.tag = start + kTurn / weight;
  if (start <= now_) return;
  now_ = start;
  forget_even();
}

// An idle tenant whose tag has been passed is as good as a new one.
void FairOrder::forget_even() {
  while (!idle_.empty() && idle_.begin()->first <= now_) {
    tenants_.erase(idle_.begin()->second);
    idle_.erase(idle_.begin());
  }
}

}  // namespace drover::broker
