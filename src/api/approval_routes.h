#pragma once
// Decisions that wait for a person: listed, shown, made.
//
// On the event loop.
#include "api/route_table.h"
#include "worker/proposals.h"
#include "worker/services.h"
#include "worker/tool_approvals.h"
#include "workflow/breakpoint_carrier.h"

namespace drover::api {

class ApprovalRoutes {
 public:
  ApprovalRoutes(worker::Services const& services, worker::Proposals& proposals,
                 worker::ToolApprovals& calls, workflow::BreakpointCarrier& breakpoints)
      : services_(services), proposals_(proposals), calls_(calls), breakpoints_(breakpoints) {}
  [[nodiscard]] static RouteTable<ApprovalRoutes> table();

 private:
  Task<Status> list_approvals(Call call, net::HttpReply& reply);
  Task<Status> get_approval(Call call, net::HttpReply& reply);
  Task<Status> decide_approval(Call call, net::HttpReply& reply);
  Task<Result<worker::Approval>> find(worker::ApprovalId id);
  // Each kind is decided where it waits.
  Task<Result<worker::Approval>> decide(worker::Approval approval, worker::Decision decision,
                                        std::string comment, std::string response);

  worker::Services const& services_;
  worker::Proposals& proposals_;
  worker::ToolApprovals& calls_;
  workflow::BreakpointCarrier& breakpoints_;
};

}  // namespace drover::api
