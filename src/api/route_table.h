#pragma once
// How a domain's routes are written down: a class with a static `table()`, whose handlers are its
// members.
#include <span>
#include <string>
#include <string_view>

#include "api/router.h"

namespace drover::api {

struct RouteName {
  std::string_view method;
  std::string_view pattern;
  // operationId in the OpenAPI document; empty: a page of the dashboard, and not of the API
  std::string_view operation;
};

template <class Routes>
struct RouteEntry {
  RouteName name;
  Access access;
  Task<Status> (Routes::*handler)(Call, net::HttpReply&);
};

template <class Routes>
using RouteTable = std::span<RouteEntry<Routes> const>;

// `routes` outlives the router.
template <class Routes>
void add_routes(Router& router, Routes& routes) {
  for (RouteEntry<Routes> const& entry : Routes::table())
    router.add({std::string{entry.name.method}, std::string{entry.name.pattern}, entry.access,
                [&routes, handler = entry.handler](Call call, net::HttpReply& reply) {
                  return (routes.*handler)(std::move(call), reply);
                }});
}

}  // namespace drover::api
