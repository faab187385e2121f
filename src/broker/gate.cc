#include "broker/gate.h"

#include "base/check.h"
#include "base/text.h"
#include "broker/fair_order.h"

namespace drover::broker {

namespace {

Status check_gate(GateLimit const& limit) {
  if (limit.concurrency_max && *limit.concurrency_max < 1)
    return fail(ErrorCode::invalid_argument, "a concurrency limit is at least 1, not {}",
                *limit.concurrency_max);
  if (limit.rate) return check_rate_limit(*limit.rate);
  return {};
}

Status check_tenant(TenantLimit const& tenant) {
  if (tenant.weight < 1 || tenant.weight > kWeightMax)
    return fail(ErrorCode::invalid_argument, "a tenant's weight is 1 to {}, not {}", kWeightMax,
                tenant.weight);
  return check_gate(tenant.limit);
}

}  // namespace

TenantLimit const& QueueLimits::of_tenant(std::string const& name) const {
  auto const found = tenants.find(name);
  return found == tenants.end() ? tenant : found->second;
}

GateLimit QueueLimits::of_key(std::string const& name) const {
  auto const found = keys.find(name);
  return found == keys.end() ? GateLimit{} : found->second;
}

Status check_limits(QueueLimits const& limits) {
  DROVER_TRY(check_gate(limits.global));
  DROVER_TRY(check_tenant(limits.tenant));
  for (auto const& [name, tenant] : limits.tenants)
    DROVER_TRY(check_tenant(tenant));
  for (auto const& [name, key] : limits.keys)
    DROVER_TRY(check_gate(key));
  return {};
}

Gate::Gate(GateLimit const& limit, BootTime started) : configured_max_(limit.concurrency_max) {
  if (limit.rate) tokens_.emplace(*limit.rate, started);
}

void Gate::want(std::int64_t concurrency_max) {
  ++wanted_[concurrency_max];
}

void Gate::unwant(std::int64_t concurrency_max) {
  auto const found = wanted_.find(concurrency_max);
  DROVER_CHECK(found != wanted_.end());
  if (--found->second == 0) wanted_.erase(found);
}

bool Gate::full() const {
  if (configured_max_) return claimed_ >= *configured_max_;
  return !wanted_.empty() && claimed_ >= wanted_.begin()->first;
}

void Gate::take(BootTime now) {
  DROVER_CHECK(open(now));
  ++claimed_;
  if (tokens_) tokens_->take(now);
}

void Gate::give_back() {
  DROVER_CHECK(claimed_ > 0);
  --claimed_;
}

bool Gate::even(BootTime now) const {
  return claimed_ == 0 && wanted_.empty() && (!tokens_ || tokens_->full_at() <= now);
}

std::optional<BootTime> Gate::even_at() const {
  if (!tokens_) return std::nullopt;
  return tokens_->full_at();
}

}  // namespace drover::broker
