// Workspaces that are granted `propose`: a person decides what becomes of the changes.
#include <gtest/gtest.h>

#include <memory>

#include <boost/json.hpp>

#include "harness/world.h"

namespace drover::harness {
namespace {

constexpr std::string_view kWrites = R"([
  {"tool_calls": [{"name": "Bash", "input": {"command": "echo one > one.txt"}}]},
  {"text": "Add one"},
  {"tool_calls": [{"name": "Bash", "input": {"command": "echo two > two.txt"}}]},
  {"text": "Add two"}])";

class Proposals : public ::testing::Test {
 protected:
  Proposals() {
    world.serve();
    api.reset(new Api(world.api()));
    auto invocation =
        World::invocation(api->add_workspace(repository.path()), world.model(kWrites), "go");
    invocation.at("workspaces").at(0).as_object()["mode"] = "propose";
    invocation.at("workspaces").at(0).as_object().erase("checkout");
    run = api->dispatch(invocation);
    events = api->events(run);
  }
  json::array approvals(std::string const& query = "?state=pending") {
    return api->get("/api/v1/approvals" + query).body.at("approvals").as_array();
  }
  std::string pending() {
    auto const all = approvals();
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? "" : text_of(all.at(0).as_object(), "id");
  }
  Reply decide(std::string const& id, json::object const& answer) {
    return api->post("/api/v1/approvals/" + id + "/decision", answer);
  }

  World world;
  Repository repository = world.repository("project");
  std::unique_ptr<Api> api;
  RunRef run;
  std::vector<Event> events;
};

TEST_F(Proposals, NothingIsChangedUntilItIsApproved) {
  EXPECT_EQ(fault_of(events, run.run), "");
  EXPECT_EQ(text_of(events.back().data, "state"), "succeeded");
  auto const asked = last_of(events, "approval-requested");
  std::string const id = pending();
  EXPECT_EQ(text_of(asked, "id"), id);
  EXPECT_EQ(text_of(asked, "kind"), "change");
  EXPECT_FALSE(repository.has("one.txt"));
  EXPECT_EQ(repository.status(), "");
  EXPECT_EQ(api->post("/api/v1/sessions/" + run.session + "/land", {}).status, 409)
      << "nobody lands it past the decision";

  EXPECT_EQ(decide(id, {{"decision", "perhaps"}}).status, 400);
  EXPECT_EQ(decide(id, {{"decision", "approve"}, {"digest", "0"}}).status, 409);
  EXPECT_FALSE(repository.has("one.txt"));
  auto const listed = world.drover({"approvals"});
  EXPECT_TRUE(listed.text().contains(id)) << listed.text();
  auto const approved = world.drover({"approvals", "approve", id, "--comment", "good"});
  EXPECT_EQ(approved.exit_code, 0) << approved.text();
  EXPECT_TRUE(repository.has("one.txt"));
  EXPECT_EQ(repository.status(), "");
  EXPECT_EQ(decide(id, {{"decision", "reject"}}).status, 409) << "a decision is made once";
  auto const kept = api->get("/api/v1/approvals/" + id).body;
  EXPECT_EQ(text_of(kept, "state"), "approved");
  EXPECT_EQ(text_of(kept, "comment"), "good");
}

TEST_F(Proposals, WhatIsRejectedIsKeptAsideAndTheNextTurnStartsFromWhereItWas) {
  EXPECT_EQ(decide(pending(), {{"decision", "reject"}}).status, 200);
  EXPECT_FALSE(repository.has("one.txt"));
  EXPECT_EQ(repository.git({"show", "refs/drover/rescue/" + run.run + ":one.txt"}), "one");
  auto const next = api->send_message(run.session, "go on");
  EXPECT_EQ(text_of(api->events(next).back().data, "state"), "succeeded");
  EXPECT_EQ(decide(pending(), {{"decision", "approve"}}).status, 200);
  EXPECT_FALSE(repository.has("one.txt"));
  EXPECT_TRUE(repository.has("two.txt"));
}

TEST_F(Proposals, ALaterTurnTakesTheEarlierOneAlong) {
  std::string const first = pending();
  (void)api->events(api->send_message(run.session, "go on"));
  std::string const second = pending();
  EXPECT_NE(first, second);
  EXPECT_EQ(decide(first, {{"decision", "approve"}}).status, 409);
  world.stop_server();
  world.serve();
  api.reset(new Api(world.api()));
  EXPECT_EQ(decide(second, {{"decision", "approve"}}).status, 200);
  EXPECT_TRUE(repository.has("one.txt"));
  EXPECT_TRUE(repository.has("two.txt"));
}

// The user's own work stands in the way: both stay, and the decision can be made again.
TEST_F(Proposals, OneThatCannotBeMergedStaysPending) {
  repository.write("one.txt", "mine\n");
  repository.git({"add", "."});
  repository.git({"commit", "-q", "-m", "Mine"});
  std::string const id = pending();
  auto const refused = decide(id, {{"decision", "approve"}});
  EXPECT_EQ(refused.status, 409) << refused.text;
  EXPECT_TRUE(refused.error_text().contains("conflict")) << refused.text;
  EXPECT_EQ(pending(), id);
  EXPECT_EQ(decide(id, {{"decision", "reject"}}).status, 200);
}

}  // namespace
}  // namespace drover::harness
