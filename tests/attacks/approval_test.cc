// A35: the ways round a person's decision on a call. A program inside has the unit's socket and
// token, which is more than an agent's commands have.
#include <chrono>
#include <thread>

#include <boost/json.hpp>

#include "attacks/row.h"
#include "harness/mcp_run.h"

namespace drover::attacks {
namespace {

using harness::last_of;
using harness::McpRun;
using harness::said;
using harness::text_of;
using harness::ToolServer;
using harness::World;

class Approvals : public ::testing::Test {
 protected:
  void serve(std::string const& more = "") {
    harness::write_clerk(world, tools, {{"approve", {"write"}}}, more);
    world.serve();
  }
  // What the harness counts is the truth: what the tool server was really asked.
  [[nodiscard]] std::string made() const { return tools.made(); }

  ToolServer tools;
  World world;
};

TEST_F(Approvals, A35WhatTheModelOrTheUnitSaysIsNoDecision) {
  Row row{"A35", "process", "the model says that the user approved; the unit decides for itself"};
  serve();
  // Its model's first words are that the user has approved everything.
  McpRun run{world};
  auto call = run.call_later("write", "one");
  auto const id = run.approval();
  std::string const decision = R"({"decision":"approve"})";
  std::string const path = "/api/v1/approvals/" + id + "/decision";
  row.expect("on its own socket", std::to_string(run.post(path, decision).status), {"404"});
  net::ClientRequest request;
  request.method = "POST";
  request.url = world.api().url() + path;
  request.headers = {{"authorization", "Bearer " + run.token()},
                     {"content-type", "application/json"}};
  request.body = decision;
  row.expect("at the API", std::to_string(world.api().send(request).status), {"401", "403"});
  auto const event =
      run.post("/v1/events", R"({"type":"approval-resolved","turn_id":")" + run.run().run +
                                 R"(","id":")" + id + R"(","decision":"approved"})");
  row.expect("as an event", std::to_string(event.status), {"400"});
  row.holds("nothing was called", made().empty(), made());
  row.control("a person's decision lets it through",
              run.decide(id, "approve").status == 200 && said(call.get()).contains("did write one"),
              made());
  row.holds("once", made() == "one\n", made());
  (void)run.end();
}

TEST_F(Approvals, A35AnApprovalIsForOneCallAndForWhatItShowed) {
  Row row{"A35", "process",
          "replay an approval; change the arguments behind it; use another run's"};
  serve();
  McpRun run{world, "first"};
  McpRun other{world, "second"};
  auto call = run.call_later("write", "one");
  auto const first = run.approval();
  row.control(
      "the call that was shown is made",
      run.decide(first, "approve").status == 200 && !said(call.get()).empty() && made() == "one\n",
      made());
  auto again = run.call_later("write", "one");
  auto const second = run.approval(2);
  row.holds("the same call again asks again", made() == "one\n" && second != first, made());
  row.expect("the first decision again", std::to_string(run.decide(first, "approve").status),
             {"409"});
  auto changed = run.call_later("write", "two");
  auto const third = run.approval(3);
  auto theirs = other.call_later("write", "one");
  auto const fourth = other.approval();
  auto const digest = text_of(world.api().get("/api/v1/approvals/" + second).body, "digest");
  row.holds("what is approved is named by call and run",
            digest != text_of(world.api().get("/api/v1/approvals/" + third).body, "digest") &&
                digest != text_of(world.api().get("/api/v1/approvals/" + fourth).body, "digest"));
  row.expect("one's digest on another",
             std::to_string(world.api()
                                .post("/api/v1/approvals/" + third + "/decision",
                                      {{"decision", "approve"}, {"digest", digest}})
                                .status),
             {"409"});
  (void)run.decide(second, "reject");
  (void)run.decide(third, "reject");
  row.holds("rejected is not made",
            said(again.get()).contains("rejected") && said(changed.get()).contains("rejected") &&
                made() == "one\n",
            made());
  row.holds("and the other run still waits", other.state_of(fourth) == "pending");
  (void)other.decide(fourth, "reject");
  (void)theirs.get();
  (void)run.end();
  (void)other.end();
}

TEST_F(Approvals, A35WhatNobodyDecidesIsNotMade) {
  Row row{"A35", "process", "wait until the time is over; decide after that"};
  serve("approval_timeout_s = 1\n");
  McpRun run{world};
  auto call = run.call_later("write", "late");
  auto const id = run.approval();
  row.holds("silence is no", said(call.get()).contains("nobody decided"), made());
  row.expect("its state", run.state_of(id), {"expired"});
  row.expect("a late decision", std::to_string(run.decide(id, "approve").status), {"409"});
  row.holds("nothing was called", made().empty(), made());
  row.control("a tool that needs nobody is called",
              said(run.call("read", "x")).contains("did read"), made());
  auto const events = run.end();
  row.expect("the event", text_of(last_of(events, "approval-resolved"), "decision"), {"expired"});
}

TEST_F(Approvals, A35ADecisionForAnAttemptThatIsOverIsTaken) {
  Row row{"A35", "process", "approve after the run was cancelled, or after the server was killed"};
  serve();
  std::string id;
  {
    McpRun run{world, "first"};
    auto call = run.call_later("write", "cancelled");
    id = run.approval();
    row.control("it waits", run.state_of(id) == "pending");
    (void)world.api().post("/api/v1/runs/" + run.run().run + "/cancel", {});
    auto const events = run.end();
    row.expect("of a cancelled run", run.state_of(id), {"expired"});
    row.expect("its decision", std::to_string(run.decide(id, "approve").status), {"409"});
    row.holds("the stream says so before its end",
              text_of(last_of(events, "approval-resolved"), "decision") == "expired" &&
                  events.back().type == "turn-complete");
    (void)call.get();
  }
  McpRun run{world, "second"};
  row.control("its program runs",
              said(run.call("read", "x")).contains("did read") && tools.running() > 0);
  auto call = run.call_later("write", "killed");
  id = run.approval();
  world.kill_server();
  row.holds("the program ends with its server",
            harness::eventually([this] { return tools.running() == 0; }));
  (void)call.get();
  world.serve();
  row.expect("after a kill", run.state_of(id), {"expired"});
  row.expect("its decision then", std::to_string(run.decide(id, "approve").status), {"409"});
  row.holds("nothing was called", made() == "x\n", made());
  auto const events = run.end();
  row.expect("the run goes on", text_of(events.back().data, "state"), {"succeeded"});
}

}  // namespace
}  // namespace drover::attacks
