#include "worker/queue_limits.h"

#include <cmath>
#include <utility>

#include <boost/json.hpp>

#include "contract/schemas.h"

namespace drover::worker {

namespace {

// The readers trust the schema. It takes 2.0 for an integer.
std::int64_t integer_at(json::object const& object, std::string_view key, std::int64_t usual) {
  auto const* const value = object.if_contains(key);
  return value == nullptr ? usual : std::llround(value->to_number<double>());
}

broker::RateLimit rate_of(json::object const& object) {
  broker::RateLimit rate;
  rate.count = integer_at(object, "count", rate.count);
  rate.burst = integer_at(object, "burst", rate.burst);
  if (auto const* const period = object.if_contains("per_s"))
    rate.period = Millis{std::llround(period->to_number<double>() * 1000)};
  return rate;
}

broker::GateLimit gate_of(json::object const& object) {
  broker::GateLimit limit;
  if (object.contains("concurrency")) limit.concurrency_max = integer_at(object, "concurrency", 1);
  if (auto const* const rate = object.if_contains("rate")) limit.rate = rate_of(rate->get_object());
  return limit;
}

broker::TenantLimit tenant_of(json::object const& object) {
  broker::TenantLimit tenant;
  tenant.weight = integer_at(object, "weight", tenant.weight);
  tenant.limit = gate_of(object);
  return tenant;
}

json::object to_json(broker::GateLimit const& limit) {
  json::object out;
  if (limit.concurrency_max) out["concurrency"] = *limit.concurrency_max;
  if (!limit.rate) return out;
  std::int64_t const ms = limit.rate->period.count();
  json::object rate{{"count", limit.rate->count}, {"per_s", nullptr}, {"burst", limit.rate->burst}};
  if (ms % 1000 == 0) {
    rate["per_s"] = ms / 1000;
  } else {
    rate["per_s"] = static_cast<double>(ms) / 1000;
  }
  out["rate"] = std::move(rate);
  return out;
}

json::object to_json(broker::TenantLimit const& tenant) {
  json::object out;
  if (tenant.weight != broker::TenantLimit{}.weight) out["weight"] = tenant.weight;
  json::object const limit = to_json(tenant.limit);
  out.insert(limit.begin(), limit.end());
  return out;
}

void put(json::object& out, std::string_view key, json::object inner) {
  if (!inner.empty()) out[key] = std::move(inner);
}

}  // namespace

Result<broker::QueueLimits> parse_queue_limits(json::value const& value) {
  DROVER_TRY(contract::check(contract::Contract::queue, "queueLimits", value));
  json::object const& object = value.get_object();
  broker::QueueLimits limits;
  if (auto const* const global = object.if_contains("global"))
    limits.global = gate_of(global->get_object());
  if (auto const* const tenant = object.if_contains("tenant"))
    limits.tenant = tenant_of(tenant->get_object());
  if (auto const* const tenants = object.if_contains("tenants"))
    for (auto const& member : tenants->get_object())
      limits.tenants[std::string{member.key()}] = tenant_of(member.value().get_object());
  if (auto const* const keys = object.if_contains("keys"))
    for (auto const& member : keys->get_object())
      limits.keys[std::string{member.key()}] = gate_of(member.value().get_object());
  DROVER_TRY(broker::check_limits(limits));
  return limits;
}

json::object to_json(broker::QueueLimits const& limits) {
  json::object out;
  put(out, "global", to_json(limits.global));
  put(out, "tenant", to_json(limits.tenant));
  // One that is named without a limit is not bound by `tenant`, so it is printed.
  json::object tenants;
  for (auto const& [name, tenant] : limits.tenants)
    tenants[name] = to_json(tenant);
  put(out, "tenants", std::move(tenants));
  json::object keys;
  for (auto const& [name, key] : limits.keys)
    keys[name] = to_json(key);
  put(out, "keys", std::move(keys));
  return out;
}

}  // namespace drover::worker
