#include "api/fleet_view.h"

#include <algorithm>
#include <array>

#include <boost/json.hpp>

#include "base/text.h"

namespace drover::api {

namespace {

constexpr double kMicrosOfUnit = 1e6;

// The worst first.
constexpr std::array<std::string_view, 7> kStates{"foreign",  "failed",  "crash_loop", "unhealthy",
                                                  "starting", "running", "stopped"};

json::array names_of(std::vector<std::string> const& names) {
  json::array array;
  for (auto const& name : names)
    array.push_back(json::string{name});
  return array;
}

std::size_t rank(json::value const& instance) {
  auto const& state = instance.get_object().at("state").get_string();
  auto const found = std::ranges::find(kStates, std::string_view{state});
  return static_cast<std::size_t>(found - kStates.begin());
}

}  // namespace

json::object fleet_instance(fleet::InstanceStatus const& status,
                            std::optional<fleet::Usage> const& usage) {
  auto const& one = status.instance;
  json::object out{{"instance", json::string{one.name}},
                   {"agent", json::string{one.of.agent}},
                   {"replica", one.of.number},
                   {"backend", json::string{one.backend}},
                   {"state", fleet::to_string(status.health.state)},
                   {"reason", json::string{to_utf8(status.health.reason)}},
                   {"since", to_rfc3339(status.since)},
                   {"wanted", status.wanted},
                   {"restarts", status.restarts},
                   {"container", nullptr},
                   {"image", nullptr},
                   {"spec", nullptr},
                   {"heartbeat", nullptr},
                   {"busy", nullptr},
                   {"retry_in_s", nullptr},
                   {"memory_bytes", nullptr},
                   {"cpu_s", nullptr}};
  if (!one.container.empty()) out["container"] = json::string{one.container};
  if (!one.hash.empty()) out["spec"] = json::string{one.hash};
  if (!status.image.empty()) out["image"] = json::string{to_utf8(status.image)};
  if (status.heartbeat) out["heartbeat"] = to_rfc3339(*status.heartbeat);
  if (status.busy) out["busy"] = *status.busy == fleet::Busy::yes;
  if (status.retry_in > Millis{0})
    out["retry_in_s"] = std::chrono::ceil<std::chrono::seconds>(status.retry_in).count();
  if (usage) {
    out["memory_bytes"] = usage->memory_bytes;
    out["cpu_s"] = static_cast<double>(usage->cpu_us) / kMicrosOfUnit;
  }
  return out;
}

json::object fleet_agent(std::string const& agent, json::array instances) {
  auto const worst = std::ranges::min_element(instances, {}, rank);
  json::string const state = worst == instances.end()
                                 ? json::string{"stopped"}
                                 : worst->get_object().at("state").get_string();
  return {{"agent", json::string{agent}}, {"state", state}, {"instances", std::move(instances)}};
}

json::object fleet_spend(fleet::AgentSpend const& spend) {
  return {{"runs", spend.runs},
          {"input_tokens", spend.input_tokens},
          {"output_tokens", spend.output_tokens},
          {"cost_usd", static_cast<double>(spend.cost_microdollars) / kMicrosOfUnit}};
}

json::object fleet_summary(fleet::Summary const& summary) {
  json::array failed;
  for (auto const& failure : summary.failed)
    failed.push_back(json::object{{"instance", json::string{failure.instance}},
                                  {"reason", json::string{to_utf8(failure.error.text())}}});
  json::object const counts{{"created", summary.created.size()},
                            {"removed", summary.removed.size()},
                            {"unchanged", summary.unchanged.size()},
                            {"updated", summary.updated.size()},
                            {"failed", summary.failed.size()}};
  return {{"counts", counts},
          {"created", names_of(summary.created)},
          {"removed", names_of(summary.removed)},
          {"unchanged", names_of(summary.unchanged)},
          {"updated", names_of(summary.updated)},
          {"failed", std::move(failed)}};
}

}  // namespace drover::api
