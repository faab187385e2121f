#include "worker/wire.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "worker/run_journal.h"

namespace drover::worker {
namespace {

using contract::RunReason;
using contract::RunState;

RunRecord some_run() {
  RunRecord run;
  run.id = RunId::trusted("run-1");
  run.session = SessionId::trusted("ses-1");
  run.agent = AgentId::trusted("default");
  run.model = "anthropic/some";
  run.workspaces = {
      {WorkspaceId::trusted("app"), contract::WorkspaceMode::rw, contract::Checkout::worktree}};
  run.state = RunState::claimed;
  run.prompt = "do \"it\"\n\u00e4";
  run.limits.max_turns = 7;
  run.limits.max_budget_usd = 0.5;
  run.epoch = 3;
  run.attempts = 2;
  run.turns = 4;
  run.reply = "so far";
  run.detail = "why";
  run.cancel_requested = true;
  run.phases.start_ms = 11;
  run.phases.tool_ms = 12;
  run.created_at = from_unix_ms(1'700'000'000'000);
  CommitRecord commit;
  commit.summary.workspace = WorkspaceId::trusted("app");
  commit.summary.sha = std::string(40, 'a');
  commit.summary.branch = "main";
  commit.summary.files = 1;
  commit.summary.subject = "First";
  commit.parent = std::string(40, 'b');
  run.commits = {commit};
  return run;
}

Assignment some_assignment() {
  RunRecord run = some_run();
  SessionRecord session;
  session.id = run.session;
  session.number = 5;
  session.subject = "dev";
  session.launcher = "user:dev";
  session.agent = run.agent;
  session.model = run.model;
  session.workspaces = run.workspaces;
  session.tools = {"Read", "Bash"};
  session.worktree = "/w/ses-1";
  session.branch = "drover/ses-1";
  session.note = "a note";
  broker::Claim claim;
  claim.entry.run = run.id;
  claim.entry.failed = 1;
  claim.entry.retry.attempts_max = 4;
  claim.epoch = Epoch{3};
  contract::AgentSpec agent;
  agent.name = "default";
  agent.egress = {"example.org"};
  gateway::ReadyModel model;
  model.route.model = "some";
  return Assignment{.claim = claim,
                    .run = run,
                    .session = session,
                    .folders = {{WorkspaceId::trusted("app"), "/src/app"}},
                    .model = model,
                    .agent = agent,
                    .served_last = true,
                    .interactive = true};
}

// Through text, as on the wire.
template <class T>
json::value over_the_wire(T const& value) {
  return json::parse(json::serialize(print(value)));
}

TEST(Wire, AnAssignmentArrivesAsItWasSent) {
  Assignment const sent = some_assignment();
  auto const got = parse_assignment(over_the_wire(sent), WorkerId::trusted("me"));
  ASSERT_TRUE(got) << got.error().text();
  EXPECT_EQ(json::serialize(print(*got)), json::serialize(print(sent)));
  EXPECT_EQ(got->claim.worker.str(), "me");
  EXPECT_EQ(got->claim.epoch, Epoch{3});
  EXPECT_EQ(got->claim.entry.failed, 1);
  EXPECT_EQ(got->claim.entry.retry.attempts_max, 4);
  EXPECT_EQ(got->run.prompt, sent.run.prompt);
  EXPECT_EQ(got->run.limits, sent.run.limits);
  EXPECT_EQ(got->run.created_at, sent.run.created_at);
  EXPECT_TRUE(got->run.cancel_requested);
  EXPECT_EQ(got->run.commits.front().summary, sent.run.commits.front().summary);
  EXPECT_EQ(got->run.commits.front().parent, sent.run.commits.front().parent);
  EXPECT_EQ(got->session.tools, sent.session.tools);
  EXPECT_EQ(got->session.note, "a note");
  EXPECT_EQ(got->folders, sent.folders);
  EXPECT_EQ(got->model->route.model, "some");
  EXPECT_EQ(*got->agent, *sent.agent);
  EXPECT_TRUE(got->served_last);
  EXPECT_TRUE(got->interactive);
}

TEST(Wire, AModelThatCannotBeCalledArrivesWithItsReason) {
  Assignment sent = some_assignment();
  sent.model = fail(ErrorCode::invalid_argument, "no key");
  auto const got = parse_assignment(over_the_wire(sent), WorkerId::trusted("me"));
  ASSERT_TRUE(got) << got.error().text();
  ASSERT_FALSE(got->model);
  EXPECT_EQ(got->model.error().message, "no key");
}

TEST(Wire, AnAgentThatIsGoneArrivesWithItsReason) {
  Assignment sent = some_assignment();
  sent.agent = fail(ErrorCode::not_found, "there is no agent 'dev'");
  auto const got = parse_assignment(over_the_wire(sent), WorkerId::trusted("me"));
  ASSERT_TRUE(got) << got.error().text();
  ASSERT_FALSE(got->agent);
  EXPECT_EQ(got->agent.error().message, "there is no agent 'dev'");
}

WireStep some_step() {
  WireStep step;
  step.kind = WireStep::Kind::finish;
  step.epoch = Epoch{3};
  step.number = 9;
  step.room = Room::of_ends;
  step.change = change_of(some_run());
  step.change.state = RunState::failed;
  step.change.reason = RunReason::timeout;
  step.events = {
      draft(contract::EventType::error, contract::error_draft(head_of(some_run()), "it \"said\""))};
  step.note = "for the next turn";
  step.failure = "lost";
  step.delay = Millis{250};
  return step;
}

TEST(Wire, AStepArrivesAsItWasSent) {
  WireStep const sent = some_step();
  auto const got = parse_step(over_the_wire(sent), RunId::trusted("run-1"));
  ASSERT_TRUE(got) << got.error().text();
  EXPECT_EQ(json::serialize(print(*got)), json::serialize(print(sent)));
  EXPECT_EQ(got->kind, WireStep::Kind::finish);
  EXPECT_EQ(got->number, 9);
  EXPECT_EQ(got->room, Room::of_ends);
  EXPECT_EQ(got->change.reason, RunReason::timeout);
  EXPECT_EQ(got->failure, "lost");
  EXPECT_EQ(got->delay, Millis{250});
  ASSERT_EQ(got->events.size(), 1U);
  EXPECT_EQ(json::parse(got->events.front().json), json::parse(sent.events.front().json));
}

// What each of these says would be believed without the check.
TEST(Wire, AStepSaysNothingThatIsNotItsOwn) {
  RunId const run = RunId::trusted("run-1");
  auto const refused = [&](auto change) {
    WireStep step = some_step();
    change(step);
    return !parse_step(over_the_wire(step), run);
  };
  EXPECT_FALSE(refused([](WireStep&) {}));
  EXPECT_TRUE(refused([](WireStep& step) { step.epoch = Epoch{4}; })) << "events of epoch 3";
  EXPECT_TRUE(refused([](WireStep& step) { step.number = 0; }));
  EXPECT_TRUE(refused([](WireStep& step) { step.change.state = RunState::running; }));
  EXPECT_TRUE(refused([](WireStep& step) { step.change.reason.reset(); }));
  EXPECT_TRUE(refused([](WireStep& step) { step.kind = WireStep::Kind::record; }));
  for (auto const type :
       {contract::EventType::state, contract::EventType::usage, contract::EventType::turn_complete})
    EXPECT_TRUE(refused([type](WireStep& step) {
      step.events.front().type = std::string{contract::to_string(type)};
    }));
  EXPECT_TRUE(refused([](WireStep& step) {
    auto data = json::parse(step.events.front().json).as_object();
    data["seq"] = 1;
    step.events.front().json = json::serialize(data);
  }));
  EXPECT_TRUE(refused([](WireStep& step) {
    auto data = json::parse(step.events.front().json).as_object();
    data["run"] = "run-2";
    step.events.front().json = json::serialize(data);
  }));
}

TEST(Wire, WhatIsNoStepIsRefusedAndNeverRead) {
  RunId const run = RunId::trusted("run-1");
  for (
      std::string_view const text :
      {"null", "[]", "{}", R"({"kind": "append"})", R"({"kind": 1})",
       R"({"kind": "append", "epoch": 1, "number": 1, "run": []})",
       R"({"kind": "append", "epoch": 1, "number": 1, "run": {"state": "flying"}})",
       R"({"kind": "append", "epoch": 1, "number": 1, "run": {"state": "running", "commits": 7}})",
       R"({"kind": "append", "epoch": 1, "number": 1, "run": {"state": "running"}, "events": [1]})",
       R"({"kind": "append", "epoch": "1", "number": 1, "run": {"state": "running"}})"}) {
    auto const step = parse_step(json::parse(text), run);
    ASSERT_FALSE(step) << text;
    EXPECT_EQ(step.error().code, ErrorCode::invalid_argument) << text;
  }
}

TEST(Wire, AWorkersWordLeavesWhatTheServerCounts) {
  RunRecord server = some_run();
  server.cost_microdollars = 500;
  server.usage.input = 70;
  server.phases.model_ms = 33;
  server.turns = 9;
  RunRecord worker = some_run();
  worker.state = RunState::succeeded;
  worker.cost_microdollars = 0;
  worker.turns = 2;
  worker.reply = "done";
  apply(change_of(worker), server);
  EXPECT_EQ(server.state, RunState::succeeded);
  EXPECT_EQ(server.reply, "done");
  EXPECT_EQ(server.cost_microdollars, 500);
  EXPECT_EQ(server.usage.input, 70);
  EXPECT_EQ(server.phases.model_ms, 33);
  EXPECT_EQ(server.turns, 9);
}

TEST(Wire, OrdersArriveAsTheyWereSent) {
  Orders orders;
  orders.version = 12;
  orders.lost = {RunId::trusted("run-1")};
  orders.cancelled = {RunId::trusted("run-2"), RunId::trusted("run-3")};
  orders.released = {SessionId::trusted("ses-1")};
  orders.offers = broker::RedisOffers{
      .stamp = "s", .lanes = {{"train", "gpu", {{"gpu", "a100"}, {"zone", "eu"}}}, {"a", "b"}}};
  auto const got = parse_orders(over_the_wire(orders));
  ASSERT_TRUE(got) << got.error().text();
  EXPECT_EQ(got->version, 12U);
  EXPECT_EQ(got->lost, orders.lost);
  EXPECT_EQ(got->cancelled, orders.cancelled);
  EXPECT_EQ(got->released, orders.released);
  EXPECT_EQ(got->offers, orders.offers);
  orders.offers.reset();
  EXPECT_FALSE(parse_orders(over_the_wire(orders))->offers);
}

}  // namespace
}  // namespace drover::worker
