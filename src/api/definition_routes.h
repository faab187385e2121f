#pragma once
// Named definitions, task types and agents: read, put and removed.
//
// On the event loop.
#include "api/route_table.h"
#include "store/disk_reserve.h"
#include "worker/definitions.h"

namespace drover::api {

// Spec is contract::TaskType or contract::AgentSpec.
template <class Spec>
class DefinitionRoutes {
 public:
  DefinitionRoutes(worker::Definitions<Spec>& definitions, store::DiskReserve const& reserve)
      : definitions_(definitions), reserve_(reserve) {}
  [[nodiscard]] static RouteTable<DefinitionRoutes> table();

 private:
  Task<Status> list(Call call, net::HttpReply& reply);
  Task<Status> get(Call call, net::HttpReply& reply);
  Task<Status> put(Call call, net::HttpReply& reply);
  Task<Status> remove(Call call, net::HttpReply& reply);

  worker::Definitions<Spec>& definitions_;
  store::DiskReserve const& reserve_;
};

using TaskTypeRoutes = DefinitionRoutes<contract::TaskType>;
using AgentRoutes = DefinitionRoutes<contract::AgentSpec>;

template <>
RouteTable<TaskTypeRoutes> TaskTypeRoutes::table();
template <>
RouteTable<AgentRoutes> AgentRoutes::table();
extern template class DefinitionRoutes<contract::TaskType>;
extern template class DefinitionRoutes<contract::AgentSpec>;

}  // namespace drover::api
