#pragma once
// Who changed which definition: listed, and one of them whole.
//
// On the event loop.
#include "api/route_table.h"
#include "store/reader.h"

namespace drover::api {

class AuditRoutes {
 public:
  explicit AuditRoutes(store::Readers& readers) : readers_(readers) {}
  [[nodiscard]] static RouteTable<AuditRoutes> table();

 private:
  Task<Status> list(Call call, net::HttpReply& reply);
  Task<Status> get(Call call, net::HttpReply& reply);

  store::Readers& readers_;
};

}  // namespace drover::api
