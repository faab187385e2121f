#pragma once
// The control store itself: every step of a run is one transaction of the writer.
#include <functional>
#include <map>

#include "worker/control.h"
#include "worker/mcp_desk.h"
#include "worker/services.h"
#include "worker/turn_account.h"

namespace drover::worker {

class StoreControl final : public Control {
 public:
  StoreControl(Services const& services, McpDesk& mcp) : services_(services), mcp_(mcp) {}

  // Ends the warm unit that a worker may have of a session, before another worker has its turn: it
  // holds the session's journal.
  using Release = std::function<Task<void>(SessionId session, WorkerId worker)>;
  void on_move(Release release) { release_ = std::move(release); }

  Task<Result<std::vector<broker::Claim>>> claim(ClaimWish wish) override;
  // The server stops its queue, which ends every wait for it.
  void close_claims() override { closed_ = true; }
  Task<Result<Assignment>> take(broker::Claim claim) override;
  Task<Result<std::vector<RunId>>> renew(std::vector<broker::Claim> claims, Millis lease) override;
  void hand_over(RunId const&) override {}
  Task<Status> lose(broker::Claim claim) override;
  Task<Status> append(Step step, Room room) override;
  Task<Status> record(Step step, Room room) override;
  Task<Status> finish(Step step, SessionRecord session) override;
  Task<Status> put_back(PutBack back) override;
  Task<Status> serve_model(TurnPtr turn, net::HttpRequest request, net::HttpReply& reply) override;
  Task<Status> serve_mcp(TurnPtr turn, net::HttpRequest request, net::HttpReply& reply) override;

 private:
  Task<Status> record_call(TurnPtr turn, TurnAccount const& account,
                           gateway::CallReport const& report);
  template <class Work>
  Task<Status> write(Work work, Room room);

  Services const& services_;
  McpDesk& mcp_;
  // Who took the session's last run.
  std::map<SessionId, WorkerId> served_;
  Release release_;
  bool closed_ = false;
};

}  // namespace drover::worker
