#pragma once
// Workflow runs that this server drives: made, listed, shown, and what is done to them.
//
// On the event loop.
#include "api/route_table.h"
#include "driver/driver.h"

namespace drover::api {

class WorkflowRoutes {
 public:
  WorkflowRoutes(store::Readers& readers, driver::Driver& driver)
      : readers_(readers), driver_(driver) {}
  [[nodiscard]] static RouteTable<WorkflowRoutes> table();

 private:
  Task<Status> create_workflow(Call call, net::HttpReply& reply);
  Task<Status> list_workflows(Call call, net::HttpReply& reply);
  Task<Status> get_workflow(Call call, net::HttpReply& reply);
  Task<Status> list_events(Call call, net::HttpReply& reply);
  Task<Status> list_tasks(Call call, net::HttpReply& reply);
  Task<Status> get_task(Call call, net::HttpReply& reply);
  Task<Status> post_result(Call call, net::HttpReply& reply);
  Task<Status> cancel_task(Call call, net::HttpReply& reply);
  Task<Status> send_signal(Call call, net::HttpReply& reply);
  Task<Status> query_workflow(Call call, net::HttpReply& reply);
  Task<Status> cancel_workflow(Call call, net::HttpReply& reply);
  Task<Status> read(Call call, driver::Driver::Reading reading, net::HttpReply& reply);

  store::Readers& readers_;
  driver::Driver& driver_;
};

}  // namespace drover::api
