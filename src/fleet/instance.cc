#include "fleet/instance.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/digest.h"
#include "runtime/container_spec.h"

namespace drover::fleet {

namespace {

// Another number makes every container anew: how they are made has changed.
constexpr int kContainerVersion = 1;
// Of a slug, with room for a server's mark and the number of an incarnation.
constexpr std::size_t kIdBytesMax = 46;
constexpr std::size_t kDigestShown = 32;

}  // namespace

std::string instance_name(Replica const& replica) {
  if (replica.number == 1) return replica.agent;
  return fmt::format("{}-{}", replica.agent, replica.number);
}

WorkloadId workload_id(std::string_view instance) {
  std::string id = fmt::format("{}-{}", kResidentProfile, instance);
  if (id.size() > kIdBytesMax)
    id = fmt::format("{}-{}", kResidentProfile, sha256_hex(instance).substr(0, kDigestShown));
  return WorkloadId::trusted(std::move(id));
}

std::string container_name(std::string_view prefix, std::string_view instance) {
  return fmt::format("{}-{}", prefix, instance);
}

std::string next_name(std::string_view prefix, std::string_view instance) {
  return container_name(prefix, instance) + ".next";
}

std::string volume_name(std::string_view prefix, std::string_view instance) {
  return container_name(prefix, instance) + "-state";
}

std::string spec_hash(Instance const& instance, std::string_view program) {
  auto const& sandbox = instance.workload.sandbox;
  json::array const all{kContainerVersion, instance.name,
                        instance.of.agent, instance.backend,
                        instance.volume,   sandbox.rootfs,
                        program,           runtime::spec_digest(instance.workload)};
  return sha256_hex(json::serialize(all)).substr(0, kDigestShown);
}

}  // namespace drover::fleet
