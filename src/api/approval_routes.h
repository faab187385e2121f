#pragma once
// Decisions that wait for a person: listed, shown, made.
//
// On the event loop.
#include "api/route_table.h"
#include "driver/breakpoint_carrier.h"
#include "worker/proposals.h"
#include "worker/services.h"
#include "worker/tool_approvals.h"

namespace drover::api {

// What a person says.
struct ApprovalAnswer {
  worker::Decision decision = worker::Decision::reject;
  std::string digest;
  std::string comment;
  std::string response;
};

class ApprovalRoutes {
 public:
  ApprovalRoutes(worker::Services const& services, worker::Proposals& proposals,
                 worker::ToolApprovals& calls, driver::BreakpointCarrier& breakpoints)
      : services_(services), proposals_(proposals), calls_(calls), breakpoints_(breakpoints) {}
  [[nodiscard]] static RouteTable<ApprovalRoutes> table();

 private:
  Task<Status> list_approvals(Call call, net::HttpReply& reply);
  Task<Status> get_approval(Call call, net::HttpReply& reply);
  Task<Status> decide_approval(Call call, net::HttpReply& reply);
  Task<Result<worker::Approval>> find(worker::ApprovalId id);
  // Each kind is decided where it waits.
  Task<Result<worker::Approval>> decide(worker::Approval approval, ApprovalAnswer answer);

  worker::Services const& services_;
  worker::Proposals& proposals_;
  worker::ToolApprovals& calls_;
  driver::BreakpointCarrier& breakpoints_;
};

}  // namespace drover::api
