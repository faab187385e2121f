// A third-party worker: a program of others that serves a session's unit over Redis with nothing
// but what `drover sessions env` prints.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "harness/world.h"
#include "os/files.h"
#include "redis/connection.h"
#include "redis/redis_server.h"
#include "store/scratch.h"

namespace drover::harness {
namespace {

using redis::Command;
using test::RedisServer;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kRunner = "command:reviewer";
constexpr Millis kSoon{5'000};

using Variables = std::map<std::string, std::string>;

struct GivenTurn {
  std::string id;  // of its entry
  json::object turn;
  [[nodiscard]] std::string name() const { return text_of(turn, "turn_id"); }
};

// What such a program does, step by step, on the loop of the test.
class Worker {
 public:
  explicit Worker(Variables variables) : variables_(std::move(variables)) {}
  ~Worker() { leave(); }
  Worker(Worker const&) = delete;
  Worker& operator=(Worker const&) = delete;

  [[nodiscard]] bool try_to_come() {
    auto const endpoint = redis::parse_endpoint(variables_.at("REDIS_URL"));
    if (!endpoint) throw std::runtime_error(endpoint.error().text());
    auto opened =
        store::finish(loop_, redis::Connection::open(loop_.get_executor(), *endpoint, {}));
    if (opened) connection_ = *std::move(opened);
    return opened.has_value();
  }
  // Its user is there as soon as a turn is, and until the unit ends.
  void come() {
    if (!eventually([this] { return try_to_come(); })) throw std::runtime_error("not let in");
  }
  void leave() {
    if (connection_) connection_->close({ErrorCode::cancelled, "the worker leaves", {}});
    connection_.reset();
    loop_.restart();
    loop_.run();
  }
  redis::Reply call(Command command) {
    auto replies = store::finish(loop_, connection_->pipeline({std::move(command)}, kSoon));
    if (!replies) return {redis::Reply::Kind::error, "GONE " + replies.error().message, 0, {}};
    return replies->front();
  }
  // The next one behind what it has seen.
  GivenTurn turn() {
    auto const reply = call({"XREAD", "BLOCK", "4000", "COUNT", "1", "STREAMS",
                             variables_.at("VEXA_UNIT_IN_TOPIC"), seen_});
    if (!reply.is_array()) throw std::runtime_error("no turn came: " + reply.text);
    auto const& entry = reply.items[0].items[1].items[0];
    EXPECT_EQ(entry.items[1].items[0].text, "turn");
    seen_ = entry.items[0].text;
    return {seen_, json::parse(entry.items[1].items[1].text).as_object()};
  }
  redis::Reply say_text(std::string text, std::string id = "*") {
    return call(
        {"XADD", variables_.at("VEXA_UNIT_OUT_TOPIC"), std::move(id), "event", std::move(text)});
  }
  redis::Reply say(json::object const& event, std::string id = "*") {
    return say_text(json::serialize(event), std::move(id));
  }
  // Whether the turn is this program's: of several, one gets the id.
  [[nodiscard]] bool take(GivenTurn const& given) {
    return !say({{"type", "turn-accepted"},
                 {"turn_id", json::string{given.name()}},
                 {"nonce", given.turn.at("nonce")}},
                given.id)
                .is_error();
  }
  void say_delta(std::string const& name, std::string const& text) {
    say({{"type", "message-delta"}, {"turn_id", json::string{name}}, {"text", json::string{text}}});
  }
  void finish(std::string const& name, std::string const& reply) {
    auto const said = say({{"type", "done"},
                           {"turn_id", json::string{name}},
                           {"ok", true},
                           {"reply", json::string{reply}},
                           {"sessionId", json::string{variables_.at("VEXA_CHAT_SESSION")}}});
    EXPECT_FALSE(said.is_error()) << said.text;
  }
  [[nodiscard]] Variables const& variables() const { return variables_; }

 private:
  Variables variables_;
  boost::asio::io_context loop_;
  std::shared_ptr<redis::Connection> connection_;
  std::string seen_ = "0";
};

class ThirdParty : public ::testing::Test {
 protected:
  ThirdParty() : repository_(world_.repository("project")) {
    world_.set_variable("DROVER_BROKER", redis_.url());
    world_.set_variable("DROVER_THIRD_PARTY_RUNNERS", std::string{kRunner});
  }
  // While there is a Redis, for a server without one waits before it gives up telling it things.
  void TearDown() override {
    if (serves_) world_.stop_server();
  }
  void serve() {
    world_.serve();
    serves_ = true;
    ASSERT_TRUE(eventually([&] { return broker_state() == "ok"; }, kSoon));
  }
  std::string broker_state() { return text_of(world_.api().get("/api/v1/broker").body, "state"); }

  RunRef dispatch() {
    Api api = world_.api();
    auto invocation = World::invocation(
        api.add_workspace(repository_.path()),
        world_.model(R"([{"repeat": 100, "text": "Think.", "usage": {"input": 10, "output": 5}}])"),
        "review it");
    invocation["runner"] = kRunner;
    return api.dispatch(invocation);
  }
  Variables environment(std::string const& session) {
    auto const printed = world_.drover({"sessions", "env", session});
    EXPECT_EQ(printed.exit_code, 0) << printed.text();
    Variables variables;
    std::istringstream lines{printed.out};
    for (std::string line; std::getline(lines, line);)
      variables.emplace(line.substr(0, line.find('=')), line.substr(line.find('=') + 1));
    return variables;
  }
  json::object end_of(RunRef const& run) {
    auto const events = world_.api().events(run);
    EXPECT_EQ(fault_of(events, run.run), "");
    return events.back().data;
  }
  // A run whose turn a program has been given.
  struct Begun {
    explicit Begun(ThirdParty& test) : run(test.dispatch()), worker(test.environment(run.session)) {
      worker.come();
      given = worker.turn();
    }
    RunRef run;
    Worker worker;
    GivenTurn given;
  };
  // Only those that are drover's.
  std::string unit_users() {
    std::string users;
    std::istringstream lines{redis_.cli({"ACL", "USERS"})};
    for (std::string line; std::getline(lines, line);)
      if (line.contains("drover-unit-")) users += line + "\n";
    return users;
  }

  World world_;
  Repository repository_;
  RedisServer redis_;  // ends before the world looks for what is left
  bool serves_ = false;
};

TEST_F(ThirdParty, DoesTurnsWithWhatItIsGivenAndTheirChangesAreCommitted) {
  serve();
  Begun begun{*this};
  auto& [run, worker, given] = begun;
  EXPECT_EQ(text_of(given.turn, "type"), "message");
  EXPECT_EQ(text_of(given.turn, "prompt"), "review it");
  EXPECT_EQ(text_of(given.turn, "run"), run.run);
  ASSERT_TRUE(worker.take(given));
  worker.say_delta(given.name(), "Looking.");

  auto const mounts = json::parse(worker.variables().at("VEXA_MOUNTS")).as_array();
  std::string const folder{mounts.at(0).at("path").as_string()};
  ASSERT_TRUE(os::write_file_atomic(folder + "/review.md", "Fine.\n", 0644));

  net::ClientRequest call;
  call.method = "POST";
  call.url = worker.variables().at("ANTHROPIC_BASE_URL") + "/v1/messages";
  call.headers = {{"content-type", "application/json"}};
  call.body = fmt::format(
      R"({{"model":"{}","max_tokens":100,"messages":[{{"role":"user","content":"Well?"}}]}})",
      text_of(given.turn, "model"));
  EXPECT_EQ(world_.api().send(call).status, 401);
  call.headers.add("x-api-key", world_.api().token());
  EXPECT_EQ(world_.api().send(call).status, 401) << "the token of people is not the unit's";
  call.headers = {{"content-type", "application/json"},
                  {"x-api-key", worker.variables().at("ANTHROPIC_AUTH_TOKEN")}};
  auto const answer = world_.api().send(call);
  EXPECT_EQ(answer.status, 200) << answer.text;
  EXPECT_THAT(answer.text, HasSubstr("Think."));

  worker.finish(given.name(), "Reviewed.");
  auto const end = end_of(run);
  EXPECT_EQ(text_of(end, "state"), "succeeded") << json::serialize(end);
  EXPECT_EQ(text_of(end, "reply"), "Reviewed.");
  EXPECT_EQ(repository_.git({"show", "HEAD:review.md"}), "Fine.");
  auto const events = world_.api().events(run);
  EXPECT_EQ(count_of(events, "commit"), 1U);
  EXPECT_EQ(count_of(events, "usage"), 1U);
  EXPECT_EQ(text_of(last_of(events, "message-delta"), "turn_id"), run.run);
  // Numbered events are where they are for every run, and not among the program's own words.
  EXPECT_TRUE(eventually([&] {
    return redis_.cli({"XLEN", "task:run:" + run.run}) == std::to_string(events.size());
  }));
  EXPECT_THAT(redis_.cli({"XRANGE", worker.variables().at("DROVER_UNIT_OUT_TOPIC"), "-", "+"}),
              Not(HasSubstr("turn-complete")));
  EXPECT_EQ(world_.api().send(call).status, 409) << "between turns there is nothing to pay for";

  // The same program has the session's next turn.
  auto const second = world_.api().send_message(run.session, "once more", {{"max_turns", 1}});
  auto const next = worker.turn();
  EXPECT_EQ(text_of(next.turn, "prompt"), "once more");
  ASSERT_TRUE(worker.take(next));
  EXPECT_EQ(world_.api().send(call).status, 200);
  EXPECT_EQ(world_.api().send(call).status, 403) << "its one call is used up";
  worker.finish(next.name(), "Again.");
  EXPECT_EQ(text_of(end_of(second), "reply"), "Again.");

  EXPECT_THAT(unit_users(), HasSubstr(worker.variables().at("DROVER_UNIT_ID")));
  world_.stop_server();
  serves_ = false;
  EXPECT_EQ(unit_users(), "");
  EXPECT_EQ(redis_.cli({"KEYS", "unit:*"}), "");
}

TEST_F(ThirdParty, ReachesItsTwoKeysAndNothingElse) {
  serve();
  auto const run = dispatch();
  auto const variables = environment(run.session);
  std::string const in = variables.at("DROVER_UNIT_IN_TOPIC");
  std::string const out = variables.at("DROVER_UNIT_OUT_TOPIC");
  Worker worker{variables};
  worker.come();
  auto const given = worker.turn();
  redis_.cli({"XADD", "unit:other:in", "*", "turn", "{}"});
  redis_.cli({"SET", "k", "v"});
  struct Case {
    Command command;
    bool harmless = true;  // to be tried by somebody who may
  };
  for (Case const& one :
       std::vector<Case>{{{"XREAD", "COUNT", "1", "STREAMS", "unit:other:in", "0"}},
                         {{"XREAD", "COUNT", "1", "STREAMS", out, "0"}},
                         {{"XREAD", "COUNT", "1", "STREAMS", "task:run:" + run.run, "0"}},
                         {{"XRANGE", "task:dispatch:background-agent", "-", "+"}},
                         {{"XADD", "unit:other:out", "*", "event", "{}"}},
                         {{"XADD", "task:run:" + run.run + "x", "*", "event", "{}"}},
                         {{"XADD", in, "NOMKSTREAM", "0-1", "turn", "{}"}, false},
                         {{"GET", "k"}},
                         {{"SET", "k", "v"}},
                         {{"DEL", "k2"}},
                         {{"DEL", out}, false},
                         {{"EXPIRE", out, "1000"}},
                         {{"KEYS", "*"}},
                         {{"SCAN", "0"}},
                         {{"DBSIZE"}},
                         {{"SELECT", "1"}},
                         {{"MULTI"}, false},
                         {{"CONFIG", "GET", "maxmemory"}},
                         {{"ACL", "WHOAMI"}},
                         {{"ACL", "USERS"}},
                         {{"CLIENT", "LIST"}},
                         {{"INFO"}},
                         {{"COMMAND", "COUNT"}},
                         {{"EVAL", "return 1", "0"}},
                         {{"PUBLISH", "c", "m"}},
                         {{"SUBSCRIBE", "c"}, false},
                         {{"XGROUP", "CREATE", in, "g", "0"}},
                         {{"XINFO", "STREAM", in}},
                         {{"DEBUG", "SLEEP", "0"}},
                         {{"FLUSHALL"}, false},
                         {{"SHUTDOWN"}, false}}) {
    auto const reply = worker.call(one.command);
    EXPECT_TRUE(reply.text.starts_with("NOPERM")) << one.command.front() << ": " << reply.text;
    if (!one.harmless) continue;
    // It is the right that is missing, not the thing.
    EXPECT_THAT(redis_.cli(one.command), Not(HasSubstr("ERR"))) << one.command.front();
  }
  EXPECT_EQ(redis_.cli({"GET", "k"}), "v");
  // What it may.
  EXPECT_EQ(worker.call({"PING"}).text, "PONG");
  EXPECT_TRUE(worker.call({"XRANGE", in, "-", "+"}).is_array());
  ASSERT_TRUE(worker.take(given));
  worker.finish(given.name(), "ok");
  EXPECT_EQ(text_of(end_of(run), "state"), "succeeded");
}

TEST_F(ThirdParty, WhatIsForgedOrMalformedIsRefusedAndDoesNotHurtTheRun) {
  serve();
  Begun begun{*this};
  auto& [run, worker, given] = begun;
  ASSERT_TRUE(worker.take(given));
  std::string const name = given.name();
  worker.say_text("{not json");
  worker.say_text(fmt::format(R"({{"type":"turn-complete","turn_id":"{}"}})", name));
  worker.say_text(
      fmt::format(R"({{"type":"message-delta","turn_id":"{}","text":"x","epoch":9}})", name));
  worker.say_text(
      R"({"type":"done","turn_id":"run-x.1","ok":true,"reply":"forged","sessionId":""})");
  worker.say_text(fmt::format(
      R"({{"type":"done","turn_id":"{}.7","ok":true,"reply":"forged","sessionId":""}})", run.run));
  worker.say_text(fmt::format(R"({{"type":"message-delta","turn_id":"{}","text":"{}"}})", name,
                              std::string(3 << 20U, 'x')));
  worker.call({"XADD", worker.variables().at("DROVER_UNIT_OUT_TOPIC"), "*", "other", "x"});
  worker.say_delta(name, "still here");
  worker.finish(name, "true");
  auto const end = end_of(run);
  EXPECT_EQ(text_of(end, "state"), "succeeded") << json::serialize(end);
  EXPECT_EQ(text_of(end, "reply"), "true");
  auto const events = world_.api().events(run);
  EXPECT_EQ(count_of(events, "error"), 7U);
  EXPECT_EQ(count_of(events, "message-delta"), 1U);
  EXPECT_EQ(count_of(events, "done"), 1U);
  EXPECT_EQ(count_of(events, "turn-complete"), 1U);
}

// A program that is silent is taken for lost; what it says later is about an attempt that is over.
TEST_F(ThirdParty, AnAttemptThatIsOverCannotBeSpokenFor) {
  world_.set_variable("DROVER_THIRD_PARTY_SILENCE_S", "1");
  serve();
  auto const run = dispatch();
  Worker worker{environment(run.session)};
  worker.come();
  auto const first = worker.turn();
  ASSERT_TRUE(worker.take(first));
  ASSERT_TRUE(eventually([&] { return integer_or(world_.api().run(run.run), "epoch", 0) > 1; }));
  // It was cut off when the unit ended, and comes again as the unit is started again.
  worker.leave();
  worker.come();
  auto second = worker.turn();
  EXPECT_EQ(integer_or(second.turn, "epoch", 0), 2);
  EXPECT_NE(second.name(), first.name());
  worker.finish(first.name(), "too late");
  ASSERT_TRUE(worker.take(second));
  worker.finish(second.name(), "in time");
  auto const end = end_of(run);
  EXPECT_EQ(text_of(end, "state"), "succeeded") << json::serialize(end);
  EXPECT_EQ(text_of(end, "reply"), "in time");
}

TEST_F(ThirdParty, ARestartOfRedisWithoutItsDataDoesNotEndTheTurn) {
  serve();
  Begun begun{*this};
  auto& [run, worker, given] = begun;
  // Before anybody has it.
  redis_.kill();
  redis_.start();
  worker.leave();
  worker.come();
  Worker fresh{worker.variables()};
  fresh.come();
  auto const again = fresh.turn();
  EXPECT_EQ(again.name(), given.name());
  ASSERT_TRUE(fresh.take(again));
  fresh.say_delta(again.name(), "begun");
  ASSERT_TRUE(world_.api().await_event(run, "message-delta"));
  // And while one works on it.
  redis_.kill();
  redis_.start();
  fresh.leave();
  fresh.come();
  fresh.finish(again.name(), "after all");
  auto const end = end_of(run);
  EXPECT_EQ(text_of(end, "state"), "succeeded") << json::serialize(end);
  EXPECT_EQ(text_of(end, "reply"), "after all");
  EXPECT_EQ(redis_.cli({"XLEN", worker.variables().at("DROVER_UNIT_IN_TOPIC")}), "0")
      << "a turn that is taken is not given out again";
}

TEST_F(ThirdParty, AFlushedTurnIsGivenAgain) {
  serve();
  Begun begun{*this};
  auto& [run, worker, given] = begun;
  redis_.cli({"FLUSHALL"});
  Worker fresh{worker.variables()};
  fresh.come();
  auto const again = fresh.turn();
  EXPECT_EQ(again.name(), given.name());
  ASSERT_TRUE(fresh.take(again));
  fresh.finish(again.name(), "once");
  EXPECT_EQ(text_of(end_of(run), "reply"), "once");
}

TEST_F(ThirdParty, OfTwoProgramsOneHasTheTurn) {
  serve();
  auto run = dispatch();
  auto const variables = environment(run.session);
  Worker one{variables};
  Worker other{variables};
  one.come();
  other.come();
  for (int round = 0; round < 5; ++round) {
    auto const seen_by_one = one.turn();
    auto const seen_by_other = other.turn();
    EXPECT_EQ(seen_by_one.id, seen_by_other.id);
    bool const other_first = round % 2 == 1;
    bool const first = other_first ? other.take(seen_by_other) : one.take(seen_by_one);
    bool const second = other_first ? one.take(seen_by_one) : other.take(seen_by_other);
    EXPECT_TRUE(first);
    EXPECT_FALSE(second);
    (other_first ? other : one).finish(seen_by_one.name(), std::to_string(round));
    auto const events = world_.api().events(run);
    EXPECT_EQ(fault_of(events, run.run), "");
    EXPECT_EQ(count_of(events, "turn-accepted"), 1U);
    EXPECT_EQ(text_of(events.back().data, "reply"), std::to_string(round));
    run = world_.api().send_message(run.session, "next");
  }
  (void)world_.api().post(fmt::format("/api/v1/runs/{}/cancel", run.run), {});
  (void)world_.api().events(run);
}

// Programs of the original contract name their turns themselves.
TEST_F(ThirdParty, MayNameItsTurnItself) {
  serve();
  Begun begun{*this};
  auto& [run, worker, given] = begun;
  worker.say({{"type", "turn-accepted"}, {"turn_id", "mine-1"}, {"nonce", given.turn.at("nonce")}});
  worker.say_delta("mine-1", "hello");
  worker.finish("mine-1", "done");
  auto const events = world_.api().events(run);
  EXPECT_EQ(fault_of(events, run.run), "");
  EXPECT_EQ(text_of(last_of(events, "message-delta"), "turn_id"), run.run);
  EXPECT_EQ(text_of(events.back().data, "reply"), "done");
}

TEST_F(ThirdParty, ARunThatNobodyTakesEndsWithOneSentence) {
  world_.set_variable("DROVER_THIRD_PARTY_START_S", "1");
  serve();
  auto const run = dispatch();
  auto const end = end_of(run);
  EXPECT_EQ(text_of(end, "state"), "failed");
  EXPECT_EQ(text_of(end, "reason"), "start_failed");
  EXPECT_THAT(text_of(end, "detail"), HasSubstr("drover sessions env " + run.session));
  EXPECT_EQ(unit_users(), "");
}

TEST_F(ThirdParty, IsInterruptedToldToStopAndShutOut) {
  serve();
  Begun begun{*this};
  auto& [run, worker, given] = begun;
  ASSERT_TRUE(worker.take(given));
  worker.say_delta(given.name(), "working");
  ASSERT_TRUE(world_.api().await_event(run, "message-delta"));
  (void)world_.api().post(fmt::format("/api/v1/runs/{}/cancel", run.run), {});
  EXPECT_EQ(text_of(worker.turn().turn, "type"), "interrupt");
  EXPECT_EQ(text_of(worker.turn().turn, "type"), "stop");
  EXPECT_EQ(text_of(end_of(run), "state"), "cancelled");
  EXPECT_TRUE(worker.call({"PING"}).is_error());
  EXPECT_FALSE(worker.try_to_come());
}

TEST_F(ThirdParty, UsersThatADeadServerLeftAreRemovedAndOthersAreNot) {
  redis_.cli({"ACL", "SETUSER", "drover-unit-0-agent-gone", "on", ">x"});
  redis_.cli({"ACL", "SETUSER", "drover-unit-7-agent-theirs", "on", ">x"});
  serve();
  EXPECT_TRUE(eventually([&] { return unit_users() == "drover-unit-7-agent-theirs\n"; }))
      << unit_users();
}

TEST_F(ThirdParty, ItsAddressLastsLongerThanTheServer) {
  serve();
  auto const run = dispatch();
  auto const before = environment(run.session);
  Worker worker{before};
  worker.come();
  ASSERT_TRUE(worker.take(worker.turn()));
  world_.kill_server();
  serve();
  EXPECT_EQ(environment(run.session).at("REDIS_URL"), before.at("REDIS_URL"));
  Worker again{before};
  again.come();
  GivenTurn given = again.turn();
  while (integer_or(given.turn, "epoch", 0) < 2)
    given = again.turn();
  ASSERT_TRUE(again.take(given));
  again.finish(given.name(), "after the crash");
  EXPECT_EQ(text_of(end_of(run), "reply"), "after the crash");
}

TEST_F(ThirdParty, LimitsThatCannotBeHeldAreRefused) {
  serve();
  Api api = world_.api();
  auto invocation = World::invocation(api.add_workspace(repository_.path()),
                                      world_.model(R"([{"text": "Yes."}])"), "go");
  invocation["limits"] = json::object{{"memory_mb", 100}};
  invocation["runner"] = kRunner;
  auto const refused = api.post("/api/v1/runs", invocation);
  EXPECT_THAT(refused.error_text(), HasSubstr("cannot be limited"));
  EXPECT_EQ(refused.error_pointer(), "/limits");
  invocation["runner"] = "native";
  (void)api.events(api.dispatch(invocation));
}

TEST_F(ThirdParty, IsRefusedWhereNothingLetsItIn) {
  world_.set_variable("DROVER_THIRD_PARTY_RUNNERS", "native");
  EXPECT_THAT(world_.drover({"serve"}).err, HasSubstr("'native'"));
  world_.set_variable("DROVER_THIRD_PARTY_RUNNERS", std::string{kRunner});
  EXPECT_THAT(world_.drover({"serve", "--no-worker"}).err, HasSubstr("own worker"));
  EXPECT_THAT(world_.drover({"serve", "--broker", "embedded"}).err, HasSubstr("needs Redis"));
  redis_.cli({"ACL", "SETUSER", "plain", "on", ">x", "~*", "+@all", "-acl"});
  auto const refused = world_.drover(
      {"serve", "--broker", fmt::format("redis://plain:x@127.0.0.1:{}", redis_.port())});
  EXPECT_THAT(refused.err, HasSubstr("+acl|setuser"));

  world_.set_variable("DROVER_THIRD_PARTY_RUNNERS", "");
  serve();
  Api api = world_.api();
  auto const workspace = api.add_workspace(repository_.path());
  auto invocation = World::invocation(workspace, world_.model(R"([{"text": "Yes."}])"), "go");
  auto const ours = api.dispatch(invocation);
  EXPECT_THAT(world_.drover({"sessions", "env", ours.session}).err, HasSubstr("drover's own"));
  invocation["runner"] = kRunner;
  EXPECT_THAT(api.post("/api/v1/runs", invocation).error_text(), HasSubstr("command:reviewer"));
  (void)api.events(ours);
}

}  // namespace
}  // namespace drover::harness
